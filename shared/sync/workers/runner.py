"""
The runner: answers a knock by claiming a job, running its handler, and settling how it ended.

The named job if it is due, else the fairest due one of that queue; then the next, until nothing is due or the time is
up. Whatever was foreseen is settled in the ledger and ends normally. Only what nobody foresaw is raised, after the job
was given back, so that the host counts it and in the end moves the message to the poison queue.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from shared import telemetry
from shared.adapters.limits import LONGEST_WAIT_S, waiting_at_most
from shared.errors import Conflict, LeaseLost, LiaisonError, Unavailable
from shared.model import LogAction, LogStatus
from shared.store.database import Database
from shared.store.ledger import MAX_CRASHES, Claim, Job, Knock
from shared.store.logs import LogRow
from shared.store.queues import QUEUE_BY_PRIORITY, Knocker, queue_for
from shared.store.store import Store
from shared.sync.jobs import next_step as steps
from shared.sync.jobs import waiting
from shared.sync.jobs.endings import Continue, Done, Ending, Hold
from shared.sync.jobs.lease import Lease
from shared.sync.jobs.next_step import EXACT, Backoff, next_step
from shared.sync.jobs.wakeups import wake_what_is_over
from shared.sync.runs.run_jobs import RunJob, end_run_of
from shared.sync.workers.slots import Slots
from shared.sync.workers.standing import stop

Handler = Callable[[Job], Awaitable[Ending]]

UNFORESEEN = "unforeseen"
"""`error_code` of a job that raised. Its own message may claim it at any time (`is_due_if_named` in migration 0005)."""

PATIENCE_S = 5.0
"""How long an urgent job waits for its vendor's window in its place: then it makes room, and comes back with it."""

LONGEST_DELAY_S = 300.0
"""Waits up to this long end with a message of their own."""

KEPT_FOR = 2
"""Times `visibilityTimeout`: so long everybody else leaves it to that message, whose failures the host counts."""

URGENT, *_, BULK = QUEUE_BY_PRIORITY

FEWEST_TO_KEEP_ONE = 3
"""Integrations that may run fewer jobs at once keep no place free."""

ANSWER_S = 60.0
"""How long one knock goes on claiming job after job."""

log = telemetry.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one worker process."""

    lease_s: float
    at_once: int
    """Jobs of all queues together."""
    per_integration: int
    per_company: int | None = None
    """Jobs of one company, urgent ones aside; None: as many as its integrations may."""
    visibility_s: float = 30.0
    """host.json `visibilityTimeout`: how long the host waits before it redelivers a message that failed."""

    def of_integration(self, span: range) -> int:
        """Return how many of an integration's jobs run at once when the next has a priority in *span*."""
        # The last place is kept for urgent jobs: a webhook must not wait until one of its own first sync's has ended.
        is_kept = span.start > URGENT.stop - 1 and self.per_integration >= FEWEST_TO_KEEP_ONE
        return self.per_integration - is_kept


class Unforeseen(Exception):
    """A job failed in a way that nobody foresaw; the cause is chained, and the job is given back."""


class Runner:
    """Runs jobs by their `action`."""

    def __init__(
        self,
        database: Database,
        store: Store,
        knocker: Knocker,
        handlers: Mapping[str, Handler],
        limits: Limits,
        *,
        backoff: Backoff = EXACT,
        fault: Callable[[Job], None] | None = None,
        is_ending: Callable[[], bool] = lambda: False,
    ) -> None:
        """*is_ending* tells that this process ends soon: from then on no job is claimed."""
        self._database = database
        self._store = store
        self._knocker = knocker
        self._handlers = handlers
        self._limits = limits
        self._backoff = backoff
        self._fault = fault
        self._is_ending = is_ending
        self._slots = Slots(limits.at_once, URGENT, BULK)

    async def answer(self, body: bytes, queue: str) -> int:
        """
        Answer one message of *queue*; return how many jobs were run. A doubled or late message costs nothing.

        Raises Unforeseen if the job that it names ended so, and the host counts that. Another job's failure is no
        fault of this message: the ledger counts it, and the sweep knocks for that job by its own name.
        """
        knock = read_knock(body)
        span = next(span for span, name in QUEUE_BY_PRIORITY.items() if name == queue)
        clock = asyncio.get_running_loop().time
        deadline = clock() + ANSWER_S
        job_id: UUID | None = knock.job_id if knock is not None else None
        ran = 0
        with telemetry.continued(_traceparent(body)):
            async with self._slots.place(span):
                while (ran == 0 or clock() < deadline) and not self._is_ending():
                    claim = await self._claim(job_id, span)
                    if claim is None:
                        return ran
                    ran += 1
                    try:
                        await self.run(claim)
                    except Unforeseen:
                        if claim.job_id == job_id:
                            raise
                    job_id = None
        return ran

    async def _claim(self, job_id: UUID | None, span: range) -> Claim | None:
        try:
            async with self._database.dispatch() as tx:
                return await self._store.ledger.claim(
                    tx,
                    job_id,
                    low=span.start,
                    high=span.stop - 1,
                    ttl_s=self._limits.lease_s,
                    per_integration=self._limits.of_integration(span),
                    per_company=self._limits.per_company,
                )
        except LiaisonError as why:
            log.warning("claim_not_made", code=why.code, reason="the sweep knocks again")
            return None

    async def run(self, claim: Claim) -> None:
        """Run one claimed job to its end. Raises Unforeseen."""
        clock = asyncio.get_running_loop().time
        asked = clock()
        try:
            async with self._database.company(claim.company_id) as tx:
                job = await self._store.ledger.load(tx, claim)
        except (LeaseLost, Unavailable):
            return
        started = clock()
        with telemetry.bound(
            company_id=str(job.company_id), integration_id=str(job.integration_id), job_id=str(job.id)
        ):
            outcome = await self._run(job, asked)
            duration_ms = round((clock() - started) * 1000)
            log.info("job_finished", action=job.action, outcome=outcome, duration_ms=duration_ms)

    async def _run(self, job: Job, asked: float) -> str:
        lease = Lease(self._database, self._store.ledger, job, ttl_s=self._limits.lease_s, asked=asked)
        try:
            async with lease.held():
                if job.crashes >= MAX_CRASHES:
                    return await self._bury(job, "crash_loop", _why_unsettled(job))
                if self._fault is not None:
                    self._fault(job)
                with waiting_at_most(PATIENCE_S if job.priority in URGENT else LONGEST_WAIT_S):
                    ending = await self._handlers[job.action](job)
            return await self._settle(job, ending)
        except LiaisonError as error:
            return await self._settle_error(job, error)
        except Exception as error:
            log.exception("job_raised", action=job.action)
            await self._give_back(job, error)
            raise Unforeseen(type(error).__name__) from error

    async def _settle(self, job: Job, ending: Ending) -> str:
        knocks: list[Knock] = list(ending.knocks)
        outcome, again = await self._write_ending(job, ending)
        if isinstance(ending, Hold):
            async with self._database.company(job.company_id) as tx:
                knocks.extend(await wake_what_is_over(tx, self._store, job.integration_id, [ending.reason]))
        wait_s = ending.wait_s if isinstance(ending, Continue) else 0.0
        if again is not None and wait_s:
            await self._knock_later(again, wait_s)
        elif again is not None:
            knocks.append(again)
        await self._knocker.send(knocks, traceparent=_current_traceparent())
        return outcome

    async def _knock_later(self, knock: Knock, wait_s: float) -> None:
        """Knock when the job is due, so that a short wait does not end with a sweep; longer ones are the sweep's."""
        if wait_s <= LONGEST_DELAY_S:
            # A second late: one that comes too early finds nothing due, and the job waits for the sweep.
            await self._knocker.send([knock], traceparent=_current_traceparent(), delay_s=math.ceil(wait_s) + 1)

    async def _write_ending(self, job: Job, ending: Ending) -> tuple[str, Knock | None]:
        """Settle *ending*; return its name, and a knock when the job is due again at once."""
        ledger = self._store.ledger
        async with self._database.company(job.company_id) as tx:
            match ending:
                case Done():
                    return ending.outcome, await ledger.finish(tx, job)
                case Hold():
                    await ledger.postpone(tx, job, hold_reason=ending.reason, message=ending.message, code="held")
                    return "held", None
                case Continue():
                    again = await ledger.postpone(
                        tx, job, wait_s=ending.wait_s, payload=ending.payload, got_on=not ending.wait_s
                    )
                    return "continued", again

    async def _settle_error(self, job: Job, error: LiaisonError) -> str:
        """
        Perform what `next_step` decides.

        Without a database, or when another transaction won, nothing is settled: the lease runs out, the sweep goes on.
        """
        step = next_step(error, attempt=job.retry_count + 1, max_retries=job.max_retries, backoff=self._backoff)
        try:
            return await self._perform(job, step, error)
        except (Conflict, Unavailable) as why:  # LeaseLost is a Conflict
            log.warning("job_not_settled", code=why.code, cause=error.code)
            return "abandoned"

    async def _perform(self, job: Job, step: steps.NextStep, error: LiaisonError) -> str:
        message = str(error)
        match step:
            case steps.Abandon():
                return "abandoned"
            case steps.DeadLetter():
                return await self._bury(job, step.code, message, error=error)
            case steps.Retry():
                async with self._database.company(job.company_id) as tx:
                    again = await self._store.ledger.postpone(
                        tx, job, wait_s=step.wait_s, attempts=1, code=step.code, message=message
                    )
                    await self._store.logs.write(tx, [_failure(job, error)])
                await self._knock_later(again, step.wait_s)
                return "retried"
            case steps.Again():
                async with self._database.company(job.company_id) as tx:
                    again = await self._store.ledger.postpone(
                        tx, job, wait_s=step.wait_s, code=step.code, message=message
                    )
                await self._knock_later(again, step.wait_s)
                return "again"
            case steps.Defer():
                async with self._database.company(job.company_id) as tx:
                    await self._store.connections.block(tx, job.integration_id, wait_s=step.wait_s, reason=step.code)
                    again = await self._store.ledger.postpone(tx, job, code=step.code, message=message)
                await self._knock_later(again, step.wait_s)
                return "deferred"
            case steps.Pause():
                await self._pause(job, error)
                return "paused"

    async def _pause(self, job: Job, error: LiaisonError) -> None:
        async with self._database.company(job.company_id) as tx:
            was_running, knocks = await stop(tx, self._store, job, error)
            await self._store.logs.write(tx, [_failure(job, error)])
        if was_running:
            log.error("integration_paused", code=error.code, reason=str(error))
        async with self._database.company(job.company_id) as tx:
            reasons = [waiting.people(job.integration_id)]
            knocks += await wake_what_is_over(tx, self._store, job.integration_id, reasons)
        await self._knocker.send(knocks, traceparent=_current_traceparent())

    async def _bury(self, job: Job, code: str, message: str, *, error: LiaisonError | None = None) -> str:
        async with self._database.company(job.company_id) as tx:
            letter = await self._store.ledger.fail(tx, job, queue=queue_for(job.priority), code=code, message=message)
            await self._store.logs.write(tx, [_failure(job, error, message)])
            ended = f"{code}: {message}"
            knocks = [] if letter is None else await end_run_of(tx, self._store, RunJob.of(job), error=ended)
        await self._knocker.send(knocks, traceparent=_current_traceparent())
        if letter is None:
            return "asked_again"
        log.error("dead_letter", code=code, letter_id=str(letter), action=job.action, attempt=job.retry_count + 1)
        return "dead_letter"

    async def _give_back(self, job: Job, error: Exception) -> None:
        """Let the redelivered message find the job: otherwise five failures would never reach the poison queue."""
        try:
            async with self._database.company(job.company_id) as tx:
                await self._store.ledger.postpone(
                    tx,
                    job,
                    wait_s=KEPT_FOR * self._limits.visibility_s,
                    code=UNFORESEEN,
                    message=type(error).__name__,
                    unforeseen=True,
                )
        except LiaisonError as why:
            log.warning("job_not_settled", code=why.code)


def read_knock(body: bytes) -> Knock | None:
    """Read a message; None for one that names no job (its queue is looked through all the same)."""
    try:
        content: Any = orjson.loads(body)
        return Knock(UUID(content["company_id"]), UUID(content["job_id"]), int(content["epoch"]), 5)
    except (AttributeError, KeyError, TypeError, ValueError):
        log.warning("knock_not_read", size_bytes=len(body))
        return None


def _traceparent(body: bytes) -> str | None:
    try:
        content: Any = orjson.loads(body)
        found = content.get("traceparent")
    except (orjson.JSONDecodeError, AttributeError):
        return None
    return found if isinstance(found, str) else None


def _current_traceparent() -> str | None:
    trace = telemetry.current_trace()
    return None if trace is None else str(trace)


def _failure(job: Job, error: LiaisonError | None, message: str | None = None) -> LogRow:
    is_external = job.record_key.startswith("ext:")
    return LogRow(
        integration_id=job.integration_id,
        entity=job.entity,
        action=LogAction.SKIPPED,
        direction=job.direction,
        status=LogStatus.FAILED,
        entity_id=None if is_external or job.record_key == "all" else _uuid(job.record_key),
        external_id=job.record_key.removeprefix("ext:") if is_external else None,
        error_message=message or str(error),
        retry_count=job.retry_count,
        request_id=error.request_id if error is not None else None,
        run_id=job.run_id,
        job_id=job.id,
        details={"code": error.code if error is not None else "crash_loop"},
    )


def _why_unsettled(job: Job) -> str:
    last = f"; the last it said: {job.last_error}" if job.last_error else ""
    return f"ended unsettled {job.crashes} times in a row: its worker died, or it raised{last}"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
