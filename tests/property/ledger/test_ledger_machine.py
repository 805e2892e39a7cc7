"""
The ledger against a model of it: any order of calls, by two connections, on a real PostgreSQL.

Three laws, whatever happens: every request that was acknowledged is followed by a claim that began after it, unless a
person cancelled it; no key is ever worked by two live leases; a job ends only by a guard that its state allows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.errors import LeaseLost
from shared.store.ledger import Job
from tests.fixtures.postgres import Database
from tests.integration.ledger.ground import Ground, Place
from tests.property.ledger.model import Model, ModelJob

T = TypeVar("T")
KEYS = ("a", "b", "c")
CAP = 2


class Loop:
    """An event loop of its own: hypothesis calls plain functions."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def close(self) -> None:
        self._runner.close()


class LedgerMachine(RuleBasedStateMachine):
    """Two connections take turns; the model says what each call must come to."""

    grounds: ClassVar[tuple[Ground, Ground]]
    loop: ClassVar[Loop]

    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        first, second = self.grounds
        self.places = [self.loop(first.place())]
        self.places.append(Place(second, self.places[0].company_id, self.places[0].integration_id))

    # -- what people and events do ------------------------------------------------------------------------------------

    @rule(who=st.integers(0, 1), key=st.sampled_from(KEYS), held=st.sampled_from([False, False, False, True]))
    def ask(self, who: int, key: str, held: bool) -> None:
        job_id = self.loop(self.places[who].ask(key, hold_reason="event" if held else None))
        known = self.model.open_job(key)
        if known is None:
            assert job_id not in self.model.jobs
            self.model.jobs[job_id] = ModelJob(key, is_held=held)
            return
        assert job_id == known[0]
        job = known[1]
        job.asked += 1
        if job.state == "pending":
            job.attempts = 0
            if not job.is_held and not held:
                job.is_waiting = False

    @precondition(lambda self: self.any_job(lambda job: job.is_held))
    @rule(who=st.integers(0, 1))
    def the_event_comes(self, who: int) -> None:
        async def release() -> int:
            place = self.places[who]
            async with place.ground.database.company(place.company_id) as tx:
                return len(await place.ground.ledger.release_held(tx, place.integration_id, ["event"]))

        held = [job for job in self.model.jobs.values() if job.state == "pending" and job.is_held]
        assert self.loop(release()) == len(held)
        for job in held:
            job.is_held = job.is_waiting = False

    @precondition(lambda self: sum(job.state == "pending" for job in self.model.jobs.values()) > 1)
    @rule(who=st.integers(0, 1))
    def an_entity_is_switched_off(self, who: int) -> None:

        async def cancel() -> set[str]:
            place = self.places[who]
            async with place.ground.database.company(place.company_id) as tx:
                gone = await place.ground.ledger.cancel(tx, place.integration_id, ["reconcile"])
            return {row["record_key"] for row in gone}

        waiting = {i: job for i, job in self.model.jobs.items() if job.state == "pending"}
        assert self.loop(cancel()) == {job.key for job in waiting.values()}
        for job_id in waiting:
            del self.model.jobs[job_id]

    @precondition(lambda self: self.any_job(lambda job: job.is_waiting))
    @rule()
    def waits_end(self) -> None:
        self.loop(
            self._of_this_world(
                "scheduled_at = least(scheduled_at, clock_timestamp() - interval '1 s')"
                " WHERE scheduled_at < 'infinity' AND status = 'pending'"
            )
        )
        for job in self.model.jobs.values():
            job.is_waiting = False

    @precondition(lambda self: self.any_job(lambda job: job.is_live))
    @rule()
    def workers_die(self) -> None:
        self.loop(self._of_this_world("lease_until = clock_timestamp() - interval '1 s' WHERE status = 'processing'"))
        for job in self.model.jobs.values():
            job.is_live = False

    # -- what workers do ----------------------------------------------------------------------------------------------

    @rule(target=claims, who=st.integers(0, 1), named=st.sampled_from([None, *KEYS]))
    def claim_one(self, who: int, named: str | None) -> Any:
        if not self._claimable():
            self.ask(who, named or KEYS[0], held=False)
        claimed = self.claim(who, named)
        return multiple() if claimed is None else claimed

    @rule(who=st.integers(0, 1), claimed=claims)
    def ask_for_what_runs(self, who: int, claimed: Job) -> None:
        self.ask(who, claimed.record_key, held=False)

    def claim(self, who: int, named: str | None) -> Job | None:
        known = self.model.open_job(named) if named is not None else None
        job_id = known[0] if known is not None else None
        claimable = self._claimable()
        if job_id not in claimable and len(claimable) > 1:
            # Which of several equals comes first is the database's; a story must end the same when it is told again.
            job_id = min(claimable, key=lambda each: self.model.jobs[each].key)
        claimed = self.loop(self._claim(who, job_id))
        claimable = self._claimable()
        if claimed is None:
            assert not claimable or self.model.running() >= CAP
            return None
        assert self.model.running() < CAP
        assert claimed.id in claimable
        if job_id in claimable:
            assert claimed.id == job_id
        job = self.model.jobs[claimed.id]
        job.crashes += job.state == "processing"
        job.state, job.is_live, job.token, job.claimed = "processing", True, claimed.token, job.asked
        assert (claimed.crashes, claimed.retry_count, claimed.epoch) == (job.crashes, job.attempts, job.epoch)
        return claimed

    @rule(who=st.integers(0, 1), claimed=consumes(claims))
    def finish(self, who: int, claimed: Job) -> None:
        job = self._settle(claimed, self.places[who].ground.finish)
        if job is not None:
            job.attempts = job.crashes = 0
            job.state = "pending" if job.asked > job.claimed else "completed"
            job.is_waiting = False

    @rule(who=st.integers(0, 1), claimed=consumes(claims))
    def fail(self, who: int, claimed: Job) -> None:
        letters: list[UUID | None] = []

        async def fail(job: Job) -> None:
            letters.append(await self.places[who].ground.fail(job))

        job = self._settle(claimed, fail)
        if job is None:
            return
        if job.asked > job.claimed:
            assert letters == [None]
            job.state, job.attempts, job.crashes, job.is_waiting = "pending", 0, 0, False
        else:
            (letter,) = letters
            assert letter is not None
            job.state = "failed"
            self.model.letters[letter] = claimed.id

    @rule(
        who=st.integers(0, 1),
        claimed=consumes(claims),
        how=st.sampled_from(["retry", "hold", "continue", "unforeseen"]),
    )
    def postpone(self, who: int, claimed: Job, how: str) -> None:
        ways: dict[str, dict[str, Any]] = {
            "retry": {"wait_s": 960, "attempts": 1},
            "hold": {"hold_reason": "event"},
            "continue": {},
            "unforeseen": {"wait_s": 60, "unforeseen": True, "code": "other"},
        }
        job = self._settle(claimed, lambda job: self.places[who].ground.postpone(job, **ways[how]))
        if job is None:
            return
        is_asked = job.asked > job.claimed
        job.state = "pending"
        job.attempts = 0 if is_asked else job.attempts + (how == "retry")
        job.crashes = job.crashes + 1 if how == "unforeseen" else 0
        job.is_held = how == "hold" and not is_asked
        job.is_waiting = how == "unforeseen" or (how == "retry" and not is_asked)

    @precondition(lambda self: self.any_job(lambda job: job.is_open and job.claimed > 0))
    @rule(who=st.integers(0, 1), is_old=st.booleans(), data=st.data())
    def poison(self, who: int, is_old: bool, data: st.DataObject) -> None:
        poisoned = [i for i, job in self.model.jobs.items() if job.is_open and job.claimed > 0]
        job_id = data.draw(st.sampled_from(poisoned))
        job = self.model.jobs[job_id]
        epoch = job.epoch - 1 if is_old else job.epoch
        place = self.places[who]

        async def bury() -> UUID | None:
            async with place.ground.database.company(place.company_id) as tx:
                return await place.ground.ledger.bury(
                    tx, job_id, epoch=epoch, queue="sync-normal", code="poison", message="x"
                )

        letter = self.loop(bury())
        may_end = not is_old and not (job.state == "processing" and job.is_live) and job.asked == job.claimed
        assert (letter is not None) is may_end
        if letter is not None:
            job.state, job.is_held, job.is_waiting = "failed", False, False
            self.model.letters[letter] = job_id

    @precondition(lambda self: bool(self.model.letters))
    @rule(who=st.integers(0, 1), data=st.data())
    def redrive(self, who: int, data: st.DataObject) -> None:
        letter = data.draw(st.sampled_from(list(self.model.letters)))
        failed_id = self.model.letters.pop(letter)
        failed = self.model.jobs[failed_id]
        knock = self.loop(self.places[who].ground.redrive(self.places[who].company_id, letter))
        assert knock is not None
        known = self.model.open_job(failed.key)
        if known is None:
            assert (knock.job_id, knock.epoch) == (failed_id, failed.epoch + 1)
            failed.state, failed.attempts, failed.crashes = "pending", 0, 0
            failed.epoch += 1
            failed.is_waiting = failed.is_held = False
            return
        assert knock.job_id == known[0]
        known[1].asked += 1
        if known[1].state == "pending":
            known[1].attempts, known[1].is_waiting, known[1].is_held = 0, False, False
        del self.model.jobs[failed_id]
        assert self.loop(self.places[who].ground.redrive(self.places[who].company_id, letter)) is None

    # -- laws ---------------------------------------------------------------------------------------------------------

    @invariant()
    def rows_are_what_the_model_says(self) -> None:
        rows = {row["id"]: row for row in self.loop(self._rows())}
        assert set(rows) == set(self.model.jobs)
        for job_id, job in self.model.jobs.items():
            row = rows[job_id]
            shown = (row["status"], row["epoch"], row["requested_seq"], row["claimed_seq"], row["is_live"])
            is_live = job.state == "processing" and job.is_live
            assert shown == (job.state, job.epoch, job.asked, job.claimed, is_live), job
            if job.state in ("completed", "failed"):
                assert row["claimed_seq"] == row["requested_seq"]
            if job.is_open:
                assert (row["crashes"], row["retry_count"]) == (job.crashes, job.attempts), job
        live = [row["record_key"] for row in rows.values() if row["is_live"]]
        assert len(live) == len(set(live)) <= CAP
        opened = [row["record_key"] for row in rows.values() if row["status"] in ("pending", "processing")]
        assert len(opened) == len(set(opened))

    def teardown(self) -> None:
        """Let everything come to its end; what a world that failed leaves is not the next one's to claim."""
        try:
            self._everything_ends()
        finally:
            self.loop(self._of_this_world("status = 'completed' WHERE status IN ('pending', 'processing')"))

    def _everything_ends(self) -> None:
        """Each request that is open still has its claim."""
        self.the_event_comes(0)
        for _ in range(len(KEYS) * 2):
            self.waits_end()
            self.workers_die()
            claimed = self.claim(0, None)
            while claimed is not None:
                self.finish(0, claimed)
                claimed = self.claim(0, None)
        assert not any(job.is_open for job in self.model.jobs.values())
        self.rows_are_what_the_model_says()

    def any_job(self, is_such: Callable[[ModelJob], bool]) -> bool:
        """Whether the world has such a job."""
        return any(is_such(job) for job in self.model.jobs.values())

    def _claimable(self) -> set[UUID]:
        return {
            i
            for i, job in self.model.jobs.items()
            if (job.state == "pending" and not job.is_held and not job.is_waiting)
            or (job.state == "processing" and not job.is_live)
        }

    def _settle(self, claimed: Job, settle: Callable[[Job], Coroutine[Any, Any, Any]]) -> ModelJob | None:
        """Settle, or see it refused if the lease is another's by now; return the job if it was settled."""
        job = self.model.jobs.get(claimed.id)
        if job is None or job.state != "processing" or job.token != claimed.token:
            with pytest.raises(LeaseLost):
                self.loop(settle(claimed))
            return None
        self.loop(settle(claimed))
        job.is_live, job.token = False, None
        return job

    async def _claim(self, who: int, job_id: UUID | None) -> Job | None:
        ground = self.places[who].ground
        claim = await ground.claim(job_id, cap=CAP)
        return await ground.job(claim) if claim is not None else None

    async def _rows(self) -> list[dict[str, Any]]:
        place = self.places[0]
        return await place.ground.rows(
            "SELECT id, record_key, status, epoch, requested_seq, claimed_seq, crashes, retry_count,"
            " coalesce(status = 'processing' AND lease_until > clock_timestamp(), false) AS is_live FROM sync_queue"
            " WHERE integration_id = %(id)s",
            id=place.integration_id,
        )

    async def _of_this_world(self, change: str) -> None:
        place = self.places[0]
        await place.ground.rows(
            f"UPDATE sync_queue SET {change} AND integration_id = %(id)s",  # noqa: S608 - texts of this file
            id=place.integration_id,
        )


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


def test_the_ledger_does_what_its_model_says(database: Database, loop: Loop) -> None:
    """Worlds share a database, each with a company of its own; nothing that ended stays claimable for the next."""
    LedgerMachine.loop = loop
    LedgerMachine.grounds = (
        loop(Ground.open(database.app_dsn, database.admin_dsn, pool_max=2)),
        loop(Ground.open(database.app_dsn, database.admin_dsn, pool_max=2)),
    )
    try:
        run_state_machine_as_test(
            LedgerMachine,
            settings=settings(
                max_examples=60,
                stateful_step_count=50,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
    finally:
        for ground in LedgerMachine.grounds:
            loop(ground.aclose())
