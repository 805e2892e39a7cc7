"""
Who a vendor's record is: matched with one of ours, new, or a person's question. Never a guess.

The link map comes first and is not asked here; this decides about a vendor record that has no link yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from shared.merge.normal_forms import form_of
from shared.model.fields import NormalForm

EMAIL = "email"

# One @, a dotted host, nothing that belongs to a list or a display name. Deliverability is not the question here.
_EMAIL = re.compile(r"[^\s@<>\"(),:;\[\]\\]{1,64}@(?:[\w](?:[\w-]{0,61}[\w])?\.)+[^\W\d_][\w-]{0,62}")
_LONGEST_EMAIL = 254


@dataclass(frozen=True, slots=True)
class Person:
    """One of our records that holds an identity key of a vendor's record."""

    record_id: str
    first_name: str | None = None
    last_name: str | None = None
    is_linked: bool = False
    """It has a live link in this integration."""


@dataclass(frozen=True, slots=True)
class Matched:
    """It is this record of ours."""

    record_id: str


@dataclass(frozen=True, slots=True)
class New:
    """Nobody of ours."""


@dataclass(frozen=True, slots=True)
class NewButPossibleDuplicate:
    """A record of its own, and worth a look: *record_ids* of ours, *external_ids* of its own page hold its key too."""

    record_ids: tuple[str, ...] = ()
    external_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A person must say; until then it is parked. *reason* is stable: `several_records` or `name_differs`."""

    record_ids: tuple[str, ...]
    reason: str


Match = Matched | New | NewButPossibleDuplicate | Ambiguous


@dataclass(frozen=True, slots=True)
class Arrival:
    """A vendor's record without a link, with those of ours that hold one of its identity keys."""

    external_id: str
    values: Mapping[str, JsonValue]
    people: Sequence[Person] = ()


def valid_email(value: JsonValue) -> bool:
    """Tell whether *value* is one well-formed e-mail address and nothing else."""
    if not isinstance(value, str):
        return False
    text = value.strip()
    return len(text) <= _LONGEST_EMAIL and ".." not in text and _EMAIL.fullmatch(text) is not None


def identity_keys(values: Mapping[str, JsonValue]) -> list[tuple[str, str]]:
    """Return what a candidate is recognised by, as (kind, key): the primary e-mail, where it is well-formed."""
    email = values.get("email")
    if isinstance(email, str) and valid_email(email):
        return [(EMAIL, form_of(NormalForm.EMAIL)(email))]
    return []


def match(values: Mapping[str, JsonValue], people: Sequence[Person]) -> Match:
    """
    Decide who the vendor's record *values* is, given those of ours that hold its identity key.

    Matched only where exactly one holds the key, has no live link in this integration and no contradicting name. Those
    that have a link already are somebody else: the vendor itself keeps them apart.
    """
    if not people or not identity_keys(values):
        return New()
    record_ids = tuple(sorted({person.record_id for person in people}))
    if all(person.is_linked for person in people):
        return NewButPossibleDuplicate(record_ids)
    if len(record_ids) > 1:
        return Ambiguous(record_ids, "several_records")
    if contradict(values, {"first_name": people[0].first_name, "last_name": people[0].last_name}):
        return Ambiguous(record_ids, "name_differs")
    return Matched(record_ids[0])


def match_page(arrivals: Sequence[Arrival]) -> dict[str, Match]:
    """
    Decide all unlinked records of a page together, by external id.

    Where several of them hold one key, the vendor keeps them apart: the first by external id is decided as if alone,
    the others are new and possible duplicates of it, whatever the order of the page.
    """
    firsts: dict[tuple[str, str], Arrival] = {}
    found: dict[str, Match] = {}
    for arrival in sorted(arrivals, key=lambda each: (len(each.external_id), each.external_id)):
        decided = match(arrival.values, arrival.people)
        for key in identity_keys(arrival.values):
            first = firsts.setdefault(key, arrival)
            if first is not arrival and not isinstance(decided, Ambiguous):
                record_ids = tuple(sorted({person.record_id for person in arrival.people}))
                decided = NewButPossibleDuplicate(record_ids, (first.external_id,))
        found[arrival.external_id] = decided
    return found


def contradict(one: Mapping[str, JsonValue], other: Mapping[str, JsonValue]) -> bool:
    """Tell whether two names can't be one person's: both known, and neither first nor last name shared."""
    mine, theirs = _name(one), _name(other)
    if not any(mine) or not any(theirs):
        return False
    return not any(part and part in theirs for part in mine)


def _name(values: Mapping[str, JsonValue]) -> tuple[str, str]:
    # WORD, the folding form: case is no difference between two spellings of one name.
    first, last = (values.get(name) for name in ("first_name", "last_name"))
    fold = form_of(NormalForm.WORD)
    return fold(first) if isinstance(first, str) else "", fold(last) if isinstance(last, str) else ""
