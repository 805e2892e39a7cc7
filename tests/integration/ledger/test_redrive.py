"""A dead letter runs again, in whatever state its key is by then."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

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
