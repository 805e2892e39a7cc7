"""Records that became one, what moves with them, and pairs that are two people."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from shared.store.links import LinkWrite
from shared.store.record_merges import merge_key
from tests.contract.store.conflict_items import end, held, match, put, put_matches
from tests.contract.store.ground import CANDIDATE, Place


async def test_merges_and_their_chains(place: Place) -> None:
    ground, merges = place.ground, place.ground.store.record_merges
    people = [uuid4() for _ in range(4)]
    ids = [uuid4() for _ in range(3)]
    for number, merge_id in enumerate(ids):  # 0 into 1, 1 into 2, 2 into 3
        async with ground.database.company(place.company_id) as tx:
            await merges.put(
                tx, CANDIDATE, merge_id, survivor=(people[number + 1], b"s"), merged=(people[number], b"m"), by="ann"
            )
    async with ground.database.company(place.company_id) as tx:
        assert await merges.survivors(tx, [*people, uuid4()]) == dict.fromkeys(people[:3], people[3])
        assert await merges.merged_into(tx, [people[2], people[0]]) == {people[2]: people[:2]}
        last = await merges.last(tx, people[1])
        assert last is not None
        assert (last.id, last.survivor_id, last.merged_id) == (ids[1], people[2], people[1])
        assert (last.survivor_sealed, last.merged_sealed) == (b"s", b"m")
        await merges.end(tx, ids[1], by="bob")
        assert await merges.survivors(tx, people) == {people[0]: people[1], people[2]: people[3]}
        last = await merges.last(tx, people[1])
        assert last is not None
        assert last.id == ids[0]


async def test_what_a_vendor_said_of_a_merge_is_read_from_its_jobs(place: Place) -> None:
    async def told(*keys: str, of: str = "2") -> str | None:
        async with place.ground.database.company(place.company_id) as tx:
            return await place.ground.store.record_merges.told_into(tx, place.integration_id, of, keys)

    assert await told("ext:2") is None
    await place.ask("ext:2")
    await place.ask("ext:3", payload={merge_key("3"): "4"})
    assert await told("ext:2") is None
    await place.ask("ext:2", payload={merge_key("2"): "3", merge_key("5"): "5", merge_key("6"): "7"})
    assert await told("ext:2", "another") == "3"
    assert await told("ext:2", of="6") == "7", "one job may speak of several ids"
    assert await told("ext:2", of="3") is None
    assert await told("ext:2", of="5") is None, "nobody is merged into themselves"


async def test_what_moves_with_a_merge(place: Place) -> None:
    ground, merges = place.ground, place.ground.store.record_merges
    one, two = uuid4(), uuid4()
    write = LinkWrite(uuid4(), one, "1", b"d", {"a": 1})
    async with ground.database.company(place.company_id) as tx:
        await ground.store.links.insert(tx, place.integration_id, CANDIDATE, [write])
        (link,) = await merges.places(tx, [one, two])
        assert (link.id, link.internal_id, link.is_primary, link.state) == (write.id, one, True, "live")
        await merges.move(tx, [replace(link, internal_id=two, is_primary=False)])
        assert not await merges.is_being_created(tx, [one, two])
        await ground.store.create_intents.open(
            tx, place.integration_id, CANDIDATE, two, identity_key="key", lease_token=1
        )
        assert await merges.is_being_created(tx, [one, two])
    row = await ground.row("external_entity_map")
    assert (row["internal_id"], row["is_primary"], row["sync_version"], row["digest"]) == (two, False, 2, b"d")
    await place.ask("a", hold_reason=f"link:x:candidate:{one}")
    await place.ask("b", hold_reason=f"link:x:job:{one}")
    item = held(one)
    await put(place, item, held(uuid4()))
    await put_matches(place, match(place, "1", two))
    async with ground.database.company(place.company_id) as tx:
        assert await merges.waiting_for(tx, CANDIDATE, one) == [(place.integration_id, f"link:x:candidate:{one}")]
        assert {each.kind for each in await merges.open_items(tx, [one, two])} == {"field", "ambiguous_match"}
        await merges.rename(tx, item.id, two, [one])
    row = await ground.row("conflicts", id=item.id)
    assert (row["record_id"], row["matches"], row["version"]) == (two, [one], 2)


async def test_links_hold_still_for_many_or_move_for_one(place: Place) -> None:
    ground, merges = place.ground, place.ground.store.record_merges

    async def hold(*, alone: bool) -> None:
        async with ground.database.company(place.company_id) as tx:
            await (merges.alone(tx) if alone else merges.hold_still(tx))

    async with ground.database.company(place.company_id) as tx:
        await merges.hold_still(tx)
        await hold(alone=False)
        waits = await ground.blocked(hold(alone=True))
        behind = await ground.blocked(hold(alone=False), others=1)
    await waits
    await behind


async def test_pairs_that_are_two_people(place: Place) -> None:
    ground, pairs = place.ground, place.ground.store.identity_pairs
    one, two, three = sorted(uuid4() for _ in range(3))
    async with ground.database.company(place.company_id) as tx:
        await pairs.put(tx, two, [one, three, two], by="ann")
        await pairs.put(tx, one, [two], by="bob")
        links = [LinkWrite(uuid4(), two, "1", None, {}), LinkWrite(uuid4(), three, "2", None, {})]
        await ground.store.links.insert(tx, place.integration_id, CANDIDATE, links)
        assert await pairs.are_apart(tx, three, two)
        assert not await pairs.are_apart(tx, one, three)
    await put_matches(place, match(place, "1", three), match(place, "3", one))
    for external_id, decision in (("1", "new"), ("3", str(one))):
        item = await ground.row("conflicts", external_id=external_id)
        await end(place, item["id"], "resolved", decision=decision)
    async with ground.database.company(place.company_id) as tx:
        found = await pairs.apart_from(tx, place.integration_id, CANDIDATE, ["1", "2", "3"])
        assert found == {"1": {one, three}, "2": {two}}
        await pairs.drop(tx, two, one)
        assert not await pairs.are_apart(tx, one, two)
    assert len(await ground.rows("identity_pairs")) == 1
