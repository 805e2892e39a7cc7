"""What waits for an integration ends with it, in its own transaction: said where people look, or dismissed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from shared.integrations.switching import ACTIONS, Canceller
from shared.model import Direction, EntityType, LogAction, LogStatus
from shared.store.database import Transaction
from shared.store.dead_letters import BATCH, DeadLetters
from shared.store.integrations import TOMBSTONE_DAYS, Integration
from shared.store.leavings import Leavings, Unsubmitted
from shared.store.logs import LogRow, Logs
from shared.sync.jobs.priorities import REVERT
from shared.sync.workers.dismissals import dismissal_rows

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


@dataclass(frozen=True, slots=True)
class Ended:
    """How much was ended."""

    jobs: int
    submissions: int


class Leaving:
    """Ends what waits for an integration that is gone: once with it, and each night what came too late for that."""

    def __init__(self, canceller: Canceller, logs: Logs) -> None:
        self._canceller = canceller
        self._logs = logs
        self._leavings = Leavings()

    async def stop(self, tx: Transaction, integration_id: UUID) -> None:
        """
        Let nobody who is at work for the integration write any more; what is being written just now comes in first.

        A worker that writes later finds that its job was taken, and stops. Raises Unavailable when one takes too long.
        """
        await self._leavings.take_leases(tx, integration_id, (*ACTIONS, REVERT))

    async def fail_submissions(self, tx: Transaction, integration_id: UUID) -> int:
        """
        Fail what was submitted to the integration and has not come to its vendor; return how much that was.

        No later integration sends it: a submission belongs to the one it was submitted to.
        """
        failed = await self._leavings.fail_queued(tx, integration_id, unsent=UNSENT, sent=SENT)
        await self._logs.write(tx, [_row(integration_id, each) for each in failed])
        return len(failed)

    async def end(self, tx: Transaction, integration_id: UUID) -> Ended:
        """End everything that waits for the deleted integration. Nobody is at work for it after `stop`."""
        words = f"cancelled: {WORDS}"
        cancelled = await self._canceller.cancel(tx, integration_id, list(EntityType), cause=CAUSE, words=words)
        reverts = await self._canceller.cancel_reverts(tx, integration_id, cause=CAUSE, words=words)
        failed = await self.fail_submissions(tx, integration_id)
        await self._leavings.end(tx, integration_id)
        while letters := await DeadLetters().dismiss(tx, by=CAUSE, reason=WORDS, integration_id=integration_id):
            await self._logs.write(tx, dismissal_rows(letters, CAUSE))
            if len(letters) < BATCH:
                break
        return Ended(cancelled.jobs + reverts, failed)

    async def end_what_came_late(self, tx: Transaction) -> int:
        """
        End what was asked of an integration while it was deleted, or later; return how many jobs that was.

        Nothing of a deleted integration is claimed any more, so nobody else would.
        """
        jobs = 0
        for integration_id in await self._leavings.of_company(tx):
            await self._leavings.take_back(tx, integration_id)
            jobs += (await self.end(tx, integration_id)).jobs
        return jobs


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


def farewell(gone: Integration, archived: int, *, archive_records: bool) -> dict[str, Any]:
    """Return what the caller should know after a deletion, and what is left to do by hand."""
    deleted_at = gone.deleted_at or datetime.now(UTC)
    vendor = gone.platform.replace("_", " ").title()
    return {
        "id": gone.id,
        "platform": gone.platform,
        "deleted_at": deleted_at,
        "records": "archive" if archive_records else "keep",
        "records_archived": archived,
        "links_kept_until": deleted_at + timedelta(days=TOMBSTONE_DAYS),
        "by_hand": [
            f"In {vendor}, remove the webhook that calls {gone.webhook_url.partition('?')[0]}.",
            f"In {vendor}, revoke the key or client that was made for this connection.",
        ],
    }
