"""What a filter left out, and what hangs on it."""

from __future__ import annotations

from uuid import uuid4

from shared.model import EntityType, Reference
from shared.store.left_out import Child
from shared.store.links import LinkWrite
from tests.contract.store.ground import APPLICATION, CANDIDATE, JOB, Place


async def test_what_a_filter_left_out_is_known_under_its_name(place: Place) -> None:
    ground, left_out = place.ground, place.ground.store.left_out
    async with ground.database.company(place.company_id) as tx:
        await left_out.put(tx, place.integration_id, CANDIDATE, ["2", "1", "2"], by="a")
        await left_out.put(tx, place.integration_id, CANDIDATE, ["1", "3"], by="a")
        assert await left_out.known(tx, place.integration_id, CANDIDATE, ["1", "3", "4"], by="a") == {"1", "3"}
        assert await left_out.known(tx, place.integration_id, CANDIDATE, ["1"], by="b") == set()
        assert await left_out.known(tx, place.integration_id, JOB, ["1"], by="a") == set()
        assert await left_out.known(tx, uuid4(), CANDIDATE, ["1"], by="a") == set()
    assert len(await ground.rows("left_out")) == 3
    async with ground.database.company(place.company_id) as tx:
        await left_out.forget(tx, uuid4())
        assert await left_out.known(tx, place.integration_id, CANDIDATE, ["2"], by="a") == {"2"}
        await left_out.forget(tx, place.integration_id)
    assert await ground.rows("left_out") == []


async def test_children_are_taken_with_their_parent_once(place: Place) -> None:
    ground, rows = place.ground, place.ground.store.left_out
    integration_id = place.integration_id

    def child(external_id: str, parent: str, entity: EntityType = CANDIDATE, by: str = "f") -> Child:
        return Child(external_id, Reference(entity, parent), by)

    async with ground.database.company(place.company_id) as tx:
        await rows.put(tx, integration_id, CANDIDATE, ["1", "2"], by="f")
        for _ in range(2):
            await rows.put_children(
                tx, integration_id, APPLICATION, [child("a", "1"), child("b", "2"), child("c", "1")]
            )
        await rows.put_children(tx, integration_id, APPLICATION, [child("a", "9", JOB, "g"), child("b", "1")])
        await ground.store.links.insert(tx, integration_id, CANDIDATE, [LinkWrite(uuid4(), uuid4(), "1", None, {})])
        assert await rows.arrived(tx, integration_id) == {CANDIDATE: {"1"}}
        taken = await rows.take_children(tx, integration_id, CANDIDATE, ["1", "7"])
        assert taken == [(APPLICATION, "a"), (APPLICATION, "b"), (APPLICATION, "c")]
        assert await rows.take_children(tx, integration_id, CANDIDATE, ["1"]) == []
        assert await rows.arrived(tx, integration_id) == {}
        assert await rows.take_children(tx, integration_id, JOB, ["9"]) == [(APPLICATION, "a")]
        assert await rows.known(tx, integration_id, CANDIDATE, ["1", "2"], by="f") == {"1", "2"}
