"""
Whether one record and its vendor's are in step, and if not, what the matter is. Pure: no I/O, no clock.

The judge is the merge itself: two sides are in step when it would write nothing and change no base. What it would do
names the difference; what nobody did, and is different all the same, was altered behind our back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from pydantic import JsonValue

from shared.merge.base_codec import decode_base
from shared.merge.draft import Draft
from shared.merge.fingerprints import alike, is_empty, is_made_of, is_set, print_of
from shared.merge.merge import merge
from shared.merge.references import REFERENCES
from shared.merge.restamp import restamped
from shared.merge.rows import Row
from shared.merge.sets import elements_now_and_then
from shared.merge.state import NEVER, Base, Ours, Pin, Print, Rules, State, StoredBase, Theirs, UnitBase
from shared.model import UNITS, EntityType
from shared.model.fields import SET_POLICIES, Unit
from shared.store.comparison import Sides
from shared.store.links import OUT_OF_DATE, Link
from shared.store.records import StoredRecord
from shared.sync.merging.bases import base_of
from shared.sync.merging.distrust import Distrust
from shared.sync.merging.observations import Observation, RuleBook
from shared.sync.merging.one_record import ours_of


class Kind(StrEnum):
    """What the matter is with a record. Stored and shown: never rename one."""

    MISSING_HERE = "missing_here"
    """The vendor has it, and nothing here is linked to it."""
    MISSING_THERE = "missing_there"
    """It is linked, and the vendor does not list it."""
    RETURNED = "returned"
    """Its link is gone, or it is archived here and has changed at the vendor since, which has it alive."""
    ARCHIVED = "archived"
    """It is archived here: by a person, or it is as it was then, and a run that brought it in was taken back."""
    RECORD_LOST = "record_lost"
    """Its link points at a record that is not there."""
    WRONG_RECORD = "wrong_record"
    """Its link points at somebody else's record."""
    REFERENCE_LOST = "reference_lost"
    """It refers to a record that is not linked."""
    BASE_ALTERED = "base_altered"
    """What its link says was agreed on is not what was."""
    OURS_ALTERED = "ours_altered"
    """A value here is not the agreed one, and nobody has changed it."""
    THEIRS_CHANGED = "theirs_changed"
    """It was changed at the vendor, and that was not taken in."""
    OURS_CHANGED = "ours_changed"
    """It was changed here, and that was not sent out."""
    CONFLICT = "conflict"
    """Both sides changed, and a person has to decide."""
    DIVERGED = "diverged"
    """The sides differ because the vendor can't take, or has refused, what is here."""
    ONE_WAY = "one_way"
    """The sides differ because values may not travel that way."""
    UNREADABLE = "unreadable"
    """The vendor's payload can't be a record."""


_MOST_SERIOUS_FIRST = (
    Kind.BASE_ALTERED,
    Kind.OURS_ALTERED,
    Kind.THEIRS_CHANGED,
    Kind.OURS_CHANGED,
    Kind.CONFLICT,
    Kind.DIVERGED,
    Kind.ONE_WAY,
)
_IDENTITY: Mapping[EntityType, tuple[str, ...]] = {
    EntityType.CANDIDATE: ("name", "email"),
    EntityType.APPLICATION: ("candidate_id",),
}
"""Units that all differ when a link points at somebody else's record."""


UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
"""What reading a base raises that nobody could have written."""


@dataclass(slots=True)
class Finding:
    """What an examination of one record came to; `settle` gives it its kind."""

    external_id: str
    kind: Kind | None = None
    """None: in step."""
    record_id: UUID | None = None
    link_id: UUID | None = None
    units: dict[str, Kind] = field(default_factory=dict)
    is_in_flight: bool = False
    """A write of ours is under way, or something newer has been seen than was listed."""
    untrusted: set[str] = field(default_factory=set)
    """Units that changed here, which no stamp vouches for; history or the ledger may."""
    unrestorable: set[str] = field(default_factory=set)
    """Units in which the sides differed knowingly, so that the vendor's value is not what was here."""
    is_somebody_else: bool = False
    """All that tells people apart differs."""
    other_record_id: UUID | None = None
    """The record of ours that the vendor's one seems to be."""
    is_base_unreadable: bool = False
    compared: int = 0
    hidden: int = 0
    version: int = 0
    sync_version: int = 0

    def settle(self, changed_here: Collection[str] = ()) -> None:
        """Decide the kind, given the units of which history or the ledger says that we changed them."""
        for unit in self.untrusted - set(changed_here):
            self.units[unit] = Kind.OURS_ALTERED
        if self.kind is None:
            kinds = set(self.units.values())
            self.kind = next((kind for kind in _MOST_SERIOUS_FIRST if kind in kinds), None)

    def distrust(self) -> Distrust | None:
        """Return what the reconcile that repairs it has to leave out; None if it may believe everything."""
        ours = frozenset(unit for unit, kind in self.units.items() if kind is Kind.OURS_ALTERED) - self.unrestorable
        base = frozenset(unit for unit, kind in self.units.items() if kind is Kind.BASE_ALTERED)
        if not (ours or base):
            return None
        return Distrust(self.version, self.sync_version, ours, base, self.is_base_unreadable)


def examine(
    observation: Observation,
    values: Mapping[str, JsonValue],
    sides: Sides | None,
    book: RuleBook,
    entity: EntityType,
    pins: Mapping[str, Pin],
) -> Finding:
    """Compare what was listed (*values*, references resolved) with what stands here."""
    found = Finding(observation.external_id)
    if sides is None:
        found.kind = Kind.MISSING_HERE
        return found
    link, record = sides.link, sides.record
    found.link_id, found.record_id, found.sync_version = link.id, link.internal_id, link.sync_version
    if record is None:
        found.kind = Kind.RECORD_LOST
        return found
    found.version = record.version
    if observation.record.anonymized or record.is_erased:
        found.kind = Kind.THEIRS_CHANGED if record.data else None
        return found
    if link.state != "live" or record.archived_at is not None:
        is_as_it_was = link.state == "live" and (
            record.archived_by is not None or link.digest in (observation.digest, OUT_OF_DATE)
        )
        found.kind = Kind.ARCHIVED if is_as_it_was else Kind.RETURNED
        return found
    ours, theirs = ours_of(record, pins), book.theirs(observation, values)
    rules = book.for_link(link.id, observation.record)
    try:
        stored, base = decode_base(link.base), base_of(link, ours, rules)
    except UNREADABLE:
        found.kind, found.is_base_unreadable = Kind.BASE_ALTERED, True
        found.units = dict.fromkeys(UNITS[entity], Kind.BASE_ALTERED)
        return found
    is_known = link.digest == observation.digest
    _Comparison(found, stored, base, ours, theirs, rules, is_known=is_known).run(entity)
    return found


class _Comparison:
    """One record against its vendor's, unit by unit."""

    def __init__(
        self, found: Finding, stored: Base, base: Base, ours: Ours, theirs: Theirs, rules: Rules, *, is_known: bool
    ) -> None:
        """*stored*: the base as it stands in its row; *is_known*: the very listing was merged last."""
        self._found = found
        self._ours, self._theirs = ours, theirs
        self._rules = rules
        self._rank = theirs.rank
        self._stored, self._base = stored, base
        # What it shows is no change of the vendor's.
        self._is_known = is_known
        outcome = merge(base, ours, theirs, self._rules)
        self._rule_of = {each.unit: each.rule for each in outcome.decisions}
        self._outcome = outcome
        self._held = {each.unit for each in outcome.held}
        self._moving = outcome.take.keys() | outcome.push.keys()
        self._draft = Draft(ours, theirs, self._rules, StoredBase(base))

    def run(self, entity: EntityType) -> None:
        """Fill in the finding."""
        found, values = self._found, self._theirs.values
        if self._is_quiet():
            self._count(entity)
            return
        differs = set()
        for unit in UNITS[entity].values():
            shown = tuple([member for member in unit.members if member in values])
            found.compared += len(shown)
            found.hidden += len(unit.members) - len(shown)
            if not shown:
                continue
            if self._rule_of.get(unit.name) in (Row.INTENT_OPEN, Row.OUTDATED):
                found.is_in_flight = True
                found.units[unit.name] = Kind.THEIRS_CHANGED
                continue
            known = self._base.get(unit.name)
            if known is not None:
                known = restamped(self._draft, unit, shown, known)
            halves = self._halves(unit, shown, known)
            if not alike(halves[0], halves[1], unit) and not is_empty(halves[1]):
                differs.add(unit.name)
            kind = self._kind(unit, known, *halves)
            if kind is not None:
                found.units[unit.name] = kind
        identity = _IDENTITY.get(entity, ())
        found.is_somebody_else = bool(identity) and differs.issuperset(identity)

    def _is_quiet(self) -> bool:
        """Whether the merge would do nothing at all, nor remember anything; then nothing has to be looked at again."""
        outcome, base = self._outcome, self._base
        if outcome.decisions or outcome.push or outcome.held or len(outcome.base) != len(base):
            return False
        return all(
            (now.ours, now.theirs) == (then.ours, then.theirs) and then.state is State.AGREED
            for now, then in zip(outcome.base.values(), base.values(), strict=True)
        )

    def _count(self, entity: EntityType) -> None:
        for unit in UNITS[entity].values():
            shown = sum(member in self._theirs.values for member in unit.members)
            self._found.compared += shown
            self._found.hidden += len(unit.members) - shown

    def _halves(self, unit: Unit, shown: tuple[str, ...], base: UnitBase | None) -> tuple[Print, Print, Print, Print]:
        """Return the prints of ours and theirs as they stand, and as the base has them."""
        rules, then = self._rules, (NEVER, NEVER) if base is None else (base.ours, base.theirs)
        if is_set(rules, unit) and rules.policy_of(unit) in SET_POLICIES:
            return elements_now_and_then(self._draft, unit, base)
        o, t = (print_of(rules, unit, values, shown) for values in (self._ours.values, self._theirs.values))
        return o, t, *then

    def _kind(self, unit: Unit, base: UnitBase | None, o: Print, t: Print, base_o: Print, base_t: Print) -> Kind | None:
        """Return what the matter is with one unit; None if it is in step."""
        if base is None:
            return None if is_empty(o) and is_empty(t) else self._never_met(unit)
        theirs_changed = not is_made_of(t, base_t, base.expects, unit)
        if not theirs_changed and alike(base_o, o, unit):
            if self._rule_of.get(unit.name) == Row.PINNED:
                return Kind.OURS_CHANGED
            return Kind.DIVERGED if base.state is State.DIVERGED and not alike(o, t, unit) else None
        return self._changed(unit, base, theirs_changed=theirs_changed, is_equal=alike(o, t, unit))

    def _changed(self, unit: Unit, base: UnitBase, *, theirs_changed: bool, is_equal: bool) -> Kind:
        rule = self._rule_of.get(unit.name)
        if unit.name in self._held:
            return Kind.CONFLICT
        # Of a set that nothing would be done about, one side holds what may not or can't travel.
        is_stuck = is_set(self._rules, unit) and unit.name not in self._moving and not is_equal
        if rule == Row.NOT_INBOUND or is_stuck:
            return Kind.ONE_WAY
        if unit in REFERENCES[self._rules.entity]:
            return self._moved(unit)
        # Neither can be: what was merged last shows another value, or both hold what the base says that one has lost.
        if self._is_known if theirs_changed else (is_equal or rule == Row.EQUAL):
            return Kind.BASE_ALTERED
        return Kind.THEIRS_CHANGED if theirs_changed else self._our_change(unit, base, rule)

    def _moved(self, unit: Unit) -> Kind:
        """
        Whose it is, is the vendor's word; the listing that was merged last may name another record of ours by now.

        Where the vendor's word is the one that was agreed on, it has moved here, by a merge or a parting that history
        tells of, or behind our back.
        """
        agreed, shown = self._stored.get(unit.name), self._theirs.values
        if agreed is not None and alike(agreed.theirs, print_of(self._rules, unit, shown, unit.members), unit):
            self._found.untrusted.add(unit.name)
        return Kind.THEIRS_CHANGED

    def _never_met(self, unit: Unit) -> Kind:
        if unit.name in self._held:
            return Kind.CONFLICT
        if self._rule_of.get(unit.name) in (Row.NOT_INBOUND, Row.NOT_OUTBOUND):
            return Kind.ONE_WAY
        # Where the digest is known they have met, so an entry must have been there.
        return Kind.BASE_ALTERED if self._is_known or not self._base else Kind.THEIRS_CHANGED

    def _our_change(self, unit: Unit, base: UnitBase, rule: str | None) -> Kind:
        if rule == Row.REFUSED:
            return Kind.DIVERGED
        if not self._is_vouched_for(unit, base, rule):
            self._found.untrusted.add(unit.name)
        if base.state is State.DIVERGED:
            self._found.unrestorable.add(unit.name)
        return Kind.ONE_WAY if rule == Row.NOT_OUTBOUND else Kind.OURS_CHANGED

    def _is_vouched_for(self, unit: Unit, base: UnitBase, rule: str | None) -> bool:
        """
        Whether base or stamp say that the change is one: it waits to be sent, a person made it since the two were last
        in step, or another system gave the value and nothing may go out here.
        """
        waits = base.ours if isinstance(base.ours, str) else base.ours.values()
        if base.decided or NEVER in waits:
            return True
        stamp = self._ours.stamps.get(unit.name)
        if stamp is None:
            return False
        if stamp.rank == 0:
            return stamp.at > base.seen_at
        return stamp.rank != self._rank and rule == Row.NOT_OUTBOUND


def edited_here(record: StoredRecord, link: Link, rules: Rules) -> bool:
    """Whether a person has changed *record* since it was last in step with *link*, and that has not gone out."""
    try:
        # As it stands, not as a merge would have it: an edit that has not gone out stays one when a map has changed.
        base = decode_base(link.base)
    except UNREADABLE:
        return False
    ours = ours_of(record)
    for unit in UNITS[record.entity].values():
        known, stamp = base.get(unit.name), ours.stamps.get(unit.name)
        if known is None or stamp is None or stamp.rank != 0 or stamp.at <= known.seen_at:
            continue
        if not alike(known.ours, print_of(rules, unit, ours.values, unit.members), unit):
            return True
    return False
