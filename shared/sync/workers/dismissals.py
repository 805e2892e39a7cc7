"""Dead letters that need not run again: dismissed with a reason, and a line in the log for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared import telemetry
from shared.errors import Conflict
from shared.model import Direction, LogAction, LogStatus
from shared.store.database import Database
from shared.store.dead_letters import BATCH, DeadLetters, Dismissed
from shared.store.listings import Listings
from shared.store.logs import LogRow, Logs

log = telemetry.get_logger(__name__)

MOST_AT_ONCE = 10_000
"""Letters that one call dismisses."""


@dataclass(frozen=True, slots=True)
class Dismissals:
    """
    Ends dead letters without running their jobs.

    Nothing is lost by it: a record that still differs is asked for again by the next change or comparison, and if that
    fails too there is a new letter.
    """

    database: Database

    async def dismiss_one(self, company_id: UUID, letter_id: UUID, *, actor: str, reason: str) -> None:
        """Dismiss one letter. Raises NotFound, and Conflict if it is not open."""
        async with self.database.company(company_id) as tx:
            letter = await Listings().dead_letter(tx, letter_id)
            dismissed = await DeadLetters().dismiss(tx, letter_id=letter_id, by=actor, reason=reason)
            if not dismissed:
                raise Conflict(f"the dead letter is not open: {letter['state']}")
            await Logs().write(tx, dismissal_rows(dismissed, actor))
        log.info("dead_letters_dismissed", letters=1)

    async def dismiss(
        self, company_id: UUID, *, actor: str, reason: str, group: str | None = None, integration_id: UUID | None = None
    ) -> tuple[int, bool]:
        """
        Dismiss the open letters of one cause or integration, the oldest first.

        Return how many, and whether some are left because there are more than `MOST_AT_ONCE`.
        """
        if (group is None) == (integration_id is None):
            raise ValueError("name a group or an integration")
        letters, taken = 0, BATCH
        while taken == BATCH and letters < MOST_AT_ONCE:
            async with self.database.company(company_id) as tx:
                dismissed = await DeadLetters().dismiss(
                    tx, group=group, integration_id=integration_id, by=actor, reason=reason
                )
                await Logs().write(tx, dismissal_rows(dismissed, actor))
            taken = len(dismissed)
            letters += taken
        log.info("dead_letters_dismissed", letters=letters)
        return letters, taken == BATCH


def dismissal_rows(dismissed: Sequence[Dismissed], actor: str) -> list[LogRow]:
    """Return the line in the log for each of *dismissed*."""
    return [
        LogRow(
            letter.integration_id,
            letter.entity,
            LogAction.SKIPPED,
            letter.direction or Direction.INBOUND,
            LogStatus.FAILED,
            entity_id=letter.record_id,
            external_id=letter.external_id,
            run_id=letter.run_id,
            job_id=letter.job_id,
            details={"cause": "dead_letter_dismissed", "letter_id": str(letter.id), "by": actor, "code": letter.code},
        )
        for letter in dismissed
    ]
