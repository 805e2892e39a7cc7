"""Types of contacts that Greenhouse's documents don't name, both ways (docs/vendors/greenhouse.md, 6.13)."""

from __future__ import annotations

from typing import Any

import pytest

from shared.model import EntityType
from tests.integration.sync.comparing import compare
from tests.integration.sync.vendor import a_candidate, signal, vendor_candidate, writes
from tests.integration.sync.world import World

CANDIDATE = EntityType.CANDIDATE
MOBILE = {"value": "+44 20 7946 0001", "type": "mobile"}
PAGER = {"value": "+44 20 7946 0002", "type": "pager"}
WORK = {"value": "+44 20 7946 0003", "type": "work"}
EDITED = {"value": "+44 20 7946 0004", "type": "work"}
SKYPE = {"value": "live:z", "type": "skype"}


async def somebody_with_a_pager(world: World) -> tuple[int, dict[str, Any]]:
    """Return the vendor's id of a candidate with a pager, and our record of them."""
    candidate = await a_candidate(world)
    await world.edit_at_vendor("candidates", candidate["id"], {"phone_numbers": [MOBILE, SKYPE, PAGER, WORK]})
    await world.pull()
    record = await world.record_of(CANDIDATE, candidate["id"])
    assert record["data"]["further_phones"] == [PAGER, WORK]
    return candidate["id"], record


def in_any_order(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(entries, key=lambda entry: str(entry["value"]))


async def assert_at_rest(world: World, external_id: int, written: int) -> None:
    """Nothing is written again, nothing is taken back, and a comparison finds no difference."""
    version = (await world.record_of(CANDIDATE, external_id))["version"]
    assert (await compare(world))["differences"] == {}
    await signal(world, CANDIDATE, external_id)
    await world.pull(CANDIDATE)
    assert (await compare(world))["differences"] == {}
    assert (await world.record_of(CANDIDATE, external_id))["version"] == version
    assert len(await writes(world)) == written


@pytest.mark.parametrize("is_taken", [True, False], ids=["taken again", "refused"])
async def test_an_edit_here_of_one_phone_leaves_the_type_of_another(world: World, is_taken: bool) -> None:
    world.simulator.settings.keeps_type_words = is_taken
    external_id, record = await somebody_with_a_pager(world)
    await world.control.delete("/requests")
    await world.edit_here(CANDIDATE, record["id"], further_phones=[PAGER, EDITED])
    await world.drain()
    ours = await world.record_of(CANDIDATE, external_id)
    theirs = (await vendor_candidate(world, external_id))["phone_numbers"]
    assert in_any_order(ours["data"]["further_phones"]) == [PAGER, EDITED]
    pager = PAGER if is_taken else PAGER | {"type": "other"}
    assert in_any_order(theirs) == in_any_order([MOBILE, pager, EDITED, SKYPE])
    await assert_at_rest(world, external_id, 1 if is_taken else 2)
    # A type that is chosen there afterwards is an edit as any other.
    chosen = PAGER | {"type": "home"}
    await world.edit_at_vendor("candidates", external_id, {"phone_numbers": [MOBILE, chosen, EDITED]})
    await signal(world, CANDIDATE, external_id)
    assert in_any_order((await world.record_of(CANDIDATE, external_id))["data"]["further_phones"]) == [chosen, EDITED]


async def test_the_number_of_a_pager_is_edited_and_it_stays_a_pager(world: World) -> None:
    external_id, record = await somebody_with_a_pager(world)
    await world.control.delete("/requests")
    moved = PAGER | {"value": "+44 20 7946 0005"}
    await world.edit_here(CANDIDATE, record["id"], further_phones=[moved, WORK])
    await world.drain()
    ours = await world.record_of(CANDIDATE, external_id)
    theirs = (await vendor_candidate(world, external_id))["phone_numbers"]
    assert in_any_order(ours["data"]["further_phones"]) == [WORK, moved]
    assert in_any_order(theirs) == in_any_order([MOBILE, WORK, moved, SKYPE])
    await assert_at_rest(world, external_id, 1)


async def test_a_phone_that_is_cleared_here_gives_way_to_the_next_on_both_sides(world: World) -> None:
    external_id, record = await somebody_with_a_pager(world)
    await world.control.delete("/requests")
    await world.edit_here(CANDIDATE, record["id"], phone=None)
    await world.drain()
    await signal(world, CANDIDATE, external_id)
    ours = (await world.record_of(CANDIDATE, external_id))["data"]
    theirs = (await vendor_candidate(world, external_id))["phone_numbers"]
    assert in_any_order(theirs) == in_any_order([PAGER, WORK, SKYPE])
    assert (ours["phone"], ours["further_phones"]) == (WORK["value"], [PAGER])
    await assert_at_rest(world, external_id, 1)


async def test_a_word_of_ours_that_they_do_not_know_is_other_there(world: World) -> None:
    candidate = await a_candidate(world)
    await world.edit_at_vendor("candidates", candidate["id"], {"phone_numbers": [MOBILE]})
    await world.pull()
    record = await world.record_of(CANDIDATE, candidate["id"])
    await world.control.delete("/requests")
    await world.edit_here(CANDIDATE, record["id"], further_phones=[PAGER])
    await world.drain()
    assert (await world.record_of(CANDIDATE, candidate["id"]))["data"]["further_phones"] == [PAGER]
    theirs = (await vendor_candidate(world, candidate["id"]))["phone_numbers"]
    assert theirs == [MOBILE, PAGER | {"type": "other"}]
    await assert_at_rest(world, candidate["id"], 1)
