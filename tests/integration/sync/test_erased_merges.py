"""Whoever is erased, or kept away, after a merge is so with all that was merged into them."""

from __future__ import annotations

import pytest

from shared.errors import Conflict
from shared.model import EntityType
from tests.integration.sync.merging import merge, part, two_people
from tests.integration.sync.vendor import signal, vendor_candidate
from tests.integration.sync.world import World

CANDIDATE = EntityType.CANDIDATE


async def test_whoever_is_erased_after_a_merge_takes_the_merged_one_along(world: World) -> None:
    one, two = await two_people(world)
    await merge(world, one["id"], two["id"])
    await world.drain()
    link = await world.row("SELECT external_id FROM external_entity_map WHERE id = %(id)s", id=one["link_id"])
    response = await world.control.post(
        f"/candidates/{link['external_id']}/anonymize",
        json={"fields": ["full_name", "email_addresses", "phone_numbers", "current_title"]},
    )
    response.raise_for_status()
    await world.drain()
    await world.pull(CANDIDATE)
    left = await world.rows("SELECT data FROM records WHERE id = ANY(%(ids)s)", ids=[one["id"], two["id"]])
    assert [row["data"] for row in left] == [{}, {}]
    assert (
        await world.rows("SELECT 1 FROM person_keys WHERE record_id = ANY(%(ids)s)", ids=[one["id"], two["id"]]) == []
    )
    with pytest.raises(Conflict, match="erased"):
        await part(world, one["id"])


@pytest.mark.parametrize("first", [0, 1])
async def test_what_another_link_shows_of_an_erased_person_is_neither_taken_nor_emptied(
    world: World, first: int
) -> None:
    people = await two_people(world)
    await merge(world, people[0]["id"], people[1]["id"])
    await world.drain()
    rows = [
        await world.row("SELECT external_id FROM external_entity_map WHERE id = %(id)s", id=each["link_id"])
        for each in people
    ]
    erased, other = rows[first]["external_id"], rows[1 - first]["external_id"]
    shown = await vendor_candidate(world, int(other))
    fields = ["full_name", "email_addresses", "phone_numbers", "current_title"]
    response = await world.control.post(f"/candidates/{erased}/anonymize", json={"fields": fields})
    response.raise_for_status()
    await signal(world, CANDIDATE, erased)
    await world.edit_at_vendor("candidates", int(other), {"title": "Empress"})
    await signal(world, CANDIDATE, other)
    await world.pull(CANDIDATE)
    ids = [each["id"] for each in people]
    left = await world.rows("SELECT data, archived_at FROM records WHERE id = ANY(%(ids)s)", ids=ids)
    assert [(row["data"], row["archived_at"] is not None) for row in left] == [({}, True)] * 2
    assert await world.rows("SELECT 1 FROM person_keys WHERE record_id = ANY(%(ids)s)", ids=ids) == []
    after = await vendor_candidate(world, int(other))
    assert after["first_name"] == shown["first_name"]
    assert after["email_addresses"] == shown["email_addresses"]


async def test_whoever_is_suppressed_stays_away_by_what_was_merged_into_them_too(world: World) -> None:
    one, two = await two_people(world)
    await merge(world, one["id"], two["id"])
    await world.edit_here(CANDIDATE, one["id"], further_emails=[])
    suppression = world.services.suppression
    async with world.services.database.company(world.company_id) as tx:
        await suppression.suppress(tx, one["id"], reason="erasure")
        assert await suppression.holds(tx, {"email": two["data"]["email"]})
