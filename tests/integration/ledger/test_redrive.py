"""A dead letter runs again, in whatever state its key is by then."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from shared.store.dead_letters import DeadLetters
from shared.store.ledger import Job
from tests.fixtures.waiting import until
from tests.integration.ledger.ground import Ground, Place


async def _dead(ground: Ground, place: Place, key: str = "k", **how: object) -> tuple[UUID, UUID]:
    job_id = await place.ask(key, **how)
    letter_id = await ground.fail(await ground.claimed_job(job_id))
    assert letter_id is not None
    return job_id, letter_id


async def test_a_redriven_job_starts_over_and_can_succeed(ground: Ground, place: Place) -> None:
    job_id, letter_id = await _dead(ground, place)
    knock = await ground.redrive(place.company_id, letter_id)
    assert knock is not None
    assert (knock.job_id, knock.epoch) == (job_id, 1)
    job = await ground.claimed_job(job_id)
    assert (job.retry_count, job.crashes, job.last_error, job.epoch) == (0, 0, None, 1)
    assert await ground.finish(job) is None
    (letter,) = await place.letters()
    assert letter["state"] == "redriven"
    assert letter["ended_at"] is not None


async def test_a_job_that_dies_again_gets_another_letter(ground: Ground, place: Place) -> None:
    job_id, letter_id = await _dead(ground, place)
    await ground.redrive(place.company_id, letter_id)
    second = await ground.fail(await ground.claimed_job(job_id))
    assert second not in (None, letter_id)
    assert [letter["state"] for letter in await place.letters()] == ["redriven", "open"]


async def test_a_letter_is_redriven_once(ground: Ground, place: Place) -> None:
    _, letter_id = await _dead(ground, place)
    found = await asyncio.gather(*(ground.redrive(place.company_id, letter_id) for _ in range(5)))
    assert sum(knock is not None for knock in found) == 1
    assert await ground.redrive(place.company_id, letter_id) is None
    assert await ground.redrive(place.company_id, uuid4()) is None


async def test_nobody_redrives_another_companys_letter(ground: Ground, place: Place) -> None:
    _, letter_id = await _dead(ground, place)
    assert await ground.redrive(await ground.company(), letter_id) is None
    assert [letter["state"] for letter in await place.letters()] == ["open"]


async def test_if_the_key_was_asked_for_meanwhile_that_job_runs_instead(ground: Ground, place: Place) -> None:
    dead, letter_id = await _dead(ground, place, priority=2, payload={"a": 1})
    waiting = await place.ask("k", priority=7, payload={"b": 2})
    await ground.postpone(await ground.claimed_job(waiting), wait_s=960, attempts=1)
    knock = await ground.redrive(place.company_id, letter_id)
    assert knock is not None
    assert knock.job_id == waiting
    row = await ground.job_row(waiting)
    assert (row["priority"], row["retry_count"], row["payload"]) == (2, 0, {"a": 1, "b": 2})
    assert await ground.rows("SELECT 1 FROM sync_queue WHERE id = %(id)s", id=dead) == []
    assert (await ground.claimed_job(waiting)).id == waiting


async def test_a_full_pull_stays_full_when_the_key_was_asked_for_meanwhile(ground: Ground, place: Place) -> None:
    _, letter_id = await _dead(ground, place, payload={"mode": "full"})
    waiting = await place.ask("k", payload={"mode": "incremental"})
    await ground.redrive(place.company_id, letter_id)
    assert (await ground.job_row(waiting))["payload"] == {"mode": "full"}


async def test_a_letter_that_somebody_else_almost_redrove_is_redriven(ground: Ground, place: Place) -> None:
    """The other one gives up before it commits; until then this one waits."""
    job_id, letter_id = await _dead(ground, place)
    async with ground.database.rehearsal(place.company_id) as tx:
        assert (await DeadLetters().redrive(tx, letter_id=letter_id))[0] == 1
        redriving = asyncio.create_task(ground.redrive(place.company_id, letter_id))
        await until(lambda: _is_blocked(ground))
    knock = await redriving
    assert knock is not None
    assert knock.job_id == job_id


@pytest.mark.parametrize("how", ["one", "all"])
async def test_if_the_key_waits_for_an_event_it_waits_no_more(ground: Ground, place: Place, how: str) -> None:
    """A person asked for it: it runs now, and is no longer shown as waiting."""
    _, letter_id = await _dead(ground, place)
    waiting = await place.ask("k", hold_reason="parent:7")
    letter, integration = (letter_id, None) if how == "one" else (None, place.integration_id)
    async with ground.database.company(place.company_id) as tx:
        await DeadLetters().redrive(tx, letter_id=letter, integration_id=integration)
    assert (await ground.job_row(waiting))["hold_reason"] is None
    async with ground.database.company(place.company_id) as tx:
        assert await ground.ledger.release_held(tx, place.integration_id, ["parent:7"]) == []
    assert (await ground.claimed_job(waiting)).id == waiting


async def test_if_the_key_is_being_worked_on_it_runs_again_after(ground: Ground, place: Place) -> None:
    _, letter_id = await _dead(ground, place)
    running = await place.ask("k")
    job = await ground.claimed_job(running)
    await ground.redrive(place.company_id, letter_id)
    again = await ground.finish(job)
    assert again is not None
    assert again.job_id == running


async def test_two_letters_of_one_key_become_one_job(ground: Ground, place: Place) -> None:
    first, first_letter = await _dead(ground, place)
    _, second_letter = await _dead(ground, place)
    await ground.redrive(place.company_id, first_letter)
    knock = await ground.redrive(place.company_id, second_letter)
    assert knock is not None
    assert knock.job_id == first
    assert len(await ground.rows("SELECT 1 FROM sync_queue")) == 1


async def test_a_redrive_that_meets_a_request_for_its_key_gives_way(ground: Ground, place: Place) -> None:
    """The request is not committed when the redrive looks, and is when it writes."""
    _, letter_id = await _dead(ground, place)
    async with ground.database.company(place.company_id) as tx:
        (asked,) = await ground.ledger.enqueue(tx, [place.request("k")])
        redriving = asyncio.create_task(ground.redrive(place.company_id, letter_id))
        await until(lambda: _is_blocked(ground))
    knock = await redriving
    assert knock is not None
    assert knock.job_id == asked.job_id
    assert [letter["state"] for letter in await place.letters()] == ["redriven"]
    row = await ground.job_row(asked.job_id)
    assert row["requested_seq"] == 2


async def _is_blocked(ground: Ground) -> bool:
    return bool(await ground.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))


async def test_letters_that_are_alike_but_for_numbers_are_one_group(ground: Ground, place: Place) -> None:
    for number in range(3):
        await ground.fail(await _claimed(ground, place, f"k{number}"), message=f"candidate {number} is locked")
    await ground.fail(await _claimed(ground, place, "other"), code="not_found", message="candidate 9 is locked")
    async with ground.database.company(place.company_id) as tx:
        first, second = await DeadLetters().groups(tx)
    assert (first["count"], first["cause"], first["sample_cause"]) == (
        3,
        "candidate # is locked",
        "candidate 2 is locked",
    )
    assert first["first_at"] < first["last_at"]
    assert (second["count"], second["code"]) == (1, "not_found")


async def test_a_group_is_redriven_whole_and_the_others_stay(ground: Ground, place: Place) -> None:
    for number in range(4):
        await ground.fail(await _claimed(ground, place, f"k{number}"), message=f"candidate {number} is locked")
    other = await ground.fail(await _claimed(ground, place, "other"), message="no such stage")
    async with ground.database.company(place.company_id) as tx:
        groups = await DeadLetters().groups(tx)
        key = next(group["group"] for group in groups if group["count"] == 4)
        letters, knocks = await DeadLetters().redrive(tx, group=key, limit=3)
        assert (letters, len(knocks)) == (3, 3)
        letters, knocks = await DeadLetters().redrive(tx, group=key)
        assert (letters, len(knocks)) == (1, 1)
        assert await DeadLetters().redrive(tx, group=key) == (0, [])
    rows = await ground.rows("SELECT status, epoch, retry_count FROM sync_queue WHERE status = 'pending'")
    assert rows == [{"status": "pending", "epoch": 1, "retry_count": 0}] * 4
    assert [letter["id"] for letter in await place.letters() if letter["state"] == "open"] == [other]


async def test_many_of_one_key_become_the_one_job_that_the_key_may_have(ground: Ground, place: Place) -> None:
    """One failed twice, and one that was asked for anew meanwhile: nothing runs twice, and a full pull stays full."""
    for mode in ("full", "incremental"):
        await place.ask_for([place.request("twice", payload={"mode": mode})])
        await ground.fail(await ground.claimed_job())
    await ground.fail(await _claimed(ground, place, "anew"))
    anew = await place.ask("anew")
    async with ground.database.company(place.company_id) as tx:
        letters, knocks = await DeadLetters().redrive(tx)
    assert (letters, len(knocks)) == (3, 2)
    rows = await ground.rows(
        "SELECT id, record_key, status, requested_seq, payload FROM sync_queue ORDER BY record_key"
    )
    assert [(row["record_key"], row["status"]) for row in rows] == [("anew", "pending"), ("twice", "pending")]
    assert (rows[0]["id"], rows[0]["requested_seq"]) == (anew, 2)
    assert rows[1]["payload"] == {"mode": "full"}
    assert [letter["state"] for letter in await place.letters()] == ["redriven"] * 3


async def _claimed(ground: Ground, place: Place, key: str) -> Job:
    return await ground.claimed_job(await place.ask(key))
