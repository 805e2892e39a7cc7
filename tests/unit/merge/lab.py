"""What the tests of the merge rules are built from: a link, two sides, and the round trip of a write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from shared.merge.fingerprints import link_hasher
from shared.merge.merge import merge
from shared.merge.settle import settle, with_intents
from shared.merge.state import Base, Ours, Outcome, Rules, Stamp, StoredBase, Theirs, Writable
from shared.model.enums import EntityType
from shared.model.fields import UNITS

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
HASHER = link_hasher(b"a key of this app", "link-1")
CANDIDATE = EntityType.CANDIDATE
ALL = Writable(value=True, add=True, remove=True)

TITLE, PHONE, TAGS = "current_title", "phone", "tags"


def at(minutes: float) -> datetime:
    """A moment that many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def rules(**changes: object) -> Rules:
    """Both directions, everything writable, unless *changes* say otherwise."""
    usual = Rules(CANDIDATE, HASHER, writable=dict.fromkeys(UNITS[CANDIDATE], ALL), outbound=True)
    return replace(usual, **changes)  # type: ignore[arg-type]


def theirs(values: Mapping[str, JsonValue], minutes: float = 60, **changes: object) -> Theirs:
    """What the vendor showed *minutes* after noon; its record changed at noon."""
    seen = Theirs(values, observed_at=at(minutes), updated_at=NOON, source="vendor", is_fresh_fetch=True)
    return replace(seen, **changes)  # type: ignore[arg-type]


def ours(values: Mapping[str, JsonValue], minutes: float = 0, **changes: object) -> Ours:
    """Our record, all of it edited in the portal *minutes* after noon."""
    stamp = replace(Stamp(at(minutes), 0, "portal"), **changes)  # type: ignore[arg-type]
    units = {name for name, unit in UNITS[CANDIDATE].items() if any(member in values for member in unit.members)}
    return Ours(values, dict.fromkeys(units, stamp))


def applied(mine: Ours, outcome: Outcome) -> Ours:
    """Our record after transaction 1."""
    stamps = {decision.unit: decision.stamp for decision in outcome.decisions if decision.stamp is not None}
    return Ours({**mine.values, **outcome.take}, {**mine.stamps, **stamps})


def agreed(values: Mapping[str, JsonValue], **changes: object) -> StoredBase:
    """The base of two sides that both held *values* at noon."""
    return StoredBase(merge({}, ours(values, -60), theirs(values, 0), rules(**changes)).base)


def rows(outcome: Outcome) -> dict[str, str]:
    """The row that decided, by unit."""
    return {decision.unit: str(decision.rule) for decision in outcome.decisions}


@dataclass
class Pair:
    """Our record and a vendor's, kept in step as the engine does it, without its plumbing."""

    ours: Ours = field(default_factory=lambda: Ours({}, {}))
    theirs: dict[str, JsonValue] = field(default_factory=dict)
    base: Base = field(default_factory=StoredBase)
    rules: Rules = field(default_factory=rules)
    minute: float = 0
    writes: list[dict[str, JsonValue]] = field(default_factory=list)

    def edit_ours(self, **values: JsonValue) -> None:
        """A person edits in the portal."""
        self.minute += 1
        edited = ours(values, self.minute)
        self.ours = Ours({**self.ours.values, **values}, {**self.ours.stamps, **edited.stamps})

    def edit_theirs(self, **values: JsonValue) -> None:
        """A person edits at the vendor."""
        self.minute += 1
        self.changed_at = at(self.minute)
        self.theirs.update(values)

    changed_at: datetime = NOON

    def shown(self, *, is_fresh: bool = True) -> Theirs:
        """What the vendor shows now."""
        self.minute += 1
        return theirs(dict(self.theirs), self.minute, updated_at=self.changed_at, is_fresh_fetch=is_fresh)

    def begin(self, seen: Theirs | None = None) -> Outcome:
        """Fetch and transaction 1."""
        outcome = merge(self.base, self.ours, seen or self.shown(), self.rules)
        self.ours = applied(self.ours, outcome)
        self.base = with_intents(outcome.base, outcome.intents, outcome.expects)
        return outcome

    def call(self, outcome: Outcome) -> Theirs:
        """The vendor takes what is pushed, as it does, and answers with its record."""
        self.minute += 1
        self.changed_at = at(self.minute)
        self.writes.append(dict(outcome.push))
        self.theirs.update({name: self.rules.expected(name, value) for name, value in outcome.push.items()})
        return self.shown()

    def sync(self) -> Outcome:
        """One whole reconcile."""
        outcome = self.begin()
        if outcome.push:
            answer = self.call(outcome)
            self.base = settle(self.base, outcome.intents, outcome.push, answer, self.rules)
        return outcome
