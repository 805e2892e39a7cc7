"""
Pins: a person's decision outranks automation for as long as nobody shows what the person did not see.

    ours is the decision, theirs was rejected    the vendor has not had it: push; it had it: a person looks again
    anything else                                a new input, decided by the other rows
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue

from shared.merge.fingerprints import alike, mark_of, norm_of, overlaid, print_of
from shared.merge.state import Fingerprint, Hasher, Pin, Rules
from shared.model.fields import Unit

Values = Mapping[str, JsonValue]


def pinned(
    rules: Rules,
    unit: Unit,
    decision: Values,
    shown: Iterable[Values],
    *,
    hasher: Hasher,
    key_id: str,
    decided_at: datetime,
    before: Pin | None = None,
) -> Pin:
    """
    Return the pin of *decision* (fields of *unit*), made by a person who was shown each of *shown*.

    What the pin *before* rejected stays rejected, unless it is what was chosen now or was made with another key or
    form: such prints can't be compared with these. *hasher* is the record's own.
    """
    norm = norm_of(rules, unit)
    seen = [(values, tuple(name for name in unit.members if name in values)) for values in shown]
    marks = {_mark(rules, unit, values, members, hasher, norm) for values, members in seen if members}
    chosen = _mark(rules, unit, decision, unit.members, hasher, norm)
    if before is not None and (before.key_id, before.norm) == (key_id, norm):
        marks |= before.rejected
    rejected = frozenset(mark for mark in marks if not alike(mark, chosen, unit))
    return Pin(chosen, rejected, decided_at, hasher, norm, key_id)


def is_decision(pin: Pin, rules: Rules, unit: Unit, values: Values, shown: Sequence[str]) -> bool:
    """Tell whether *values* hold what was decided; False where the form that the pin knows is gone."""
    mark = _known(pin, rules, unit, values, shown)
    return mark is not None and alike(pin.decision, mark, unit)


def is_rejected(pin: Pin, rules: Rules, unit: Unit, values: Values, shown: Sequence[str]) -> bool:
    """
    Tell whether the person saw what *values* hold and did not choose it.

    A member that was hidden from the person then must be as it was decided: any other value is a new input.
    """
    mark = _known(pin, rules, unit, values, shown)
    return mark is not None and any(alike(overlaid(each, pin.decision), mark, unit) for each in pin.rejected)


def _known(pin: Pin, rules: Rules, unit: Unit, values: Values, shown: Sequence[str]) -> Fingerprint | None:
    try:
        return _mark(rules, unit, values, shown, pin.hasher, pin.norm)
    except LookupError:
        return None


def _mark(rules: Rules, unit: Unit, values: Values, shown: Sequence[str], hasher: Hasher, norm: int) -> Fingerprint:
    return mark_of(print_of(rules, unit, values, shown, version=norm, hasher=hasher))
