"""
Fetches that show an older version than the vendor's answer to our last write did: waited for, and believed in the end.

A replica that lags is up to date within a minute. A version that went back stays back: the vendor has restored the
record, say, or told other times before. Only waiting tells the two apart, and what the vendor still shows after
`BELIEVED_AFTER` is what it has. To refuse it for longer would keep the record out of step for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from pydantic import JsonValue

from shared.model import LogAction, LogStatus
from shared.store.database import Database
from shared.store.ledger import Job
from shared.store.store import Store
from shared.sync.applying.outcome_log import log_row
from shared.sync.jobs.endings import Continue
from shared.sync.merging.observations import Observation, is_outdated
from shared.sync.merging.work import Work

LOOK_AGAIN_S = 15.0
"""A vendor's replica that shows less than its last answer did is given this long to catch up."""
BELIEVED_AFTER = timedelta(minutes=5)
"""Far longer than a replica lags, since to believe one that does would undo our own write."""
PAYLOAD = "older_looks"


@dataclass(frozen=True, slots=True)
class _Looks:
    """Looks that were all older than one version, as a job remembers them."""

    than: str
    since: datetime
    """When the first of them was asked for, by the database's clock."""

    @classmethod
    def read(cls, payload: Mapping[str, JsonValue]) -> Self | None:
        """Return what *payload* of a job says of them, if anything."""
        told = payload.get(PAYLOAD)
        if not isinstance(told, dict):
            return None
        return cls(str(told["than"]), datetime.fromisoformat(str(told["since"])))

    def payload(self) -> dict[str, JsonValue]:
        """Return it as parameters of a job."""
        return {PAYLOAD: {"than": self.than, "since": self.since.isoformat()}}


class OlderLooks:
    """Decides when a record is fetched again, and from when on a version that went back holds."""

    def __init__(self, database: Database, store: Store) -> None:
        self._database = database
        self._store = store

    async def wait(self, work: Work, job: Job, fetched: Observation) -> Continue:
        """
        Return when to fetch again what was *fetched* and not admitted.

        That is at once when it has been older for `BELIEVED_AFTER`: its version is then the link's, which admits the
        next look, and the log says so. Raises Conflict when another worker changed the link meanwhile.
        """
        integration_id = work.integration.id
        async with self._database.company(work.integration.company_id) as tx:
            await work.guard(tx, self._store.ledger)
            links = await self._store.links.by_external(tx, integration_id, work.entity, [fetched.external_id])
            link = links.get(fetched.external_id)
            if link is None or link.vendor_version is None or not is_outdated(fetched, link):
                return Continue(LOOK_AGAIN_S)
            looks = _Looks.read(job.payload)
            if looks is None or looks.than != link.vendor_version:
                looks = _Looks(link.vendor_version, fetched.ticket.at)
            if fetched.ticket.at - looks.since < BELIEVED_AFTER:
                return Continue(LOOK_AGAIN_S, payload=looks.payload())
            await self._store.links.update(tx, [replace(link.unseen(), vendor_version=fetched.version)])
            row = log_row(
                work,
                LogAction.SKIPPED,
                LogStatus.SUCCESS,
                external_id=link.external_id,
                entity_id=link.internal_id,
                message="the vendor shows an older version than before, and has for minutes: from now on it counts",
                details={"rule": "older_version_stays", "since": looks.since.isoformat()},
            )
            await self._store.logs.write(tx, [row])
        return Continue(0.0, payload={PAYLOAD: None})
