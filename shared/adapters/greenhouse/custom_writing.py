"""
Custom fields on their way to Greenhouse. docs/vendors/greenhouse.md, 6.2, 6.12 and 10.5.

v3 replaces the whole set, so a write says all that the record has, whether an integration names it or not; v1 changes
one field at a time. Options are written by id, and found by name in the account's definitions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from shared.adapters import wire
from shared.adapters.greenhouse.custom_reading import raw_value, shown_fields, type_of
from shared.adapters.greenhouse.custom_values import SELECTS, body_of, is_closed, refused, value_of
from shared.adapters.greenhouse.lists import Lists
from shared.adapters.greenhouse.names import AGAIN_AFTER_S, MOST_IDS, Dictionary, Names
from shared.adapters.http import Answer
from shared.errors import InvalidPayload, Rejected
from shared.model import EntityType
from shared.model.fields import CUSTOM_FIELDS

Body = dict[str, Any]
Send = Callable[[Body], Awaitable[Answer]]
"""One PATCH of a record, with this body."""
_NO_OPTIONS: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Definition:
    """One custom field of the account."""

    id: str
    kind: str
    options: Mapping[str, int]
    """Of a select: the ids of its options by name."""


class CustomFieldWriter:
    """What a write says of the custom fields of one entity."""

    def __init__(self, lists: Lists, names: Names, entity: EntityType, keys: Collection[str]) -> None:
        self._lists = lists
        self._names = names
        self._entity = entity
        self._keys = frozenset(keys)
        legacy = lists.is_legacy
        self._fields = Dictionary(
            f"/custom_fields/{entity.value}" if legacy else "/custom_fields",
            {} if legacy else {"field_type": entity.value, "active": "true"},
        )
        self._options: list[Dictionary] = []
        self._asked: tuple[str, ...] = ()

    async def write(
        self, send: Send, raw: Mapping[str, Any], value: JsonValue, body: Body
    ) -> tuple[Answer | None, Rejected | None]:
        """
        Send *body* with what *value*, the whole set, says onto a record that shows *raw*.

        Return the last answer (None: there was nothing to say) and the refusal of the fields that can't be written, by
        key: the others are written all the same. Raises what *send* raises for anything but these fields, and Rejected
        where the definitions are hidden: nothing was sent then.
        """
        shown, wanted = shown_fields(raw) or {}, self._wanted(value)
        known = await self._definitions(wanted)
        entries: dict[str, Body] = {}
        faults: dict[str, Rejected] = {}
        for key in sorted(self._keys):
            if _differs(shown.get(key), wanted.get(key)):
                try:
                    entries[key] = self._entry(key, wanted.get(key), known)
                except Rejected as exc:
                    faults[key] = exc
        try:
            whole = body | self._said(shown, entries, known)
            return (await send(whole) if whole else None), _joined(faults)
        except Rejected as exc:
            if exc.field != CUSTOM_FIELDS or not entries:
                raise
        answer = await send(body) if body else None
        taken: dict[str, Body] = {}
        for key, entry in entries.items():
            try:
                answer = await send(self._said(shown, {**taken, key: entry}, known))
                taken[key] = entry
            except Rejected as exc:
                faults[key] = exc
        return answer, _joined(faults)

    def _said(self, shown: Mapping[str, Any], entries: Mapping[str, Body], known: Mapping[str, Definition]) -> Body:
        """
        Return what a body says so that *entries* change and nothing else.

        An empty list is never said: v3 would empty all there is.
        """
        if not entries:
            return {}
        if self._lists.is_legacy:
            return {CUSTOM_FIELDS: [*entries.values()]}
        kept = [self._kept(key, shown[key], known) for key in shown if key not in entries and _is_filled(shown[key])]
        return {CUSTOM_FIELDS: [*entries.values(), *kept]}

    async def first(self, value: JsonValue) -> Body:
        """
        Return what the body of a POST can say of *value*.

        What Greenhouse would refuse is left to the record's first update, whose refusal concerns these fields alone.
        """
        wanted = self._wanted(value)
        if not wanted:
            return {}
        entries: list[Body] = []
        with suppress(Rejected):
            known = await self._definitions(wanted)
            for key, one in wanted.items():
                with suppress(Rejected):
                    entries.append(self._entry(key, one, known))
        return {CUSTOM_FIELDS: entries} if entries else {}

    def _wanted(self, value: JsonValue) -> dict[str, JsonValue]:
        """Return the values by key, of the fields that this integration names."""
        elements = value if isinstance(value, list) else []
        found = {str(each.get("name")): each.get("value") for each in elements if isinstance(each, Mapping)}
        return {key: one for key, one in found.items() if key in self._keys and one not in (None, "", [])}

    def _entry(self, key: str, value: JsonValue, known: Mapping[str, Definition]) -> Body:
        if key not in known:
            raise refused(f"custom field {key}: Greenhouse has none of this key")
        try:
            said = body_of(known[key].kind, value, known[key].options, is_legacy=self._lists.is_legacy)
        except Rejected as exc:
            raise refused(f"custom field {key}: {exc}") from None
        return {"name_key": key, **said}

    def _kept(self, key: str, entry: object, known: Mapping[str, Definition]) -> Body:
        """Return what says that a field stays as it is. Raises Rejected where that can't be said."""
        shown, value, kind = raw_value(entry), _value(entry), type_of(entry)
        if is_closed(kind):
            raise refused(f"custom field {key}: is of the type {kind}, so a write of the others would empty it")
        if isinstance(shown, Mapping) and "user_id" in shown:
            return {"name_key": key, "value": shown["user_id"]}
        if key in known and known[key].kind in SELECTS and not isinstance(value, _Unreadable):
            try:
                return self._entry(key, value, known)
            except Rejected:
                pass  # an option that is listed no more; Greenhouse took it once
        return {"name_key": key, "value": shown}

    async def _definitions(self, wanted: Mapping[str, JsonValue]) -> Mapping[str, Definition]:
        """Return the account's fields by key, read again where they lack a wanted key or a wanted option."""
        found = await self._read()
        if any(_is_lacking(found.get(key), value) for key, value in wanted.items()):
            now = self._lists.api.http.clock.now()
            for dictionary in (self._fields, *self._options):
                if now - dictionary.read_at > AGAIN_AFTER_S:
                    dictionary.read_at = float("-inf")
            found = await self._read()
        return found

    async def _read(self) -> Mapping[str, Definition]:
        rows = await self._rows(self._fields)
        if self._lists.is_legacy:
            options = {one: list(wire.objects(row, "custom_field_options")) for one, row in rows.items()}
            by_field = {one: _by_name([option for _, option in listed]) for one, listed in options.items()}
        else:
            by_field = await self._option_lists(
                tuple(sorted(one for one, row in rows.items() if row.get("value_type") in SELECTS))
            )
        return {
            str(row.get("name_key")): Definition(one, str(row.get("value_type")), by_field.get(one, _NO_OPTIONS))
            for one, row in rows.items()
        }

    async def _option_lists(self, ids: tuple[str, ...]) -> dict[str, Mapping[str, int]]:
        if ids != self._asked:
            batches = [ids[start : start + MOST_IDS] for start in range(0, len(ids), MOST_IDS)]
            self._options = [
                Dictionary("/custom_field_options", {"custom_field_ids": ",".join(batch)}) for batch in batches
            ]
            self._asked = ids
        by_field: dict[str, list[Mapping[str, Any]]] = {}
        for dictionary in self._options:
            for row in (await self._rows(dictionary)).values():
                by_field.setdefault(wire.required_id(row, "custom_field_id"), []).append(row)
        return {one: _by_name(rows) for one, rows in by_field.items()}

    async def _rows(self, dictionary: Dictionary) -> Mapping[str, Mapping[str, Any]]:
        rows, _ = await self._names.rows(dictionary)
        if rows is None:
            needs = self._lists.permission(dictionary.path, "list")
            # Not AuthFailed, which would stop all that goes on with this account.
            raise refused(f"Greenhouse hides what custom fields there are: grant {needs}")
        return rows


class _Unreadable:
    """A value of which nothing can be made: it differs from every other."""


def _value(entry: object) -> JsonValue | _Unreadable:
    try:
        return value_of(type_of(entry), raw_value(entry))
    except InvalidPayload:
        return _Unreadable()


def _is_filled(entry: object) -> bool:
    return raw_value(entry) not in (None, "", [])


def _differs(entry: object, wanted: JsonValue) -> bool:
    """Whether a field that is shown as *entry* (None: not at all) must be written to be *wanted* (None: empty)."""
    value = _value(entry)
    return wanted is not None if isinstance(value, _Unreadable) else value != wanted


def _joined(faults: Mapping[str, Rejected]) -> Rejected | None:
    """Return one refusal of these fields that tells all reasons; None without any."""
    if not faults:
        return None
    first = next(iter(faults.values()))
    told = "; ".join(dict.fromkeys(str(each) for each in faults.values()))
    return Rejected(told, field=CUSTOM_FIELDS, status=first.status, request_id=first.request_id)


def _by_name(rows: Collection[Mapping[str, Any]]) -> Mapping[str, int]:
    """Return ids by name; of two options of one name the active one, else the older."""
    order = sorted(rows, key=lambda row: (row.get("active") is not False, -int(wire.required_id(row))))
    return {str(row.get("name")): int(wire.required_id(row)) for row in order}


def _is_lacking(definition: Definition | None, value: JsonValue) -> bool:
    if definition is None:
        return True
    names = value if isinstance(value, list) else [value]
    return definition.kind in SELECTS and any(str(name) not in definition.options for name in names)
