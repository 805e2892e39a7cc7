"""Reminding people of what waits for them longer than it may."""

from __future__ import annotations

from datetime import timedelta

from shared import telemetry
from shared.store.database import Database
from shared.store.notices import Notices

log = telemetry.get_logger(__name__)


class Reminders:
    """Tells data managers once of each conflict that is overdue."""

    def __init__(self, database: Database, *, due: timedelta) -> None:
        self._database = database
        self._notices = Notices()
        self._due = due

    async def run(self) -> int:
        """Write the notices that are due in all companies; return how many. Raises Unavailable."""
        async with self._database.dispatch() as tx:
            companies = await self._notices.companies_to_remind(tx, self._due)
        told = 0
        for company_id in companies:
            async with self._database.company(company_id) as tx:
                here = await self._notices.remind(tx, self._due)
            log.warning("conflicts_overdue", company_id=str(company_id), conflicts=here)
            told += here
        return told
