"""Log rows of what came in: one for each record that something happened to."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from pydantic import JsonValue

from shared.model import Direction, LogAction, LogStatus
from shared.store.logs import LogRow
from shared.sync.merging.one_record import Merged
from shared.sync.merging.work import Sorted, Work


def row_of(work: Work, merged: Merged) -> LogRow | None:
    """Return what there is to tell of one record; None when nothing happened to it."""
    taken = merged.taken_by
    details: dict[str, JsonValue] = {}
    if taken:
        details["fields"] = [unit for _, units in taken for unit in units]
        details["rules"] = [*sorted({str(rule) for rule, _ in taken})]
    if "status" in merged.take:
        details["status"] = merged.take["status"]
    if merged.held:
        details["held"] = [*(each.unit for each in merged.held)]
    if merged.has_returned:
        details["returned"] = True
    if not (merged.is_new or taken or merged.held or merged.has_returned):
        return None
    return log_row(
        work,
        LogAction.CREATED
        if merged.is_new
        else LogAction.UPDATED
        if taken or merged.has_returned
        else LogAction.SKIPPED,
        LogStatus.CONFLICT if merged.held else LogStatus.SUCCESS,
        external_id=merged.observation.external_id,
        entity_id=merged.record_id,
        details=details,
    )


def log_row(
    work: Work,
    action: LogAction,
    status: LogStatus,
    *,
    external_id: str | None = None,
    entity_id: UUID | None = None,
    message: str | None = None,
    details: Mapping[str, JsonValue] | None = None,
) -> LogRow:
    """Return an inbound log row of *work*."""
    return LogRow(
        integration_id=work.integration.id,
        entity=work.entity,
        action=action,
        direction=Direction.INBOUND,
        status=status,
        entity_id=entity_id,
        external_id=external_id,
        error_message=message,
        retry_count=work.job.retry_count if work.job is not None else 0,
        run_id=work.run_id,
        job_id=work.job_id,
        details=details or {},
    )


def parked_reasons(found: Sorted) -> dict[str, str]:
    """Return why each record that could not come in waits, by external id."""
    return {
        **{external_id: f"waits for its {parent.entity.value}" for external_id, parent in found.parked.items()},
        **{
            external_id: f"a person must say who this is ({match.reason})"
            for external_id, match in found.unclear.items()
        },
        **dict.fromkeys(found.being_created, "waits for the end of a create of ours"),
    }
