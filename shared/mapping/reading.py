"""
`config.mapping`, read and judged: when it is saved, and again by the same code whenever it is used.

    {"application": {"since": "2026-01-01", "where": "status != 'hired'",
                     "values": {"stage": {"Telefoninterview": "Phone screen"}}},
     "candidate": {"exclude": ["addresses"], "custom_fields": {"notice_period": "Notice period"}}}
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from itertools import combinations
from zlib import crc32

import orjson
from pydantic import JsonValue

from shared.errors import InvalidInput
from shared.mapping.expressions import Expression
from shared.mapping.rules import CUSTOM_FIELDS, EntityMapping, Words, plain
from shared.model import FIELDS, EntityType, Kind, NormalForm

MAPPING = "mapping"
PATH = f"config.{MAPPING}"
LONGEST_NAME = 200
"""Characters of a word or name."""
MOST = 500
"""Entries of one map."""

_KEYS = ("since", "where", "exclude", "read_only", "values", "set", CUSTOM_FIELDS)
_OF_WORDS = frozenset({NormalForm.TEXT, NormalForm.NAME, NormalForm.WORD})
_STAGES = "stages"
"""A job's: objects, of which the name is translated."""


def mappings_of(config: Mapping[str, JsonValue]) -> dict[EntityType, EntityMapping]:
    """
    Return what `config.mapping` says, by entity; an entity of which it says nothing is not in it.

    Raises InvalidInput that names the path and what to do.
    """
    given = _object(config.get(MAPPING), PATH, '{"candidate": {"exclude": ["addresses"]}}')
    found: dict[EntityType, EntityMapping] = {}
    for name, said in given.items():
        entity = _entity(name)
        path = f"{PATH}.{entity.value}"
        if entity in found:
            raise InvalidInput(f"{path}: is given twice", field=path, remedy="say it once")
        mapping = mapping_of(entity, said, path)
        if said:
            found[entity] = mapping
    return found


def excluded_by(config: Mapping[str, JsonValue], entity: EntityType) -> frozenset[str]:
    """Return the fields of *entity* that `config.mapping` keeps out of sight. Raises InvalidInput."""
    mapping = mappings_of(config).get(entity)
    return frozenset() if mapping is None else mapping.excluded


def remapped(before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]) -> list[EntityType]:
    """
    Return the entities that configuration *after* maps otherwise than *before*, parents first.

    Where other jobs or candidates are brought in, so are their applications.
    """
    old, new = _said(before), _said(after)
    moved = {entity for entity in EntityType if old.get(entity) != new.get(entity)}
    if any(_filter(old, entity) != _filter(new, entity) for entity in moved):
        moved.add(EntityType.APPLICATION)
    return [entity for entity in EntityType if entity in moved]


def filters_of(config: Mapping[str, JsonValue]) -> dict[EntityType, str]:
    """Return by entity a short name of the filter that *config* has for it; nothing where nothing is filtered."""
    return {
        entity: f"{crc32(orjson.dumps(_filter(said, entity))):08x}"
        for said in [_said(config)]
        for entity in said
        if any(each is not None for each in _filter(said, entity))
    }


def _said(config: Mapping[str, JsonValue]) -> dict[EntityType, Mapping[str, JsonValue]]:
    given = config.get(MAPPING)
    if not isinstance(given, dict):
        return {}
    return {_entity(name): said for name, said in given.items() if isinstance(said, dict) and said}


def _filter(said: Mapping[EntityType, Mapping[str, JsonValue]], entity: EntityType) -> tuple[JsonValue, JsonValue]:
    known = said.get(entity, {})
    return known.get("since"), known.get("where")


def mapping_of(entity: EntityType, given: JsonValue, path: str) -> EntityMapping:
    """Return what *given*, which stands at *path*, says of *entity*. Raises InvalidInput."""
    said = _object(given, path, '{"exclude": ["addresses"]}')
    for key in said:
        if key not in _KEYS:
            raise InvalidInput.none_of(f"{path}.{key}", "there is no such setting", _KEYS)
    fields = [each.name for each in FIELDS[entity].values() if each.kind is not Kind.REFERENCE]
    excluded = _names(said.get("exclude"), fields, f"{path}.exclude")
    read_only = _names(said.get("read_only"), fields, f"{path}.read_only")
    computed = _object(said.get("set"), f"{path}.set", '{"current_title": "trim(current_title)"}')
    words = _object(said.get("values"), f"{path}.values", '{"stage": {"Telefon": "Phone screen"}}')
    settable = [name for name in fields if name != CUSTOM_FIELDS]
    for name in computed:
        _known(name, settable, f"{path}.set.{name}")
    _apart(path, {"exclude": excluded, "set": computed, "values": words})
    _apart(path, {"exclude": excluded, "set": computed, "read_only": read_only})
    custom = _custom(said.get(CUSTOM_FIELDS), excluded, f"{path}.{CUSTOM_FIELDS}")
    return EntityMapping(
        since=_since(said.get("since"), f"{path}.since"),
        where=_expression(entity, said["where"], f"{path}.where") if said.get("where") is not None else None,
        excluded=excluded,
        read_only=read_only,
        words={
            name: _words(entity, name, map_, f"{path}.values.{name}", is_read_only=name in read_only)
            for name, map_ in words.items()
        },
        computed={name: _expression(entity, text, f"{path}.set.{name}") for name, text in computed.items()},
        custom_fields=custom,
    )


def _entity(name: str) -> EntityType:
    try:
        return EntityType.parse(name)
    except ValueError:
        raise InvalidInput.none_of(f"{PATH}.{name}", "there is no such entity", FIELDS) from None


def _object(given: JsonValue, path: str, example: str) -> Mapping[str, JsonValue]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise InvalidInput(f"{path}: must be an object", field=path, remedy=example)
    return given


def _known(name: JsonValue, fields: Collection[str], path: str) -> str:
    if not isinstance(name, str) or name not in fields:
        raise InvalidInput.none_of(path, "there is no such field to map", fields)
    return name


def _names(given: JsonValue, fields: Collection[str], path: str) -> frozenset[str]:
    if given is None:
        return frozenset()
    if not isinstance(given, list):
        raise InvalidInput(f"{path}: must be a list of fields", field=path, remedy='["addresses"]')
    return frozenset(_known(name, fields, path) for name in given)


def _since(given: JsonValue, path: str) -> date | None:
    if given is None:
        return None
    try:
        day = date.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        day = None
    if day is None or day.isoformat() != given:
        raise InvalidInput(f"{path}: must be a day", field=path, remedy='like "2026-01-31"')
    return day


def _expression(entity: EntityType, given: JsonValue, path: str) -> Expression:
    if not isinstance(given, str) or not given.strip():
        raise InvalidInput(f"{path}: must be an expression", field=path, remedy="like 'status == \"open\"'")
    return Expression(given, path=path, known=FIELDS[entity])


def _words(entity: EntityType, name: str, given: JsonValue, path: str, *, is_read_only: bool) -> Words:
    fields = FIELDS[entity]
    speaking = [
        each.name
        for each in fields.values()
        if (each.normal in _OF_WORDS and not each.members and not each.identity and each.kind is not Kind.REFERENCE)
        or (entity is EntityType.JOB and each.name == _STAGES)
    ]
    _known(name, speaking, path)
    to_ours = _texts(given, path, '{"Telefon": "Phone screen"}')
    to_theirs = {ours: theirs for theirs, ours in to_ours.items()}
    if len(to_theirs) < len(to_ours) and not is_read_only:
        twice = next(ours for ours in to_ours.values() if list(to_ours.values()).count(ours) > 1)
        raise InvalidInput(
            f"{path}: two words of theirs become {twice}, so it can't be told which one to write there",
            field=path,
            remedy=f'give each a word of its own, or add "{name}" to read_only',
        )
    return Words(to_ours, to_theirs)


def _custom(given: JsonValue, excluded: frozenset[str], path: str) -> Mapping[str, str]:
    names = _texts(given, path, '{"notice_period": "Notice period"}')
    if names and CUSTOM_FIELDS in excluded:
        raise InvalidInput(f"{path}: is excluded as well", field=path, remedy="choose one of the two")
    folded = [plain(name) for name in names.values()]
    for name in folded:
        if folded.count(name) > 1:
            raise InvalidInput(
                f"{path}: two fields of theirs are called {name}", field=path, remedy="give each a name of its own"
            )
    return names


def _texts(given: JsonValue, path: str, example: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for theirs, ours in _object(given, path, example).items():
        if not isinstance(ours, str) or not all(0 < len(each.strip()) <= LONGEST_NAME for each in (theirs, ours)):
            raise InvalidInput(
                f"{path}: must be texts of 1 to {LONGEST_NAME} characters, theirs to ours", field=path, remedy=example
            )
        texts[theirs] = ours
    if len(texts) > MOST:
        raise InvalidInput(f"{path}: has at most {MOST} entries", field=path, remedy="keep those that matter")
    return texts


def _apart(path: str, groups: Mapping[str, Collection[str]]) -> None:
    """Raise InvalidInput where one field stands in two of *groups*."""
    for (one, names), (other, more) in combinations(groups.items(), 2):
        for name in sorted(set(names) & set(more)):
            raise InvalidInput(
                f"{path}.{other}: {name} stands in {one} as well", field=f"{path}.{other}", remedy="choose one of them"
            )
