"""Intents of creates: open, sent, taken over, ended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from shared.model import EntityType
from shared.store.create_intents import SentApplication
from tests.contract.store.ground import APPLICATION, CANDIDATE, JOB, Place
from tests.contract.store.record_rows import insert


async def test_an_intent_is_taken_over_and_ends(place: Place) -> None:
    ground, intents, record_id = place.ground, place.ground.store.create_intents, uuid4()

    async def open_it(key: str, token: int) -> Any:
        async with ground.database.company(place.company_id) as tx:
            return await intents.open(
                tx, place.integration_id, CANDIDATE, record_id, identity_key=key, lease_token=token
            )

    async def known() -> tuple[UUID | None, bool, set[str]]:
        async with ground.database.company(place.company_id) as tx:
            found = await intents.find(tx, place.integration_id, CANDIDATE, record_id)
            is_sent = found is not None and found.sent_at is not None
            assert await intents.unsettled(tx, place.integration_id, CANDIDATE) == [record_id] * is_sent
            assert await intents.unsettled(tx, place.integration_id, JOB) == []
            return (
                None if found is None else found.id,
                await intents.any_open(tx, place.integration_id, CANDIDATE),
                await intents.open_identities(tx, place.integration_id, ["key", "other"]),
            )

    assert await known() == (None, False, set())
    assert (await open_it("other", 1)).sent_sealed is None
    first = await open_it("key", 1)
    assert (first.sent_at, first.age_s) == (None, 0)
    assert await known() == (first.id, True, set())
    async with ground.database.company(place.company_id) as tx:
        await intents.mark_sent(tx, first.id, identity_key="key", sealed=b"what was sent")
        assert not await intents.any_open(tx, place.integration_id, JOB)
    assert await known() == (first.id, True, {"key"})
    await ground.pass_time(100)
    second = await open_it("other", 2)
    assert (second.id, second.sent_sealed) == (first.id, b"what was sent")
    assert second.sent_at is not None
    assert 99 < second.age_s < 160
    async with ground.database.company(place.company_id) as tx:
        found = await intents.find(tx, place.integration_id, CANDIDATE, record_id)
    assert found is not None
    assert (found.sent_at, found.sent_sealed) == (second.sent_at, second.sent_sealed)
    assert found.age_s >= second.age_s
    async with ground.database.company(place.company_id) as tx:
        await intents.mark_sent(tx, first.id, identity_key="key", sealed=b"again", since=found.sent_at)
        again = await intents.find(tx, place.integration_id, CANDIDATE, record_id)
    assert again is not None
    assert (again.sent_at, again.sent_sealed) == (found.sent_at, b"again")
    row = await ground.row("create_intents")
    assert (row["lease_token"], row["identity_key"]) == (2, "key")
    async with ground.database.company(place.company_id) as tx:
        await intents.end(tx, first.id, "linked")
        await intents.end(tx, first.id, "review")
        await intents.mark_sent(tx, first.id, identity_key="other", sealed=b"x")
    after = await ground.row("create_intents")
    assert (after["state"], after["sent_at"], after["sent_sealed"]) == ("linked", row["sent_at"], None)
    assert await known() == (None, False, set())
    assert (await open_it("key", 3)).id != first.id


async def test_applications_that_a_call_may_have_made(place: Place) -> None:
    ground, intents = place.ground, place.ground.store.create_intents
    candidate_id, job_id, other_job_id = uuid4(), uuid4(), uuid4()

    async def sent(*, to_job: UUID = job_id, entity: EntityType = APPLICATION, is_sent: bool = True) -> UUID:
        record_id = await insert(place, APPLICATION, {"candidate_id": str(candidate_id), "job_id": str(to_job)})
        async with ground.database.company(place.company_id) as tx:
            intent = await intents.open(tx, place.integration_id, entity, record_id, identity_key="key", lease_token=1)
            if is_sent:
                await intents.mark_sent(tx, intent.id, identity_key="key", sealed=b"what was sent")
        return record_id

    one, two = await sent(), await sent(to_job=other_job_id)
    await sent(is_sent=False)
    await sent(entity=CANDIDATE)
    over = await sent()
    async with ground.database.company(place.company_id) as tx:
        found = await intents.find(tx, place.integration_id, APPLICATION, over)
        assert found is not None
        await intents.end(tx, found.id, "linked")
        (first,) = await intents.sent_applications(tx, place.integration_id, [job_id])
        known = await intents.find(tx, place.integration_id, APPLICATION, one)
        assert known is not None
        assert first == SentApplication(one, candidate_id, job_id, replace(known, age_s=first.intent.age_s))
        assert known.age_s >= first.intent.age_s >= 0
        both = await intents.sent_applications(tx, place.integration_id, [job_id, other_job_id])
        assert [each.id for each in both] == sorted([one, two])
        assert await intents.sent_applications(tx, place.integration_id, []) == []
        assert await intents.sent_applications(tx, uuid4(), [job_id]) == []
