"""
One entity's mapping, compiled: a vendor's record into our words, and our changes into the vendor's.

The order is fixed: custom fields are chosen and renamed, words are translated, fields are computed, the filter looks at
what came of it, and only then is left out what stays out (so a filter may ask for a field that is not brought in).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from unicodedata import normalize
from zlib import crc32

import orjson
from pydantic import JsonValue

from shared.mapping.expressions import Expression
from shared.model import JsonObject

CUSTOM_FIELDS = "custom_fields"
"""The list of `{name, value}` of what a company has added to a vendor's own fields."""
NAME = "name"


@dataclass(frozen=True, slots=True)
class Words:
    """A value map: the vendor's words and ours. A word that it does not know passes unchanged."""

    to_ours: Mapping[str, str]
    to_theirs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EntityMapping:
    """What `config.mapping` says of one entity, judged. Not to be shared by threads."""

    since: date | None = None
    where: Expression | None = None
    excluded: frozenset[str] = frozenset()
    read_only: frozenset[str] = frozenset()
    words: Mapping[str, Words] = field(default_factory=dict)
    computed: Mapping[str, Expression] = field(default_factory=dict)
    custom_fields: Mapping[str, str] = field(default_factory=dict)
    """Our name by the vendor's key."""

    @property
    def unwritable(self) -> frozenset[str]:
        """Fields of ours that never go out."""
        without_names = frozenset() if self.custom_fields else frozenset({CUSTOM_FIELDS})
        return self.excluded | self.read_only | self.computed.keys() | without_names

    def inbound(self, shown: Mapping[str, JsonValue]) -> JsonObject:
        """
        Return what the record of the vendor's fields *shown* is in our words, still with the excluded fields.

        Raises InvalidPayload, which names the expression that can't be computed of it.
        """
        values: JsonObject = dict(shown)
        if not self.custom_fields:
            values.pop(CUSTOM_FIELDS, None)
        for name in (CUSTOM_FIELDS, *self.words):
            if name in values:
                values[name] = self.translated(name, values[name])
        if self.computed:
            # Each of what the vendor shows, none of another's result: so the order of the fields means nothing.
            custom = self.custom_values(values)
            values |= {name: each.value(values, custom) for name, each in self.computed.items()}
        return values

    def translated(self, name: str, value: JsonValue) -> JsonValue:
        """Return *value*, as the vendor shows it in the field *name*, in our words."""
        if name == CUSTOM_FIELDS:
            return _renamed(value, self.custom_fields)
        words = self.words.get(name)
        return value if words is None else _translated(value, words.to_ours)

    def is_untranslated(self, name: str, value: JsonValue) -> bool:
        """Tell whether *value* of the field *name* is a word of theirs, where ours should stand."""
        words = self.words.get(name)
        return words is not None and isinstance(value, str) and value in words.to_ours and value not in words.to_theirs

    def visible(self, values: Mapping[str, JsonValue]) -> JsonObject:
        """Return *values* less the excluded fields: those are not visible, which is not the same as empty."""
        return {name: value for name, value in values.items() if name not in self.excluded}

    def admits(
        self, values: Mapping[str, JsonValue], references: Mapping[str, str], updated_at: datetime | None
    ) -> bool:
        """
        Tell whether a record of *values* (as of `inbound`) that is not here yet is to be brought in.

        *references*: the vendor's ids by field. *updated_at*: when the vendor last changed it; one that does not say
        is never too old. Raises InvalidPayload if `where` can't be computed of it.
        """
        if self.since is not None and updated_at is not None and updated_at.astimezone(UTC).date() < self.since:
            return False
        if self.where is None:
            return True
        return bool(self.where.value({**values, **references}, self.custom_values(values)))

    def outbound(self, changes: Mapping[str, JsonValue], shown: Mapping[str, JsonValue]) -> JsonObject:
        """Return *changes* in the vendor's words. *shown*: its fields as they are; unnamed custom ones stay so."""
        values: JsonObject = dict(changes)
        for name, words in self.words.items():
            if name in values:
                values[name] = _translated(values[name], words.to_theirs)
        if CUSTOM_FIELDS in values:
            keys = {plain(ours): key for key, ours in self.custom_fields.items()}
            ours = [{**each, NAME: plain(str(each.get(NAME)))} for each in _elements(values[CUSTOM_FIELDS])]
            unnamed = [each for each in _elements(shown.get(CUSTOM_FIELDS)) if each.get(NAME) not in self.custom_fields]
            values[CUSTOM_FIELDS] = [*unnamed, *_renamed([*ours], keys)]
        return values

    def custom_values(self, values: Mapping[str, JsonValue]) -> JsonObject:
        """Return the custom fields among *values*, by our name."""
        return {str(each.get(NAME)): each.get("value") for each in _elements(values.get(CUSTOM_FIELDS))}

    def marks(self) -> dict[str, str]:
        """
        Return by field a short mark of how it is mapped; a field that is taken as it comes has none.

        What two sides have agreed on under one mark tells nothing about the values under another.
        """
        told: dict[str, object] = {name: sorted(words.to_ours.items()) for name, words in self.words.items()}
        told |= {name: each.text for name, each in self.computed.items()}
        if self.custom_fields:
            told[CUSTOM_FIELDS] = sorted(self.custom_fields.items())
        told |= dict.fromkeys(self.excluded, False)
        return {name: f"{crc32(orjson.dumps(each)):08x}" for name, each in sorted(told.items())}


def plain(name: str) -> str:
    """Return the form in which our names are compared: those that differ in case or spaces alone are one name."""
    return normalize("NFC", " ".join(name.split()).casefold())


def _translated(value: JsonValue, words: Mapping[str, str]) -> JsonValue:
    """Return *value* by *words*: a text, each text of a list, the name of each object of one (a job's stages)."""
    if isinstance(value, str):
        return words.get(value, value)
    if isinstance(value, list):
        return [_translated(each, words) for each in value]
    if isinstance(value, dict) and NAME in value:
        return {**value, NAME: _translated(value[NAME], words)}
    return value


def _renamed(value: JsonValue, names: Mapping[str, str]) -> list[JsonValue]:
    """Return the elements that *names* knows, under their new names."""
    found = _elements(value)
    return [{**each, NAME: names[key]} for each in found if isinstance(key := each.get(NAME), str) and key in names]


def _elements(value: JsonValue) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
