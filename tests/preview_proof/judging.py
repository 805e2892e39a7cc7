"""What a sync did, told from the tables and the vendor alone, and held against what its preview had shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from pydantic import JsonValue

from shared.adapters.greenhouse.contacts import ADDRESS_TYPES, EMAIL_TYPES, PHONE_TYPES, WEBSITE_TYPES, primary
from shared.adapters.greenhouse.read import read_candidate
from shared.errors import InvalidPayload
from shared.model import UNITS, EntityType
from shared.model.records import Contact
from shared.sync.previewing.preview import Action, Preview, PreviewRow
from tests.integration.sync.world import World

Key = tuple[str, str]
"""Entity and the vendor's id."""
CONTACT_LISTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "further_emails": ("email_addresses", EMAIL_TYPES),
    "further_phones": ("phone_numbers", PHONE_TYPES),
    "addresses": ("addresses", ADDRESS_TYPES),
    "links": ("website_addresses", WEBSITE_TYPES),
}
"""By field: the vendor's list, and the words for types that its documents name there."""
TABLES = (
    "records", "external_entity_map", "record_history", "record_pins", "person_keys", "conflicts", "sync_queue",
    "sync_logs", "runs", "quarantine", "issues", "notices", "create_intents", "dead_letters",
)  # fmt: skip


@dataclass(frozen=True)
class Snapshot:
    """One company and its vendor at one moment."""

    records: Mapping[UUID, Mapping[str, JsonValue]]
    """Data by id."""
    links: Mapping[Key, UUID]
    held: frozenset[tuple[UUID, str]]
    """Record and unit of each open conflict between values."""
    refused: frozenset[tuple[UUID, str]]
    """The same of values that the vendor did not take."""
    quarantined: frozenset[Key]
    waiting: frozenset[Key]
    left_out: frozenset[Key]
    people: Mapping[str, Mapping[str, JsonValue]]
    """What the vendor shows of its candidates, by its id; without those that can't be read."""
    words: Mapping[str, Mapping[str, frozenset[str | None]]]
    """Of each of its candidates, by field: the words for types that the vendor's list holds, documented or not."""


_SNAPSHOT = (
    "SELECT id, data FROM records WHERE company_id = %(company)s",
    "SELECT entity_type, external_id, internal_id FROM external_entity_map WHERE company_id = %(company)s",
    "SELECT record_id, unit, kind FROM conflicts WHERE company_id = %(company)s AND status = 'open'",
    """SELECT entity_type, record_key FROM sync_queue
    WHERE company_id = %(company)s AND hold_reason IS NOT NULL AND hold_reason NOT LIKE 'quarantine:%%'""",
    "SELECT entity_type, external_id FROM quarantine WHERE company_id = %(company)s AND ended_at IS NULL",
    "SELECT entity_type, external_id FROM left_out WHERE company_id = %(company)s",
)


async def snapshot(world: World) -> Snapshot:
    """Return what holds now."""
    records, links, conflicts, jobs, quarantine, left_out = await world.rows_of(_SNAPSHOT, company=world.company_id)
    vendor = await world.vendor_state()
    quarantined = frozenset((row["entity_type"], row["external_id"]) for row in quarantine)
    people, words = {}, {}
    for person in vendor["candidates"]:
        external_id = str(person["id"])
        with suppress(InvalidPayload):  # of one that can't be read
            people[external_id] = read_candidate(person).visible()
        words[external_id] = {
            name: frozenset(entry["type"] for entry in person[key]) for name, (key, _) in CONTACT_LISTS.items()
        }
    return Snapshot(
        records={row["id"]: row["data"] for row in records},
        links={(row["entity_type"], row["external_id"]): row["internal_id"] for row in links},
        held=frozenset((row["record_id"], row["unit"]) for row in conflicts if row["kind"] == "field"),
        refused=frozenset((row["record_id"], row["unit"]) for row in conflicts if row["kind"] == "refused"),
        quarantined=quarantined,
        waiting=frozenset((row["entity_type"], row["record_key"].removeprefix("ext:")) for row in jobs),
        left_out=_left_out(left_out, vendor["applications"]),
        people=people,
        words=words,
    )


def _left_out(rows: Iterable[Mapping[str, Any]], applications: Iterable[Mapping[str, Any]]) -> frozenset[Key]:
    """Return who was left out by a filter, with the applications that stay out for it."""
    named = {(row["entity_type"], row["external_id"]) for row in rows}
    return frozenset(
        named
        | {
            ("application", str(each["id"]))
            for each in applications
            if ("candidate", str(each["candidate_id"])) in named
        }
    )


async def everything(world: World) -> dict[str, list[Any]]:
    """Return each row of the company, as text."""
    query = "SELECT to_jsonb(t)::text FROM {} t WHERE company_id = %(company)s ORDER BY 1"
    queries = [query.format(table) for table in TABLES]
    return dict(zip(TABLES, await world.rows_of(queries, company=world.company_id), strict=True))


@dataclass(frozen=True)
class Judged:
    """A preview and the sync after it. *faults* tells each difference, for people."""

    actions: Counter[str]
    fields: Counter[str]
    faults: list[str]


def judge(
    shown: Preview, before: Snapshot, after: Snapshot, *, refused: Collection[str], excluded: Collection[str]
) -> Judged:
    """
    Hold what happened between *before* and *after* against what was *shown*, record by record and field by field.

    *refused*: people whom the vendor did not let us write as we wanted, by its id; a preview can't know that.
    *excluded*: fields of candidates that do not come in.
    """
    rows = [row for each in shown.entities for row in each.rows]
    faults = [
        *_actions(rows, before, after),
        *_values(rows, before, after, excluded),
        *_writes(rows, before, after, refused),
        *_conflicts(rows, before, after),
    ]
    fields = Counter(diff.what for row in rows for diff in row.fields)
    return Judged(Counter(row.action.value for row in rows), fields, faults)


def _actions(rows: Iterable[PreviewRow], before: Snapshot, after: Snapshot) -> Iterator[str]:
    told = Counter((row.entity.value, row.external_id) for row in rows)
    yield from (f"{key} was shown {times} times" for key, times in told.items() if times > 1)
    yield from (f"{key} came in and was not shown" for key in after.links.keys() - before.links.keys() - told.keys())
    for row in rows:
        key = (row.entity.value, row.external_id)
        done = _happened(row, before, after)
        if done is not row.action:
            yield f"{key} was shown as {row.action.value} and became {done.value}"
        elif row.record_id is not None and after.links[key] != row.record_id:
            yield f"{key} was shown as a record of ours and became another"


def _happened(row: PreviewRow, before: Snapshot, after: Snapshot) -> Action:
    """Tell from both snapshots what became of a record of the vendor's."""
    key = (row.entity.value, row.external_id)
    record_id = after.links.get(key)
    if record_id is None:
        if key in after.quarantined:
            return Action.REFUSED
        if key in after.waiting:
            return Action.WAIT
        # Of who was left out before, that is remembered when the filter lets go of them too.
        is_both = row.action is Action.SUPPRESSED and key in before.left_out
        return Action.LEFT_OUT if key in after.left_out and not is_both else Action.SUPPRESSED
    if key not in before.links:
        return Action.LINK if record_id in before.records else Action.CREATE
    if key in after.quarantined - before.quarantined:
        return Action.REFUSED
    is_written = before.people.get(row.external_id) != after.people.get(row.external_id)
    is_changed = before.records[record_id] != after.records[record_id]
    return Action.CHANGE if is_changed or (is_written and row.entity is EntityType.CANDIDATE) else Action.UNCHANGED


def _values(rows: Iterable[PreviewRow], before: Snapshot, after: Snapshot, excluded: Collection[str]) -> Iterator[str]:
    """A record of ours changes in the fields that are shown as taken, to what they become, and in no other."""
    taken = {row.record_id: {each.field: each.becomes for each in row.fields if each.what == "take"} for row in rows}
    for record_id, data in before.records.items():
        expected = {name: value for name, value in {**data, **taken.get(record_id, {})}.items() if not _empty(value)}
        yield from _differences(f"record {record_id}", expected, after.records[record_id])
    for row in rows:
        if row.action is Action.CREATE and row.entity is EntityType.CANDIDATE:
            shown = before.people[row.external_id]
            there = {name: value for name, value in shown.items() if name not in excluded and not _empty(value)}
            made = after.records.get(after.links.get(("candidate", row.external_id), UUID(int=0)), {})
            yield from _differences(f"candidate {row.external_id} as it was made", there, made)


def _writes(rows: Iterable[PreviewRow], before: Snapshot, after: Snapshot, refused: Collection[str]) -> Iterator[str]:
    """The vendor's people change in the fields that are shown as pushed, to what they become, and in no other."""
    pushed = {
        row.external_id: {each.field: each.becomes for each in row.fields if each.what == "push"}
        for row in rows
        if row.entity is EntityType.CANDIDATE
    }
    for external_id, shown in before.people.items():
        if external_id in refused:
            continue
        expected = _said(_led({**shown, **pushed.get(external_id, {})}), before.words[external_id])
        yield from _differences(f"the vendor's candidate {external_id}", expected, after.people[external_id])


def _led(values: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return *values* as the vendor shows them: it marks no entry as the first, so one of several always is."""
    led = dict(values)
    for first, rest, order in (("email", "further_emails", EMAIL_TYPES), ("phone", "further_phones", PHONE_TYPES)):
        entries = cast("list[Contact]", led.get(rest) or [])
        if _empty(led.get(first)) and (leader := primary(entries, order)) is not None:
            led |= {first: leader["value"], rest: [*(_json(each) for each in entries if each is not leader)]}
    return led


def _said(values: Mapping[str, JsonValue], held: Mapping[str, frozenset[str | None]]) -> dict[str, JsonValue]:
    """
    Return *values* with the words for types in which the vendor is told.

    They are those of its documents, and beyond these what its very list *held* already; `other` stands for any other.
    """
    said = dict(values)
    for name, (_, documented) in CONTACT_LISTS.items():
        if not _empty(values.get(name)):
            said[name] = [
                {
                    "value": each["value"],
                    "type": _word(each.get("type"), documented, held[name], is_link=name == "links"),
                }
                for each in cast("list[Contact]", values[name])
            ]
    return said


def _word(kind: str | None, documented: tuple[str, ...], held: frozenset[str | None], *, is_link: bool) -> str | None:
    if kind in held or (kind is None and is_link):  # a link without a type stands in a list that has no types
        return kind
    word = (kind or "").casefold()
    return word if word in documented else "other"


def _json(contact: Contact) -> JsonValue:
    return {"value": contact["value"], "type": contact.get("type")}


def _conflicts(rows: Iterable[PreviewRow], before: Snapshot, after: Snapshot) -> Iterator[str]:
    unit_of = {
        (entity, member): unit.name for entity, units in UNITS.items() for unit in units.values()
        for member in unit.members
    }  # fmt: skip
    shown = {
        (row.record_id, unit_of[row.entity, each.field]) for row in rows for each in row.fields if each.what == "hold"
    }
    yield from (
        f"{unit} of {record_id} is held and was not shown" for record_id, unit in after.held - before.held - shown
    )
    yield from (f"{unit} of {record_id} was shown as held and is not" for record_id, unit in shown - after.held)
    yield from (f"{unit} of {record_id} was refused" for record_id, unit in after.refused - before.refused)


def _differences(what: str, expected: Mapping[str, JsonValue], found: Mapping[str, JsonValue]) -> Iterator[str]:
    for name in sorted({*expected, *found}):
        one, other = expected.get(name), found.get(name)
        if _plain(one) != _plain(other):
            yield f"{what}: {name} was to be {one!r} and is {other!r}"


def _plain(value: JsonValue) -> object:
    """Of a list, what it holds: its order is nobody's promise."""
    if not isinstance(value, list):
        return None if _empty(value) else value
    return sorted(repr(_element(each)) for each in value)


def _element(value: JsonValue) -> JsonValue:
    return [value["value"], value.get("type")] if isinstance(value, dict) and "value" in value else value


def _empty(value: JsonValue) -> bool:
    return value is None or value in ("", [])
