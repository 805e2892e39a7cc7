"""Links: written by version, found by either id."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.errors import Conflict
from shared.store.links import Link, LinkWrite
from shared.store.records import RecordWrite
from tests.contract.store.ground import CANDIDATE, JOB, Place


def new(external_id: str, **how: Any) -> LinkWrite:
    return LinkWrite(
        uuid4(), how.pop("internal_id", uuid4()), external_id, how.pop("digest", None), how.pop("base", {}), **how
    )


async def insert(place: Place, *writes: LinkWrite) -> None:
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.links.insert(tx, place.integration_id, CANDIDATE, writes)


async def update(place: Place, *writes: LinkWrite) -> None:
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.links.update(tx, writes)


async def read(place: Place, external_id: str) -> Link:
    async with place.ground.database.company(place.company_id) as tx:
        return (await place.ground.store.links.by_external(tx, place.integration_id, CANDIDATE, [external_id]))[
            external_id
        ]


async def test_a_link_as_it_is_read(place: Place) -> None:
    base = {"name": {"ours": "a", "theirs": None}}
    write = new("1", digest=b"\x00\xff", base=base, fence=7, vendor_version="v1")
    await insert(place, write)
    link = await read(place, "1")
    assert (link.id, link.integration_id, link.entity) == (write.id, place.integration_id, CANDIDATE)
    assert (link.internal_id, link.state, link.is_primary, link.sync_version) == (write.internal_id, "live", True, 1)
    assert (link.fence, link.vendor_version, link.digest, link.base) == (7, "v1", b"\x00\xff", base)


async def test_the_moment_at_which_a_link_was_written_down(place: Place) -> None:
    await insert(place, new("1"), new("2"))
    first, second = await read(place, "1"), await read(place, "2")
    await update(place, _next(second))
    assert (await read(place, "1")).last_synced_at == first.last_synced_at
    assert (await read(place, "2")).last_synced_at > second.last_synced_at


def _next(link: Link, **how: Any) -> LinkWrite:
    """Return a write that changes nothing but *how*."""
    write = LinkWrite(link.id, link.internal_id, link.external_id, link.digest, link.base, link.sync_version)
    return replace(write, state=link.state, is_primary=link.is_primary, **how)


async def test_an_update_moves_on(place: Place) -> None:
    await insert(place, new("1", digest=b"a", fence=5, vendor_version="v1"))
    before, internal_id = await read(place, "1"), uuid4()
    await update(place, _next(before, digest=None, base={"b": 1}, fence=3, internal_id=internal_id))
    after = await read(place, "1")
    assert (after.sync_version, after.digest, after.base, after.fence) == (2, None, {"b": 1}, 5)
    assert (after.vendor_version, after.internal_id) == ("v1", internal_id)
    await update(place, _next(after, fence=9, vendor_version="v2"))
    after = await read(place, "1")
    assert (after.fence, after.vendor_version) == (9, "v2")


async def test_the_time_of_a_change_of_state(place: Place) -> None:
    await insert(place, new("1"))
    link = await read(place, "1")
    before = await place.ground.row("external_entity_map")
    await update(place, _next(link))
    row = await place.ground.row("external_entity_map")
    assert row["changed_at"] is None
    assert row["last_synced_at"] > before["last_synced_at"]
    await update(place, replace(_next(await read(place, "1")), state="gone"))
    row = await place.ground.row("external_entity_map")
    assert row["state"] == "gone"
    assert row["changed_at"] is not None


async def test_an_update_of_another_version_writes_nothing(place: Place) -> None:
    await insert(place, new("1"), new("2"))
    first, second = await read(place, "1"), await read(place, "2")
    with pytest.raises(Conflict, match="changed meanwhile"):
        await update(place, _next(first), replace(_next(second), based_on=2))
    assert (await read(place, "1")).sync_version == 1


async def test_a_vendors_record_is_linked_once(place: Place) -> None:
    await insert(place, new("1"))
    with pytest.raises(Conflict, match="linked meanwhile"):
        await insert(place, new("2"), new("1"))
    assert len(await place.ground.rows("external_entity_map")) == 1
    await place.ground.change("external_entity_map", {"external_id": "1"}, state="tombstone")
    await insert(place, new("1"))


async def test_a_record_has_one_primary_link_at_an_integration(place: Place) -> None:
    internal_id = uuid4()
    await insert(place, new("1", internal_id=internal_id))
    with pytest.raises(Conflict):
        await insert(place, new("2", internal_id=internal_id))
    await insert(place, new("2", internal_id=internal_id, is_primary=False))


async def test_a_tombstone_is_found_by_nobody(place: Place) -> None:
    write = new("1", digest=b"a")
    await insert(place, write, new("2"))
    await place.ground.change("external_entity_map", {"external_id": "1"}, state="tombstone")
    links, ids = place.ground.store.links, ["1", "2", "3", "2"]
    async with place.ground.database.company(place.company_id) as tx:
        assert list(await links.by_external(tx, place.integration_id, CANDIDATE, ids)) == ["2"]
        assert list(await links.digests(tx, place.integration_id, CANDIDATE, ids)) == ["2"]
        assert list(await links.internal_ids(tx, place.integration_id, CANDIDATE, ids)) == ["2"]
        assert await links.of_records(tx, [write.internal_id]) == {}
        assert list(await links.lock(tx, [write.id])) == [write.id]


async def test_searches(place: Place) -> None:
    write = new("1", digest=b"a")
    await insert(place, write)
    await place.ground.change("external_entity_map", {"external_id": "1"}, state="gone")
    links = place.ground.store.links
    async with place.ground.database.company(place.company_id) as tx:
        digests = await links.digests(tx, place.integration_id, CANDIDATE, ["1"])
        assert digests == {"1": (write.internal_id, b"a", "gone")}
        assert await links.internal_ids(tx, place.integration_id, JOB, ["1"]) == {}
        keys = await links.record_keys(tx, place.integration_id, CANDIDATE, ["1", "2"])
        assert keys == {"1": str(write.internal_id), "2": "ext:2"}


async def test_links_of_records_oldest_first(place: Place) -> None:
    internal_id = uuid4()
    for number, how in enumerate([{}, {"is_primary": False}, {"is_primary": False}]):
        await insert(place, new(str(number), internal_id=internal_id, **how))
    other = new("9")
    await insert(place, other)
    async with place.ground.database.company(place.company_id) as tx:
        found = await place.ground.store.links.of_records(tx, [other.internal_id, internal_id, uuid4()])
    assert {record_id: [link.external_id for link in links] for record_id, links in found.items()} == {
        internal_id: ["0", "1", "2"],
        other.internal_id: ["9"],
    }


async def test_locked_links_come_in_the_order_of_their_ids(place: Place) -> None:
    writes = [new(str(number)) for number in range(4)]
    await insert(place, *writes)
    async with place.ground.database.company(place.company_id) as tx:
        found = await place.ground.store.links.lock(tx, [write.id for write in writes])
    assert list(found) == sorted(write.id for write in writes)


async def test_records_that_moved_since(place: Place) -> None:
    records, links = place.ground.store.records, place.ground.store.links

    async def moved(after: UUID | None = None, limit: int = 10) -> list[UUID]:
        async with place.ground.database.company(place.company_id) as tx:
            return await links.moved_records(tx, place.integration_id, CANDIDATE, after, limit)

    ids = sorted(uuid4() for _ in range(4))
    async with place.ground.database.company(place.company_id) as tx:
        await records.insert(tx, CANDIDATE, [RecordWrite(record_id, CANDIDATE, {}, {}) for record_id in ids])
    await insert(place, *(new(str(record_id), internal_id=record_id) for record_id in ids))
    assert await moved() == []
    async with place.ground.database.company(place.company_id) as tx:
        await records.update(tx, CANDIDATE, [RecordWrite(record_id, CANDIDATE, {}, {}, 1) for record_id in ids])
    await place.ground.change("external_entity_map", {"internal_id": ids[3]}, state="gone")
    assert await moved() == ids[:3]
    assert await moved(ids[0]) == ids[1:3]
    assert await moved(limit=1) == ids[:1]
    await update(place, _next(await read(place, str(ids[0]))))
    assert await moved() == ids[1:3]


async def test_tickets_rise(place: Place) -> None:
    async with place.ground.database.company(place.company_id) as tx:
        first, second = await place.ground.store.links.ticket(tx), await place.ground.store.links.ticket(tx)
    assert first.number < second.number
    assert first.at < second.at
