"""The adapter of a vendor in memory: `shared.adapters.protocol.Adapter`, with gates where a request would travel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

from pydantic import JsonValue

from shared.adapters import registry
from shared.adapters.http import WHOLE_CALL_S, before_call
from shared.adapters.protocol import (
    Adapter,
    Capabilities,
    Change,
    ChangeKind,
    Cursor,
    EntityCapability,
    FieldCapability,
    Page,
    Written,
)
from shared.errors import CursorExpired, NotFound, OutcomeUnknown, RateLimited, Rejected, Unavailable
from shared.merge.normal_forms import form_of
from shared.model import Application, Candidate, EntityType, Job, Record, Reference
from shared.model.fields import NormalForm
from tests.simulation.engine.traits import Traits
from tests.simulation.engine.values import FIELDS, MOVES, SETS, UNIT_OF, made_of, text_of
from tests.simulation.engine.vendor import MemoryVendor, Refused, Sight, VendorRecord

CANDIDATE, APPLICATION, JOB = EntityType.CANDIDATE, EntityType.APPLICATION, EntityType.JOB
TYPES: Mapping[EntityType, type[Record]] = {CANDIDATE: Candidate, APPLICATION: Application, JOB: Job}
REFERRED = {"candidate_id": CANDIDATE, "job_id": JOB}
OVERLAP = timedelta(minutes=15)
"""Beyond any clock's fault of five minutes, and any list's lag."""

MERGED_INTO = ">"
"""Stands in an event between the id that went and the one that stayed."""

Gate = Callable[[str], Awaitable[None]]
_T = TypeVar("_T")
_email = form_of(NormalForm.EMAIL)


def capabilities_of(traits: Traits, *, has_jobs: bool) -> Capabilities:
    """Return what an adapter declares of a vendor with *traits*."""
    fields = {name: FieldCapability(writable=traits.of(name).writable) for name in FIELDS}
    candidate = EntityCapability(
        fields,
        create=True,
        update=True,
        delete=True,
        list_lag=timedelta(seconds=traits.list_lag_s),
        search_lag=timedelta(seconds=traits.search_lag_s),
        overlap=OVERLAP,
    )
    entities = {CANDIDATE: candidate}
    if has_jobs:
        entities[APPLICATION] = replace(
            candidate, fields={name: FieldCapability(writable=traits.of(name).writable) for name in MOVES}
        )
        title = {"title": FieldCapability()}
        entities[JOB] = replace(candidate, fields=title, create=False, update=False, delete=False)
    return Capabilities(entities, time_resolution=traits.resolution, page_size=traits.page_size)


class MemoryAdapter(Adapter):
    """One account at one vendor of the world. A class of its own for each vendor, as the engine looks at classes."""

    traits: ClassVar[Traits]

    def __init__(self, vendor: MemoryVendor, gate: Gate, deleted: Callable[[VendorRecord], None]) -> None:
        self._vendor = vendor
        self._deleted = deleted
        self._gate = gate

    @classmethod
    def expected(cls, entity: EntityType, name: str, value: JsonValue) -> JsonValue:  # noqa: ARG003 - one entity
        """Return what the vendor is declared to make of *value*."""
        trait = cls.traits.of(name)
        return made_of(trait.makes, value) if trait.is_declared else value

    @classmethod
    def read_webhook(cls, headers: Mapping[str, str], body: bytes) -> Sequence[Change]:  # noqa: ARG003 - unsigned
        """Return the record that the event names; of a merge, both."""
        entity, _, named = body.decode().partition(" ")
        external_id, _, survivor = named.partition(MERGED_INTO)
        if not survivor:
            return [Change(EntityType(entity), external_id)]
        return [
            Change(CANDIDATE, external_id, ChangeKind.MERGED, merged_into=survivor),
            Change(CANDIDATE, survivor),
        ]

    def since(self, entity: EntityType, moment: datetime) -> Cursor:  # noqa: ARG002 - one entity
        """Return the cursor of what changed at or after *moment*."""
        return Cursor(json.dumps({"since": moment.isoformat(), "at": 0, "after": ""}))

    async def pages(
        self,
        entity: EntityType,
        cursor: Cursor | None,
    ) -> AsyncIterator[Page]:
        """Yield pages, each by a request of its own."""
        place: dict[str, Any] = {"since": None, "at": 0, "after": ""} if cursor is None else json.loads(cursor)
        is_continued = cursor is not None
        while place is not None:
            at, after, since = place["at"], place["after"], place["since"]

            def read(at: int = at, after: str = after, since: str | None = since) -> tuple[list[Any], bool]:
                self._expire(is_continued=is_continued)
                return self._page(entity, at, after, since)

            rows, is_last = await self._call("list", read)
            records = [self._record(record, sight) for record, sight in rows]
            following = None
            if not is_last:
                following = {"since": since, "at": at + len(rows), "after": rows[-1][0].external_id}
            yield Page(records, (), None if following is None else Cursor(json.dumps(following)))
            if following is None:
                return
            place = following

    def _expire(self, *, is_continued: bool) -> None:
        if is_continued and self._vendor.expired_cursors > 0:
            self._vendor.expired_cursors -= 1
            raise CursorExpired("the cursor is not known any more")

    def _page(
        self, entity: EntityType, at: int, after: str, since: str | None
    ) -> tuple[list[tuple[VendorRecord, Sight]], bool]:
        found = self._vendor.listed(entity)
        if since is not None:
            moment = datetime.fromisoformat(since)
            found = [each for each in found if each[1].updated_at >= moment]
        size = self.traits.page_size
        if not self.traits.pages_shift:
            found = [each for each in found if each[0].external_id > after]
            return found[:size], len(found) <= size
        return found[at : at + size], len(found) <= at + size

    async def fetch(self, entity: EntityType, external_id: str) -> Record:  # noqa: ARG002 - one entity
        """Return the record as it is now. Raises NotFound."""

        def read() -> Record:
            self._vendor.settle_late()
            record = self._vendor.records.get(external_id)
            if record is None or record.now.is_gone:
                raise NotFound(f"there is no {external_id}")
            return self._record(record, record.now)

        return await self._call("fetch", read)

    async def delete(self, entity: EntityType, external_id: str) -> None:
        """Delete a record, if this vendor deletes on request. Raises NotFound, Rejected, OutcomeUnknown."""

        def remove() -> None:
            known = self._vendor.records.get(external_id)
            if known is None or known.now.is_gone:
                raise NotFound(f"there is no {external_id}")
            if not self.traits.takes_deletes:
                raise Rejected(f"this vendor deletes no {entity.value} on request")
            self._vendor.delete(external_id)
            self._deleted(known)

        await self._call("delete", remove, is_write=True)

    async def find(self, entity: EntityType, fields: Mapping[str, JsonValue]) -> Sequence[Record]:
        """Return the candidates with an e-mail, or a candidate's applications for a job, by an index that lags."""

        def is_meant(record: VendorRecord) -> bool:
            if entity is APPLICATION:
                return dict(record.now.references) == dict(fields)
            email = record.now.values["email"]
            return email is not None and _email(str(email)) == _email(str(fields["email"]))

        def read() -> list[Record]:
            self._vendor.settle_late()
            since = self._vendor.age(self.traits.search_lag_s)
            return [
                self._record(record, record.now)
                for record in self._vendor.records.values()
                if record.entity is entity
                and not record.now.is_gone
                and record.past[0].at <= since
                and is_meant(record)
            ]

        return await self._call("search", read)

    async def create(self, entity: EntityType, fields: Mapping[str, JsonValue]) -> Written:
        """Create a record. Raises Rejected, OutcomeUnknown."""

        def make() -> Written:
            self._vendor.settle_late()
            for name in ("candidate_id", "job_id"):
                known = self._vendor.records.get(str(fields.get(name)))
                if fields.get(name) is not None and (known is None or known.now.is_gone):
                    raise Rejected(f"there is no {fields[name]}", field=name)
            try:
                record, along = self._vendor.create(entity, fields)
            except Refused as error:
                raise Rejected(f"{error.name} is not taken", field=error.name) from error
            sent = frozenset(name for name in record.now.values if name in fields)
            related = {} if along is None else {APPLICATION: along.external_id}
            return Written(record.external_id, self._answer(record, sent), f"r{self._vendor.requests}", related)

        return await self._call("create", make, is_write=True)

    async def update(
        self,
        entity: EntityType,  # noqa: ARG002 - one entity
        record: Record,
        changes: Mapping[str, JsonValue],
    ) -> AsyncIterator[tuple[frozenset[str], Written]]:
        """Write *changes* in as many calls as the vendor takes for them."""
        seen: Mapping[str, int] = record.raw["edits"]
        for names in _calls(changes, self.traits.calls):
            part = {name: changes[name] for name in names}

            def write(part: Mapping[str, JsonValue] = part) -> Written:
                return self._write(record, part, seen)

            yield frozenset(names), await self._call("write", write, is_write=True)

    def _write(self, record: Record, part: Mapping[str, JsonValue], seen: Mapping[str, int]) -> Written:
        vendor, external_id = self._vendor, record.external_id
        vendor.settle_late()
        known = vendor.records.get(external_id)
        if known is None or known.now.is_gone:
            raise NotFound(f"there is no {external_id}")
        sent = dict(part)
        for name in SETS:
            if name in sent and not self.traits.whole_lists:
                sent[name] = _element_by_element(record.raw[name], sent[name], known.now.values[name])
        try:
            vendor.write(external_id, sent, seen)
        except Refused as error:
            raise Rejected(f"{error.name} is not taken", field=error.name) from error
        return Written(external_id, self._answer(known, part), request_id=f"r{vendor.requests}")

    def _answer(self, known: VendorRecord, part: Collection[str]) -> Record | None:
        match self.traits.answers:
            case "record":
                return self._record(known, known.now)
            case "sent":
                return self._record(known, known.now, only=frozenset(part))
            case _:
                return None

    def _record(self, record: VendorRecord, sight: Sight, *, only: frozenset[str] | None = None) -> Record:
        traits = self.traits
        shown = {
            name: value
            for name, value in sight.values.items()
            if name not in self._vendor.hidden and (only is None or name in only)
        }
        about: dict[str, Any] = {"external_id": record.external_id}
        if traits.dates:
            about["updated_at"] = sight.updated_at
        if traits.dates_fields:
            about["field_times"] = {name: sight.field_times[name] for name in shown}
        if traits.counts:
            about["vendor_version"] = f"{sight.version:08d}"
        if sight.references:
            about["references"] = {name: Reference(REFERRED[name], each) for name, each in sight.references.items()}
        sets: dict[str, Any] = {name: list(sight.values.get(name) or []) for name in SETS}  # type: ignore[arg-type]
        about["raw"] = {"edits": dict(record.edits), **sets}
        # Without validation: what the vendor holds is made here, and checking it again would take most of the time.
        return TYPES[record.entity].model_construct(_fields_set={*shown, *about}, **shown, **about)

    async def _call(self, what: str, effect: Callable[[], _T], *, is_write: bool = False) -> _T:
        """
        Make one request: tested against the lease, in flight, taken, answered.

        A request that is in flight for longer than any call may last was given up: nothing of it arrives any more.
        """
        hook = before_call.get()
        if hook is not None:
            await hook()
        loop, label = asyncio.get_running_loop(), f"{self.traits.name} {what}"
        given_up = loop.time() + WHOLE_CALL_S
        await self._gate(f"{label}, sent")
        if loop.time() > given_up:
            raise _gave_up(label, is_write=is_write)
        vendor = self._vendor
        vendor.requests += 1
        if loop.time() < vendor.limited_until:
            raise RateLimited("too many requests", wait_s=vendor.limited_until - loop.time())
        result = effect()
        await self._gate(f"{label}, answered")
        if loop.time() > given_up:
            raise _gave_up(label, is_write=is_write)
        return result

    async def aclose(self) -> None:
        """Nothing is held."""


def _gave_up(label: str, *, is_write: bool) -> Exception:
    return OutcomeUnknown(f"{label}: no answer") if is_write else Unavailable(f"{label}: no answer")


def _calls(changes: Mapping[str, JsonValue], most: int) -> list[list[str]]:
    """Deal the units of *changes* out to calls; a unit travels whole."""
    calls: dict[int, list[str]] = {}
    units = sorted({UNIT_OF[name].name for name in changes})
    for name in changes:
        calls.setdefault(units.index(UNIT_OF[name].name) % most, []).append(name)
    return [calls[each] for each in sorted(calls)]


def _element_by_element(fetched: Sequence[JsonValue], wanted: JsonValue, now: JsonValue) -> list[JsonValue]:
    """Return what a list holds after the differences between *fetched* and *wanted* were sent one by one."""
    target = {text_of(each): each for each in wanted} if isinstance(wanted, list) else {}
    held = {text_of(each): each for each in now} if isinstance(now, list) else {}
    known = {text_of(each) for each in fetched}
    kept = {text: each for text, each in held.items() if text in target or text not in known}
    return [*kept.values(), *(each for text, each in target.items() if text not in known and text not in kept)]


def adapter_of(traits: Traits, *, has_jobs: bool) -> type[MemoryAdapter]:
    """Return the adapter of a vendor with *traits*, registered as its platform's."""
    made = type(
        f"Adapter{traits.name}",
        (MemoryAdapter,),
        {
            "platform": f"memory-{traits.name}",
            "traits": traits,
            "capabilities": capabilities_of(traits, has_jobs=has_jobs),
        },
    )
    registry.register(made)
    return made
