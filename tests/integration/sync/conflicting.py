"""Both sides edited at once, and the items that come of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shared.model import EntityType
from shared.store.conflict_listing import ConflictFilter, ConflictListing
from tests.integration.sync.vendor import a_candidate
from tests.integration.sync.world import World

DUE = timedelta(hours=48)


async def with_emails(world: World, count: int) -> list[dict[str, Any]]:
    """Return *count* of the vendor's candidates that have exactly one address."""
    people = (await world.vendor_state())["candidates"]
    found = [each for each in people if len(each["email_addresses"]) == 1]
    return found[:count]


async def edit_both(world: World, people: list[dict[str, Any]], tag: str = "") -> None:
    """Change the e-mail of each of *people* on both sides, and let the jobs run."""
    for number, person in enumerate(people):
        record = await world.record_of(EntityType.CANDIDATE, person["id"])
        await world.edit_here(EntityType.CANDIDATE, record["id"], email=f"portal{number}{tag}@example.org")
        address = {"value": f"vendor{number}{tag}@example.org", "type": "personal"}
        await world.edit_at_vendor("candidates", person["id"], {"email_addresses": [address]})
    await world.drain()


async def items(world: World, **wanted: Any) -> list[dict[str, Any]]:
    """Return the listed conflicts."""
    listing = ConflictListing(DUE)
    async with world.services.database.company(world.company_id) as tx:
        return await listing.page(tx, ConflictFilter(**wanted), after=None, limit=100)


async def conflicting_emails(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """Edit one e-mail on both sides; return the vendor's candidate and our record as they were."""
    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    await world.edit_here(EntityType.CANDIDATE, record["id"], email="from.portal@example.org")
    await world.edit_at_vendor(
        "candidates", candidate["id"], {"email_addresses": [{"value": "from.vendor@example.org", "type": "personal"}]}
    )
    await world.control.delete("/requests")
    await world.drain()
    return candidate, record
