"""
A person's decision on what waits for one.

Every listed vendor is fetched first. If any of them moved since the person looked, the decision is refused with 409 and
a reconcile of each side asked for, which brings the item up to date; else ours becomes the decision, and each link
pushes it where it differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from pydantic import JsonValue

from shared.errors import Conflict, InvalidInput, NotFound, StaleVersion
from shared.merge.base_codec import encode_base, encode_print
from shared.merge.fingerprints import print_of
from shared.merge.marks import signed
from shared.merge.resolve import OURS, Resolution, Side
from shared.merge.resolve import resolve as decide
from shared.merge.state import Ours, Stamp
from shared.model import UNITS, Direction
from shared.security.keys import Keys
from shared.store.conflicts import ConflictItem
from shared.store.database import Database, Transaction
from shared.store.ledger import JobRequest, Knock
from shared.store.links import EXTERNAL_KEY, Link, LinkWrite
from shared.store.queues import Knocker
from shared.store.store import Store
from shared.sync.candidates.candidate_merges import CandidateMerges
from shared.sync.editing.edits import Edits
from shared.sync.identity.identify import NEW
from shared.sync.jobs import waiting
from shared.sync.jobs.priorities import MANUAL_RECORD, RECONCILE
from shared.sync.merging.bases import base_of
from shared.sync.merging.observations import Observation, RuleBook, observe
from shared.sync.merging.one_record import ours_of
from shared.sync.vendors.adapters import Adapters


class _Moved(Conflict):
    """A side is not what the person was shown."""


@dataclass(frozen=True, slots=True)
class _Fetched:
    """One listed side as it is now."""

    link: Link
    book: RuleBook
    observation: Observation


class Resolutions:
    """Performs people's decisions."""

    def __init__(
        self,
        database: Database,
        store: Store,
        adapters: Adapters,
        edits: Edits,
        merges: CandidateMerges,
        keys: Keys,
        knocker: Knocker,
    ) -> None:
        self._database = database
        self._store = store
        self._adapters = adapters
        self._edits = edits
        self._merges = merges
        self._keys = keys
        self._knocker = knocker

    async def resolve(
        self,
        company_id: UUID,
        conflict_id: UUID,
        *,
        choice: str,
        integration_id: UUID | None = None,
        value: JsonValue = None,
        expected_version: int | None = None,
        actor: str,
    ) -> None:
        """
        Decide an open item.

        *choice* `portal`, `integration` (with *integration_id*) or `value` (with *value*) for a field; `record` (with
        the record's id as *value*) or `new` for a match. Raises NotFound, InvalidInput, and Conflict when the item is
        decided already or a side has moved since *expected_version*.
        """
        async with self._database.company(company_id) as tx:
            item = await self._store.conflicts.lock(tx, conflict_id)
            _require_open(item, expected_version)
        if item is None:
            raise NotFound(f"there is no conflict {conflict_id}")
        if item.kind in ("ambiguous_match", "possible_duplicate"):
            knocks = await self._decide_match(company_id, item, choice, value, actor)
        else:
            try:
                fetched = await self._fetch_sides(company_id, item)
                decision = _decision(item, choice, integration_id, value, fetched)
                knocks = await self._decide_field(company_id, item, decision, fetched, actor)
            except _Moved:
                await self._look_again(company_id, item)
                raise
        await self._knocker.send(knocks)

    async def _look_again(self, company_id: UUID, item: ConflictItem) -> None:
        """Let each side that is still linked be reconciled: the item then says what is there now, or closes."""
        if item.record_id is None:
            return
        async with self._database.company(company_id) as tx:
            links = (await self._store.links.of_records(tx, [item.record_id])).get(item.record_id, [])
            sides = {each.integration_id for each in links if each.state == "live" and str(each.id) in item.inputs}
            key = str(item.record_id)
            requests = [
                JobRequest(each, RECONCILE, item.entity, key, Direction.INBOUND, MANUAL_RECORD)
                for each in sorted(sides)
            ]
            knocks = await self._store.ledger.enqueue(tx, requests)
        await self._knocker.send(knocks)

    async def _decide_match(
        self, company_id: UUID, item: ConflictItem, choice: str, value: JsonValue, actor: str
    ) -> list[Knock]:
        decision = NEW if choice == NEW else str(value) if choice == "record" else None
        if decision is None or (decision != NEW and decision not in {str(each) for each in item.matches}):
            raise InvalidInput(
                "choose `new`, or `record` with one of the listed ids as value",
                field="choice",
                remedy=f"listed: {', '.join(str(each) for each in item.matches)}",
            )
        async with self._database.company(company_id) as tx:
            # Links may have to move, and whoever is to move them locks nothing before this.
            await self._store.record_merges.alone(tx)
            current = await self._store.conflicts.lock(tx, item.id)
            _require_open(current, item.version)
            await self._store.conflicts.end(tx, item.id, "resolved", by=actor, decision=decision)
            if item.kind == "possible_duplicate" and item.record_id is not None:
                knocks = await self._decide_duplicate(tx, item, item.record_id, decision, actor)
                return knocks + await self._release(tx, item)
            if item.integration_id is None or item.external_id is None:
                raise NotFound("the item names no vendor record")
            knocks = await self._release(tx, item)
            key = EXTERNAL_KEY + item.external_id
            request = JobRequest(item.integration_id, RECONCILE, item.entity, key, Direction.INBOUND, MANUAL_RECORD)
            knocks.extend(await self._store.ledger.enqueue(tx, [request]))
        return knocks

    async def _release(self, tx: Transaction, item: ConflictItem) -> list[Knock]:
        """Let go on what has waited for the decision: a record that was to come in, or to be created there."""
        if item.integration_id is None or item.external_id is None:
            return []
        reason = waiting.review(item.integration_id, item.entity, item.external_id)
        return await self._store.ledger.release_held(tx, item.integration_id, [reason])

    async def _decide_duplicate(
        self, tx: Transaction, item: ConflictItem, record_id: UUID, decision: str, actor: str
    ) -> list[Knock]:
        """The same person: the record that was there first takes the newer one in. Else nobody asks again."""
        if decision == NEW:
            await self._store.identity_pairs.put(tx, record_id, item.matches, by=actor)
            return []
        _, knocks = await self._merges.merge_within(tx, UUID(decision), record_id, {}, actor=actor)
        return knocks

    async def _fetch_sides(self, company_id: UUID, item: ConflictItem) -> dict[str, _Fetched]:
        async with self._database.company(company_id) as tx:
            links = await self._store.links.lock(tx, [UUID(each) for each in item.inputs])
            # One that is no longer live (its integration was deleted just now) has nothing to say in it any more.
            live = [link for link in links.values() if link.state == "live"]
            rows = {link.integration_id: await self._store.connections.get(tx, link.integration_id) for link in live}
        fetched: dict[str, _Fetched] = {}
        for link in live:
            integration = rows[link.integration_id]
            async with self._database.dispatch() as tx:
                ticket = await self._store.links.ticket(tx)
            async with self._adapters.connected(integration) as adapter:
                book = RuleBook(type(adapter), integration, item.entity, self._keys)
                try:
                    record = await adapter.fetch(item.entity, link.external_id)
                except NotFound as error:
                    remedy = "read the conflict again: without this side it is brought up to date or closes"
                    raise _Moved("a side's record is gone at its vendor", remedy=remedy) from error
            (observation,) = observe([record], ticket, context=book.context, is_fresh_fetch=True)
            fetched[str(link.id)] = _Fetched(link, book, observation)
        return fetched

    async def _decide_field(
        self,
        company_id: UUID,
        item: ConflictItem,
        decision: str | Mapping[str, JsonValue],
        fetched: Mapping[str, _Fetched],
        actor: str,
    ) -> list[Knock]:
        if item.record_id is None or item.unit is None:
            raise NotFound("the item names no record")
        async with self._database.company(company_id) as tx:
            record = (await self._store.records.lock(tx, item.entity, [item.record_id])).get(item.record_id)
            links = await self._store.links.lock(tx, [each.link.id for each in fetched.values()])
            current = await self._store.conflicts.lock(tx, item.id)
            _require_open(current, item.version)
            if record is None:
                raise NotFound(f"there is no {item.entity.value} {item.record_id}")
            ours = ours_of(record)
            sides = {
                name: Side(
                    base_of(links[each.link.id], ours, each.book.for_link(each.link.id, each.observation.record)),
                    each.book.theirs(each.observation, each.observation.values),
                    each.book.for_link(each.link.id, each.observation.record),
                )
                for name, each in fetched.items()
            }
            self._require_unmoved(item, ours, sides)
            now = (await self._store.links.ticket(tx)).at
            at = _after(now, ours.stamps, item.unit)
            outcome = decide(item.unit, decision, ours=ours, sides=sides, decided_at=at)
            shown = [(each.link.integration_id, each.observation.values) for each in fetched.values()]
            await self._edits.decide(tx, record, item.unit, outcome.values, outcome.stamp, shown, actor)
            await self._store.links.update(tx, _link_writes(links, fetched, outcome))
            await self._store.conflicts.end(tx, item.id, "resolved", by=actor, decision=_word(decision))
            requests = await self._edits.requests_for_links(tx, record, [item.unit])
            return await self._store.ledger.enqueue(tx, requests)

    def _require_unmoved(self, item: ConflictItem, ours: Ours, sides: Mapping[str, Side]) -> None:
        """Raise _Moved when we or a vendor hold something else than what the person was shown."""
        unit = UNITS[item.entity][item.unit or ""]
        for name, side in sides.items():
            shown = tuple(member for member in unit.members if member in side.theirs.values)
            now = [encode_print(print_of(side.rules, unit, each.values, shown)) for each in (ours, side.theirs)]
            if item.inputs.get(name) != now:
                raise _Moved(
                    "a side has moved since this conflict was shown",
                    remedy="read the conflict again: it is brought up to date within a minute",
                )


def _require_open(item: ConflictItem | None, expected_version: int | None) -> None:
    if item is None:
        raise NotFound("there is no such conflict")
    if item.status != "open":
        raise Conflict(f"the conflict is {item.status} already")
    if expected_version is not None and item.version != expected_version:
        raise StaleVersion(f"the conflict is at version {item.version} by now", remedy="read it again")


def _decision(
    item: ConflictItem,
    choice: str,
    integration_id: UUID | None,
    value: JsonValue,
    fetched: Mapping[str, _Fetched],
) -> str | Mapping[str, JsonValue]:
    members = UNITS[item.entity][item.unit or ""].members
    match choice:
        case "portal":
            return OURS
        case "integration":
            named = [name for name, each in fetched.items() if each.link.integration_id == integration_id]
            if not named:
                raise InvalidInput("this integration is not a side of the conflict", field="integration_id")
            return named[0]
        case "value" if len(members) == 1 and not (isinstance(value, dict) and value.keys() <= set(members)):
            return {members[0]: value}
        case "value" if isinstance(value, dict):
            return value
        case _:
            raise InvalidInput("choose `portal`, `integration` or `value`", field="choice")


def _after(now: datetime, stamps: Mapping[str, Stamp], unit: str) -> datetime:
    known = stamps.get(unit)
    return now if known is None else max(now, known.at)


def _link_writes(links: Mapping[UUID, Link], fetched: Mapping[str, _Fetched], outcome: Resolution) -> list[LinkWrite]:
    return [
        replace(
            links[each.link.id].unseen(),
            external_id=each.link.external_id,
            base=signed(encode_base(outcome.bases[name]), each.book.marks),
            state="live",
        )
        for name, each in fetched.items()
    ]


def _word(decision: str | Mapping[str, JsonValue]) -> str:
    """Return what was chosen, without anyone's value."""
    return "value" if not isinstance(decision, str) else "portal" if decision == OURS else f"link:{decision}"
