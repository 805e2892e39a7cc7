"""
What the vendor does not have any more: a 404 to the very id, and nothing less, ends a link.

Whether the record goes with it is said by `config.on_delete`: `archive` (unless it says otherwise) or `keep`. A record
that was edited here since, or lives elsewhere, is kept in either case. A link that is gone is never made anew by
automation; it revives when its id is seen alive. A record that somebody archived here stays archived in any case, and
that the vendor does not have it any more is what was asked for, or does no harm: nobody is asked about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import JsonValue

from shared.errors import Conflict
from shared.model import Direction, EntityType, LogAction, LogStatus
from shared.store.database import Database, Transaction
from shared.store.ledger import JobRequest, Knock
from shared.store.links import Link, LinkWrite, Ticket
from shared.store.logs import LogRow
from shared.store.records import RecordWrite, StoredRecord
from shared.store.removals import DONE, REVOKED, SENT
from shared.store.store import Store
from shared.sync.applying.apply import Applier
from shared.sync.applying.outcome_log import log_row
from shared.sync.jobs import waiting
from shared.sync.jobs.endings import Done, Ending, Hold
from shared.sync.jobs.priorities import RECONCILE, WEBHOOK_SIGNAL
from shared.sync.merging.examining import edited_here
from shared.sync.merging.work import Work
from shared.sync.removing.brake import DeleteBrake, Verdict

ARCHIVE, KEEP = "archive", "keep"
"""What `config.on_delete` may say (`shared.integrations.requests`)."""


class Gone:
    """Settles links whose record the vendor does not have."""

    def __init__(self, database: Database, store: Store, applier: Applier) -> None:
        self._database = database
        self._store = store
        self._applier = applier
        self._brake = DeleteBrake(store)

    async def settle(self, work: Work, link: Link, ticket: Ticket) -> Ending:
        """
        End *link*, unless too many have disappeared with it: then its job waits for a person's decision.

        *ticket* is of the request that found nothing. Raises Conflict when the link was moved since it was read: the
        record that is locked would not be its own.
        """
        async with self._database.company(work.integration.company_id) as tx:
            await work.guard(tx, self._store.ledger)
            records = await self._store.records.lock(tx, link.entity, [link.internal_id])
            locked = (await self._store.links.lock(tx, [link.id]))[link.id]
            if locked.internal_id != link.internal_id:
                raise Conflict("the link belongs to another record by now")
            if locked.state != "live":
                return Done("gone")
            record = records.get(locked.internal_id)
            if record is not None and record.archived_by is not None:
                return Done("gone", await self._follow_our_own(tx, work, locked, ticket))
            if await self._was_revoked(tx, locked):
                return Done("gone", await self._part_of_restored(tx, work, locked, ticket))
            verdict = await self._brake.ask(tx, work.integration, locked)
            if verdict is Verdict.HELD:
                await self._log(tx, work, locked, LogStatus.PENDING, rule="delete_brake")
                return Hold(waiting.brake(work.integration.id), "too many records have disappeared: a person decides")
            if verdict is Verdict.KEPT:
                await self._applier.part(tx, locked)
                await self._log(tx, work, locked, LogStatus.SUCCESS, rule="kept_by_decision")
                return Done("kept")
            knocks = await self._end(tx, work, locked, record, ticket)
        return Done("gone", knocks)

    async def part(self, tx: Transaction, work: Work, link: Link, ticket: Ticket) -> list[Knock]:
        """
        End the locked *link*, whatever becomes of its record; a candidate's applications are asked for.

        *ticket*: of the request that found nothing, or taken after the vendor has deleted it for us.
        """
        await self._let_go(tx, link, ticket)
        return await self._ask_for_children(tx, work, link)

    async def _let_go(self, tx: Transaction, link: Link, ticket: Ticket) -> None:
        await self._store.links.update(tx, [as_gone(link, ticket)])
        await self._applier.part(tx, link)

    async def _follow_our_own(self, tx: Transaction, work: Work, link: Link, ticket: Ticket) -> list[Knock]:
        """The record was archived here: end the link, and what was asked of the vendor for it."""
        knocks = await self.part(tx, work, link, ticket)
        removal = (await self._store.removals.lock(tx, [link.id])).get(link.id)
        if removal is None or not removal.is_due:
            await self._log(tx, work, link, LogStatus.SUCCESS, rule="gone_at_vendor", kept="archived_here")
            return knocks
        await self._store.removals.mark(tx, link.id, DONE)
        rule = "removed_at_vendor" if removal.state == SENT else "gone_already"
        await self._store.logs.write(tx, [removal_row(work, link, LogAction.DELETED, LogStatus.SUCCESS, rule)])
        return knocks

    async def _was_revoked(self, tx: Transaction, link: Link) -> bool:
        """
        Whether the record was restored after a delete of ours was sent, and nobody has seen it alive since.

        The job that was asked for then forgets it once it does; one that was at work by then may be here before it.
        """
        removal = (await self._store.removals.lock(tx, [link.id])).get(link.id)
        return removal is not None and removal.state == REVOKED

    async def _part_of_restored(self, tx: Transaction, work: Work, link: Link, ticket: Ticket) -> list[Knock]:
        """
        Our own delete has happened before the record was restored: it lives on here.

        So do its applications, which the vendor has let go with it.
        """
        knocks = await self.part(tx, work, link, ticket)
        await self._store.removals.forget(tx, [link.id])
        row = removal_row(work, link, LogAction.DELETED, LogStatus.SUCCESS, "removed_before_restored")
        await self._store.logs.write(tx, [row])
        return knocks

    async def _end(
        self, tx: Transaction, work: Work, link: Link, record: StoredRecord | None, ticket: Ticket
    ) -> Sequence[Knock]:
        await self._let_go(tx, link, ticket)
        reason = await self._kept_because(tx, work, link, record)
        if record is not None and reason is None:
            write = RecordWrite(
                record.id, record.entity, record.data, record.stamps, based_on=record.version, is_archived=True
            )
            await self._store.records.update(tx, link.entity, [write])
        knocks = await self._ask_for_children(tx, work, link)
        await self._log(tx, work, link, LogStatus.SUCCESS, rule="gone_at_vendor", archived=reason is None, kept=reason)
        return knocks

    async def _kept_because(self, tx: Transaction, work: Work, link: Link, record: StoredRecord | None) -> str | None:
        """Return why the record stays; None if it is to be archived."""
        if record is None:
            return "record_lost"
        if work.integration.config.get("on_delete", ARCHIVE) == KEEP:
            return "on_delete"
        if not work.integration.allows(link.entity, Direction.INBOUND):
            return "not_inbound"
        others = (await self._store.links.of_records(tx, [link.internal_id])).get(link.internal_id, [])
        if any(each.state == "live" and each.id != link.id for each in others):
            return "lives_elsewhere"
        rules = self._applier.book(work).for_link(link.id)
        return "edited_here" if edited_here(record, link, rules) else None

    async def _ask_for_children(self, tx: Transaction, work: Work, link: Link) -> list[Knock]:
        """Applications of a deleted candidate get no event of their own, so each is asked for."""
        if link.entity is not EntityType.CANDIDATE:
            return []
        children = await self._store.records.applications_of(tx, link.internal_id)
        linked = await self._store.links.of_records(tx, children)
        return await self._store.ledger.enqueue(
            tx,
            [
                JobRequest(
                    each.integration_id,
                    RECONCILE,
                    EntityType.APPLICATION,
                    str(each.internal_id),
                    Direction.INBOUND,
                    WEBHOOK_SIGNAL,
                )
                for links in linked.values()
                for each in links
                if each.integration_id == work.integration.id and each.state == "live"
            ],
        )

    async def _log(
        self,
        tx: Transaction,
        work: Work,
        link: Link,
        status: LogStatus,
        *,
        rule: str,
        archived: bool = False,
        kept: str | None = None,
    ) -> None:
        details: dict[str, JsonValue] = {"rule": rule, "archived": archived, **({} if kept is None else {"kept": kept})}
        is_delete = rule != "kept_by_decision"
        row = log_row(
            work,
            LogAction.DELETED if is_delete else LogAction.SKIPPED,
            status,
            external_id=link.external_id,
            entity_id=link.internal_id,
            details=details,
        )
        await self._store.logs.write(tx, [row])


def removal_row(
    work: Work, link: Link, action: LogAction, status: LogStatus, rule: str, *, message: str | None = None
) -> LogRow:
    """Return an outbound log row of a record that was archived here."""
    row = log_row(
        work,
        action,
        status,
        external_id=link.external_id,
        entity_id=link.internal_id,
        message=message,
        details={"rule": rule},
    )
    return replace(row, direction=Direction.OUTBOUND)


def as_gone(link: Link, ticket: Ticket) -> LinkWrite:
    """
    Return what ends *link*: nothing that was seen of its record holds any more, what was agreed stays.

    What was asked for before *ticket* and shows it alive is not believed, nor is a list that may lag behind now.
    """
    return replace(link.unseen(), fence=max(link.fence, ticket.number), state="gone")
