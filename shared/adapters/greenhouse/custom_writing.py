"""
Custom fields on their way to Greenhouse. docs/vendors/greenhouse.md, 6.2, 6.12 and 10.5.

v3 replaces the whole set, so a write says all that the record has, whether an integration names it or not; v1 changes
one field at a time. Options are written by id, and found by name in the account's definitions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from shared.adapters import wire
from shared.adapters.greenhouse.custom_reading import raw_value, shown_fields, type_of
from shared.adapters.greenhouse.custom_values import SELECTS, body_of, is_closed, refused, value_of
from shared.adapters.greenhouse.lists import Lists
from shared.adapters.greenhouse.names import AGAIN_AFTER_S, MOST_IDS, Dictionary, Names
from shared.errors import AuthFailed, InvalidPayload, Rejected
from shared.model import EntityType
from shared.model.fields import CUSTOM_FIELDS

Body = dict[str, Any]
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

    async def changed(self, raw: Mapping[str, Any], value: JsonValue) -> Body:
        """
        Return what the body of a PATCH says of *value*, the whole set, onto a record that shows *raw*.

        Nothing where the record shows it so already: an empty list would mean that v3 has to empty all there is.

        Raises Rejected for a value that Greenhouse would not take, AuthFailed where the definitions are hidden.
        """
        shown, wanted = shown_fields(raw) or {}, self._wanted(value)
        known = await self._definitions(wanted)
        entries: list[Body] = []
        for key in sorted(self._keys):
            is_known = key in shown and not isinstance(_value(shown[key]), _Unreadable)
            if key in wanted and is_known and _value(shown[key]) == wanted[key]:
                continue
            if key not in wanted and (not is_known or _value(shown[key]) is None):
                continue
            entries.append(self._entry(key, wanted.get(key), known))
        if entries and not self._lists.is_legacy:
            said = {entry["name_key"] for entry in entries}
            entries += [self._kept(key, shown[key], known) for key in shown if _stays(key, shown[key], said)]
        return {CUSTOM_FIELDS: entries} if entries else {}

    async def first(self, value: JsonValue) -> Body:
        """
        Return what the body of a POST can say of *value*.

        What Greenhouse would refuse is left to the record's first update, whose refusal concerns these fields alone.
        """
        wanted = self._wanted(value)
        if not wanted:
            return {}
        known = await self._definitions(wanted)
        entries: list[Body] = []
        for key, one in wanted.items():
            try:
                entries.append(self._entry(key, one, known))
            except Rejected:
                continue
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
            raise AuthFailed(
                f"Greenhouse hides what custom fields there are ({needs})", remedy=f"grant {needs}", status=403
            )
        return rows


class _Unreadable:
    """A value of which nothing can be made: it differs from every other."""


def _value(entry: object) -> JsonValue | _Unreadable:
    try:
        return value_of(type_of(entry), raw_value(entry))
    except InvalidPayload:
        return _Unreadable()


def _stays(key: str, entry: object, said: Collection[str]) -> bool:
    return key not in said and raw_value(entry) not in (None, "", [])


def _by_name(rows: Collection[Mapping[str, Any]]) -> Mapping[str, int]:
    """Return ids by name; of two options of one name the active one, else the older."""
    order = sorted(rows, key=lambda row: (row.get("active") is not False, -int(wire.required_id(row))))
    return {str(row.get("name")): int(wire.required_id(row)) for row in order}


def _is_lacking(definition: Definition | None, value: JsonValue) -> bool:
    if definition is None:
        return True
    names = value if isinstance(value, list) else [value]
    return definition.kind in SELECTS and any(str(name) not in definition.options for name in names)
