"""Whoever is parted from a survivor that was archived meanwhile comes back whole, here and as the vendors are asked."""

from __future__ import annotations

from typing import Any

import pytest

from shared.model import EntityType
from tests.integration.sync.archiving import applications_of, archive, deletes, restore
from tests.integration.sync.comparing import ground_of
from tests.integration.sync.configuring import configure
from tests.integration.sync.merging import merge, part, rows_of, two_people
from tests.integration.sync.vendor import at_vendor, signal
from tests.integration.sync.waits import due_now
from tests.integration.sync.world import World

CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION
Person = dict[str, Any]


@pytest.fixture
async def people(world: World) -> tuple[Person, Person]:
    """Two candidates of the vendor's, each with an application for the same job."""
    await world.pull(EntityType.JOB)
    jobs = (await world.vendor_state())["jobs"]
    job = next(row for row in jobs if row["status"] == "open" and not row["is_template"])
    return await two_people(world, application={"job_id": job["id"]})


async def external_id(world: World, person: Person) -> str:
    """The vendor's id of *person*."""
    found = await world.row("SELECT external_id FROM external_entity_map WHERE id = %(id)s", id=person["link_id"])
    return str(found["external_id"])


async def lives(world: World, person: Person) -> bool:
    """Whether *person* is out of the archive."""
    row = await world.row("SELECT archived_at FROM records WHERE id = %(id)s", id=person["id"])
    return row["archived_at"] is None


async def wishes(world: World, person: Person) -> list[str]:
    """What is asked of the vendor for *person* and for the applications."""
    links = [person["link_id"]]
    for each in await applications_of(world, person["id"]):
        links += [row["id"] for row in await links_of(world, each["external_id"])]
    rows = await world.rows("SELECT state FROM removals WHERE link_id = ANY(%(ids)s)", ids=links)
    return [row["state"] for row in rows]


async def links_of(world: World, application: str) -> list[dict[str, Any]]:
    return await world.rows(
        "SELECT id FROM external_entity_map WHERE entity_type = %(entity)s AND external_id = %(id)s",
        entity=APPLICATION.value,
        id=application,
    )


async def test_applications_that_were_archived_with_the_survivor_come_back_with_the_other(
    world: World, people: tuple[Person, Person]
) -> None:
    one, two = people
    before = await rows_of(world, two["id"])
    await merge(world, one["id"], two["id"])
    await archive(world, one["id"])
    await part(world, two["id"])
    assert await rows_of(world, two["id"]) == before
    (theirs,) = await applications_of(world, two["id"])
    assert (theirs["archived_at"], theirs["archived_by"]) == (None, None)
    assert not await lives(world, one)
    (own,) = await applications_of(world, one["id"])
    assert own["archived_by"] == str(one["id"])
    await world.drain()
    assert await lives(world, two)


async def test_one_that_a_person_archived_alone_stays_archived(world: World, people: tuple[Person, Person]) -> None:
    one, two = people
    (theirs,) = await applications_of(world, two["id"])
    await merge(world, one["id"], two["id"])
    await archive(world, theirs["id"], APPLICATION)
    await archive(world, one["id"])
    await part(world, two["id"])
    (after,) = await applications_of(world, two["id"])
    assert after["archived_by"] == "jo"
    await restore(world, after["id"], APPLICATION)


async def test_a_delete_of_ours_whose_answer_was_lost_is_none_of_the_vendors_after_a_parting(
    world: World, people: tuple[Person, Person]
) -> None:
    """It has happened: the other one lives on here with the applications, as after a restore."""
    one, two = people
    await configure(world, "on_archive", '{"candidate": "delete", "application": "delete"}')
    there = await external_id(world, two)
    await merge(world, one["id"], two["id"])
    await world.drain()
    fault = {"kind": "lost_answer", "method": "DELETE", "path": f"/v3/candidates/{there}", "times": 1}
    await world.control.post("/faults", json=fault)
    await archive(world, one["id"])
    await world.drain()
    assert await wishes(world, two) == ["sent"]
    await part(world, two["id"])
    await due_now(world)
    await world.drain()
    assert there not in await at_vendor(world)
    assert await lives(world, two)
    children = await applications_of(world, two["id"])
    assert {(each["state"], each["archived_at"]) for each in children} == {("gone", None)}
    assert await wishes(world, two) == []
    assert ("outbound", "success", "removed_before_restored") in await deletes(world)


@pytest.mark.parametrize("state", ["wanted", "sent"])
async def test_a_delete_that_was_not_made_before_a_parting_is_made_no_more(
    world: World, people: tuple[Person, Person], state: str
) -> None:
    one, two = people
    await configure(world, "on_archive", '{"candidate": "delete", "application": "delete"}')
    here, there = await external_id(world, one), await external_id(world, two)
    await merge(world, one["id"], two["id"])
    await world.drain()
    await archive(world, one["id"])
    await world.execute("UPDATE removals SET state = %(state)s", state=state)  # and the worker died before its call
    await part(world, two["id"])
    await world.drain()
    assert await at_vendor(world) & {here, there} == {there}
    assert await lives(world, two)
    assert await wishes(world, two) == []
    # A delete at the vendor is one again.
    await ground_of(world).at_vendor("DELETE", f"/candidates/{there}")
    await signal(world, CANDIDATE, there)
    assert not await lives(world, two)
