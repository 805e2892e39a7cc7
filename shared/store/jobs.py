"""What the ledger takes and gives: requests, knocks, claims and jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from pydantic import JsonValue

from shared.model import Direction, EntityType

MAX_CRASHES = 5
"""A job that ended unsettled this often in a row is dead-lettered (`crash_loop`)."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A wish that a job should run: it says which record may differ, never what changed."""

    integration_id: UUID
    action: str
    entity: EntityType
    record_key: str
    direction: Direction
    priority: int
    payload: Mapping[str, JsonValue] = field(default_factory=dict)
    """Parameters of the job; never personal data."""
    due_at: datetime | None = None
    """None = at once (the database's clock)."""
    hold_reason: str | None = None
    """Waits, without a date, for the event of this name."""
    run_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Knock:
    """What a message needs to make a worker look: ids, and the epoch that ends with a redrive."""

    company_id: UUID
    job_id: UUID
    epoch: int
    priority: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that is ours until its lease ends."""

    job_id: UUID
    company_id: UUID
    token: int
    priority: int


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job as its worker reads it."""

    id: UUID
    company_id: UUID
    integration_id: UUID
    action: str
    entity: EntityType
    record_key: str
    direction: Direction
    priority: int
    payload: Mapping[str, JsonValue]
    retry_count: int
    max_retries: int
    crashes: int
    """How often in a row its worker died, or it raised what nobody foresaw."""
    epoch: int
    run_id: UUID | None
    token: int
    lease_left_s: float
    """How long the lease still lasted when the job was read, by the database's clock."""
    last_error: str | None
    """Why it did not end the last time; None at first."""


def coalesced(first: JobRequest, second: JobRequest) -> JobRequest:
    """
    Return one request that asks for what both ask, for the same key.

    The more urgent priority and the earlier time count, a full pull covers an incremental one, and it waits for an
    event only if both do.
    """
    payload = {**first.payload, **second.payload}
    if "full" in (first.payload.get("mode"), second.payload.get("mode")):
        payload["mode"] = "full"
    ready = [each for each in (first, second) if each.hold_reason is None]
    times = [each.due_at for each in ready]
    return replace(
        first,
        priority=min(first.priority, second.priority),
        payload=payload,
        due_at=None if None in times else min((each for each in times if each is not None), default=None),
        hold_reason=None if ready else first.hold_reason,
        run_id=first.run_id or second.run_id,
    )
