"""
A base as JSON: what stands in a link's row.

    {"v": 1, "at": 1767225600000000, "k": 7, "u": {"email": "kQ3…16 signs", "tags": ["…"], "phone": {"o": "…"}}}

The common unit (both sides alike, agreed, seen last at `at`, prints made with key `k`) is its print alone. Times are
microseconds since 1970. Old and new code read each other's bases during a deploy, so keys that are not known survive a
round trip.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, TypeVar

from pydantic import JsonValue

from shared.merge.state import EMPTY, Base, Fingerprint, Print, State, StoredBase, UnitBase
from shared.model.records import JsonObject

T = TypeVar("T")

VERSION = 1
"""Of the encoding. A reader takes any version; it rises when an older reader would be misled."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
BETWEEN = ":"
"""Between the two prints of an element."""
_FIRST_KEY = 1
_OWN_KEYS = frozenset({"v", "at", "k", "u"})
_UNIT_KEYS = frozenset({"o", "t", "at", "s", "n", "k", "i", "ix", "b", "br", "c", "x", "a", "d"})
_rest_of = attrgetter(
    *(each.name for each in fields(UnitBase) if each.name not in {"ours", "theirs", "seen_at", "key_id"})
)
_PLAIN_REST = _rest_of(UnitBase(EMPTY, EMPTY, _EPOCH))


def encode_base(base: Base) -> JsonObject:
    """Return *base* as JSON."""
    at, key_id = (
        _usual([unit.seen_at for unit in base.values()], _EPOCH),
        _usual([unit.key_id for unit in base.values()], 1),
    )
    extra: Mapping[str, JsonValue] = base.extra if isinstance(base, StoredBase) else {}
    # Nearly every unit is plain; going through its keys one by one would take ten times as long.
    units: JsonObject = {
        name: encode_print(unit.ours)
        if unit.ours == unit.theirs and unit.seen_at == at and unit.key_id == key_id and _rest_of(unit) == _PLAIN_REST
        else encode_unit(unit, at, key_id)
        for name, unit in base.items()
    }
    return {**extra, **encoded(units, at, key_id)}


def encoded(units: JsonObject, at: datetime, key_id: int) -> JsonObject:
    """Return a base of units that are encoded already; *at* and *key_id* are what most of them have."""
    if not units:
        at, key_id = _EPOCH, _FIRST_KEY
    base: JsonObject = {"v": VERSION, "at": ticks(at), "u": units}
    return base if key_id == _FIRST_KEY else {**base, "k": key_id}


def decode_base(stored: Mapping[str, JsonValue]) -> StoredBase:
    """Return what `encode_base` made, or an empty base of {}. Raises ValueError or TypeError on anything else."""
    at, key_id, units = stored.get("at", 0), stored.get("k", _FIRST_KEY), stored.get("u", {})
    if not isinstance(units, dict) or not isinstance(at, int) or not isinstance(key_id, int):
        raise TypeError("base: u must be an object, at and k numbers")
    extra = {key: value for key, value in stored.items() if key not in _OWN_KEYS}
    return StoredBase({name: _decode_unit(unit, _moment(at), key_id) for name, unit in units.items()}, extra)


def encode_print(value: Print) -> JsonValue:
    """Return a print as JSON: text, or for a set a list of `identity` or `identity:whole`."""
    if isinstance(value, str):
        return value
    return [each if each == whole else f"{each}{BETWEEN}{whole}" for each, whole in sorted(value.items())]


def decode_print(stored: JsonValue) -> Print:
    """Return what `encode_print` made. Raises TypeError on anything else."""
    if isinstance(stored, str):
        return Fingerprint(stored)
    if not isinstance(stored, list):
        raise TypeError("base: a print must be text or a list")
    pairs = [str(each).partition(BETWEEN) for each in stored]
    return {Fingerprint(each): Fingerprint(whole or each) for each, _, whole in pairs}


def _usual(values: Sequence[T], default: T) -> T:
    if not values or values.count(values[0]) == len(values):
        return values[0] if values else default
    return Counter(values).most_common(1)[0][0]


def encode_unit(unit: UnitBase, at: datetime, key_id: int) -> JsonValue:
    """Return *unit* as it stands in a base of *at* and *key_id*."""
    stored: dict[str, JsonValue] = dict(unit.extra or {})
    optional: tuple[tuple[str, bool, Any], ...] = (
        ("t", unit.theirs != unit.ours, encode_print(unit.theirs)),
        ("at", unit.seen_at != at, ticks(unit.seen_at)),
        ("s", unit.state is not State.AGREED, unit.state.value),
        ("n", unit.norm != 1, unit.norm),
        ("k", unit.key_id != key_id, unit.key_id),
        ("i", unit.intent is not None, _encode_optional(unit.intent)),
        ("ix", unit.intent_expects is not None, _encode_optional(unit.intent_expects)),
        ("b", unit.blocked is not None, unit.blocked),
        ("br", unit.blocked_reason is not None, unit.blocked_reason),
        ("c", unit.bounces != 0, [unit.bounces, unit.bounce]),
        ("x", unit.expects is not None, _encode_optional(unit.expects)),
        ("a", unit.aliases is not None, dict(unit.aliases or {})),
        ("d", unit.decided, True),
    )
    stored |= {key: value for key, is_set, value in optional if is_set}
    ours = encode_print(unit.ours)
    return {"o": ours, **stored} if stored else ours


def _decode_unit(stored: JsonValue, at: datetime, key_id: int) -> UnitBase:
    if not isinstance(stored, dict):
        both = decode_print(stored)
        return UnitBase(both, both, at, key_id=key_id)
    members: dict[str, Any] = stored
    ours = decode_print(members["o"])
    bounces, bounce = members.get("c", (0, None))
    return UnitBase(
        ours=ours,
        theirs=decode_print(members["t"]) if "t" in members else ours,
        seen_at=_moment(members["at"]) if "at" in members else at,
        state=State(members.get("s", State.AGREED)),
        norm=members.get("n", 1),
        intent=_decode_optional(members.get("i")),
        blocked=members.get("b"),
        blocked_reason=members.get("br"),
        bounces=bounces,
        bounce=bounce,
        expects=_decode_optional(members.get("x")),
        intent_expects=_decode_optional(members.get("ix")),
        aliases=members.get("a"),
        decided=members.get("d", False),
        key_id=members.get("k", key_id),
        extra={key: value for key, value in members.items() if key not in _UNIT_KEYS} or None,
    )


def _encode_optional(value: Print | None) -> JsonValue:
    return None if value is None else encode_print(value)


def _decode_optional(stored: JsonValue) -> Print | None:
    return None if stored is None else decode_print(stored)


def ticks(at: datetime) -> int:
    """Return *at* as microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def _moment(ticks: int) -> datetime:
    return _EPOCH + ticks * _MICROSECOND
