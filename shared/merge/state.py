"""
The values that go into a merge and come out of it. No rule stands here.

Fingerprints are short keyed hashes of normal forms, as text. A *unit* (see `shared.model.fields`) is what is decided
together; for a unit of several fields one fingerprint covers its visible members.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, NewType, Protocol

from pydantic import JsonValue

from shared.model.enums import EntityType
from shared.model.fields import FIELDS, Field, NormalForm, Party, Policy, Unit

Fingerprint = NewType("Fingerprint", str)
"""Of a value; `EMPTY` where the field is visible and holds nothing."""

EMPTY = Fingerprint("")

NEVER = Fingerprint("!")
"""Stands in a base for a value that is yet to be agreed on: equal to no print, so that side counts as changed."""

Elements = Mapping[Fingerprint, Fingerprint]
"""Of a set: fingerprint of each element's identity → fingerprint of the whole element."""

Print = Fingerprint | Elements
"""What base keeps of a value: one fingerprint, or an element map for a set."""


class Hasher(Protocol):
    """Makes fingerprints, keyed for one link."""

    def __call__(self, name: str, form: str) -> Fingerprint:
        """Return the fingerprint of a normal form under *name*, which is the unit's."""

    def many(self, texts: Sequence[str]) -> list[Fingerprint]:
        """Return a fingerprint for each of *texts*: name, NUL, normal form."""


class State(StrEnum):
    """How the two sides stand in a unit."""

    AGREED = "agreed"
    DIVERGED = "diverged"


@dataclass(slots=True)
class UnitBase:
    """
    What both sides last agreed on in one unit (two prints, never one). Never changed in place: use `replace`.

    Not frozen only because a frozen one is four times as slow to make, a third of a first sync's merge.
    """

    ours: Print
    theirs: Print
    seen_at: datetime
    """Moment of the observation (request sent) that last showed *theirs*."""
    state: State = State.AGREED
    norm: int = 1
    """Version of the normal form that made the prints."""
    intent: Print | None = None
    """What we were about to send when we last called; committed before the call."""
    blocked: Fingerprint | None = None
    """Our value that the vendor refused."""
    blocked_reason: str | None = None
    bounces: int = 0
    """How often the same vendor change was taken since a person's last edit."""
    bounce: Fingerprint | None = None
    """The change (our value to theirs) that *bounces* counts."""
    expects: Print | None = None
    """What the vendor is known to make of *ours*, where it is neither *ours* nor *theirs*; shown later, no change."""
    intent_expects: Print | None = None
    """What the vendor is known to make of *intent*, where it differs."""
    aliases: Mapping[Fingerprint, Fingerprint] | None = None
    """Of a set: identity of an element as the vendor shows it → as we hold it, where `expected` makes them differ."""
    decided: bool = False
    """*ours* is a person's decision on a conflict that this link has not agreed on yet."""
    key_id: int = 1
    """Which key made the prints (`Rules.key_id`)."""
    extra: Mapping[str, JsonValue] | None = None
    """Stored keys that this release does not know; they survive a round trip."""


Base = Mapping[str, UnitBase]
"""By unit; a missing unit means that the two have never met in it."""


class StoredBase(dict[str, UnitBase]):
    """A base as read from its row; *extra* holds stored keys that this release does not know."""

    __slots__ = ("extra",)

    def __init__(self, units: Base | None = None, extra: Mapping[str, JsonValue] | None = None) -> None:
        super().__init__(units or {})
        self.extra: Mapping[str, JsonValue] = extra if extra is not None else getattr(units, "extra", {})


@dataclass(slots=True, unsafe_hash=True)
class Stamp:
    """
    Where a value of ours came from: enough to order it against another and to explain it.

    Never changed, so that it may be a key; not frozen only because a page makes hundreds.
    """

    at: datetime
    """Time of origin: for a value that vendor B gave, B's time."""
    rank: int
    """0 = portal, then integrations in the order of their creation."""
    source: str
    """`portal`, or an integration's id."""
    rule: str = ""
    job_id: str | None = None
    resolution: timedelta = timedelta(microseconds=1)
    """Of the clock that made *at*."""


@dataclass(frozen=True, slots=True)
class Pin:
    """
    A person's decision on one unit of a record; it speaks for as long as ours is what was decided.

    Its prints are marks (`fingerprints.mark_of`) made with the record's own key: a decision outranks what any link
    shows, and a print made with one link's key says nothing at another.
    """

    decision: Fingerprint
    rejected: frozenset[Fingerprint]
    """What the person was shown, now and in earlier decisions on the unit, and did not choose."""
    decided_at: datetime
    hasher: Hasher
    """Of the record, as it made these prints."""
    norm: int = 1
    """Version of the normal form that made them."""
    key_id: str = ""
    """Which key *hasher* has."""


@dataclass(frozen=True, slots=True)
class Ours:
    """The canonical record. Every field of the entity is visible here; a missing key is empty."""

    values: Mapping[str, JsonValue]
    stamps: Mapping[str, Stamp]
    """By unit; a unit without one was never set."""
    pins: Mapping[str, Pin] = field(default_factory=dict)
    """By unit: what people have decided."""


@dataclass(slots=True)
class Theirs:
    """
    One admitted observation of the vendor's record.

    Never changed; not frozen only because a frozen one takes three times as long to make, and a page makes hundreds.
    """

    values: Mapping[str, JsonValue]
    """Visible fields alone; None is empty."""
    observed_at: datetime
    """When the request was sent (our clock)."""
    updated_at: datetime | None = None
    """The vendor's record time, corrected by the measured clock skew."""
    field_times: Mapping[str, datetime] = field(default_factory=dict)
    """By unit, where the vendor has times per field."""
    rank: int = 1
    source: str = ""
    resolution: timedelta = timedelta(milliseconds=1)
    is_fresh_fetch: bool = False
    """A single fetch sent after any earlier attempt could no longer write; only such a one ends a crashed intent."""
    cut: frozenset[str] = frozenset()
    """Sets that the vendor shows in part: additions only."""


@dataclass(frozen=True, slots=True)
class Writable:
    """What may be written of one unit at this vendor."""

    value: bool = False
    """The value itself; of a set, the details of its elements."""
    add: bool = False
    remove: bool = False
    blind: bool = False
    """Write-only: never shown, so it is pushed without having been read (not for sets)."""


@dataclass(slots=True)
class Rules:
    """What governs a merge besides the values. Never changed; not frozen for the same reason as `Theirs`."""

    entity: EntityType
    hasher: Hasher
    policies: Mapping[str, Policy] = field(default_factory=dict)
    """By unit, where it is not the default."""
    authorities: Mapping[str, Party] = field(default_factory=dict)
    """By unit of the policy `authority`: whose word counts at this integration; the portal's where silent."""
    first_link: Party | None = None
    """Whose value stands where both are filled at their first meeting; None = as the unit's policy says."""
    writable: Mapping[str, Writable] = field(default_factory=dict)
    """By unit; a missing one can't be written."""
    expected: Callable[[str, JsonValue], JsonValue] = lambda _name, value: value
    """(field, value) → what the vendor is known to make of it."""
    inbound: bool = True
    """Values may come in."""
    outbound: bool = False
    """Values may go out."""
    key_id: int = 1
    """Of the key behind *hasher*; stored with each print."""
    fields: Mapping[str, Field] = field(default_factory=dict)
    """Sets of which this integration keeps but some elements in step (`Field.only`), by name."""
    unseen: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By such a set: normal forms of the identities that this record does not show. What was agreed on there stays."""
    forms: Mapping[NormalForm, int] = field(default_factory=dict)
    """Versions of the forms that depend on the company (`normal_forms.phone_version`); the others have their own."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """By unit: how this integration maps it (`shared.merge.marks`); none where it is taken as it comes."""
    retired: Mapping[int, Hasher] = field(default_factory=dict)
    """Hashers of earlier keys by id, to compare prints that they made before these are made anew."""

    def field_of(self, name: str) -> Field:
        """Return the field *name* as this integration keeps it in step."""
        return self.fields.get(name) or FIELDS[self.entity][name]

    def policy_of(self, unit: Unit) -> Policy:
        """Return who wins when both sides changed *unit*."""
        return self.policies.get(unit.name, unit.policy)

    def is_authority(self, party: Party, unit: Unit) -> bool:
        """Tell whether *party*'s word counts in *unit*, by the policy `authority`."""
        if self.policy_of(unit) is not Policy.AUTHORITY:
            return False
        return self.authorities.get(unit.name, Party.PORTAL) is party


class Decision(NamedTuple):
    """What was decided for one unit, and by which rule; for log, history and explanation."""

    unit: str
    rule: str
    """Stable name of the row of docs/merge.md."""
    stamp: Stamp | None = None
    """For a take: the stamp that our value gets."""


@dataclass(frozen=True, slots=True)
class Held:
    """A unit that waits for a person. Values are JSON, by field."""

    unit: str
    ours: Mapping[str, JsonValue]
    theirs: Mapping[str, JsonValue]
    inputs: tuple[Print, Print]
    """What the person is shown, as prints: the conflict's version."""
    theirs_at: datetime
    rule: str = "both_changed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What a merge decided. Applying it and merging again decides nothing.

    *take*: field → value to write into ours. *push*: field → value to write at the vendor. *base*: the whole new
    base (units that did not change keep their entry), without the intents of *push*: those are in *intents*.
    """

    take: Mapping[str, JsonValue]
    push: Mapping[str, JsonValue]
    base: Base
    intents: Mapping[str, Print]
    decisions: tuple[Decision, ...]
    held: tuple[Held, ...] = ()
    settled: frozenset[str] = frozenset()
    """Units in which no conflict with this link remains; an open one closes."""
    issues: tuple[str, ...] = ()
    """Units of which people must be told: oscillation, and edits of ours that the authority undid (see its rule)."""
    expects: Mapping[str, Print] = field(default_factory=dict)
    """What the vendor is known to make of *intents*, where it differs; goes with them into `with_intents`."""

    @property
    def is_quiet(self) -> bool:
        """Nothing to write on either side and nothing for a person."""
        return not (self.take or self.push or self.held)

    @property
    def wants_fetch(self) -> bool:
        """
        Some unit could not be decided by this observation (rows `intent_open` and `outdated`): fetch the record.

        Do not remember the observation as seen (its digest), or what it showed would never be looked at again.
        """
        return any(decision.rule in ("intent_open", "outdated") for decision in self.decisions)
