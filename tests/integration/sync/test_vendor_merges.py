"""People whom the vendor merged: the link goes on, and two of ours become one by policy or by a person."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from shared.adapters.protocol import Change, ChangeKind
from shared.model import Direction, EntityType
from shared.store.ledger import JobRequest
from shared.sync.priorities import RECONCILE, WEBHOOK_SIGNAL
from shared.sync.vendor_merges import MERGED_INTO
from tests.integration.sync.test_deletes import configure
from tests.integration.sync.test_identity import vendor_person
from tests.integration.sync.world import World, fresh_token

CANDIDATE = EntityType.CANDIDATE


async def person(world: World, first_name: str, **fields: Any) -> int:
    emails = [{"value": f"{first_name.lower()}.{fresh_token()}@example.org", "type": "personal"}]
    return await vendor_person(
        world, first_name=first_name, last_name="Lovelace", **{"email_addresses": emails, **fields}
    )


async def merge_there(world: World, winner: int, loser: int) -> None:
    """Merge two of the vendor's people there, and do what the webhook worker does with its event."""
    response = await world.control.post(
        f"/candidates/{winner}/merge?webhooks=false", json={"secondary_candidate_id": loser}
    )
    response.raise_for_status()
    await tell(world, winner, loser)


async def tell(world: World, winner: int, loser: int) -> None:
    change = Change(CANDIDATE, str(loser), ChangeKind.MERGED, merged_into=str(winner))
    services = world.services
    async with services.database.company(world.company_id) as tx:
        ids = [str(winner), change.external_id]
        keys = await services.store.links.record_keys(tx, world.integration_id, CANDIDATE, ids)
        payloads: dict[str, dict[str, Any]] = {str(winner): {}, change.external_id: {MERGED_INTO: change.merged_into}}
        await services.store.ledger.enqueue(
            tx,
            [
                JobRequest(
                    world.integration_id,
                    RECONCILE,
                    CANDIDATE,
                    keys[each],
                    Direction.INBOUND,
                    WEBHOOK_SIGNAL,
                    payloads[each],
                )
                for each in ids
            ],
        )
    await world.drain()


async def links_of(world: World, record_id: UUID) -> dict[str, tuple[str, bool]]:
    rows = await world.rows(
        "SELECT external_id, state, is_primary FROM external_entity_map WHERE internal_id = %(id)s", id=record_id
    )
    return {row["external_id"]: (row["state"], row["is_primary"]) for row in rows}


async def test_a_link_goes_on_to_the_person_that_is_left(world: World) -> None:
    loser = await person(world, "Ada", title="Analyst")
    await world.pull(CANDIDATE)
    record = await world.record_of(CANDIDATE, loser)
    winner = await person(world, "Ada")
    response = await world.control.post(
        f"/candidates/{winner}/merge?webhooks=false", json={"secondary_candidate_id": loser}
    )
    response.raise_for_status()
    # The event of the one that went is worked on first: nobody here knows the one that is left.
    services = world.services
    async with services.database.company(world.company_id) as tx:
        await services.store.ledger.enqueue(
            tx,
            [
                JobRequest(
                    world.integration_id,
                    RECONCILE,
                    CANDIDATE,
                    str(record["id"]),
                    Direction.INBOUND,
                    WEBHOOK_SIGNAL,
                    {MERGED_INTO: str(winner)},
                )
            ],
        )
    await world.drain()
    assert await links_of(world, record["id"]) == {str(winner): ("live", True), str(loser): ("gone", False)}
    after = await world.row("SELECT data, archived_at FROM records WHERE id = %(id)s", id=record["id"])
    assert after["archived_at"] is None
    assert after["data"]["current_title"] == "Analyst"
    count = "SELECT count(*) AS n FROM records WHERE entity_type = 'candidate'"
    before = (await world.row(count))["n"]
    await world.pull(CANDIDATE, mode="full")
    assert (await world.row(count))["n"] == before


async def test_two_records_that_the_vendor_merged_are_asked_about(world: World) -> None:
    winner, loser = await person(world, "Ada"), await person(world, "Augusta")
    await world.pull(CANDIDATE)
    one, two = await world.record_of(CANDIDATE, winner), await world.record_of(CANDIDATE, loser)
    await merge_there(world, winner, loser)
    (item,) = await world.rows("SELECT * FROM conflicts WHERE status = 'open' AND reason = 'merged_at_vendor'")
    assert (item["kind"], item["record_id"], item["matches"]) == ("possible_duplicate", two["id"], [one["id"]])
    assert await links_of(world, two["id"]) == {str(loser): ("gone", True)}
    lives = await world.row("SELECT archived_at FROM records WHERE id = %(id)s", id=two["id"])
    assert lives["archived_at"] is None
    await tell(world, winner, loser)  # the same event once more
    await world.services.resolutions.resolve(
        world.company_id, item["id"], choice="record", value=str(one["id"]), actor="dm"
    )
    await world.drain()
    assert await links_of(world, one["id"]) == {str(winner): ("live", True), str(loser): ("gone", False)}
    assert await world.rows("SELECT 1 FROM conflicts WHERE status = 'open' AND record_id = %(id)s", id=two["id"]) == []


async def test_by_policy_they_become_one(world: World) -> None:
    await configure(world, "on_vendor_merge", '"merge"')
    await world.pull(EntityType.JOB)
    job = next(
        row for row in (await world.vendor_state())["jobs"] if row["status"] == "open" and not row["is_template"]
    )
    winner = await person(world, "Ada")
    loser = await person(world, "Augusta", application={"job_id": job["id"]})
    await world.pull()
    one, two = await world.record_of(CANDIDATE, winner), await world.record_of(CANDIDATE, loser)
    await merge_there(world, winner, loser)
    async with world.services.database.company(world.company_id) as tx:
        assert await world.services.store.record_merges.survivors(tx, [two["id"]]) == {two["id"]: one["id"]}
    assert await links_of(world, one["id"]) == {str(winner): ("live", True), str(loser): ("gone", False)}
    moved = await world.rows("SELECT id FROM records WHERE candidate_id = %(id)s", id=one["id"])
    assert len(moved) == 1
    merged = await world.row("SELECT merged_by FROM record_merges")
    assert merged["merged_by"] == "vendor:greenhouse"


async def test_two_of_whom_a_person_said_no_are_left_apart(world: World) -> None:
    await configure(world, "on_vendor_merge", '"merge"')
    winner, loser = await person(world, "Ada"), await person(world, "Augusta")
    await world.pull(CANDIDATE)
    one, two = await world.record_of(CANDIDATE, winner), await world.record_of(CANDIDATE, loser)
    async with world.services.database.company(world.company_id) as tx:
        await world.services.store.identity_pairs.put(tx, one["id"], [two["id"]], by="dm")
    await merge_there(world, winner, loser)
    assert await world.rows("SELECT 1 FROM record_merges") == []
    assert await links_of(world, two["id"]) == {str(loser): ("gone", True)}


async def test_what_nothing_shows_is_not_believed(world: World) -> None:
    winner, loser = await person(world, "Ada"), await person(world, "Augusta")
    await world.pull(CANDIDATE)
    two = await world.record_of(CANDIDATE, loser)
    (await world.control.delete(f"/candidates/{loser}?webhooks=false")).raise_for_status()
    await tell(world, winner, loser)
    assert await links_of(world, two["id"]) == {str(loser): ("gone", True)}
    assert await world.rows("SELECT 1 FROM conflicts WHERE reason = 'merged_at_vendor'") == []
    archived = await world.row("SELECT archived_at FROM records WHERE id = %(id)s", id=two["id"])
    assert archived["archived_at"] is not None
