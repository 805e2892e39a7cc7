"""People whom the vendor merged: the link goes on, and two of ours become one by policy or by a person."""

from __future__ import annotations

from uuid import UUID

import pytest

from shared.model import Direction, EntityType
from shared.store.ledger import JobRequest
from shared.store.record_merges import merge_key
from shared.sync.candidates.vendor_merges import MOST_WAITS
from shared.sync.jobs.priorities import RECONCILE, WEBHOOK_SIGNAL
from tests.integration.sync.configuring import configure
from tests.integration.sync.links import links_of
from tests.integration.sync.submitting import new_candidate
from tests.integration.sync.vendor import signal
from tests.integration.sync.vendor_merging import ask, merge_silently, merge_there, person, tell
from tests.integration.sync.world import World, fresh_token

CANDIDATE = EntityType.CANDIDATE


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
                    {merge_key(str(loser)): str(winner)},
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


async def test_two_links_of_one_record_that_are_merged_into_two_people_each_go_their_own_way(world: World) -> None:
    losers = [await person(world, "Ada"), await person(world, "Augusta")]
    await world.pull(CANDIDATE)
    one, two = [await world.record_of(CANDIDATE, each) for each in losers]
    await world.services.merges.merge(world.company_id, one["id"], two["id"], {}, actor="dm")
    await world.drain()
    winners = [await person(world, "Ada"), await person(world, "Augusta")]
    for winner, loser in zip(winners, losers, strict=True):
        await merge_silently(world, winner, loser)
        await ask(world, winner, loser)
    await world.drain()
    followed = await world.rows(
        "SELECT external_id, details ->> 'into' AS into_id FROM sync_logs WHERE details ->> 'rule' = 'merged_at_vendor'"
    )
    assert {(row["external_id"], row["into_id"]) for row in followed} == {
        (str(loser), str(winner)) for winner, loser in zip(winners, losers, strict=True)
    }
    left = await links_of(world, one["id"])
    assert {left[str(each)][0] for each in losers} == {"gone"}


@pytest.mark.parametrize("goes", [0, 2])
async def test_of_three_links_of_one_record_one_is_the_primary_whichever_two_the_vendor_merges(
    world: World, goes: int
) -> None:
    people = [await person(world, name) for name in ("Ada", "Augusta", "Annabella")]
    await world.pull(CANDIDATE)
    one, two, three = [(await world.record_of(CANDIDATE, each))["id"] for each in people]
    for other in (two, three):
        await world.services.merges.merge(world.company_id, one, other, {}, actor="dm")
    await world.drain()
    await merge_there(world, people[1], people[goes])
    primary = people[0] if goes == 2 else people[1]
    assert await links_of(world, one) == {
        str(each): ("gone" if each == people[goes] else "live", each == primary) for each in people
    }


async def test_who_is_left_and_is_another_one_of_ours_is_not_overwritten_with_the_one_that_went(world: World) -> None:
    """The record that is left has no link yet, and shows the address of somebody whom another system brought."""
    loser = await person(world, "Augusta")
    await world.pull(CANDIDATE)
    two = await world.record_of(CANDIDATE, loser)
    email = f"ada.{fresh_token()}@example.org"
    one = (await new_candidate(world, first_name="Ada", last_name="Lovelace", email=email, phone=None)).id
    emails = [{"value": email, "type": "personal"}]
    winner = await person(world, "Ada", email_addresses=emails)
    await merge_silently(world, winner, loser)
    await tell(world, winner, loser)
    (item,) = await world.rows("SELECT * FROM conflicts WHERE status = 'open' AND reason = 'merged_at_vendor'")
    assert (item["record_id"], item["matches"]) == (two["id"], [one])
    assert await links_of(world, one) == {str(winner): ("live", True)}
    assert await links_of(world, two["id"]) == {str(loser): ("gone", True)}
    kept = await world.row("SELECT data FROM records WHERE id = %(id)s", id=two["id"])
    assert kept["data"]["email"] == two["data"]["email"]


async def test_what_is_asked_of_a_merged_one_is_asked_of_them_again_once_they_are_parted(world: World) -> None:
    winner, loser, third = [await person(world, each) for each in ("Ada", "Augusta", "Byron")]
    await world.pull(CANDIDATE)
    one, two, three = [await world.record_of(CANDIDATE, each) for each in (winner, loser, third)]
    await merge_there(world, winner, loser)
    services, company = world.services, world.company_id

    async def asked() -> tuple[UUID, set[UUID]]:
        (item,) = await world.rows("SELECT * FROM conflicts WHERE status = 'open' AND reason = 'merged_at_vendor'")
        return item["record_id"], set(item["matches"])

    await services.merges.merge(company, three["id"], two["id"], {}, actor="jo")
    assert await asked() == (three["id"], {one["id"]})
    await services.partings.part(company, three["id"], actor="jo")
    assert await asked() == (two["id"], {one["id"]})
    # Where the other side of the item is parted, either of the two may be meant.
    await services.merges.merge(company, three["id"], one["id"], {}, actor="jo")
    assert await asked() == (two["id"], {three["id"]})
    await services.partings.part(company, three["id"], actor="jo")
    assert await asked() == (two["id"], {one["id"], three["id"]})


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


async def test_a_merge_whose_event_came_before_the_record_did_is_followed(world: World) -> None:
    """What brought it in still showed it; the look that finds it gone was told of nothing, and nobody was asked."""
    winner = await person(world, "Ada")
    await world.pull(CANDIDATE)
    loser = await person(world, "Augusta")
    await tell(world, winner, loser)
    one, two = await world.record_of(CANDIDATE, winner), await world.record_of(CANDIDATE, loser)
    await merge_silently(world, winner, loser)
    await signal(world, CANDIDATE, loser)
    (item,) = await world.rows("SELECT * FROM conflicts WHERE status = 'open' AND reason = 'merged_at_vendor'")
    assert (item["kind"], item["record_id"], item["matches"]) == ("possible_duplicate", two["id"], [one["id"]])


async def test_what_nothing_shows_is_not_believed(world: World) -> None:
    winner, loser = await person(world, "Ada"), await person(world, "Augusta")
    await world.pull(CANDIDATE)
    two = await world.record_of(CANDIDATE, loser)
    (await world.control.delete(f"/candidates/{loser}?webhooks=false")).raise_for_status()
    await tell(world, winner, loser)
    assert await links_of(world, two["id"]) == {str(loser): ("gone", True)}
    assert await world.rows("SELECT 1 FROM conflicts WHERE reason = 'merged_at_vendor'") == []
    one = await world.record_of(CANDIDATE, winner)
    item = await world.row("SELECT * FROM conflicts WHERE status = 'open'")
    asked = ("possible_duplicate", "merge_unproven", two["id"], [one["id"]])
    assert (item["kind"], item["reason"], item["record_id"], item["matches"]) == asked
    archived = await world.row("SELECT archived_at FROM records WHERE id = %(id)s", id=two["id"])
    assert archived["archived_at"] is not None
    await world.services.resolutions.resolve(world.company_id, item["id"], choice="new", actor="dm")
    await tell(world, winner, loser)  # the same event once more
    assert await world.rows("SELECT 1 FROM conflicts WHERE status = 'open'") == []


async def test_a_merge_into_somebody_unknown_is_asked_about_too(world: World) -> None:
    loser, stranger = await person(world, "Augusta"), 900_000_001
    await world.pull(CANDIDATE)
    record = await world.record_of(CANDIDATE, loser)
    (await world.control.delete(f"/candidates/{loser}?webhooks=false")).raise_for_status()
    await tell(world, stranger, loser)
    for _ in range(MOST_WAITS):
        assert await links_of(world, record["id"]) == {str(loser): ("live", True)}, "the next event may be on its way"
        await time_passes(world)
    assert await links_of(world, record["id"]) == {str(loser): ("gone", True)}
    item = await world.row("SELECT * FROM conflicts WHERE status = 'open'")
    assert (item["reason"], item["record_id"], item["matches"]) == ("merge_unproven", record["id"], [])
    await world.services.resolutions.resolve(world.company_id, item["id"], choice="new", actor="dm")


async def test_a_merge_that_nothing_shows_is_asked_about_though_the_one_who_went_was_found_gone_first(
    world: World,
) -> None:
    """The event came after a look that found nobody: two of ours, and nobody was asked; found by the simulation."""
    winner, loser = await person(world, "Ada"), await person(world, "Augusta")
    await world.pull(CANDIDATE)
    one, two = await world.record_of(CANDIDATE, winner), await world.record_of(CANDIDATE, loser)
    (await world.control.delete(f"/candidates/{loser}?webhooks=false")).raise_for_status()
    await signal(world, CANDIDATE, loser)
    assert await links_of(world, two["id"]) == {str(loser): ("gone", True)}
    await tell(world, winner, loser)
    item = await world.row("SELECT * FROM conflicts WHERE status = 'open'")
    assert (item["reason"], item["record_id"], item["matches"]) == ("merge_unproven", two["id"], [one["id"]])
    await world.services.resolutions.resolve(world.company_id, item["id"], choice="new", actor="dm")
    await tell(world, winner, loser)  # the same event once more
    assert await world.rows("SELECT 1 FROM conflicts WHERE status = 'open'") == []


async def test_a_merge_into_somebody_who_is_not_linked_there_yet_is_asked_about_by_their_record(world: World) -> None:
    """The item named nobody, and who came in a moment later stayed beside them; found by the simulation."""
    loser = await person(world, "Augusta")
    await world.pull(CANDIDATE)
    record = await world.record_of(CANDIDATE, loser)
    winner = await person(world, "Ada")
    (shown,) = [each for each in (await world.vendor_state())["candidates"] if each["id"] == winner]
    ours = await world.services.edits.create_candidate(
        world.company_id,
        {
            "first_name": shown["first_name"],
            "last_name": shown["last_name"],
            "email": shown["email_addresses"][0]["value"],
        },
        actor="jo",
    )
    (await world.control.delete(f"/candidates/{loser}?webhooks=false")).raise_for_status()
    await tell(world, winner, loser)
    item = await world.row("SELECT * FROM conflicts WHERE status = 'open' AND reason = 'merge_unproven'")
    assert (item["record_id"], item["matches"]) == (record["id"], [ours.id])


@pytest.mark.parametrize(
    ("order", "is_known"), [("as they were", True), ("the later first", False), ("the later much later", True)]
)
async def test_merges_in_a_row_are_followed_to_their_end(world: World, order: str, is_known: bool) -> None:
    """Ada into Augusta, Augusta into Grace: Ada's link ends at Grace, whichever event comes first."""
    first, second = await person(world, "Ada", title="Analyst"), await person(world, "Augusta")
    await (world.pull(CANDIDATE) if is_known else signal(world, CANDIDATE, first))
    record = await world.record_of(CANDIDATE, first)
    last = await person(world, "Grace")
    await merge_silently(world, second, first)
    await merge_silently(world, last, second)
    events = [(second, first), (last, second)]
    for event in reversed(events) if order == "the later first" else events:
        await tell(world, *event)
        if order == "the later much later":
            await time_passes(world)
    await time_passes(world)
    links = await links_of(world, record["id"])
    assert links[str(first)][0] == "gone"
    # Grace is known by now, by her own event or in Augusta's stead: two of ours are one person there.
    grace = await world.record_of(CANDIDATE, last)
    (item,) = [
        row
        for row in await world.rows("SELECT * FROM conflicts WHERE status = 'open'")
        if row["external_id"] == str(first)
    ]
    assert (item["reason"], item["record_id"]) == ("merged_at_vendor", record["id"])
    assert item["matches"] == [grace["id"]]
    kept = await world.row("SELECT archived_at FROM records WHERE id = %(id)s", id=record["id"])
    assert kept["archived_at"] is None


async def time_passes(world: World) -> None:
    """Let the waits of all jobs be over, and run them."""
    await world.execute("UPDATE sync_queue SET scheduled_at = now() WHERE status = 'pending'")
    await world.drain()
