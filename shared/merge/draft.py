"""What a merge has decided so far. No rule stands here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from pydantic import JsonValue

from shared.merge import fingerprints
from shared.merge.elements import with_left_out
from shared.merge.rows import Row
from shared.merge.state import (
    Decision,
    Held,
    Ours,
    Outcome,
    Print,
    Rules,
    Stamp,
    State,
    StoredBase,
    Theirs,
    UnitBase,
    Writable,
)
from shared.merge.times import stamp_of
from shared.model.fields import Policy, Unit

_READ_ONLY = Writable()


@dataclass(slots=True)
class Draft:
    """An outcome in the making, with the inputs that its rules read."""

    ours: Ours
    theirs: Theirs
    rules: Rules
    base: StoredBase
    take: dict[str, JsonValue] = field(default_factory=dict)
    push: dict[str, JsonValue] = field(default_factory=dict)
    intents: dict[str, Print] = field(default_factory=dict)
    expects: dict[str, Print] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    issues: list[str] = field(default_factory=list)
    stamps: dict[tuple[datetime, Row], Stamp] = field(default_factory=dict)
    """Stamps given so far; most values of a record share one."""

    def outcome(self) -> Outcome:
        """Return what was decided."""
        for name, what in self.rules.fields.items():
            if name in self.take:
                self.take[name] = with_left_out(what, self.take[name], self.ours.values.get(name))
        return Outcome(
            take=self.take,
            push=self.push,
            base=self.base,
            intents=self.intents,
            decisions=tuple(self.decisions),
            held=tuple(self.held),
            settled=frozenset(self.settled),
            issues=tuple(self.issues),
            expects=self.expects,
        )

    def decided(self, unit: Unit, row: Row, at: datetime | None = None) -> None:
        """Note that *row* decided *unit*; for a take, that the value is of *at*."""
        stamp = None
        if at is not None:
            stamp = self.stamps.get((at, row))
            if stamp is None:
                stamp = self.stamps[at, row] = stamp_of(at, self.theirs, row)
        self.decisions.append(Decision(unit.name, row, stamp))

    def writable(self, unit: Unit) -> Writable:
        """Return what may be written of *unit*."""
        return self.rules.writable.get(unit.name, _READ_ONLY)

    def policy(self, unit: Unit) -> Policy:
        """Return who wins when both sides changed *unit*."""
        return self.rules.policy_of(unit)

    def expected(self, unit: Unit, side: Ours | Theirs, shown: tuple[str, ...]) -> Print | None:
        """Return the print of what the vendor is known to make of *side*'s values; None where it keeps them."""
        return expected_print(self.rules, unit, {name: side.values.get(name) for name in shown})

    def pushed(self, unit: Unit, values: dict[str, JsonValue], intent: Print, expects: Print | None) -> None:
        """Note *values* as to be written, and the intent to be committed before the call."""
        self.push.update(values)
        self.intents[unit.name] = intent
        if expects is not None:
            self.expects[unit.name] = expects

    def keep(self, unit: Unit, base: UnitBase) -> None:
        """Make *base* the unit's new base; of a group, its members that were not visible stay as they were."""
        older = self.base.get(unit.name)
        self.base[unit.name] = base if older is None else laid_over(base, older, unit)


def laid_over(base: UnitBase, older: UnitBase, unit: Unit) -> UnitBase:
    """
    Return *base* with *older* for members of a group that it does not cover; sides apart in one of these stay so.

    A vendor refuses a group as a whole: once one of its members is another, the others are no longer refused. Those
    that are apart count as changed then, so that the group goes out again when it is shown.
    """
    if len(unit.members) == 1:
        return base
    ours, theirs = (
        fingerprints.overlaid(new, old) for new, old in ((base.ours, older.ours), (base.theirs, older.theirs))
    )
    is_apart = older.state is State.DIVERGED and fingerprints.part_unseen(base.theirs, ours, theirs, unit)
    was_refused, is_refused = (fingerprints.alike(each, older.blocked, unit) for each in (older.ours, ours))
    if is_apart and was_refused and not is_refused:
        ours = fingerprints.reopened(ours, theirs, base.theirs, unit)
    return replace(base, ours=ours, theirs=theirs, state=State.DIVERGED if is_apart else base.state)


def expected_print(rules: Rules, unit: Unit, values: Mapping[str, JsonValue]) -> Print | None:
    """Return the print of what the vendor is known to make of *values* (by member); None where it keeps them."""
    made = {name: rules.expected(name, value) for name, value in values.items()}
    if made == values:
        return None
    return fingerprints.print_of(rules, unit, made, values.keys())
