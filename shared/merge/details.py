"""
One element that both sides hold, with unlike details: merged member by member against what was last agreed on.

An element that is one value (a contact with the word for its type) has one part; of a post or a degree every member
beside its identity is one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum, auto
from typing import NamedTuple

from pydantic import JsonValue

from shared.merge.draft import Draft
from shared.merge.elements import details_of, listed, parts_of_whole, whole_of_parts, with_details
from shared.merge.state import EMPTY, NEVER, Fingerprint, Rules
from shared.merge.times import ours_is_later, theirs_at
from shared.model.fields import Field, Unit


class Element(NamedTuple):
    """One element as both sides hold it, and the wholes of both as last agreed on; None = never met."""

    identity: Fingerprint
    ours: JsonValue
    theirs: JsonValue
    o: Fingerprint
    t: Fingerprint
    base_o: Fingerprint | None
    base_t: Fingerprint | None


class Merged(NamedTuple):
    """The element as either side shall hold it, with its whole, and the wholes of the new base."""

    ours: tuple[Fingerprint, JsonValue]
    theirs: tuple[Fingerprint, JsonValue]
    base_ours: Fingerprint
    base_theirs: Fingerprint


class _Part(NamedTuple):
    """One detail: prints of what the sides hold, of what they last agreed on, of what the vendor makes of ours."""

    o: str
    t: str
    base_o: str | None
    base_t: str | None
    made: str | None


class _Way(Enum):
    """Where a detail goes."""

    NOWHERE = auto()
    IN = auto()
    OUT = auto()


def merge_details(draft: Draft, unit: Unit, what: Field, element: Element) -> Merged:
    """Decide what becomes of each detail of *element*."""
    identity = element.identity
    made = whole_made(draft.rules, what, identity, element.ours)
    wholes = element.o, element.t, element.base_o, element.base_t, made
    columns = [parts_of_whole(what, identity, whole) for whole in wholes]
    parts = [
        _Part(o or EMPTY, t or EMPTY, base_o, base_t, made) for o, t, base_o, base_t, made in zip(*columns, strict=True)
    ]
    decided = [_decide(draft, unit, part, element) for part in parts]
    after_o = [part.t if way is _Way.IN else part.o for part, (way, _, _) in zip(parts, decided, strict=True)]
    after_t = [part.o if way is _Way.OUT else part.t for part, (way, _, _) in zip(parts, decided, strict=True)]
    names = details_of(what)
    taken, pushed = (
        [names[index] if names else "" for index, (way, _, _) in enumerate(decided) if way is asked]
        for asked in (_Way.IN, _Way.OUT)
    )
    return Merged(
        ours=(whole_of_parts(what, identity, after_o), _with(element.ours, element.theirs, taken, names)),
        theirs=(whole_of_parts(what, identity, after_t), _with(element.theirs, element.ours, pushed, names)),
        base_ours=whole_of_parts(what, identity, [base for _, base, _ in decided]),
        base_theirs=whole_of_parts(what, identity, [base for _, _, base in decided]),
    )


def whole_made(rules: Rules, what: Field, identity: Fingerprint, element: JsonValue) -> Fingerprint | None:
    """Return the whole, under our *identity*, of what the vendor is known to make of *element*; None: it keeps it."""
    made = rules.expected(what.name, [element])
    if made == [element]:
        return None
    shown = listed(what, made, rules.hasher, rules.forms.get(what.normal))
    return next((identity if whole == its else whole for its, (whole, _) in shown.items()), None)


def landed_details(
    what: Field, identity: Fingerprint, wholes: Sequence[Fingerprint], sent: Fingerprint, shown: Fingerprint
) -> tuple[Fingerprint, Fingerprint]:
    """
    Return the two *wholes* of a base (ours, theirs) once *shown* tells which of the details *sent* have landed.

    Only details that were yet to be agreed on count; what else is shown otherwise is the vendor's own change.
    """
    ours, theirs, asked, seen = (parts_of_whole(what, identity, whole) for whole in (*wholes, sent, shown))
    landed = [mine == NEVER and now == then for mine, then, now in zip(ours, asked, seen, strict=True)]
    return _whole(what, identity, landed, asked, ours), _whole(what, identity, landed, seen, theirs)


def settled_details(
    what: Field, identity: Fingerprint, ours: Fingerprint, theirs: Fingerprint, shown: Fingerprint
) -> Fingerprint:
    """Return their whole of a base after an answer that shows *shown*: it settles what *ours* has pending alone."""
    mine, other, seen = (parts_of_whole(what, identity, whole) for whole in (ours, theirs, shown))
    return _whole(what, identity, [each == NEVER for each in mine], seen, other)


def _decide(draft: Draft, unit: Unit, part: _Part, element: Element) -> tuple[_Way, str, str]:
    """Return where a detail goes, and the base that it has then."""
    our_change, their_change = part.base_o != part.o, part.base_t != part.t
    if part.t in (part.o, part.made) or not (our_change or their_change):
        return _Way.NOWHERE, part.o, part.t
    if their_change and not (our_change and _ours_stays(draft, unit, part, element)):
        if draft.rules.inbound:
            return _Way.IN, part.t, part.t
        return _Way.NOWHERE, _or(part.base_o, part.o), _or(part.base_t, NEVER)
    if not draft.rules.outbound:
        return _Way.NOWHERE, _or(part.base_o, NEVER), _or(part.base_t, part.t)
    if not draft.writable(unit).value:
        return _Way.NOWHERE, part.o, part.t
    # Until the vendor has answered, ours stays a change: a crash before the call must find one.
    return _Way.OUT, NEVER, part.t


def _or(base: str | None, other: str) -> str:
    return other if base is None else base


def _ours_stays(draft: Draft, unit: Unit, part: _Part, element: Element) -> bool:
    """Decide between two unlike details: at a first meeting the one that says something, else the later one."""
    if element.base_o is None and element.base_t is None:
        # An element that is one value says nothing more where its whole is its identity.
        ours_says, theirs_says = (each not in (EMPTY, element.identity) for each in (part.o, part.t))
        if ours_says != theirs_says:
            return ours_says
    at = theirs_at(unit.name, draft.theirs, draft.base.get(unit.name))
    return ours_is_later(draft.ours.stamps.get(unit.name), at, draft.theirs)


def _with(element: JsonValue, other: JsonValue, changed: Collection[str], names: Collection[str]) -> JsonValue:
    if not changed:
        return element
    return with_details(element, other, changed) if names else other


def _whole(
    what: Field, identity: Fingerprint, chosen: Sequence[bool], ones: Sequence[str | None], others: Sequence[str | None]
) -> Fingerprint:
    parts = [one if is_one else other for is_one, one, other in zip(chosen, ones, others, strict=True)]
    return whole_of_parts(what, identity, [part or EMPTY for part in parts])
