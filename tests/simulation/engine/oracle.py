"""
What may never happen, judged by causality and not by any clock.

Every value is written by one edit and carries its number. Each edit knows which ones its author had before their eyes,
and those that these descend from: its ancestors. Automation may put *w* in the place of *e* when *e* is an ancestor of
*w*. It may never put back what *e* has replaced. Where neither knew of the other, last-write-wins takes one of them and
a critical field waits for a person.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import JsonValue

from shared.model import EntityType
from shared.model.fields import UNITS
from tests.simulation.engine.ancestry import NOBODY, Ancestry, Edit
from tests.simulation.engine.families import Families, Joined
from tests.simulation.engine.values import (
    CRITICAL,
    MOVES,
    OWN_FIELDS,
    SCALARS,
    SCALARS_OF,
    SETS,
    TAGS,
    UNIT_OF,
    combined_of,
    list_of,
    number_of,
    numbers_of,
    value_of,
    who,
)
from tests.simulation.engine.vendor import Write

CANDIDATE = EntityType.CANDIDATE
PORTAL = "portal"
FIRST_CHOICE = 1_000_000
"""Beyond the numbers of all edits that plans draw."""
_UNITS = {unit.name: unit for unit in UNIT_OF.values()}

Row = tuple[Mapping[str, Any], Mapping[str, Any]]
"""A row of ours before and after a commit."""


class Violation(AssertionError):
    """An invariant is broken; the text says which, of whom and by what."""


@dataclass
class Oracle:
    """Who wrote what, and what every place shows."""

    edits: dict[int, Edit] = field(default_factory=dict)
    ancestry: Ancestry = field(default_factory=Ancestry)
    emptied: dict[tuple[str, int, str], int] = field(default_factory=dict)
    """By place, person and field: the edit that cleared what is empty there."""
    clears: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    person_of: dict[str, int] = field(default_factory=dict)
    """By record id."""
    families: Families = field(default_factory=Families)
    parted: set[int] = field(default_factory=set)
    """People whose merge was taken back."""
    joined: Joined = field(default_factory=Joined)
    added: dict[int, str] = field(default_factory=dict)
    """Tags by number: where they were added."""
    removed: set[int] = field(default_factory=set)
    lost_in_gap: set[int] = field(default_factory=set)
    refilled: set[int] = field(default_factory=set)
    """What a vendor's merge has put where nothing was: as new there as an edit, whatever had replaced it elsewhere."""
    gaps: int = 0
    vendor_writes: int = 0
    changes: int = 0
    has_partial_groups: bool = False
    """Some vendor shows one member of a group and hides the other: what is merged then was nobody's combination."""
    combinations: set[tuple[int, str, tuple[int, ...]]] = field(default_factory=set)
    """(person, unit, numbers) that some side has shown as its own doing."""

    # -- edits by people ----------------------------------------------------------------------------------------------

    def edited(self, edit: Edit, before: JsonValue, *, clears: bool) -> None:
        """A person at *edit.place* replaced *before* in a field."""
        self.edits[edit.number] = edit
        self.ancestry.descend(edit.number, self._number(edit.place, edit.person, edit.name, before))
        if number_of(edit.name, before) == 0:
            # Where we saw both sides empty they agree: whoever fills one knows of the other's clearing, if we do.
            for (_, person, name), number in self.emptied.items():
                if name == edit.name and self.families.are_kin(person, edit.person):
                    is_agreed = self.emptied.get((PORTAL, person, name)) == number and not edit.is_over_unseen
                    self.ancestry.descend(edit.number, number, surely_of=None if is_agreed else NOBODY)
        place = (edit.place, edit.person, edit.name)
        self.emptied.pop(place, None)
        if clears:
            self.emptied[place] = edit.number
            self.clears.setdefault((edit.person, edit.name), []).append(edit.number)

    def tagged(self, edit: Edit) -> None:
        """A person added a tag."""
        self.edits[edit.number] = edit
        self.added[edit.number] = edit.place

    def shows(self, person: int, values: Mapping[str, JsonValue]) -> None:
        """Some side shows *values* after an edit of its own people: such combinations are no invention."""
        for unit in UNITS[CANDIDATE].values():
            if len(unit.members) > 1 and any(name in values for name in unit.members):  # ours keep no empty one
                self.combinations.add((person, unit.name, combined_of(unit.members, values)))

    def merged_there(
        self, place: str, loser: tuple[int, Mapping[str, JsonValue]], before: Mapping[str, JsonValue], survivor: int
    ) -> None:
        """The vendor's people made one of two. Its rule chose between values, not they: ours may choose otherwise."""
        person, values = loser
        self.families.unite(person, survivor)
        for name in SCALARS:
            theirs = self._number(place, person, name, values[name])
            mine = self._number(place, survivor, name, before[name])
            if number_of(name, before[name]):
                self.ancestry.descend(mine, theirs, surely_of=NOBODY)
            elif number_of(name, values[name]):
                self.ancestry.descend(theirs, mine)
                self.refilled.add(theirs)
                self.emptied.pop((place, survivor, name), None)

    def merged_here(self, survivor: Row, other: Row) -> None:
        """Two records of ours became one: whatever it shows now outranks what either showed."""
        (before, after), (lost, _) = survivor, other
        one, two = self.person_of[str(before["id"])], self.person_of[str(lost["id"])]
        self.families.unite(one, two)
        self.joined.begin(str(after["id"]), str(lost["id"]))
        self.joined.show(str(after["id"]), after["data"])
        for name in SCALARS:
            shown = [(one, before["data"].get(name)), (two, lost["data"].get(name))]
            self._chose(one, name, after["data"].get(name), [(PORTAL, person, value) for person, value in shown])
        self.shows(one, after["data"])

    def parted_here(self, survivor: Row, other: Row) -> None:
        """A merge was taken back by somebody who saw what had become of it."""
        merged, one = survivor[0]["data"], self.person_of[str(survivor[0]["id"])]
        record_id = str(survivor[1]["id"])
        joined, *since = self.joined.end(record_id, str(other[1]["id"])) or [merged]
        self.joined.show(record_id, survivor[1]["data"])
        for _, after in (survivor, other):
            person = self.person_of[str(after["id"])]
            self.parted.add(person)
            for name in SCALARS:
                # Of two that knew nothing of each other one has made way for the other since: it is over that, too.
                past = [merged, joined, *(each for each in since if number_of(name, each.get(name)))]
                seen = [(PORTAL, one, each.get(name)) for each in past]
                self._chose(person, name, after["data"].get(name), seen, surely_of=[person])
            for name in SETS:
                self.removed |= numbers_of(merged.get(name)) - numbers_of(after["data"].get(name))
            self.shows(person, after["data"])

    def _chose(
        self,
        person: int,
        name: str,
        value: JsonValue,
        seen: Sequence[tuple[str, int, JsonValue]],
        *,
        surely_of: Collection[int] | None = None,
    ) -> None:
        """Let *value* of a record of ours descend from each of *seen*: place, person and value."""
        numbers = [(number_of(name, each), self._number(place, who, name, each)) for place, who, each in seen]
        if number_of(name, value):
            number = self._number(PORTAL, person, name, value)
            self.emptied.pop((PORTAL, person, name), None)
        else:
            empties = [known for shown, known in numbers if shown == 0]
            number = empties[0] if empties else self._emptied_by_choice(person, name)
            self.emptied[PORTAL, person, name] = number
        for shown, known in numbers:
            self.ancestry.descend(number, known, surely_of=surely_of)
            for empty in () if shown else self._standing_clears(person, name):
                self.ancestry.descend(number, empty, surely_of=NOBODY)  # one emptiness looks like the other

    def _emptied_by_choice(self, person: int, name: str) -> int:
        """Return a number for an emptiness that was chosen: who takes a merge back clears what only it had filled."""
        number = FIRST_CHOICE + len(self.edits)
        self.edits[number] = Edit(number, person, name, PORTAL)
        self.clears.setdefault((person, name), []).append(number)
        return number

    def decided(self, person: int, name: str, chosen: JsonValue, seen: Sequence[tuple[str, int, JsonValue]]) -> None:
        """Somebody saw *seen* (place, person, value) and chose: what they saw may be replaced."""
        self._chose(person, name, chosen, seen)

    # -- what automation does -----------------------------------------------------------------------------------------

    def vendor_wrote(self, write: Write) -> None:
        """Judge a write of ours at a vendor."""
        self.vendor_writes += 1
        person = write.record.person
        where = f"{write.unit} of {who(person)} at {write.vendor}"
        if write.unit in SETS:
            self._set_written(write, where)
            return
        if not write.in_gap and all(write.held(name, value) for name, value in write.sent.items()):
            held = orjson.dumps(dict(write.sent)).decode()
            raise Violation(f"{where} was written though the vendor holds it: {held}")
        for name, value in write.sent.items():
            self._judge(write.vendor, person, name, write.before[name], value, where, in_gap=write.in_gap)
        self._known_combination(person, write.unit, write.sent, where)
        self.gaps += write.in_gap

    def _set_written(self, write: Write, where: str) -> None:
        listed = [list_of(side[write.unit]) for side in (write.before, write.sent)]
        before, sent = map(frozenset, listed)
        self._known_elements(write.record.person, write.unit, sent, where)
        if listed[0] == listed[1] and not write.in_gap:
            raise Violation(f"{where} were written though the vendor holds them: {sorted(sent)}")
        lost = {each for each in before - sent if each not in self.removed}
        if lost and write.in_gap:
            self.gaps += 1
            self.lost_in_gap |= lost
        elif lost:
            raise Violation(f"{where}: nobody removed {sorted(lost)}")

    def portal_changed(
        self,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any],
        logged: set[str],
        *,
        is_being_created: bool = False,
        remade: Collection[str] = (),
    ) -> None:
        """
        Judge a committed change of a record of ours.

        *logged*: units that a log row of this commit names. *is_being_created*: it was sent to a vendor as it was
        before, and nobody has heard yet what became of that. *remade*: units of which this commit has seen for the
        first time what a vendor made of a create, which tells neither what it makes of them nor rightly since when.
        """
        record_id, data, entity = str(after["id"]), after["data"], EntityType(after["entity_type"])
        if entity is EntityType.JOB:
            return
        person = self._person(record_id, data)
        self.joined.show(record_id, data)
        old: Mapping[str, JsonValue] = before["data"] if before is not None else {}
        rules = {unit: str(row[3]) for row in after["stamps"].get("s", ()) for unit in row[6]}
        for name in OWN_FIELDS[entity]:
            was, now = old.get(name), data.get(name)
            if was == now:
                continue
            unit = UNIT_OF[name].name
            rule = rules.get(unit, "")
            self.changes += 1
            if rule.startswith("edit:e"):
                self._portal_edit(person, name, was, now, int(rule.removeprefix("edit:e")), is_being_created)
                continue
            if rule.startswith("decided"):
                continue
            where = f"{unit} of {who(person)} in the portal"
            if name in SETS:
                self._known_elements(person, name, numbers_of(now), where)
            else:
                is_first = rule.startswith(("first_value", "union"))
                is_remade = unit in remade and now not in (None, "", value_of(name, number_of(name, now)))
                self._judge(PORTAL, person, name, was, now, where, is_first=is_first, is_remade=is_remade)
            if before is not None and unit not in logged:
                raise Violation(f"{where} changed and no log row says so (rule {rule!r})")
        if rules.get("name", "").startswith("edit:e"):
            self.shows(person, data)
        for unit_name in {UNIT_OF[name].name for name in SCALARS_OF[entity]}:
            self._known_combination(person, unit_name, data, f"{unit_name} of {who(person)} in the portal")

    def _portal_edit(
        self, person: int, name: str, was: JsonValue, now: JsonValue, number: int, is_being_created: bool
    ) -> None:
        if name == TAGS:
            return
        edit = self.edits.get(number)
        if edit is None or edit.name != name:
            raise Violation(f"{name} of {who(person)} in the portal has a stamp of edit {number}, which is not its")
        edit.is_over_unsettled = is_being_created
        if not self.ancestry.is_known(number):
            self.edited(edit, was, clears=number_of(name, now) == 0)

    def _judge(
        self,
        place: str,
        person: int,
        name: str,
        was: JsonValue,
        now: JsonValue,
        where: str,
        *,
        in_gap: bool = False,
        is_first: bool = False,
        is_remade: bool = False,
    ) -> None:
        old = self._number(place, person, name, was)
        if number_of(name, now):
            new = self._number(place, person, name, now)
            self.emptied.pop((place, person, name), None)
        else:
            new = self._cleared_by(person, name, old)
            self.emptied[place, person, name] = new
        if old == new or self.ancestry.is_ancestor(old, new):
            return
        meets = is_first or not self.edits[old].is_linked
        if in_gap or (meets and number_of(name, was) == 0):
            self.ancestry.descend(new, old)
        elif self.ancestry.is_ancestor(new, old, surely_of=person):
            if new in self.refilled or self.edits[old].is_over_unsettled or is_remade:
                self.gaps += new not in self.refilled
                self.ancestry.descend(new, old)
                return
            raise Violation(f"{where}: {_word(old)} had replaced {_word(new)}, and was undone")
        elif number_of(name, was) == 0:
            # Cleared again is what it was before it was filled: no change, as the design accepts (A, B, A).
            self.ancestry.descend(new, old)
        elif name in CRITICAL:
            raise Violation(f"{where}: {_word(old)} was overwritten by {_word(new)}, whose author had not seen it")

    def _cleared_by(self, person: int, name: str, old: int) -> int:
        """Return which clearing it is that empties *old*: the one that knew of it, else the last one."""
        clears = sorted(each for kin in self.families.members(person) for each in self.clears.get((kin, name), []))
        knowing = next((each for each in clears if self.ancestry.is_ancestor(old, each)), None)
        if knowing is None and len(self.families.members(person)) > 1:
            # Several records of one person were emptied, each by somebody else: one that this value has not replaced.
            knowing = next((each for each in reversed(clears) if not self.ancestry.is_ancestor(each, old)), None)
        if knowing is None:
            # Two sides were emptied by two people, and one has been filled since: it is the other one's that arrives.
            standing = self._standing_clears(person, name)
            concurrent = [each for each in clears if not self.ancestry.is_ancestor(each, old, surely_of=person)]
            knowing = next((each for each in concurrent if each in standing), None)
        return (clears[-1] if clears else 0) if knowing is None else knowing

    def _standing_clears(self, person: int, name: str) -> set[int]:
        return {number for (_, kin, field_name), number in self.emptied.items() if (kin, field_name) == (person, name)}

    def _known_combination(self, person: int, unit_name: str, values: Mapping[str, JsonValue], where: str) -> None:
        members = _UNITS[unit_name].members
        if self.has_partial_groups or len(members) == 1 or any(name not in values for name in members):
            return
        combined = combined_of(members, values)
        if not any((each, unit_name, combined) in self.combinations for each in self.families.members(person)):
            raise Violation(f"{where}: no side ever had {combined}")

    def known_divergence(
        self, name: str, ours: tuple[int, JsonValue], theirs: tuple[int, JsonValue], vendor: str
    ) -> None:
        """
        Judge a difference that stays because the vendor can't take ours: theirs must not be the newer one.

        Of people who were parted that can't be said: what the vendor shows may be the other one's, given back since.
        """
        (record_of, value), (person, other) = ours, theirs
        if not self.parted.isdisjoint((record_of, person)):
            return
        here, there = self._number(PORTAL, record_of, name, value), self._number(vendor, person, name, other)
        if here == 0 and [*self.person_of.values()].count(record_of) > 1:
            # What fills one of two records of a person is taken to fill the other: that one is as its editor left it.
            cleared = self.clears.get((record_of, name), ())
            here = next((each for each in cleared if self.ancestry.is_ancestor(there, each)), 0)
        is_newer = self.ancestry.is_ancestor(here, there, surely_of=person)
        if is_newer and not self.ancestry.is_ancestor(there, here):
            raise Violation(f"at rest {name} of {who(person)} is {_word(here)}; {vendor} has the newer {_word(there)}")

    # -- names --------------------------------------------------------------------------------------------------------

    def _person(self, record_id: str, data: Mapping[str, JsonValue]) -> int:
        known = self.person_of.get(record_id)
        if known is None:
            numbers = [number_of(name, data[name]) for name in (*SCALARS, *MOVES) if data.get(name)]
            known = next((self.edits[each].person for each in numbers if each in self.edits), 0)
            if known == 0:
                raise Violation(f"a record was made of nobody's values: {sorted(data)}")
            self.person_of[record_id] = known
        return known

    def _number(self, place: str, person: int, name: str, value: JsonValue) -> int:
        number = number_of(name, value)
        if number == 0:
            return self.emptied.get((place, person, name), 0)
        edit = self.edits.get(number)
        if edit is None or edit.name != name or not self.families.are_kin(edit.person, person):
            raise Violation(f"{name} of {who(person)} holds {number}, which no side ever wrote there")
        return number

    def _known_elements(self, person: int, name: str, numbers: frozenset[int], where: str) -> None:
        field_name = name if name == TAGS else "email"
        for number in numbers:
            edit = self.edits.get(number)
            if edit is None or edit.name != field_name or not self.families.are_kin(edit.person, person):
                raise Violation(f"{where} hold {number}, which no side ever wrote there")


def _word(number: int) -> str:
    return "nothing" if number == 0 else f"#{number}"
