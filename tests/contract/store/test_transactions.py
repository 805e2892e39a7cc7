"""What a transaction sees, what it locks, and how it ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from uuid import UUID, uuid4

import psycopg
import pytest

from shared.errors import Conflict, LeaseLost, Unavailable
from shared.store.companies import Companies
from shared.store.database import Transaction
from shared.store.links import LinkWrite
from shared.store.records import RecordWrite, StoredRecord
from tests.contract.store.ground import APPLICATION, CANDIDATE, Ground, Place


def write(record: StoredRecord, **data: str) -> RecordWrite:
    return RecordWrite(record.id, record.entity, {**record.data, **data}, {}, record.version)


async def person(place: Place, **data: str) -> StoredRecord:
    """Make a candidate, committed."""
    record_id = uuid4()
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.records.insert(tx, CANDIDATE, [RecordWrite(record_id, CANDIDATE, data, {})])
        return await place.ground.store.records.fetch(tx, CANDIDATE, record_id)


async def test_own_writes_are_seen_and_others_only_once_committed(place: Place) -> None:
    ground, record_id = place.ground, uuid4()
    async with ground.database.company(place.company_id) as mine:
        await ground.store.records.insert(mine, CANDIDATE, [RecordWrite(record_id, CANDIDATE, {"a": 1}, {})])
        assert (await ground.store.records.fetch(mine, CANDIDATE, record_id)).data == {"a": 1}
        async with ground.database.company(place.company_id) as other:
            assert await ground.store.records.get(other, CANDIDATE, [record_id]) == {}
    async with ground.database.company(place.company_id) as other:
        assert list(await ground.store.records.get(other, CANDIDATE, [record_id])) == [record_id]


async def test_each_statement_sees_what_is_committed_by_then(place: Place) -> None:
    ground, record = place.ground, await person(place, name="before")
    async with ground.database.company(place.company_id) as mine:
        assert (await ground.store.records.fetch(mine, CANDIDATE, record.id)).data == {"name": "before"}
        async with ground.database.company(place.company_id) as other:
            await ground.store.records.update(other, CANDIDATE, [write(record, name="after")])
        assert (await ground.store.records.fetch(mine, CANDIDATE, record.id)).data == {"name": "after"}


async def test_the_clock_goes_on_within_a_transaction_and_is_the_same_for_all(place: Place) -> None:
    """Of any company or of none; `now()` would stand still."""
    ground = place.ground
    async with ground.database.company(place.company_id) as mine, ground.database.dispatch() as nobodys:
        before = await ground.now()
        asked = [await mine.clock(), await nobodys.clock(), await mine.clock()]
        told = [before, *asked, await ground.now()]
        assert told == sorted(told)
        assert asked[0] < asked[2]
        assert all(moment.utcoffset() is not None for moment in asked)


class _Crash(BaseException):
    """A worker dies."""


@pytest.mark.parametrize("error", [ValueError, _Crash, asyncio.CancelledError])
async def test_an_error_takes_everything_back(place: Place, error: type[BaseException]) -> None:
    ground, record = place.ground, await person(place, name="before")

    async def fail() -> None:
        async with ground.database.company(place.company_id) as tx:
            await ground.store.records.update(tx, CANDIDATE, [write(record, name="after")])
            await place.ground.store.ledger.enqueue(tx, [place.request()])
            raise error

    with pytest.raises(error):
        await fail()
    assert (await ground.row("records"))["data"] == {"name": "before"}
    assert await ground.rows("sync_queue") == []
    async with ground.database.company(place.company_id) as tx:
        assert await ground.store.records.lock(tx, CANDIDATE, [record.id])


async def test_after_an_error_of_the_database_the_transaction_is_lost(place: Place) -> None:
    """Even if somebody swallows the error."""
    ground, record = place.ground, await person(place)
    async with ground.database.company(place.company_id) as tx:
        await ground.store.ledger.enqueue(tx, [place.request()])
        with pytest.raises(psycopg.errors.UniqueViolation):
            await ground.store.records.insert(tx, CANDIDATE, [RecordWrite(record.id, CANDIDATE, {}, {})])
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            await ground.store.records.get(tx, CANDIDATE, [record.id])
    assert await ground.rows("sync_queue") == []


async def test_a_savepoint_takes_back_its_own_part_with_its_locks(place: Place) -> None:
    ground, record = place.ground, await person(place, name="before")
    async with ground.database.company(place.company_id) as tx:
        await ground.store.ledger.enqueue(tx, [place.request()])

        async def fail() -> None:
            async with tx.savepoint():
                await ground.store.records.update(tx, CANDIDATE, [write(record, name="after")])
                await ground.store.records.insert(tx, CANDIDATE, [RecordWrite(record.id, CANDIDATE, {}, {})])

        with pytest.raises(psycopg.errors.UniqueViolation):
            await fail()
        assert (await ground.store.records.fetch(tx, CANDIDATE, record.id)).data == {"name": "before"}
        async with ground.database.company(place.company_id) as other:
            assert await ground.store.records.lock(other, CANDIDATE, [record.id])
    assert len(await ground.rows("sync_queue")) == 1


async def test_a_company_sees_nothing_of_another(ground: Ground, place: Place) -> None:
    record, job_id, elsewhere = await person(place, email="a@b.example"), await place.ask(), await ground.company()
    link = LinkWrite(uuid4(), record.id, "1", None, {})
    async with ground.database.company(place.company_id) as tx:
        await ground.store.links.insert(tx, place.integration_id, CANDIDATE, [link])
    async with ground.database.company(elsewhere) as tx:
        assert await ground.store.records.lock(tx, CANDIDATE, [record.id]) == {}
        assert await ground.store.records.find_by_email(tx, place.integration_id, ["a@b.example"]) == {}
        assert await ground.store.links.lock(tx, [link.id]) == {}
        assert await ground.store.links.by_external(tx, place.integration_id, CANDIDATE, ["1"]) == {}
        assert await ground.store.ledger.state(tx, job_id) is None
        assert await ground.store.ledger.cancel(tx, place.integration_id, ["reconcile"]) == []
    async with ground.database.dispatch() as tx:
        assert await ground.store.records.get(tx, CANDIDATE, [record.id]) == {}
        with pytest.raises(RuntimeError, match="no company"):
            await ground.store.ledger.enqueue(tx, [place.request()])


async def test_a_locked_row_is_waited_for_and_read_anew(place: Place) -> None:
    ground, record = place.ground, await person(place, name="before")

    async def lock() -> StoredRecord:
        async with ground.database.company(place.company_id) as tx:
            return (await ground.store.records.lock(tx, CANDIDATE, [record.id]))[record.id]

    async with ground.database.company(place.company_id) as tx:
        await ground.store.records.update(tx, CANDIDATE, [write(record, name="after")])
        other = await ground.blocked(lock())
    assert (await other).data == {"name": "after"}


async def test_who_waited_for_a_row_that_moved_on_finds_its_condition_broken(place: Place) -> None:
    ground, record = place.ground, await person(place)

    async def update() -> None:
        async with ground.database.company(place.company_id) as tx:
            await ground.store.records.update(tx, CANDIDATE, [write(record, name="second")])

    async with ground.database.company(place.company_id) as tx:
        await ground.store.records.update(tx, CANDIDATE, [write(record, name="first")])
        other = await ground.blocked(update())
    with pytest.raises(Conflict):
        await other
    assert (await ground.row("records"))["data"] == {"name": "first"}


async def test_a_rollback_lets_the_next_one_write(place: Place) -> None:
    ground, record = place.ground, await person(place)

    async def update() -> None:
        async with ground.database.company(place.company_id) as tx:
            await ground.store.records.update(tx, CANDIDATE, [write(record, name="second")])

    with suppress(_Crash):
        async with ground.database.company(place.company_id) as tx:
            await ground.store.records.update(tx, CANDIDATE, [write(record, name="first")])
            other = await ground.blocked(update())
            raise _Crash
    await other
    assert (await ground.row("records"))["data"] == {"name": "second"}


async def test_waiters_come_in_one_after_another(place: Place) -> None:
    ground, record = place.ground, await person(place, n="")
    order: list[str] = []

    async def add(name: str) -> None:
        async with ground.database.company(place.company_id) as tx:
            found = (await ground.store.records.lock(tx, CANDIDATE, [record.id]))[record.id]
            order.append(name)
            await ground.store.records.update(tx, CANDIDATE, [write(found, n=f"{found.data['n']}{name}")])

    async with ground.database.company(place.company_id) as tx:
        await ground.store.records.lock(tx, CANDIDATE, [record.id])
        first = await ground.blocked(add("a"))
        second = await ground.blocked(add("b"), others=1)
    await asyncio.gather(first, second)
    assert (await ground.row("records"))["data"] == {"n": "".join(order)}
    assert sorted(order) == ["a", "b"]


async def test_a_circle_of_waits_ends_one_of_the_two(place: Place) -> None:
    ground = place.ground
    first, second = await person(place), await person(place)
    both_hold = asyncio.Barrier(2)

    async def lock(mine: StoredRecord, others: StoredRecord) -> None:
        async with ground.database.company(place.company_id) as tx:
            await ground.store.records.lock(tx, CANDIDATE, [mine.id])
            await both_hold.wait()
            await ground.store.records.update(tx, CANDIDATE, [write(others, by=str(mine.id))])

    results = await asyncio.gather(lock(first, second), lock(second, first), return_exceptions=True)
    lost = [result for result in results if result is not None]
    assert [type(error) for error in lost] == [Conflict]
    written = [row for row in await ground.rows("records") if row["version"] == 2]
    assert len(written) == 1


async def test_the_same_identity_is_created_by_one_at_a_time(place: Place) -> None:
    ground = place.ground

    async def lock(*keys: str) -> None:
        async with ground.database.company(place.company_id) as tx:
            await ground.store.records.lock_identities(tx, keys)

    async with ground.database.company(place.company_id) as tx:
        await ground.store.records.lock_identities(tx, ["a", "b"])
        await ground.store.records.lock_identities(tx, ["b"])
        await lock("c")
        other = await ground.blocked(lock("c", "b"))
    await other


async def test_the_same_identity_of_two_companies_is_two(ground: Ground, place: Place) -> None:
    elsewhere = await ground.company()

    async def lock(company_id: UUID) -> None:
        async with ground.database.company(company_id) as tx:
            await ground.store.records.lock_identities(tx, ["a"])

    async with ground.database.company(place.company_id) as tx:
        await ground.store.records.lock_identities(tx, ["a"])
        with pytest.raises(AssertionError, match="not kept waiting"):
            await ground.blocked(lock(elsewhere))
        same = await ground.blocked(lock(place.company_id))
    await same


async def _insert_link(place: Place, tx: Transaction, external_id: str) -> None:
    link = LinkWrite(uuid4(), uuid4(), external_id, None, {})
    await place.ground.store.links.insert(tx, place.integration_id, CANDIDATE, [link])


async def _link(place: Place, external_id: str) -> None:
    async with place.ground.database.company(place.company_id) as tx:
        await _insert_link(place, tx, external_id)


async def test_a_key_that_somebody_is_writing_is_waited_for(place: Place) -> None:
    """ON CONFLICT DO NOTHING: the second one meets what the first one has committed."""
    ground = place.ground
    async with ground.database.company(place.company_id) as tx:
        await _insert_link(place, tx, "1")
        await _link(place, "2")
        other = await ground.blocked(_link(place, "1"))
    with pytest.raises(Conflict, match="linked meanwhile"):
        await other
    assert len(await ground.rows("external_entity_map")) == 2


async def test_a_key_that_was_given_up_is_free(place: Place) -> None:
    ground = place.ground
    with suppress(_Crash):
        async with ground.database.company(place.company_id) as tx:
            await _insert_link(place, tx, "1")
            other = await ground.blocked(_link(place, "1"))
            raise _Crash
    await other
    assert len(await ground.rows("external_entity_map")) == 1


async def test_two_who_ask_for_a_job_at_once_ask_for_one(place: Place) -> None:
    ground = place.ground
    async with ground.database.company(place.company_id) as tx:
        await ground.store.ledger.enqueue(tx, [place.request(priority=7)])
        other = await ground.blocked(place.ask_for(place.request(priority=3)))
    await other
    row = await ground.row("sync_queue")
    assert (row["requested_seq"], row["priority"]) == (2, 3)


async def test_a_guard_keeps_claims_out_and_lets_requests_through(place: Place) -> None:
    """Whoever edits a record holds it while asking for the job that wants it next."""
    ground, job_id = place.ground, await place.ask()
    job = await ground.claimed(job_id)
    await ground.expire(job_id)
    async with ground.database.company(place.company_id) as tx:
        await ground.store.ledger.guard(tx, job)
        assert await ground.claim(job_id) is None
        await place.ask_for(place.request())
        async with ground.database.company(place.company_id) as another:
            await ground.store.ledger.guard(another, job)
    assert (await place.job(job_id))["requested_seq"] == 2
    assert await ground.claim(job_id) is not None


async def test_an_update_waits_for_a_settling_and_finds_the_lease_gone(place: Place) -> None:
    """A guard passes an update by (it keeps no key), and sees the job as it was; a write of the row waits."""
    ground, job_id = place.ground, await place.ask()
    job = await ground.claimed(job_id)

    async def extend() -> None:
        async with ground.database.company(place.company_id) as tx:
            await ground.store.ledger.guard(tx, job)
            await ground.store.ledger.extend(tx, job, 60)

    async with ground.database.company(place.company_id) as tx:
        await ground.store.ledger.finish(tx, job)
        other = await ground.blocked(extend())
    with pytest.raises(LeaseLost):
        await other
    assert (await place.job(job_id))["status"] == "completed"


async def test_nothing_stays_of_a_rehearsal(place: Place) -> None:
    ground, record = place.ground, await person(place, name="before")
    async with ground.database.rehearsal(place.company_id) as tx:
        await ground.store.records.update(tx, CANDIDATE, [write(record, name="after")])
        assert (await ground.store.records.fetch(tx, CANDIDATE, record.id)).data == {"name": "after"}
    assert (await ground.row("records"))["data"] == {"name": "before"}


async def test_a_rehearsal_gives_up_on_a_lock(place: Place) -> None:
    ground, record = place.ground, await person(place)

    async def rehearse() -> None:
        async with ground.database.rehearsal(place.company_id) as tx:
            await ground.store.records.lock(tx, CANDIDATE, [record.id])

    async with ground.database.company(place.company_id) as tx:
        await ground.store.records.lock(tx, CANDIDATE, [record.id])
        with pytest.raises(Unavailable):
            await rehearse()


async def test_a_company_is_made_once(ground: Ground) -> None:
    company_id = await ground.company()
    with pytest.raises(Conflict, match="already"):
        async with ground.database.company(company_id) as tx:
            await Companies().create(tx, "Again")
    async with ground.database.company(company_id) as tx:
        assert await ground.store.connections.routes_to_job_owner(tx, APPLICATION)
        assert not await ground.store.connections.routes_to_job_owner(tx, CANDIDATE)
