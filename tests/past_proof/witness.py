"""
The oracle: who wrote what, when, on which side; noted as it happens, and never read from stamps or history.

It looks at plain data before and after each step (one act of a person here, or one round of workers) and keeps what
people wrote at the vendors. So it knows in which step a value came, and who had written it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from pydantic import JsonValue

from shared.model import FIELDS, UNITS, EntityType
from shared.model.fields import Kind, Unit

CANDIDATE = EntityType.CANDIDATE
PORTAL = "portal"
Data = Mapping[str, JsonValue]
Value = tuple[JsonValue, ...]
"""Of a unit: the values of its members; an empty one is None."""
Place = tuple[str, str]
"""An integration, and the vendor's id of a person there."""


@dataclass(frozen=True)
class Write:
    """What somebody wrote into one unit, between two moments."""

    source: str
    value: Value
    began: datetime
    ended: datetime


@dataclass(frozen=True)
class Step:
    """What happened between two looks at the data, and who did it."""

    began: datetime
    ended: datetime
    jobs: frozenset[str] = frozenset()
    runs: Mapping[str, str] = field(default_factory=dict)
    """The run of each job that was a run's."""
    actor: str | None = None
    rule: str | None = None
    """Of a person's act here."""


@dataclass(frozen=True)
class Truth:
    """Who gave a unit its value, and in which step it came here."""

    value: Value
    sources: frozenset[str]
    rules: frozenset[str]
    step: Step
    earliest: datetime
    """When it was begun to be written, wherever that was."""
    written: datetime
    """When it was written."""
    lost: tuple[tuple[Value, str], ...] | None = ()
    """Values that lost against it, with their source; None: nobody can tell which."""


@dataclass(frozen=True)
class Look:
    """All candidates of the company at one moment."""

    began: datetime
    """When the step before this look began: between the two, the answer may be either."""
    at: datetime
    records: Mapping[UUID, Data]
    links: Mapping[UUID, frozenset[Place]]
    held: frozenset[tuple[UUID, str]] = frozenset()
    """Record and unit of what waits for a person."""


def value_of(data: Data, unit: Unit) -> Value:
    """Return what *data* says in *unit*; of a list, in an order of our own, since its own means nothing."""
    values = (data.get(name) for name in unit.members)
    return tuple(
        None if value in (None, "", []) else sorted(value, key=repr) if isinstance(value, list) else value
        for value in values
    )


def is_set(unit: Unit) -> bool:
    """Whether the unit is a list that is merged element by element."""
    return FIELDS[CANDIDATE][unit.members[0]].kind is Kind.SET


@dataclass(frozen=True)
class Standing:
    """What a record may have been at one moment, between what it was *before* a step and *after* it."""

    before: Data | None
    after: Data | None
    written: Mapping[Unit, Sequence[Value]]
    """What its vendors' people had written by the end of the story."""

    @property
    def is_certain(self) -> bool:
        """Whether there is one answer alone."""
        return self.before == self.after

    def admits(self, told: Data | None) -> bool:
        """
        Whether it may have been what is *told*.

        One step of the workers has a job for each vendor: after the first of two, what one vendor's people wrote stands
        already, and what the other's wrote doesn't. So while a step is under way each unit is judged by itself.
        """
        if self.is_certain or told is None or told in (self.before, self.after):
            return told in (self.before, self.after)
        return all(self._admits(unit, value_of(told, unit)) for unit in UNITS[CANDIDATE].values())

    def _admits(self, unit: Unit, value: Value) -> bool:
        known = [value_of(data or {}, unit) for data in (self.before, self.after)]
        if is_set(unit):
            elements = [element for (each,) in (*known, *self.written[unit]) for element in _elements(each)]
            return all(element in elements for element in _elements(value[0]))
        return value in known or value in self.written[unit]


def _elements(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


class Witness:
    """Remembers one company's story."""

    def __init__(self, first: Look) -> None:
        self.looks = [first]
        self.truths: dict[tuple[UUID, str], Truth] = {}
        self._written: dict[tuple[Place, str], list[Write]] = defaultdict(list)
        self._here: dict[tuple[UUID, str], Write] = {}
        """The last edit here of each unit since the workers' last round."""
        self._round_began = first.at
        self._before_merge: dict[UUID, tuple[Step, dict[tuple[UUID, str], Truth]]] = {}
        self._stirred: set[UUID] = set()
        """Merged or parted since the workers' last round: to the vendors, much of them has changed here."""

    @property
    def now(self) -> Look:
        """What was seen last."""
        return self.looks[-1]

    # What people do at the vendors.

    def wrote_there(self, place: Place, before: Data, after: Data, began: datetime, ended: datetime) -> None:
        """A person at *place* was changed from *before* to *after*; a new one from nothing."""
        for unit in UNITS[CANDIDATE].values():
            if value_of(before, unit) != (value := value_of(after, unit)):
                self._written[place, unit.name].append(Write(place[0], value, began, ended))

    # What happens here.

    def person_acted(self, look: Look, step: Step) -> None:
        """Somebody made or edited records here: what changed is theirs."""
        for record_id, unit, value in self._changed(look):
            key = (record_id, unit.name)
            self.truths[key] = _by_person(value, step)
            self._here[key] = Write(PORTAL, value, step.began, step.ended)
        self.looks.append(look)

    def person_decided(
        self, look: Look, step: Step, record_id: UUID, unit: Unit, sides: Iterable[tuple[Data, str]]
    ) -> None:
        """Somebody decided about *unit*, having been shown *sides*: it is theirs, even if it stays as it was."""
        key = (record_id, unit.name)
        before = value_of(self.now.records[record_id], unit)
        shown = [*((value_of(data, unit), source) for data, source in sides)]
        if key in self.truths and len(self.truths[key].sources) == 1:
            (source,) = self.truths[key].sources
            shown.append((before, source))
        value = value_of(look.records[record_id], unit)
        rejected = tuple(dict.fromkeys((each, source) for each, source in shown if each != value))
        self.truths[key] = replace(_by_person(value, step), lost=rejected)
        if value != before:
            self._here[key] = Write(PORTAL, value, step.began, step.ended)
        self.looks.append(look)

    def people_merged(self, look: Look, step: Step, survivor: UUID, other: UUID, chosen: Iterable[str]) -> None:
        """
        Two records became one: what came over keeps its writer.

        What a person has chosen, of two that differed, is the person's, and so is what neither had before.
        """
        pair = (survivor, other)
        self._before_merge[other] = (step, {key: truth for key, truth in self.truths.items() if key[0] in pair})
        for record_id, unit, value in list(self._changed(look)):
            known = self.truths.get((other, unit.name))
            is_theirs = known is not None and known.value == value
            self.truths[record_id, unit.name] = (
                replace(known, lost=None) if is_theirs and known is not None else _by_person(value, step)
            )
        for name in chosen:
            unit = UNITS[CANDIDATE][name]
            mine, theirs = (value_of(self.now.records[each], unit) for each in (survivor, other))
            if mine != theirs:
                self.truths[survivor, name] = _by_person(value_of(look.records[survivor], unit), step)
        self._stir((survivor, other))
        self.looks.append(look)

    def people_parted(self, look: Look, step: Step, other: UUID) -> None:
        """They are two again: each value has the writer whom it had before, or has had since."""
        merging, known = self._before_merge.pop(other)
        pair = {record_id for record_id, _ in known}
        pool = dict(self.truths)
        for record_id, unit, value in list(self._changed(look)):
            writers = [known.get((record_id, unit.name)), *(pool.get((each, unit.name)) for each in sorted(pair))]
            found = next((each for each in writers if each is not None and each.value == value), None)
            since = [each for each in writers[1:] if each is not None and each.step is not merging]
            if found is None and is_set(unit) and since:
                # What came since is done again to the list as it was.
                found = replace(max(since, key=lambda each: each.step.ended), value=value)
            if found is None and not any(value):
                self.truths.pop((record_id, unit.name), None)  # nobody had ever written it
                continue
            self.truths[record_id, unit.name] = found or _by_person(value, step)
        for key, truth in known.items():
            if self.truths[key].step is merging and self.truths[key].value == truth.value:
                self.truths[key] = truth  # what the person chose then is chosen no more
        self._stir(pair)
        self.looks.append(look)

    def workers_ran(self, look: Look, step: Step) -> list[str]:
        """Workers brought the sides together; return what came from nowhere."""
        faults = []
        for record_id, unit, value in list(self._changed(look)):
            truth = self._brought(record_id, unit, value, look, step)
            if truth is None:
                faults.append(f"{unit.name} of {record_id} became {value!r}, which nobody wrote")
            else:
                self.truths[record_id, unit.name] = truth
        self._contests(look)
        self.looks.append(look)
        return faults

    def all_were_looked_at(self) -> None:
        """The workers have seen every side: what is written from now on meets nothing of before."""
        self._round_began = self.now.at
        self._here.clear()
        self._stirred.clear()

    def run_taken_back(self, look: Look, step: Step) -> None:
        """A run of its own took another one back: all that changed is its doing."""
        for record_id, unit, value in self._changed(look):
            self.truths[record_id, unit.name] = _by_person(value, step)
        self.looks.append(look)

    # How it is told apart.

    def _changed(self, look: Look) -> Iterator[tuple[UUID, Unit, Value]]:
        before = self.now.records
        for record_id, data in look.records.items():
            for unit in UNITS[CANDIDATE].values():
                value = value_of(data, unit)
                if value != value_of(before.get(record_id, {}), unit):
                    yield record_id, unit, value

    def _brought(self, record_id: UUID, unit: Unit, value: Value, look: Look, step: Step) -> Truth | None:
        """Return who wrote *value* at one of the record's vendors."""
        places = look.links.get(record_id, frozenset())
        met = places - self.now.links.get(record_id, frozenset())
        writes = [each for place in places for each in self._written[place, unit.name]]
        if is_set(unit):
            # What a list holds is made of what several wrote: whoever changed it since the last round may be it.
            fresh = [each for place in met for each in self._written[place, unit.name]]
            found = [each for each in writes if each.ended >= self._round_began or each in fresh]
            rules = {"union", "first_value"}
        else:
            found = [each for each in writes if each.value == value]
            rules = {"their_change", "both_changed", "first_value", "first_meeting"} if met else {"their_change"}
        if not found:
            return None
        is_stirred = record_id in self._stirred
        rules |= {"both_changed"} if is_stirred else set()
        return Truth(
            value,
            frozenset(each.source for each in found),
            frozenset(rules),
            step,
            min(each.began for each in found),
            max(each.ended for each in found),
            None if is_stirred else (),
        )

    def _contests(self, look: Look) -> None:
        """Where two systems wrote one unit since the last round, one value stands and the other one lost."""
        for record_id in look.records:
            places = look.links.get(record_id, frozenset())
            if places - self.now.links.get(record_id, frozenset()) or record_id in self._stirred:
                self._unsettle(record_id)
                continue
            for unit in UNITS[CANDIDATE].values():
                key = (record_id, unit.name)
                if is_set(unit) or key not in self.truths:
                    continue
                writes = [each for place in places for each in self._written[place, unit.name][-1:]]
                if any(each.ended > self.truths[key].step.ended for each in writes) and self._is_decided(key):
                    # What the person rejected may have gone before the decision arrived where it stood.
                    self.truths[key] = replace(self.truths[key], lost=None)
                if key in look.held:
                    continue
                rivals = [each for each in writes if each.ended >= self._round_began]
                rivals += [self._here[key]] if key in self._here else []
                if len(rivals) > 1:
                    self._judge(key, rivals)

    def _is_decided(self, key: tuple[UUID, str]) -> bool:
        return "decided" in self.truths[key].rules

    def _judge(self, key: tuple[UUID, str], rivals: Sequence[Write]) -> None:
        truth = self.truths[key]
        losers = tuple((each.value, each.source) for each in rivals if each.value != truth.value)
        has_won = any(each.value == truth.value and each.source in truth.sources for each in rivals)
        rules = truth.rules if PORTAL in truth.sources else truth.rules | {"both_changed"}
        # Of three that met in turn, one may have lost against a value that is gone as well.
        is_told = has_won and len(rivals) == 2 and not self._is_decided(key)
        lost = losers if is_told else None
        self.truths[key] = replace(truth, rules=rules, lost=lost)

    def _stir(self, record_ids: Iterable[UUID]) -> None:
        for record_id in record_ids:
            self._stirred.add(record_id)
            self._unsettle(record_id)

    def _unsettle(self, record_id: UUID) -> None:
        """Where records or links come together more is decided than the witness follows: of losers it says nothing."""
        for key in [each for each in self.truths if each[0] == record_id]:
            self.truths[key] = replace(self.truths[key], lost=None)

    def at(self, moment: datetime, record_id: UUID) -> Standing:
        """Return what the record may have been at *moment*."""
        before = after = self.now
        for one, next_one in itertools.pairwise(self.looks):
            if one.at <= moment < next_one.at:
                before, after = one, one if moment < next_one.began else next_one
        places = before.links.get(record_id, frozenset()) | after.links.get(record_id, frozenset())
        written = {
            unit: [each.value for place in places for each in self._written[place, unit.name]]
            for unit in UNITS[CANDIDATE].values()
        }
        return Standing(before.records.get(record_id), after.records.get(record_id), written)


def _by_person(value: Value, step: Step) -> Truth:
    rule = step.rule or "edit"
    return Truth(value, frozenset({PORTAL}), frozenset({rule}), step, step.began, step.ended)
