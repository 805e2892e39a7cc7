"""Writes that a vendor answers with 200 and does not keep: tried twice, told to people, over when both sides agree."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import JsonValue

from shared.model import EntityType
from tests.integration.sync.world import World

CANDIDATE = EntityType.CANDIDATE


async def person_with_title(world: World) -> dict[str, Any]:
    return next(each for each in (await world.vendor_state())["candidates"] if each["title"])


async def there(world: World, person: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in (await world.vendor_state())["candidates"] if each["id"] == person["id"])


async def open_issues(world: World) -> list[tuple[str, str]]:
    rows = await world.rows("SELECT kind, subject FROM issues WHERE ended_at IS NULL ORDER BY subject")
    return [(row["kind"], row["subject"]) for row in rows]


async def writes(world: World) -> int:
    return sum(request["method"] == "PATCH" for request in await world.requests())


async def dropped(world: World, **changes: JsonValue) -> dict[str, Any]:
    """Edit a person here while Greenhouse keeps nothing of what is written; return the vendor's record of them."""
    await world.pull()
    person = await person_with_title(world)
    record = await world.record_of(CANDIDATE, person["id"])
    await world.control.post("/faults", json={"kind": "ignore", "method": "PATCH", "path": "/v3/.*", "times": None})
    await world.edit_here(CANDIDATE, record["id"], **changes)
    await world.drain()
    return person


@pytest.mark.parametrize(
    ("unit", "value"), [("current_title", "Ours"), ("tags", ["Ours"]), ("current_title", None)], ids=str
)
async def test_a_write_that_is_dropped_twice_is_told_by_record_and_field(
    world: World, unit: str, value: JsonValue
) -> None:
    person = await dropped(world, **{unit: value})

    record = await world.record_of(CANDIDATE, person["id"])
    assert await writes(world) == 2
    assert await open_issues(world) == [("value_refused", f"candidate/{record['id']}/{unit}")]
    await world.pull(CANDIDATE, mode="full")
    assert await writes(world) == 2, "it was sent a third time"
    assert len(await open_issues(world)) == 1, "nothing has changed"


@pytest.mark.parametrize("side", ["theirs becomes ours", "theirs is another", "ours goes back", "ours is written"])
async def test_what_is_told_of_a_dropped_write_ends_when_both_sides_agree(world: World, side: str) -> None:
    person = await dropped(world, current_title="Ours")
    record = await world.record_of(CANDIDATE, person["id"])
    assert len(await open_issues(world)) == 1

    match side:
        case "theirs becomes ours":
            await world.edit_at_vendor("candidates", person["id"], {"title": "Ours"})
            await world.pull(CANDIDATE)
        case "theirs is another":
            await world.edit_at_vendor("candidates", person["id"], {"title": "Theirs"})
            await world.pull(CANDIDATE)
        case "ours goes back":
            await world.edit_here(CANDIDATE, record["id"], current_title=person["title"])
        case _:
            await world.control.delete("/faults")
            await world.edit_here(CANDIDATE, record["id"], current_title="Ours anew")
    await world.drain()

    assert await open_issues(world) == []
    after = await world.record_of(CANDIDATE, person["id"])
    assert after["data"]["current_title"] == (await there(world, person))["title"]


@pytest.mark.parametrize("side", ["theirs", "ours"])
async def test_what_is_told_of_a_dropped_tag_ends_when_it_is_on_both_sides_or_on_none(world: World, side: str) -> None:
    person = await dropped(world, tags=["Ours"])
    record = await world.record_of(CANDIDATE, person["id"])
    assert len(await open_issues(world)) == 1
    theirs = (await there(world, person))["tags"]

    if side == "theirs":
        await world.edit_at_vendor("candidates", person["id"], {"tags": ["Ours"]})
        await world.pull(CANDIDATE)
    else:
        await world.edit_here(CANDIDATE, record["id"], tags=theirs)
    await world.drain()

    assert await open_issues(world) == []
    after = await world.record_of(CANDIDATE, person["id"])
    assert sorted(after["data"].get("tags", [])) == sorted((await there(world, person))["tags"])


async def test_what_is_told_of_a_refused_value_ends_when_both_sides_agree(world: World) -> None:
    """A refusal in so many words is told under the same kind, and ends in the same way."""
    await world.pull()
    person = await person_with_title(world)
    record = await world.record_of(CANDIDATE, person["id"])
    await world.control.post("/faults", json={"kind": "error", "status": 422, "method": "PATCH", "path": "/v3/.*"})
    await world.edit_here(CANDIDATE, record["id"], current_title="Ours")
    await world.drain()
    assert await open_issues(world) == [("value_refused", f"candidate/{record['id']}/current_title")]

    await world.edit_here(CANDIDATE, record["id"], current_title="Ours anew")
    await world.drain()
    assert await open_issues(world) == []
