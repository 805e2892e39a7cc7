"""What waits for an integration ends with it, in its own transaction: said where people look, or dismissed."""

from __future__ import annotations

from uuid import UUID

from shared.model import Direction, EntityType, LogAction, LogStatus
from shared.store.database import Transaction
from shared.store.dead_letters import BATCH, DeadLetters
from shared.store.leavings import Leavings, Unsubmitted
from shared.store.logs import LogRow, Logs
from shared.sync.dismissals import dismissal_rows

CAUSE, WORDS = "integration_deleted", "the integration was deleted"
"""Why something ended: for programs, and for people."""
UNSENT = (
    f"{WORDS} before this was sent: where the job is connected again, archive this application and submit the"
    " candidate anew"
)
SENT = (
    f"{WORDS} before the vendor's answer came, so it may have this: a new connection to the same account links what it"
    " finds there; if it finds nothing, archive this application and submit the candidate anew"
)
"""What is told of a submission that has not come to its vendor."""


async def fail_submissions(tx: Transaction, logs: Logs, integration_id: UUID) -> int:
    """
    Fail what was submitted to an integration that is being deleted; return how much that was.

    No later integration sends it: a submission belongs to the one it was submitted to.
    """
    failed = await Leavings().fail_queued(tx, integration_id, unsent=UNSENT, sent=SENT)
    await logs.write(tx, [_row(integration_id, each) for each in failed])
    return len(failed)


async def end_what_waits(tx: Transaction, logs: Logs, integration_id: UUID) -> None:
    """End what else is left of it, whose jobs are cancelled and whose submissions are failed already."""
    await Leavings().end(tx, integration_id)
    while letters := await DeadLetters().dismiss(tx, by=CAUSE, reason=WORDS, integration_id=integration_id):
        await logs.write(tx, dismissal_rows(letters, CAUSE))
        if len(letters) < BATCH:
            break


def _row(integration_id: UUID, submission: Unsubmitted) -> LogRow:
    return LogRow(
        integration_id,
        EntityType.APPLICATION,
        LogAction.SKIPPED,
        Direction.OUTBOUND,
        LogStatus.FAILED,
        entity_id=submission.application_id,
        error_message=SENT if submission.was_sent else UNSENT,
        details={"cause": CAUSE, "was_sent": submission.was_sent},
    )
