"""Phone numbers without a country belong to the company's: `python -m shared.cli company region GB`."""

from __future__ import annotations

from uuid import uuid4

import pytest

from shared.errors import InvalidInput, NotFound
from shared.model import EntityType
from shared.store.companies import Companies
from tests.integration.sync.vendor import a_candidate, signal, writes
from tests.integration.sync.world import World


async def test_another_spelling_of_the_company_s_country_is_no_change(world: World) -> None:
    async with world.services.database.company(world.company_id) as tx:
        await Companies().set_region(tx, "GB")
    await world.pull()
    candidate = await a_candidate(world)
    record = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    await world.edit_here(EntityType.CANDIDATE, record["id"], phone="+44 20 7946 0018")
    await world.drain()
    await world.control.delete("/requests")
    local = {"phone_numbers": [{"value": "(020) 7946 0018", "type": "mobile"}]}
    await world.edit_at_vendor("candidates", candidate["id"], local)
    await signal(world, EntityType.CANDIDATE, candidate["id"])
    after = await world.record_of(EntityType.CANDIDATE, candidate["id"])
    assert after["data"]["phone"] == "+44 20 7946 0018"
    assert await writes(world) == []


async def test_a_region_is_a_country_of_a_company(world: World) -> None:
    async with world.services.database.company(world.company_id) as tx:
        with pytest.raises(InvalidInput, match="Britain"):
            await Companies().set_region(tx, "Britain")
        await Companies().set_region(tx, None)
    async with world.services.database.company(uuid4()) as tx:
        with pytest.raises(NotFound):
            await Companies().set_region(tx, "GB")


async def test_pain_32_an_erased_person_does_not_come_back_by_their_number_in_another_form(world: World) -> None:
    await world.pull(EntityType.JOB)
    person = await a_candidate(world)
    await world.edit_at_vendor(
        "candidates", person["id"], {"phone_numbers": [{"value": "+49 171 2345678", "type": "mobile"}]}
    )
    async with world.services.database.company(world.company_id) as tx:
        await Companies().set_region(tx, "DE")
        await world.services.suppression.suppress_identity(tx, {"phone": "0171 2345678"}, reason="erasure")
        assert await world.services.suppression.holds(tx, {"phone": "+491712345678"})
    run = await world.run_of(await world.pull(EntityType.CANDIDATE))
    assert (run["records_suppressed"], run["status"]) == (1, "complete")
    async with world.services.database.company(world.company_id) as tx:
        await world.services.suppression.lift(tx, {"phone": "+49 171 2345678"})
    assert await world.rows("SELECT 1 FROM suppressions") == []
