"""Moving in with a table of ids: records that are on both sides are linked, and nothing is created."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.adapters.http import calling
from shared.errors import Conflict, LiaisonError
from shared.model import EntityType
from shared.sync.identity.id_map_rows import Verdict
from tests.integration.sync.world import World

CANDIDATE = EntityType.CANDIDATE


async def moved_in(world: World, count: int) -> list[tuple[UUID, dict[str, Any]]]:
    """Enter people of the vendor's here under other addresses, so that no match could find them."""
    people = (await world.vendor_state())["candidates"][:count]
    made = []
    for number, person in enumerate(people):
        record = await world.services.edits.create_candidate(
            world.company_id, {"email": f"moved{number}@example.org", "last_name": "Moved"}, actor="test"
        )
        made.append((record.id, person))
    return made


def table(pairs: list[tuple[object, object]]) -> str:
    return "entity,internal_id,external_id\n" + "".join(f"candidate,{mine},{theirs}\n" for mine, theirs in pairs)


async def run(world: World, text: str, *, is_trial: bool = False) -> list[tuple[int, Verdict]]:
    results = await world.services.id_maps.run(world.company_id, world.integration_id, text, is_trial=is_trial)
    return [(each.line, each.verdict) for each in results]


@pytest.mark.parametrize("looked_up", [50, 0])
async def test_what_it_names_is_linked_and_never_created(
    world: World, monkeypatch: pytest.MonkeyPatch, looked_up: int
) -> None:
    """Few ids are looked up one by one, many in the vendor's list."""
    monkeypatch.setattr("shared.sync.identity.id_map.LOOK_UP_AT_MOST", looked_up)
    people = await moved_in(world, 3)
    text = table([(mine, person["id"]) for mine, person in people])
    before = await world.rows("SELECT * FROM external_entity_map")
    assert await run(world, text, is_trial=True) == [(line, Verdict.LINKED) for line in (2, 3, 4)]
    assert await world.rows("SELECT * FROM external_entity_map") == before
    assert await run(world, text) == [(line, Verdict.LINKED) for line in (2, 3, 4)]
    await world.pull()
    for mine, person in people:
        assert (await world.record_of(CANDIDATE, person["id"]))["id"] == mine
    total = len((await world.vendor_state())["candidates"])
    assert len(await world.rows("SELECT 1 FROM records WHERE entity_type = 'candidate'")) == total
    assert await run(world, text) == [(line, Verdict.ALREADY_LINKED) for line in (2, 3, 4)]


async def test_a_row_whose_answer_did_not_come_is_sent_again(world: World) -> None:
    (free, person), (other, troubled) = await moved_in(world, 2)
    fault = {"kind": "error", "method": "GET", "path": f"/v3/candidates/{troubled['id']}", "status": 503, "times": 1}
    (await world.control.post("/faults", json=fault)).raise_for_status()
    rows: list[tuple[object, object]] = [(free, person["id"]), (other, troubled["id"])]
    assert await run(world, table(rows)) == [(2, Verdict.LINKED), (3, Verdict.NOT_CHECKED)]
    assert await run(world, table(rows)) == [(2, Verdict.ALREADY_LINKED), (3, Verdict.LINKED)]


async def test_what_the_vendor_refuses_is_told_as_it_is(world: World) -> None:
    (mine, person), *_ = await moved_in(world, 1)
    fault = {"kind": "error", "method": "GET", "path": f"/v3/candidates/{person['id']}", "status": 403, "times": 1}
    (await world.control.post("/faults", json=fault)).raise_for_status()
    with pytest.raises(LiaisonError):
        await run(world, table([(mine, person["id"])]))


async def test_each_row_is_judged_against_both_sides(world: World) -> None:
    people = await moved_in(world, 4)
    archived, linked, free, other = (mine for mine, _ in people)
    theirs = [person["id"] for _, person in people]
    await world.execute("UPDATE records SET archived_at = now() WHERE id = %(id)s", id=archived)
    assert await run(world, table([(linked, theirs[1])])) == [(2, Verdict.LINKED)]
    rows: list[tuple[object, object]] = [
        (uuid4(), theirs[2]),
        (archived, theirs[0]),
        (linked, theirs[3]),
        (other, theirs[1]),
        (free, "no-such-id"),
    ]
    assert await run(world, table(rows)) == [
        (2, Verdict.UNKNOWN_HERE),
        (3, Verdict.ARCHIVED_HERE),
        (4, Verdict.LINKED_ELSEWHERE),
        (5, Verdict.LINKED_ELSEWHERE),
        (6, Verdict.UNKNOWN_AT_VENDOR),
    ]


async def test_what_there_was_no_time_for_is_said_and_not_linked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.sync.identity.id_map.CHECKING_S", -1.0)
    ((mine, person),) = await moved_in(world, 1)
    assert await run(world, table([(mine, person["id"])])) == [(2, Verdict.NOT_CHECKED)]
    assert await world.rows("SELECT 1 FROM external_entity_map") == []


async def test_whoever_is_merged_while_the_vendor_is_asked_gets_no_link(world: World) -> None:
    """Else the link would stand at a record that is part of another one, and no reconcile would find it."""
    (mine, person), (survivor, _) = await moved_in(world, 2)
    to_merge = [mine]

    async def merge_meanwhile() -> None:
        while to_merge:
            await world.services.merges.merge(world.company_id, survivor, to_merge.pop(), {}, actor="jo")

    with calling(merge_meanwhile), pytest.raises(Conflict):
        await run(world, table([(mine, person["id"])]))
    assert await world.rows("SELECT 1 FROM external_entity_map") == []
