"""
What becomes at the vendors of a record that somebody archived here: `config.on_archive`, by entity.

`keep` (where nothing is said): nothing at all. `delete`: the vendor is told to delete it. What was asked for stands in
`removals` and is committed with the archive; each link is then settled by the reconcile of its record, level by level:
asked for, sent (committed before the call), gone. A crash in between leaves it sent, and the next fetch by its id says
how it ended. Too many at once are held by the brake that holds the vendor's own deletes.
"""

from __future__ import annotations

from uuid import UUID

from shared.adapters.protocol import Adapter
from shared.errors import AuthFailed, Conflict, NotFound, Rejected
from shared.model import LogAction, LogStatus
from shared.store.database import Database, Transaction
from shared.store.links import Link
from shared.store.removals import DONE, KEPT, REFUSED, REVOKED, SENT, Removal
from shared.store.store import Store
from shared.sync.jobs import waiting
from shared.sync.jobs.endings import Done, Ending, Hold
from shared.sync.merging.one_record import Merged
from shared.sync.merging.work import Work
from shared.sync.removing.brake import REJECTED, DeleteBrake, Verdict
from shared.sync.removing.gone import Gone, removal_row

ISSUE = "removal_refused"
"""Kind of the issue that stands while a vendor refuses a delete; its subject is the record."""


class Remover:
    """Deletes at vendors what was archived here."""

    def __init__(self, database: Database, store: Store, gone: Gone) -> None:
        self._database = database
        self._store = store
        self._gone = gone
        self._brake = DeleteBrake(store)

    async def forget(self, work: Work, link: Link) -> None:
        """The record was restored, and the vendor has it: a delete that was sent has not happened."""
        async with self._database.company(work.integration.company_id) as tx:
            await work.guard(tx, self._store.ledger)
            removal = (await self._store.removals.lock(tx, [link.id])).get(link.id)
            if removal is not None and removal.state == REVOKED:
                await self._store.removals.forget(tx, [link.id])

    async def remove(self, work: Work, adapter: Adapter, merged: Merged) -> Ending | None:
        """
        Delete the vendor's record of *merged*, just seen alive, if its archived record asks for that; else None.

        Raises OutcomeUnknown and what else the vendor's answer raises; the removal then stays sent. What the vendor
        refuses, a permission included, is an issue and a log row, and is not tried again by itself.
        """
        before = merged.before
        if before is None or before.archived_by is None or not work.integration.deletes(work.entity):
            return None
        begun = await self._begin(work, merged)
        if not isinstance(begun, Link):
            return begun
        try:
            await adapter.delete(work.entity, begun.external_id)
        except NotFound:
            pass  # somebody was faster: it is gone, as was asked for
        except (Rejected, AuthFailed) as error:
            if isinstance(error, AuthFailed) and not error.lacks_permission:
                raise
            await self._refused(work, begun, error)
            return Done("removal_refused")
        return await self._removed(work, begun)

    async def _begin(self, work: Work, merged: Merged) -> Link | Ending | None:
        """Return the link whose record is to be deleted now, marked as sent; else how that ends, or None."""
        async with self._database.company(work.integration.company_id) as tx:
            locked = await self._locked(tx, work, merged.record_id, merged.link_id)
            if locked is None:
                return None
            link, removal = locked
            verdict = await self._verdict(tx, work, link, removal)
            if verdict is Verdict.HELD:
                await self._log(tx, work, link, LogStatus.PENDING, "delete_brake")
                reason = waiting.brake(work.integration.id)
                return Hold(reason, "too many records are to be deleted: a person decides")
            if verdict is Verdict.KEPT:
                await self._store.removals.mark(tx, link.id, KEPT)
                row = removal_row(work, link, LogAction.SKIPPED, LogStatus.SUCCESS, "kept_by_decision")
                await self._store.logs.write(tx, [row])
                return Done("kept")
            await self._store.removals.mark(tx, link.id, SENT)
        return link

    async def _verdict(self, tx: Transaction, work: Work, link: Link, removal: Removal) -> Verdict:
        """What was sent and is alive all the same is sent again, unless a person has decided since that it stays."""
        if removal.state != SENT:
            under_way = await self._under_way(tx, work, link)
            return await self._brake.ask(tx, work.integration, link, under_way=under_way)
        decision = await self._store.delete_brakes.decision(tx, link.id)
        return Verdict.KEPT if decision == REJECTED else Verdict.GO

    async def _under_way(self, tx: Transaction, work: Work, link: Link) -> int:
        await self._store.delete_brakes.lock(tx, work.integration.id)
        return await self._store.removals.under_way(tx, work.integration.id, link.entity, but=link.id)

    async def _removed(self, work: Work, link: Link) -> Done:
        async with self._database.company(work.integration.company_id) as tx:
            await work.guard(tx, self._store.ledger)
            await self._store.records.lock(tx, link.entity, [link.internal_id])
            locked = (await self._store.links.lock(tx, [link.id]))[link.id]
            if locked.state != "live":
                return Done("removed")
            knocks = await self._gone.part(tx, work, locked, await self._store.links.ticket(tx))
            await self._store.removals.mark(tx, link.id, DONE)
            await self._store.attention.settle_issue(tx, work.integration.id, kind=ISSUE, subject=_subject(link))
            await self._log(tx, work, locked, LogStatus.SUCCESS, "removed_at_vendor")
        return Done("removed", knocks)

    async def _refused(self, work: Work, link: Link, error: Rejected | AuthFailed) -> None:
        words = str(error) if error.remedy is None else f"{error}: {error.remedy}"
        async with self._database.company(work.integration.company_id) as tx:
            await work.guard(tx, self._store.ledger)
            await self._store.removals.mark(tx, link.id, REFUSED, detail=words)
            await self._store.attention.raise_issue(
                tx,
                work.integration.id,
                kind=ISSUE,
                subject=_subject(link),
                detail=f"it is archived here, and the vendor keeps it: {words}",
            )
            await self._log(tx, work, link, LogStatus.FAILED, "refused", message=words)

    async def _locked(self, tx: Transaction, work: Work, record_id: UUID, link_id: UUID) -> tuple[Link, Removal] | None:
        """Return link and removal, locked, while there is something to do about them."""
        await work.guard(tx, self._store.ledger)
        record = (await self._store.records.lock(tx, work.entity, [record_id])).get(record_id)
        link = (await self._store.links.lock(tx, [link_id])).get(link_id)
        removal = (await self._store.removals.lock(tx, [link_id])).get(link_id)
        if link is None or link.internal_id != record_id:
            raise Conflict("the link belongs to another record by now")
        if record is None or record.archived_by is None or link.state != "live":
            return None
        return None if removal is None or not removal.is_due else (link, removal)

    async def _log(
        self, tx: Transaction, work: Work, link: Link, status: LogStatus, rule: str, *, message: str | None = None
    ) -> None:
        row = removal_row(work, link, LogAction.DELETED, status, rule, message=message)
        await self._store.logs.write(tx, [row])


def _subject(link: Link) -> str:
    return f"{link.entity.value}/{link.internal_id}"
