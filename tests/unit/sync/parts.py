"""An integration, a job and observations, ready made."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.adapters import registry
from shared.model import Application, Candidate, Direction, EntityType, Record, Reference
from shared.store.connections import IntegrationRow
from shared.store.jobs import Job
from shared.store.links import Link, Ticket
from shared.sync.merging.observations import Observation, observe
from shared.sync.merging.work import Work

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
COMPANY, INTEGRATION, RECORD = (UUID(int=number) for number in (1, 2, 3))
JOB, CANDIDATE, APPLICATION = EntityType.JOB, EntityType.CANDIDATE, EntityType.APPLICATION


def integration(**changes: Any) -> IntegrationRow:
    """A Greenhouse account; both directions are open."""
    row = IntegrationRow(
        id=INTEGRATION,
        company_id=COMPANY,
        platform="greenhouse",
        api_base_url=None,
        credentials_sealed=None,
        config={"directions": dict.fromkeys(("job", "candidate", "application"), "both")},
        sync_enabled=True,
        switches=dict.fromkeys(EntityType, True),
        rank=1,
        version=1,
        max_retries=3,
        attention=None,
        clock_skew_ms=0,
        created_at=NOON,
        deleted_at=None,
    )
    return replace(row, **changes)


def job(**changes: Any) -> Job:
    """A reconcile of `RECORD`."""
    row = Job(
        id=UUID(int=9),
        company_id=COMPANY,
        integration_id=INTEGRATION,
        action="reconcile",
        entity=CANDIDATE,
        record_key=str(RECORD),
        direction=Direction.INBOUND,
        priority=5,
        payload={},
        retry_count=0,
        max_retries=3,
        crashes=0,
        epoch=0,
        run_id=None,
        token=1,
        lease_left_s=60.0,
        last_error=None,
    )
    return replace(row, **changes)


def work(entity: EntityType = CANDIDATE, of: Job | None = None) -> Work:
    """Work of a pull's page, or of the job *of*."""
    return Work(integration(), registry.get("greenhouse"), entity, of)


def link(**changes: Any) -> Link:
    """A link that was last written at ticket 10."""
    row = Link(
        id=UUID(int=4),
        integration_id=INTEGRATION,
        entity=CANDIDATE,
        internal_id=RECORD,
        external_id="7",
        state="live",
        is_primary=True,
        sync_version=1,
        fence=10,
        vendor_version=None,
        last_synced_at=datetime(2026, 1, 1, tzinfo=UTC),
        digest=None,
        base={},
    )
    return replace(row, **changes)


def seen(record: Record, *, number: int = 20, context: bytes = b"", is_fresh_fetch: bool = False) -> Observation:
    """Return *record* as a request with that ticket showed it."""
    (found,) = observe([record], Ticket(number, NOON), context=context, is_fresh_fetch=is_fresh_fetch)
    return found


def person(external_id: str = "7", **values: Any) -> Candidate:
    return Candidate(external_id=external_id, **values)


def application(external_id: str = "70", *, of: str = "7", on: str = "1") -> Application:
    return Application(
        external_id=external_id,
        references={"candidate_id": Reference(CANDIDATE, of), "job_id": Reference(JOB, on)},
    )
