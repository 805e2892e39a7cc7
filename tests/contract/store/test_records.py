"""Records and the searches that identities need."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from shared.errors import Conflict, NotFound
from shared.store.records import RecordWrite, StoredRecord
from shared.store.submissions import Queued
from tests.contract.store.ground import APPLICATION, CANDIDATE, JOB, Place
from tests.contract.store.record_rows import fetch, insert, link, update


async def test_a_record_as_it_is_read(place: Place) -> None:
    data = {"name": "Zoë", "tags": ["a", {"b": None}], "n": 1.5}
    record_id = await insert(place, CANDIDATE, data)
    record = await fetch(place, CANDIDATE, record_id)
    assert (record.id, record.entity, record.data, record.stamps, record.version) == (record_id, CANDIDATE, data, {}, 1)
    assert (record.archived_at, record.submission) == (None, None)
    assert record.created_at == record.updated_at


async def test_who_archived_a_record_is_kept_as_long_as_it_is_archived(place: Place) -> None:
    record_id = await insert(place, CANDIDATE, {"name": "a"})

    async def write(**how: Any) -> StoredRecord:
        before = await fetch(place, CANDIDATE, record_id)
        await update(place, RecordWrite(record_id, CANDIDATE, before.data, {}, before.version, **how))
        return await fetch(place, CANDIDATE, record_id)

    followed = await write(is_archived=True)
    assert (followed.archived_at is None, followed.archived_by) == (False, None)
    assert (await write(is_archived=True, archived_by="jo")).archived_by == "jo"
    merged = await write(is_archived=True)
    assert (merged.archived_at, merged.archived_by) == (followed.archived_at, "jo")
    back = await write()
    assert (back.archived_at, back.archived_by) == (None, None)


async def test_what_was_read_is_the_readers(place: Place) -> None:
    record_id = await insert(place, CANDIDATE, {"tags": ["a"]})
    found = (await fetch(place, CANDIDATE, record_id)).data["tags"]
    assert isinstance(found, list)
    found.append("b")
    assert (await fetch(place, CANDIDATE, record_id)).data == {"tags": ["a"]}


async def test_entities_are_kept_apart(place: Place) -> None:
    record_id = await insert(place, CANDIDATE, {})
    with pytest.raises(NotFound):
        await fetch(place, JOB, record_id)


async def test_the_same_id_twice(place: Place) -> None:
    record_id = await insert(place, CANDIDATE, {})
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.records.insert(tx, JOB, [RecordWrite(record_id, JOB, {}, {})])
        with pytest.raises(psycopg.errors.UniqueViolation):
            await place.ground.store.records.insert(tx, CANDIDATE, [RecordWrite(record_id, CANDIDATE, {}, {})])


async def test_generated_columns(place: Place) -> None:
    candidate_id, job_id = uuid4(), uuid4()
    await insert(
        place,
        CANDIDATE,
        {"email": " A@B.Example ", "phone": "+49 (30) 12-3", "first_name": " Zoë ", "last_name": "O'NEIL "},
    )
    names = ("email_key", "phone_key", "name_key", "first_name_key", "candidate_id", "job_id", "status", "stage")
    row = await place.ground.row("records")
    assert [row[name] for name in names] == ["a@b.example", "4930123", "o'neil   zoë", "zoë", *[None] * 4]
    await update(place, RecordWrite(row["id"], CANDIDATE, {"phone": "none", "last_name": " "}, {}, 1))
    row = await place.ground.row("records")
    assert [row[name] for name in names[:4]] == [None] * 4
    data = {"candidate_id": str(candidate_id), "job_id": str(job_id), "status": "active", "stage": None}
    application_id = await insert(place, APPLICATION, data)
    row = await place.ground.row("records", id=application_id)
    assert [row[name] for name in names[4:]] == [candidate_id, job_id, "active", None]


async def test_an_update_moves_version_and_time(place: Place) -> None:
    record_id = await insert(place, CANDIDATE, {"a": 1})
    before = await fetch(place, CANDIDATE, record_id)
    await update(place, RecordWrite(record_id, CANDIDATE, {"a": 2}, {"a": {"by": "portal"}}, 1))
    after = await fetch(place, CANDIDATE, record_id)
    assert (after.version, after.data, after.stamps) == (2, {"a": 2}, {"a": {"by": "portal"}})
    assert after.created_at == before.created_at
    assert after.updated_at > before.updated_at


async def test_an_update_of_another_version_writes_nothing(place: Place) -> None:
    first, second = await insert(place, CANDIDATE, {"a": 1}), await insert(place, CANDIDATE, {"a": 1})
    with pytest.raises(Conflict):
        await update(
            place,
            RecordWrite(first, CANDIDATE, {"a": 2}, {}, 1),
            RecordWrite(second, CANDIDATE, {"a": 2}, {}, 2),
        )
    assert (await fetch(place, CANDIDATE, first)).version == 1


async def test_archiving_keeps_its_first_time(place: Place) -> None:
    record_id = await insert(place, CANDIDATE, {}, is_archived=True)
    archived = (await fetch(place, CANDIDATE, record_id)).archived_at
    assert archived is not None
    await update(place, RecordWrite(record_id, CANDIDATE, {}, {}, 1, is_archived=True))
    assert (await fetch(place, CANDIDATE, record_id)).archived_at == archived
    await update(place, RecordWrite(record_id, CANDIDATE, {}, {}, 2))
    assert (await fetch(place, CANDIDATE, record_id)).archived_at is None


async def test_a_submission_stays_until_it_is_given(place: Place) -> None:
    record_id = await insert(place, APPLICATION, {}, submission={"state": "pending", "error": "x"})
    await update(place, RecordWrite(record_id, APPLICATION, {}, {}, 1))
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.records.mark_submission(tx, record_id, {"state": "created", "at": None})
    record = await fetch(place, APPLICATION, record_id)
    assert (record.submission, record.version) == ({"state": "created", "error": "x", "at": None}, 2)
    other = await insert(place, APPLICATION, {})
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.records.mark_submission(tx, other, {"state": "created"})
    assert (await fetch(place, APPLICATION, other)).submission == {"state": "created"}


async def test_submitted_applications_that_are_seen_at_the_vendor_have_arrived(place: Place) -> None:
    queued, done, plain = [
        await insert(place, APPLICATION, {}, submission=given)
        for given in ({"state": "queued", "error": "x"}, {"state": "submitted", "external_id": "7"}, None)
    ]
    at = datetime(2026, 5, 4, 12, tzinfo=UTC)
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.records.submissions_arrived(
            tx, place.integration_id, {queued: "1", done: "2", plain: "3"}, at=at
        )
        await place.ground.store.records.submissions_arrived(tx, place.integration_id, {}, at=at)
    assert (await fetch(place, APPLICATION, queued)).submission == {
        "state": "submitted",
        "external_id": "1",
        "integration_id": str(place.integration_id),
        "submitted_at": at.isoformat(),
        "error": None,
    }
    assert (await fetch(place, APPLICATION, done)).submission == {"state": "submitted", "external_id": "7"}
    assert (await fetch(place, APPLICATION, plain)).submission is None


async def test_locked_records_come_in_the_order_of_their_ids(place: Place) -> None:
    ids = [await insert(place, CANDIDATE, {}) for _ in range(4)]
    async with place.ground.database.company(place.company_id) as tx:
        found = await place.ground.store.records.lock(tx, CANDIDATE, [*ids, ids[0], uuid4()])
    assert list(found) == sorted(ids)


async def test_who_holds_an_email(place: Place) -> None:
    older = await insert(place, CANDIDATE, {"email": "A@b.example", "first_name": "Zoe"})
    newer = await insert(place, CANDIDATE, {"email": "a@b.example", "last_name": "Zeta"})
    await insert(place, CANDIDATE, {"email": "a@b.example"}, is_archived=True)
    await insert(place, JOB, {"email": "a@b.example"})
    await link(place, CANDIDATE, older, "1")
    await link(place, CANDIDATE, newer, "2", state="gone")
    async with place.ground.database.company(place.company_id) as tx:
        found = await place.ground.store.records.find_by_email(tx, place.integration_id, ["a@b.example", "none"])
        elsewhere = await place.ground.store.records.find_by_email(tx, uuid4(), ["a@b.example"])
    assert list(found) == ["a@b.example"]
    shown = [(each.id, each.first_name, each.last_name, each.linked_external_id) for each in found["a@b.example"]]
    assert shown == [(older, "Zoe", None, "1"), (newer, None, "Zeta", None)]
    assert [each.linked_external_id for each in elsewhere["a@b.example"]] == [None, None]


async def test_applications(place: Place) -> None:
    candidate_id, job_id = uuid4(), uuid4()
    data = {"candidate_id": str(candidate_id), "job_id": str(job_id)}
    pair = f"{candidate_id} {job_id}"
    records = place.ground.store.records
    async with place.ground.database.company(place.company_id) as tx:
        assert await records.application_of(tx, candidate_id, job_id) is None
        assert await records.unlinked_applications(tx, place.integration_id, [pair]) == {}
    archived = await insert(place, APPLICATION, data, is_archived=True)
    first, second = await insert(place, APPLICATION, data), await insert(place, APPLICATION, data)
    async with place.ground.database.company(place.company_id) as tx:
        assert await records.application_of(tx, candidate_id, job_id) in (first, second)
        assert await records.application_of(tx, candidate_id, uuid4()) is None
        assert await records.unlinked_applications(tx, place.integration_id, [pair, pair]) == {pair: first}
        assert sorted(await records.applications_of(tx, candidate_id)) == sorted([archived, first, second])
    await link(place, APPLICATION, first, "1", state="gone")
    await link(place, APPLICATION, second, "2", state="tombstone")
    async with place.ground.database.company(place.company_id) as tx:
        assert await records.unlinked_applications(tx, place.integration_id, [pair]) == {pair: second}
        assert await records.unlinked_applications(tx, uuid4(), [pair]) == {pair: first}


async def test_an_archived_application_counts_while_it_lives_elsewhere(place: Place) -> None:
    records, candidate_id, job_id = place.ground.store.records, uuid4(), uuid4()
    data = {"candidate_id": str(candidate_id), "job_id": str(job_id)}
    one = await insert(place, APPLICATION, data)

    async def found() -> UUID | None:
        async with place.ground.database.company(place.company_id) as tx:
            return await records.archived_application_of(tx, candidate_id, job_id)

    await link(place, APPLICATION, one, "1")
    assert await found() is None
    await update(place, RecordWrite(one, APPLICATION, data, {}, 1, is_archived=True))
    assert await found() is None  # a system was followed
    await update(place, RecordWrite(one, APPLICATION, data, {}, 2, is_archived=True, archived_by="jo"))
    assert await found() == one
    await place.ground.change("external_entity_map", {"internal_id": one}, state="gone")
    assert await found() is None


async def test_what_is_queued_for_an_integration(place: Place) -> None:
    here, elsewhere = str(place.integration_id), str(uuid4())
    candidate_id = uuid4()

    async def add(state: str, integration: str, **more: bool) -> UUID:
        data = {"candidate_id": str(candidate_id)}
        said = {"state": state, "integration_id": integration}
        return await insert(place, APPLICATION, data, submission=said, **more)

    first, second, third = sorted([await add("queued", here) for _ in range(3)])
    for state, integration, is_archived in (
        ("submitted", here, False),
        ("queued", elsewhere, False),
        ("queued", here, True),
    ):
        await add(state, integration, is_archived=is_archived)
    await insert(place, APPLICATION, {})
    queued = place.ground.store.submissions.queued
    async with place.ground.database.company(place.company_id) as tx:
        page = await queued(tx, place.integration_id, limit=2)
        rest = await queued(tx, place.integration_id, after=second, limit=2)
        assert await queued(tx, uuid4(), limit=2) == []
    assert page == [Queued(first, candidate_id, 3), Queued(second, candidate_id, 3)]
    assert rest == [Queued(third, candidate_id, 1)]
