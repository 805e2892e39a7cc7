"""
A base as JSON: what stands in a link's row.

    {"v": 1, "at": 1767225600000000, "u": {"email": "kQ3…16 signs", "tags": ["…", "…"], "phone": {"o": "…", "t": "…"}}}

The common unit (both sides alike, agreed, seen last at `at`) is its print alone. Times are microseconds since 1970. Old
and new code read each other's bases during a deploy, so keys that are not known survive a round trip.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue

from shared.merge.state import Base, Fingerprint, Print, State, StoredBase, UnitBase
from shared.model.records import JsonObject

VERSION = 1
"""Of the encoding. A reader takes any version; it rises when an older reader would be misled."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BETWEEN = ":"
_OWN_KEYS = frozenset({"v", "at", "u"})
_UNIT_KEYS = frozenset({"o", "t", "at", "s", "n", "k", "i", "ix", "b", "br", "c", "x", "a", "d"})


def encode_base(base: Base) -> JsonObject:
    """Return *base* as JSON."""
    at = _usual_at(base)
    extra: Mapping[str, JsonValue] = base.extra if isinstance(base, StoredBase) else {}
    units: JsonObject = {name: _encode_unit(unit, at) for name, unit in base.items()}
    return {**extra, "v": VERSION, "at": at, "u": units}


def decode_base(stored: Mapping[str, JsonValue]) -> StoredBase:
    """Return what `encode_base` made, or an empty base of {}. Raises ValueError or TypeError on anything else."""
    at, units = stored.get("at", 0), stored.get("u", {})
    if not isinstance(units, dict) or not isinstance(at, int):
        raise TypeError("base: u must be an object and at a number")
    extra = {key: value for key, value in stored.items() if key not in _OWN_KEYS}
    return StoredBase({name: _decode_unit(unit, at) for name, unit in units.items()}, extra)


def encode_print(value: Print) -> JsonValue:
    """Return a print as JSON: text, or for a set a list of `identity` or `identity:whole`."""
    if isinstance(value, str):
        return value
    return [each if each == whole else f"{each}{_BETWEEN}{whole}" for each, whole in sorted(value.items())]


def decode_print(stored: JsonValue) -> Print:
    """Return what `encode_print` made. Raises TypeError on anything else."""
    if isinstance(stored, str):
        return Fingerprint(stored)
    if not isinstance(stored, list):
        raise TypeError("base: a print must be text or a list")
    pairs = [str(each).partition(_BETWEEN) for each in stored]
    return {Fingerprint(each): Fingerprint(whole or each) for each, _, whole in pairs}


def encode_intents(intents: Mapping[str, Print]) -> JsonObject:
    """Return intents by unit as JSON."""
    return {name: encode_print(intent) for name, intent in intents.items()}


def decode_intents(stored: Mapping[str, JsonValue]) -> dict[str, Print]:
    """Return what `encode_intents` made."""
    return {name: decode_print(intent) for name, intent in stored.items()}


def _usual_at(base: Base) -> int:
    seen = Counter(unit.seen_at for unit in base.values())
    return _ticks(seen.most_common(1)[0][0]) if seen else 0


def _encode_unit(unit: UnitBase, at: int) -> JsonValue:
    stored: dict[str, JsonValue] = dict(unit.extra or {})
    seen_at = _ticks(unit.seen_at)
    optional: tuple[tuple[str, bool, Any], ...] = (
        ("t", unit.theirs != unit.ours, encode_print(unit.theirs)),
        ("at", seen_at != at, seen_at),
        ("s", unit.state is not State.AGREED, unit.state.value),
        ("n", unit.norm != 1, unit.norm),
        ("k", unit.key_id != 1, unit.key_id),
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


def _decode_unit(stored: JsonValue, at: int) -> UnitBase:
    if not isinstance(stored, dict):
        both = decode_print(stored)
        return UnitBase(both, both, _moment(at))
    fields: dict[str, Any] = stored
    ours = decode_print(fields["o"])
    bounces, bounce = fields.get("c", (0, None))
    return UnitBase(
        ours=ours,
        theirs=decode_print(fields["t"]) if "t" in fields else ours,
        seen_at=_moment(fields.get("at", at)),
        state=State(fields.get("s", State.AGREED)),
        norm=fields.get("n", 1),
        intent=_decode_optional(fields.get("i")),
        blocked=fields.get("b"),
        blocked_reason=fields.get("br"),
        bounces=bounces,
        bounce=bounce,
        expects=_decode_optional(fields.get("x")),
        intent_expects=_decode_optional(fields.get("ix")),
        aliases=fields.get("a"),
        decided=fields.get("d", False),
        key_id=fields.get("k", 1),
        extra={key: value for key, value in fields.items() if key not in _UNIT_KEYS} or None,
    )


def _encode_optional(value: Print | None) -> JsonValue:
    return None if value is None else encode_print(value)


def _decode_optional(stored: JsonValue) -> Print | None:
    return None if stored is None else decode_print(stored)


def _ticks(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _moment(ticks: int) -> datetime:
    return _EPOCH + ticks * _MICROSECOND
