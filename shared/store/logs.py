"""`sync_logs`: what happened to which record, a row each; unchanged records of a page share one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import LiteralString
from uuid import UUID

from pydantic import JsonValue

from shared.model import Direction, EntityType, LogAction, LogStatus
from shared.store.database import Transaction, rows_as_json

MAX_MESSAGE = 1000
"""Characters of an error message that are kept."""


@dataclass(slots=True)
class LogRow:
    """One outcome. Never changed; not frozen only because a page makes hundreds."""

    integration_id: UUID
    entity: EntityType
    action: LogAction
    direction: Direction
    status: LogStatus
    entity_id: UUID | None = None
    external_id: str | None = None
    error_message: str | None = None
    retry_count: int = 0
    duration_ms: int | None = None
    request_id: str | None = None
    run_id: UUID | None = None
    job_id: UUID | None = None
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    """Changed field names, rule, new status (`status`); counts on a page's row. Never a person's value."""


_INSERT: LiteralString = """
INSERT INTO sync_logs (id, company_id, integration_id, entity_type, entity_id, external_id, action, direction, status,
    error_message, retry_count, duration_ms, request_id, run_id, job_id, details)
SELECT gen_random_uuid(), %(company)s, r.integration_id, r.entity_type, r.entity_id, r.external_id, r.action,
    r.direction, r.status, r.error_message, r.retry_count, r.duration_ms, r.request_id, r.run_id, r.job_id, r.details
FROM jsonb_to_recordset(%(rows)s) AS r (integration_id uuid, entity_type text, entity_id uuid,
    external_id text, action text, direction text, status text, error_message text, retry_count integer,
    duration_ms integer, request_id text, run_id uuid, job_id uuid, details jsonb)
"""


class Logs:
    """Statements on `sync_logs`."""

    async def write(self, tx: Transaction, rows: Sequence[LogRow]) -> None:
        """Add *rows*."""
        if rows:
            await tx.run(_INSERT, company=tx.company, rows=rows_as_json([_row(row) for row in rows]))


def _row(row: LogRow) -> dict[str, object]:
    return {
        "integration_id": row.integration_id,
        "entity_type": row.entity.log_name,
        "entity_id": row.entity_id,
        "external_id": row.external_id,
        "action": row.action.value,
        "direction": row.direction.value,
        "status": row.status.value,
        "error_message": None if row.error_message is None else row.error_message[:MAX_MESSAGE],
        "retry_count": row.retry_count,
        "duration_ms": row.duration_ms,
        "request_id": row.request_id,
        "run_id": row.run_id,
        "job_id": row.job_id,
        "details": dict(row.details),
    }
