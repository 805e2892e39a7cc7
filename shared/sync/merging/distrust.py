"""
What of a record or its link can't be right, and is not to be merged as if it were.

A comparison finds values of ours that nobody has changed and that are not the agreed ones, and bases that say what the
link never agreed on: rows that were altered behind our back. A merge would take the first for an edit of ours and push
it. So the reconcile that repairs such a record is told what to leave out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from pydantic import JsonValue

from shared.merge.elements import with_left_out
from shared.merge.fingerprints import alike, norm_of, print_of
from shared.merge.state import Base, Decision, Ours, Outcome, Rules, Stamp, State, StoredBase, Theirs, UnitBase
from shared.model import UNITS, EntityType
from shared.model.fields import Unit
from shared.store.links import Link
from shared.store.records import StoredRecord
from shared.sync.merging.bases import base_of

RESTORED = "restored"
"""The rule under which a value comes back that had been altered here."""
PAYLOAD = "distrust"


@dataclass(frozen=True, slots=True)
class Distrust:
    """
    What to leave out of one record's merge, as it stood at *version* and *sync_version*.

    If either has moved since, the record was looked after already and nothing is left out.
    """

    version: int
    sync_version: int
    ours: frozenset[str] = frozenset()
    """Units whose value here was altered: the vendor's comes back."""
    base: frozenset[str] = frozenset()
    """Units whose base was altered: what the sides hold now counts as what they had."""
    is_base_unreadable: bool = False

    def applies_to(self, record: StoredRecord | None, link: Link | None) -> bool:
        """Whether nobody has touched them since."""
        return (
            record is not None
            and link is not None
            and (record.version, link.sync_version) == (self.version, self.sync_version)
        )

    def payload(self) -> dict[str, JsonValue]:
        """Return it as parameters of a job."""
        return {
            PAYLOAD: {
                "version": self.version,
                "sync_version": self.sync_version,
                "ours": [*sorted(self.ours)],
                "base": [*sorted(self.base)],
                "unreadable": self.is_base_unreadable,
            }
        }

    @classmethod
    def read(cls, payload: Mapping[str, JsonValue]) -> Self | None:
        """Return what a job's parameters say, or None."""
        said = payload.get(PAYLOAD)
        if not isinstance(said, dict):
            return None
        ours, base = said.get("ours"), said.get("base")
        version, sync_version = said.get("version"), said.get("sync_version")
        if not (isinstance(version, int) and isinstance(sync_version, int)):
            return None
        return cls(
            version,
            sync_version,
            frozenset(map(str, ours)) if isinstance(ours, list) else frozenset(),
            frozenset(map(str, base)) if isinstance(base, list) else frozenset(),
            bool(said.get("unreadable")),
        )


def without_altered(
    distrust: Distrust, entity: EntityType, record: StoredRecord, link: Link, theirs: Theirs, rules: Rules
) -> tuple[StoredRecord, Base]:
    """
    Return *record* and the link's base without what is not trusted.

    An altered value that the vendor does not show stays: there is nothing to put in its place.
    """
    ours = Ours(record.data, {})
    base = StoredBase() if distrust.is_base_unreadable else base_of(link, ours, rules)
    data = dict(record.data)
    for name in distrust.ours:
        unit = UNITS[entity].get(name)
        if unit is not None and all(member in theirs.values for member in unit.members):
            for member in unit.members:
                altered = data.pop(member, None)
                if rest := with_left_out(rules.field_of(member), [], altered):
                    data[member] = rest
            base.pop(name, None)
    for name in distrust.base:
        unit = UNITS[entity].get(name)
        if unit is not None and any(member in theirs.values for member in unit.members):
            base[name] = _as_they_are(unit, record, theirs, rules)
    return replace(record, data=data), base


def restored(
    distrust: Distrust, entity: EntityType, outcome: Outcome, theirs: Theirs, stamp: Stamp, rules: Rules
) -> Outcome:
    """Return *outcome* with every unit that came back told as such, those that came back empty included."""
    take = dict(outcome.take)
    decisions = [each for each in outcome.decisions if each.unit not in distrust.ours]
    for name in sorted(distrust.ours):
        members = UNITS[entity][name].members
        if all(member in theirs.values for member in members):
            # Of a set that is in step in part the merge knows what else there is.
            take |= {member: theirs.values[member] for member in members if member not in rules.fields}
            decisions.append(Decision(name, RESTORED, stamp))
    return replace(outcome, take=take, decisions=tuple(decisions))


def _as_they_are(unit: Unit, record: StoredRecord, theirs: Theirs, rules: Rules) -> UnitBase:
    """Both sides are as they were left; where they differ, that is remembered as a difference."""
    shown = [member for member in unit.members if member in theirs.values]
    o = print_of(rules, unit, record.data, shown)
    t = print_of(rules, unit, theirs.values, shown)
    state = State.AGREED if alike(o, t, unit) else State.DIVERGED
    return UnitBase(o, t, theirs.observed_at, state, norm_of(rules, unit), key_id=rules.key_id)
