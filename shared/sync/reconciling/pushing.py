"""
Writing at the vendor what a merge decided to push: call by call, each answer settled by itself.

The intents were committed before the first call. What was answered is settled in a transaction of its own; what was
not keeps its intent, and the next run's fresh fetch tells how it ended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from shared.adapters.protocol import Adapter, Written
from shared.errors import Rejected
from shared.merge.base_codec import decode_base, encode_base, encode_print
from shared.merge.settle import dropped, open_intents, refuse, settle
from shared.merge.state import Base, Print
from shared.model import UNITS, Direction, EntityType, LogAction, LogStatus, Party
from shared.store.attention import Issue
from shared.store.conflicts import FieldConflict
from shared.store.database import Database, Transaction
from shared.store.links import Link, LinkWrite
from shared.store.logs import LogRow
from shared.store.store import Store
from shared.sync.keeping.chronicle import Chronicle
from shared.sync.keeping.conflict_items import ConflictItems
from shared.sync.merging.differences import REFUSED, agreed_again, dropped_issue, subject_of
from shared.sync.merging.observations import Observation, RuleBook, observe
from shared.sync.merging.one_record import Merged
from shared.sync.merging.work import Work

ASKED_OF_PEOPLE = frozenset({"stage", "status"})
"""Units whose refusal is an item for a person: a move that a pipeline refuses is never silently undone."""


@dataclass(slots=True)
class _Push:
    """One record's way out."""

    work: Work
    adapter: Adapter
    merged: Merged
    book: RuleBook
    answered: set[str] = field(default_factory=set)
    """Units of calls that the vendor has answered."""
    unanswered: set[str] = field(default_factory=set)
    """Units that were sent and whose answers showed nothing of them."""
    wants_merge: bool = False
    """The vendor has refused what it is the authority of, or a look has left open what became of a write."""


class Pusher:
    """Writes what a merge pushes."""

    def __init__(self, database: Database, store: Store, items: ConflictItems, chronicle: Chronicle) -> None:
        self._database = database
        self._store = store
        self._items = items
        self._chronicle = chronicle

    async def push(self, work: Work, adapter: Adapter, merged: Merged, book: RuleBook) -> bool:
        """
        Write `merged.outcome.push` and settle each answer; return whether the record is to be merged once more.

        A refused value is blocked and shown to people; the others are written without it. Where the vendor has the
        last word, the next merge takes its value back; where a look did not find a write whose answer showed nothing,
        the next merge sends it once more. Raises what else the vendor's answers raise; intents whose outcome is unknown
        stay.
        """
        push = _Push(work, adapter, merged, book)
        waiting_units: list[frozenset[str]] = [frozenset(merged.outcome.intents)]
        while waiting_units:
            units = waiting_units.pop()
            try:
                await self._write(push, units)
            except Rejected as error:
                open_units = units - push.answered
                refused = _refused_units(work.entity, error, open_units)
                if refused is None:
                    waiting_units.extend(frozenset({unit}) for unit in sorted(open_units))
                    continue
                await self._refuse(push, refused, error)
                if open_units - refused:
                    waiting_units.append(open_units - refused)
        if push.unanswered:
            await self._look_again(push, frozenset(push.unanswered))
        return push.wants_merge

    async def _write(self, push: _Push, units: frozenset[str]) -> None:
        """Write *units*, and note of which the answers showed nothing."""
        changes = _fields_of(push.work.entity, units, push.merged.outcome.push)
        steps: AsyncIterator[tuple[frozenset[str], Written]] = push.adapter.update(
            push.work.entity, push.merged.observation.record, changes
        )
        async for names, written in steps:
            sent = _units_of(push.work.entity, names) & units
            answer = await self._answer(push, written)
            shown = sent if answer is not None and _shows(push.work.entity, sent, answer.values) else frozenset()
            await self._settle(push, sent, answer, written.request_id)
            push.answered.update(sent)
            push.unanswered |= sent - shown

    async def _answer(self, push: _Push, written: Written) -> Observation | None:
        async with self._database.dispatch() as tx:
            ticket = await self._store.links.ticket(tx)
        if written.record is None:
            return None
        return observe([written.record], ticket, context=push.book.context, is_fresh_fetch=True)[0]

    async def _look_again(self, push: _Push, units: frozenset[str]) -> None:
        """An answer that shows nothing settles nothing: only a look at the record does, once all calls are made."""
        async with self._database.dispatch() as tx:
            ticket = await self._store.links.ticket(tx)
        record = await push.adapter.fetch(push.work.entity, push.merged.observation.external_id)
        (seen,) = observe([record], ticket, context=push.book.context, is_fresh_fetch=True)
        base = await self._settle(push, units, seen, None, is_look=True)
        shown = {unit for unit in units if _shows(push.work.entity, [unit], seen.values)}
        push.wants_merge = push.wants_merge or not shown.isdisjoint(open_intents(base))

    async def _settle(
        self,
        push: _Push,
        units: frozenset[str],
        answer: Observation | None,
        request_id: str | None,
        *,
        is_look: bool = False,
    ) -> Base:
        """
        Transaction 2: base for the sent units, the fence, the log; return that base.

        *is_look*: *answer* was fetched later.
        """
        merged, outcome = push.merged, push.merged.outcome
        sent = {unit: outcome.intents[unit] for unit in units}
        theirs = None if answer is None else push.book.theirs(answer, answer.values)
        async with self._database.company(push.work.integration.company_id) as tx:
            link = await self._locked(tx, push)
            base = settle(
                decode_base(link.base), sent, outcome.push, theirs, merged.rules, is_look=is_look, tried=merged.base
            )
            fence = (await self._store.links.ticket(tx)).number
            write = _link_write(link, base, fence=fence, version=answer.version if answer is not None else None)
            await self._store.links.update(tx, [write])
            await self._tell_of_outcome(tx, push, decode_base(link.base), base, sent)
            if not is_look:
                await self._chronicle.after_write(tx, push.work, merged, units)
                await self._store.logs.write(tx, [_log_row(push, units, LogStatus.SUCCESS, request_id=request_id)])
        return base

    async def _tell_of_outcome(
        self, tx: Transaction, push: _Push, before: Base, after: Base, sent: Mapping[str, Print]
    ) -> None:
        """Tell of what the vendor answered and did not keep; a unit that agrees again is no matter any more."""
        attention, integration_id = self._store.attention, push.work.integration.id
        entity, record_id = push.work.entity, push.merged.record_id
        apart = [dropped_issue(entity, record_id, unit) for unit in dropped(after, sent)]
        await attention.raise_issues(tx, integration_id, apart)
        agreed = agreed_again(before, after, sent)
        ended = [subject_of(entity, record_id, unit) for unit in agreed]
        await attention.settle_issues(tx, integration_id, kind=REFUSED, subjects=ended)
        await self._items.agree(tx, record_id, push.merged.link_id, ASKED_OF_PEOPLE.intersection(agreed))

    async def _refuse(self, push: _Push, units: frozenset[str], error: Rejected) -> None:
        """The vendor won't take *units*: remember it, and tell people."""
        prints: dict[str, Print] = {unit: push.merged.outcome.intents[unit] for unit in units}
        reason = str(error)
        members = UNITS[push.work.entity]
        asked = {unit for unit in units if push.merged.rules.is_authority(Party.INTEGRATION, members[unit])}
        push.wants_merge = push.wants_merge or bool(asked)
        async with self._database.company(push.work.integration.company_id) as tx:
            link = await self._locked(tx, push)
            base = refuse(decode_base(link.base), units, prints, error.code)
            await self._store.links.update(tx, [_link_write(link, base, fence=link.fence, version=None)])
            await self._tell(tx, push, link, base, units - asked, reason)
            row = _log_row(push, units, LogStatus.FAILED, request_id=error.request_id, message=reason)
            await self._store.logs.write(tx, [row])

    async def _tell(
        self, tx: Transaction, push: _Push, link: Link, base: Base, units: frozenset[str], reason: str
    ) -> None:
        entity = push.work.entity
        issues = [
            Issue(REFUSED, subject_of(entity, link.internal_id, unit), f"the vendor does not take {unit}: {reason}")
            for unit in units - ASKED_OF_PEOPLE
        ]
        await self._store.attention.raise_issues(tx, push.work.integration.id, issues)
        items = await self._refused_items(tx, push, link, base, units & ASKED_OF_PEOPLE, reason)
        await self._store.conflicts.put(tx, items)

    async def _refused_items(
        self, tx: Transaction, push: _Push, link: Link, base: Base, units: Collection[str], reason: str
    ) -> Sequence[FieldConflict]:
        entity, merged = push.work.entity, push.merged
        ours = {**(merged.before.data if merged.before is not None else {}), **merged.outcome.push}
        items = []
        for unit in sorted(units):
            members = UNITS[entity][unit].members
            side: dict[str, JsonValue] = {
                "integration_id": str(push.work.integration.id),
                "external_id": link.external_id,
                "values": {name: merged.observation.values.get(name) for name in members},
                "at": merged.observation.ticket.at.isoformat(),
            }
            items.append(
                await self._items.refused(
                    tx,
                    entity,
                    link.internal_id,
                    unit,
                    ours={name: ours.get(name) for name in members},
                    link_id=str(link.id),
                    side=side,
                    inputs=[encode_print(base[unit].ours), encode_print(base[unit].theirs)],
                    reason=reason,
                )
            )
        return items

    async def _locked(self, tx: Transaction, push: _Push) -> Link:
        if push.work.job is not None:
            await self._store.ledger.guard(tx, push.work.job)
        return (await self._store.links.lock(tx, [push.merged.link_id]))[push.merged.link_id]


def _units_of(entity: EntityType, names: Collection[str]) -> frozenset[str]:
    return frozenset(unit.name for unit in UNITS[entity].values() if any(name in names for name in unit.members))


def _fields_of(entity: EntityType, units: Collection[str], changes: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    names = {name for unit in units for name in UNITS[entity][unit].members}
    return {name: value for name, value in changes.items() if name in names}


def _shows(entity: EntityType, units: Collection[str], values: Mapping[str, JsonValue]) -> bool:
    return all(any(name in values for name in UNITS[entity][unit].members) for unit in units)


def _refused_units(entity: EntityType, error: Rejected, units: frozenset[str]) -> frozenset[str] | None:
    """Return which of *units* the vendor refused; None when it does not say and it may be any of several."""
    named = _units_of(entity, [error.field]) & units if error.field else frozenset()
    return named or (units if len(units) == 1 else None)


def _link_write(link: Link, base: Base, *, fence: int, version: str | None) -> LinkWrite:
    return replace(link.unseen(), base=encode_base(base), fence=fence, vendor_version=version, state="live")


def _log_row(
    push: _Push,
    units: Collection[str],
    status: LogStatus,
    *,
    request_id: str | None = None,
    message: str | None = None,
) -> LogRow:
    work, outcome = push.work, push.merged.outcome
    details: dict[str, JsonValue] = {"fields": [*sorted(units)], "rule": "our_change"}
    if "status" in units:
        details["status"] = outcome.push.get("status")
    return LogRow(
        integration_id=work.integration.id,
        entity=work.entity,
        action=LogAction.UPDATED,
        direction=Direction.OUTBOUND,
        status=status,
        entity_id=push.merged.record_id,
        external_id=push.merged.observation.external_id,
        error_message=message,
        retry_count=work.job.retry_count if work.job is not None else 0,
        request_id=request_id,
        run_id=work.run_id,
        job_id=work.job_id,
        details=details,
    )
