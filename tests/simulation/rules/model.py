"""
A model of the rules alone: one record, one to three vendors and the portal, in random worlds.

No coroutines and no database: the production merge, link state, fences and snapshots, driven by a seed. It knows
vendors that normalise what is written (at once or late), can't write a field, refuse values, hide fields, date coarsely
or not at all, answer with nothing, have the last word in a field, or run an automation that puts its value back; jobs
that die between their transactions; pages that are merged late; portal edits while a job runs; people who decide.

The oracle goes by causality, not by clock: every value carries the edits that it descends from, and automation may
replace a guarded value only by one that descends from it. At rest both sides of every link agree, or an open conflict,
a known divergence or a hidden field says why not.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import orjson
from pydantic import JsonValue

from shared.merge.base_codec import decode_base, encode_base
from shared.merge.fingerprints import print_of
from shared.merge.merge import merge
from shared.merge.pins import pinned
from shared.merge.resolve import OURS, Side, resolve
from shared.merge.settle import open_intents, refuse, settle, with_intents
from shared.merge.state import (
    NEVER,
    Base,
    Fingerprint,
    Ours,
    Outcome,
    Pin,
    Print,
    Rules,
    Stamp,
    State,
    StoredBase,
    Theirs,
    Writable,
)
from shared.model.enums import EntityType
from shared.model.fields import UNITS, Party, Policy

CANDIDATE = EntityType.CANDIDATE
START = datetime(2026, 3, 1, 9, tzinfo=UTC)
LWW, CRITICAL, RULED = "current_title", "preferred_name", "current_company"
TAGS, APPENDED, WORK = "tags", "links", "work_history"
SCALARS = (LWW, CRITICAL, "first_name", "last_name", RULED)
SETS = (TAGS, APPENDED, WORK)
FIELDS = (*SCALARS, *SETS)
NAME = ("first_name", "last_name")
UNIT_OF = dict.fromkeys(NAME, "name")
PINNED = (CRITICAL, "name")
GUARDED = frozenset({CRITICAL, *NAME})
CUT_AT, ROUNDS_TO_REST, ONE_IN_CODED = 12, 25, 8


class Broken(AssertionError):
    """A world broke a promise; the message tells its story."""


@dataclass(frozen=True)
class Setting:
    """What may happen in a world, and which rule it has to do without."""

    name: str
    vendors: int = 2
    normalising: bool = False
    late: bool = False
    unwritable: bool = False
    refusing: bool = False
    hiding: bool = False
    coarse_times: bool = False
    crashing: bool = True
    late_pages: bool = True
    silent_answers: bool = False
    stubborn: bool = False
    """A vendor's automation puts its own value back after each write."""
    without: str = ""
    """The rule that is taken away, to see that the oracle misses it (`test_rules.py` names them)."""

    @property
    def is_hampered(self) -> bool:
        """Whether the last edit need not end up everywhere."""
        return any((self.normalising, self.unwritable, self.refusing, self.hiding, self.coarse_times, self.stubborn))


SETTINGS = (
    Setting("plain", vendors=1),
    Setting("plain two"),
    Setting("plain three", vendors=3),
    Setting("silent answers", silent_answers=True),
    Setting("normalising at once", normalising=True),
    Setting("normalising late", normalising=True, late=True),
    Setting("unwritable and refusing", unwritable=True, refusing=True),
    Setting("hiding", hiding=True),
    Setting("coarse times", coarse_times=True),
    Setting("stubborn", stubborn=True),
    Setting(
        "all of it",
        vendors=3,
        normalising=True,
        late=True,
        unwritable=True,
        refusing=True,
        hiding=True,
        coarse_times=True,
        silent_answers=True,
        stubborn=True,
    ),
)


class Names:
    """A hasher that numbers what it is shown: as good as a hash within one world, and much faster."""

    def __init__(self) -> None:
        self._known: dict[str, Fingerprint] = {}

    def __call__(self, name: str, form: str) -> Fingerprint:
        return self.many((f"{name}\0{form}",))[0]

    def many(self, texts: Sequence[str]) -> list[Fingerprint]:
        return [self._known.setdefault(text, Fingerprint(f"p{len(self._known)}")) for text in texts]


@dataclass
class Vendor:
    """A vendor's one record. Edits by its people, writes by us."""

    name: str
    rank: int
    rules: Rules
    normalise: str
    is_late: bool
    times: str
    refuses: bool
    answers: str
    values: dict[str, JsonValue]
    edits: dict[str, int]
    at: dict[str, datetime]
    is_stubborn: bool = False
    by_element: bool = False
    """Elements of lists are added and removed one by one: an edit meanwhile is not written over."""
    wish: JsonValue = None
    """What the automation of a stubborn vendor wants in `CRITICAL`; the edit by which it stood there last."""
    wish_edit: int = 0
    version: int = 0
    replica: Snapshot | None = None
    hidden: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)
    gaps: set[str] = field(default_factory=set)
    """Fields edited between a running job's fetch and its write: nobody can guard them."""


@dataclass
class Link:
    """What Liaison knows of a vendor's record."""

    base: StoredBase = field(default_factory=StoredBase)
    fence: int = 0
    version: int = 0


@dataclass(frozen=True)
class Snapshot:
    """One look at a vendor."""

    ticket: int
    version: int
    theirs: Theirs
    edits: Mapping[str, int]


def normalised(kind: str, value: JsonValue) -> JsonValue:
    """What a vendor of *kind* makes of *value*."""
    if kind == "keeps" or value is None:
        return value
    if isinstance(value, list):
        return [normalised(kind, each) for each in value]
    if isinstance(value, dict):
        return {name: normalised(kind, each) for name, each in value.items()}
    text = str(value)
    return {"upper": text.upper(), "lower": text.lower(), "cut": text[:CUT_AT]}[kind]


def key_of(element: JsonValue) -> str:
    """What tells an element apart, whatever a vendor makes of it."""
    named = element.get("employer") or element.get("value") if isinstance(element, dict) else element
    return str(named).lower()[:CUT_AT]


def keys_of(value: JsonValue) -> set[str]:
    """The elements of a list by key."""
    return {key_of(each) for each in value} if isinstance(value, list) else set()


def one_by_one(held: JsonValue, seen: JsonValue, pushed: JsonValue) -> JsonValue:
    """The list *held* once the elements by which *pushed* differs from *seen* were removed and added."""
    removed, present = keys_of(seen) - keys_of(pushed), keys_of(held)
    elements = [each for each in held if key_of(each) not in removed] if isinstance(held, list) else []
    added = [each for each in pushed if key_of(each) not in present | keys_of(seen)] if isinstance(pushed, list) else []
    return [*elements, *added]


class World:
    """One seed's story."""

    def __init__(self, setting: Setting, seed: int, steps: int) -> None:
        self.setting, self.steps = setting, steps
        self.random = random.Random(f"{setting.name}/{seed}")  # noqa: S311 - a seed
        self.clock, self.tickets, self.edit_count, self.stored = START, 0, 0, 0
        self.ancestors: dict[int, set[int]] = {0: {0}}
        self.added: dict[str, set[str]] = {name: set() for name in SETS}
        self.removed: set[str] = set()
        self.said: set[str] = set()
        self.ours: dict[str, JsonValue] = {}
        self.stamps: dict[str, Stamp] = {}
        self.edits: dict[str, int] = dict.fromkeys(SCALARS, 0)
        self.own = Names()
        self.pins: dict[str, Pin] = {}
        self.vendors = [self._vendor(rank + 1) for rank in range(setting.vendors)]
        self.links = {vendor.name: Link() for vendor in self.vendors}
        self.running: dict[str, tuple[Vendor, Iterator[str]]] = {}
        self.pages: list[tuple[Vendor, Snapshot]] = []
        self.held: set[tuple[str, str]] = set()
        self.judged: set[int] = set()
        self.twins: dict[int, int] = {}
        """Of an edit that put an old value back: the one by which it stood there the last time."""
        self.writes = 0
        self.overwritten: set[int] = set()
        """Edits that fell into a gap and were written over: nobody could see them."""
        self.may_clear = self.random.random() < 0.5
        self.has_clears = False
        self.latest: tuple[datetime, int, int] = (START, 0, 0)
        self.story: list[str] = []

    def _vendor(self, rank: int) -> Vendor:
        setting, roll = self.setting, self.random
        kind = roll.choice(["upper", "lower", "cut", "keeps"]) if setting.normalising else "keeps"
        fixed = {roll.choice([LWW, CRITICAL, "name", TAGS, WORK, RULED])} if setting.unwritable else set()
        may = {unit: Writable(unit not in fixed, unit not in fixed, unit not in fixed) for unit in UNITS[CANDIDATE]}
        rules = Rules(
            CANDIDATE,
            Names(),
            policies={
                RULED: Policy.LWW if self.lacks("authority") else Policy.AUTHORITY,
                APPENDED: Policy.UNION if self.lacks("append") else Policy.APPEND,
            },
            # One system at most is the authority; the hub speaks for it at the others.
            authorities={RULED: Party.INTEGRATION if rank == 1 else Party.PORTAL},
            writable=may,
            expected=(lambda _, value: value)
            if self.setting.without in ("expected", "two fingerprints")
            else (lambda _, value: normalised(kind, value)),
            outbound=True,
        )
        times = roll.choice(["field", "record", "seconds", "none"]) if setting.coarse_times else "field"
        return Vendor(
            name=f"vendor{rank}",
            rank=rank,
            rules=rules,
            normalise=kind,
            is_late=setting.late and roll.random() < 0.6,
            times=times,
            refuses=setting.refusing and roll.random() < 0.6,
            answers=roll.choice(["record", "sent", "nothing"]) if setting.silent_answers else "record",
            values={name: [] if name in SETS else None for name in FIELDS},
            edits=dict.fromkeys(SCALARS, 0),
            at=dict.fromkeys(FIELDS, START),
            is_stubborn=setting.stubborn and roll.random() < 0.6,
            by_element=roll.random() < 0.5,
        )

    def lacks(self, rule: str) -> bool:
        """Whether this world has to do without *rule*."""
        return self.setting.without == rule

    # What people do

    def tick(self) -> datetime:
        self.clock += timedelta(milliseconds=self.random.choice([1, 40, 700, 61_000]))
        return self.clock

    def ticket(self) -> int:
        self.tickets += 1
        return self.tickets

    def new_edit(self, name: str, old: int, at: datetime, rank: int) -> int:
        self.edit_count += 1
        self.ancestors[self.edit_count] = self.ancestors[old] | {self.edit_count}
        if name == LWW:
            self.latest = max(self.latest, (at, -rank, self.edit_count))
        return self.edit_count

    def said_text(self, edit: int) -> str:
        text = f"Value{edit:03d}-{'x' * self.random.choice([1, 9])}Y"
        self.said.add(key_of(text))
        return text

    def edited(self, name: str, value: JsonValue, edit: int) -> JsonValue:
        """A new value. A list gets one element added, one removed, or a post changed."""
        if name in SETS:
            return self.edited_list(name, list(value) if isinstance(value, list) else [], edit)
        # Guarded fields are not cleared here: two empties can't be told apart by what they descend from.
        is_cleared = name == LWW and self.may_clear and self.random.random() < 0.15
        self.has_clears |= is_cleared
        return None if is_cleared else self.said_text(edit)

    def edited_list(self, name: str, value: list[JsonValue], edit: int) -> list[JsonValue]:
        roll = self.random.random()
        if value and roll < 0.35:
            self.removed.add(key_of(value.pop(self.random.randrange(len(value)))))
            return value
        if value and name == WORK and roll < 0.7:
            index = self.random.randrange(len(value))
            post = value[index]
            if isinstance(post, dict):
                value[index] = {**post, self.random.choice(["title", "description"]): self.said_text(edit)}
            return value
        key = f"Tag{edit:03d}-{'x' * 8}Y"
        self.added[name].add(key_of(key))
        own: Mapping[str, JsonValue] = {
            TAGS: key,
            APPENDED: {"value": key},
            WORK: {"employer": key, "title": self.said_text(edit)},
        }
        return [*value, own[name]]

    def any_field(self) -> str:
        # A fight with an automation needs edits of one field on both sides, and people who decide.
        is_fight = self.setting.stubborn and self.random.random() < 0.4
        return CRITICAL if is_fight else self.random.choice(FIELDS)

    def portal_edit(self) -> None:
        name, at = self.any_field(), self.tick()
        edit = self.new_edit(name, self.edits.get(name, 0), at, 0)
        unit = UNIT_OF.get(name, name)
        members = UNITS[CANDIDATE][unit].members
        before = {member: self.ours.get(member) for member in members}
        self.ours[name] = self.edited(name, self.ours.get(name), edit)
        self.stamps[unit] = Stamp(at, 0, "portal")
        if name in SCALARS:
            self.edits[name] = edit
        if unit in self.pins:
            self.pin(unit, [before])
        self.story.append(f"portal {name} = {self.ours[name]}")

    def pin(self, unit: str, shown: Sequence[Mapping[str, JsonValue]]) -> None:
        """What ours holds now is a person's decision, against all that was shown."""
        what = UNITS[CANDIDATE][unit]
        decision = {member: self.ours.get(member) for member in what.members}
        before = None if self.lacks("rejected adds up") else self.pins.get(unit)
        self.pins[unit] = pinned(
            self.vendors[0].rules,
            what,
            decision,
            shown,
            hasher=self.own,
            key_id="",
            decided_at=self.clock,
            before=before,
        )

    def vendor_edit(self) -> None:
        vendor, name, at = self.random.choice(self.vendors), self.any_field(), self.tick()
        edit = self.new_edit(name, vendor.edits.get(name, 0), at, vendor.rank)
        self.change(vendor, name, self.edited(name, vendor.values[name], edit), edit, at)
        if name == CRITICAL:
            vendor.wish, vendor.wish_edit = vendor.values[name], edit
        self.story.append(f"{vendor.name} {name} = {vendor.values[name]}")

    def change(self, vendor: Vendor, name: str, value: JsonValue, edit: int, at: datetime) -> None:
        vendor.values[name] = value
        vendor.at[name], vendor.version = at, vendor.version + 1
        if name in SCALARS:
            vendor.edits[name] = edit
        if any(each is vendor for each, _ in self.running.values()):
            # Between a job's fetch and its write nobody can guard it: no vendor compares and swaps.
            vendor.gaps.add(name)

    def put_back(self, vendor: Vendor) -> bool:
        """A stubborn vendor's automation restores its own value."""
        if not vendor.is_stubborn or vendor.wish is None or vendor.values[CRITICAL] == vendor.wish:
            return False
        if open_intents(self.links[vendor.name].base):
            return False  # ours and theirs again between two looks is no change: a limit that all such systems have
        at = self.tick()
        edit = self.new_edit(CRITICAL, vendor.edits[CRITICAL], at, vendor.rank)
        # Also of the last time that it was put back: Liaison may have seen and taken the value by that edit alone, when
        # the first was written over in a gap.
        self.twins[edit], vendor.wish_edit = vendor.wish_edit, edit
        self.change(vendor, CRITICAL, vendor.wish, edit, at)
        self.story.append(f"{vendor.name} puts back {CRITICAL} = {vendor.wish}")
        return True

    # What a vendor does

    def normalise_late(self, vendor: Vendor) -> None:
        for name in sorted(vendor.pending):
            made = normalised(vendor.normalise, vendor.values[name])
            if made != vendor.values[name]:
                vendor.values[name] = made
                vendor.version += 1
        vendor.pending.clear()

    def snapshot(self, vendor: Vendor, *, is_fresh: bool) -> Snapshot:
        visible = [name for name in FIELDS if name not in vendor.hidden]
        seen = self.shown(vendor, visible, is_fresh=is_fresh or self.lacks("shield of intents"))
        vendor.replica = Snapshot(self.ticket(), vendor.version, seen, dict(vendor.edits))
        return vendor.replica

    def lagging(self, vendor: Vendor) -> Snapshot:
        """A page of a replica that has not seen our last writes: a new ticket, old data."""
        old = vendor.replica or self.snapshot(vendor, is_fresh=False)
        now = replace(old.theirs, observed_at=self.tick(), is_fresh_fetch=self.lacks("shield of intents"))
        return replace(old, ticket=self.ticket(), theirs=now)

    def shown(self, vendor: Vendor, names: Sequence[str], *, is_fresh: bool = False) -> Theirs:
        record_at = max(vendor.at.values())
        by_unit: dict[str, datetime] = {}
        for name in names:
            unit = UNIT_OF.get(name, name)
            by_unit[unit] = max(by_unit.get(unit, START), vendor.at[name])
        return Theirs(
            {name: vendor.values[name] for name in names},
            observed_at=self.tick(),
            updated_at=None
            if vendor.times == "none"
            else record_at.replace(microsecond=0)
            if vendor.times == "seconds"
            else record_at,
            field_times=by_unit if vendor.times == "field" else {},
            rank=vendor.rank,
            source=vendor.name,
            resolution=timedelta(seconds=1) if vendor.times == "seconds" else timedelta(milliseconds=1),
            is_fresh_fetch=is_fresh,
        )

    def write(
        self, vendor: Vendor, push: Mapping[str, JsonValue], edits: Mapping[str, int], seen: Snapshot
    ) -> Theirs | None:
        """Our call, made on what was *seen*. None = refused, nothing written."""
        if vendor.refuses and any("7" in str(value) for value in push.values()):
            return None
        for name, pushed in push.items():
            value = pushed
            if vendor.by_element and name in (TAGS, APPENDED):
                value = one_by_one(vendor.values[name], seen.theirs.values[name], pushed)
            if name not in vendor.gaps:
                self.judge_write(vendor, name, value, edits)
            elif name in SETS:
                self.removed |= keys_of(vendor.values[name]) - keys_of(value)
            else:
                self.overwritten.add(vendor.edits[name])
            vendor.values[name] = value if vendor.is_late else normalised(vendor.normalise, value)
            vendor.at[name] = self.tick()
            vendor.pending.add(name)
            if name in SCALARS:
                vendor.edits[name] = edits[name]
        vendor.version += 1
        self.writes += 1
        names = {"record": FIELDS, "sent": tuple(push), "nothing": ()}[vendor.answers]
        return self.shown(vendor, [name for name in names if name not in vendor.hidden])

    # What Liaison does

    def canonical(self) -> Ours:
        return Ours(dict(self.ours), dict(self.stamps), {} if self.lacks("pins") else dict(self.pins))

    def store(self, vendor: Vendor, base: Base) -> None:
        """Now and then through the codec, as a row would."""
        self.stored += 1
        if self.setting.without:
            base = self.hampered(base)
        if self.stored % ONE_IN_CODED == 0:
            base = decode_base(orjson.loads(orjson.dumps(encode_base(base))))
        self.links[vendor.name].base = StoredBase(base)

    def hampered(self, base: Base) -> Base:
        """*base* as it would be without the rule that this world lacks."""
        if self.lacks("intent"):
            return {name: replace(unit, intent=None, intent_expects=None) for name, unit in base.items()}
        if self.lacks("diverged"):
            return {name: replace(unit, state=State.AGREED) for name, unit in base.items()}
        if self.lacks("observation time"):
            return {name: replace(unit, seen_at=self.clock) for name, unit in base.items()}
        if self.lacks("two fingerprints"):
            return {
                name: unit if unit.ours == NEVER else replace(unit, ours=unit.theirs, expects=None)
                for name, unit in base.items()
            }
        if self.lacks("row 8"):
            return {name: replace(unit, ours=NEVER) if name in self.pins else unit for name, unit in base.items()}
        return base

    def is_admitted(self, link: Link, seen: Snapshot) -> bool:
        is_late = seen.ticket < link.fence and not self.lacks("fences")
        is_older = seen.version < link.version and not (self.lacks("fences") or self.lacks("version fence"))
        return not (is_late or is_older)

    def decide(self, vendor: Vendor, seen: Snapshot) -> Outcome | None:
        """Transaction 1 without its intents; None where the observation is too old."""
        link = self.links[vendor.name]
        if not self.is_admitted(link, seen):
            return None
        theirs = replace(seen.theirs, observed_at=self.clock) if self.lacks("fences") else seen.theirs
        outcome = merge(link.base, self.canonical(), theirs, vendor.rules)
        self.judge_take(vendor, outcome, seen)
        for name, value in outcome.take.items():
            self.ours[name] = value
            if name in SCALARS:
                self.edits[name] = seen.edits[name]
            self.writes += 1
        for decision in outcome.decisions:
            if decision.stamp is not None:
                self.stamps[decision.unit] = decision.stamp
        self.unify(vendor, seen)
        self.held -= {(vendor.name, unit) for unit in outcome.settled}
        self.held |= {(vendor.name, held.unit) for held in outcome.held}
        return outcome

    def unify(self, vendor: Vendor, seen: Snapshot) -> None:
        """Two edits that came to the same value are one, for all that descends from either."""
        for name in SCALARS:
            if name == LWW or name not in seen.theirs.values:
                continue
            mine, theirs = self.ours.get(name), seen.theirs.values[name]
            if theirs in (mine, normalised(vendor.normalise, mine)):
                both = self.ancestors[self.edits[name]] | self.ancestors[seen.edits[name]]
                for edit in (self.edits[name], seen.edits[name]):
                    self.ancestors[edit] = both

    def merge_page(self) -> None:
        if not self.pages:
            return
        vendor, seen = self.pages.pop(self.random.randrange(len(self.pages)))
        if self.is_running(vendor) and not self.lacks("serialising"):
            return
        outcome = self.decide(vendor, seen)
        if outcome is not None:
            self.store(vendor, outcome.base)
        self.story.append(f"page of {vendor.name} merged: {dict(seen.theirs.values)}")

    def reconcile(self, vendor: Vendor) -> Iterator[str]:
        link = self.links[vendor.name]
        seen = self.snapshot(vendor, is_fresh=True)
        vendor.gaps.clear()
        yield "fetched"
        had_intents = open_intents(link.base)
        outcome = self.decide(vendor, seen)
        if outcome is None:
            return
        self.store(vendor, with_intents(outcome.base, outcome.intents, outcome.expects))
        if had_intents:
            link.fence, link.version = seen.ticket, seen.version
        edits = dict(self.edits)
        self.story.append(f"{vendor.name} take {dict(outcome.take)} push {dict(outcome.push)}")
        if not outcome.push:
            return
        yield "decided"
        for unit, intent in outcome.intents.items():
            sent = {name: value for name, value in outcome.push.items() if UNIT_OF.get(name, name) == unit}
            answer = self.write(vendor, sent, edits, seen)
            if answer is not None and not any(name in answer.values for name in sent):
                # An answer that shows nothing settles nothing: the record is looked at. An edit in that one round trip
                # can't be told from what the vendor makes of our write; here is none.
                answer = self.snapshot(vendor, is_fresh=True).theirs
            yield "called"
            if answer is None:
                self.store(vendor, refuse(link.base, [unit], outcome.intents, "no 7"))
                continue
            base = settle(link.base, {unit: intent}, sent, answer, vendor.rules)
            self.store(vendor, self.swallowed(base, unit, answer, vendor))
            link.fence, link.version = self.ticket(), vendor.version
            yield "settled"

    def swallowed(self, base: StoredBase, unit: str, answer: Theirs, vendor: Vendor) -> StoredBase:
        """Without the own-answer rule, base becomes whatever the vendor answered."""
        if self.lacks("own answers") and unit in SETS and unit in answer.values:
            whole: Print = print_of(vendor.rules, UNITS[CANDIDATE][unit], answer.values, [unit])
            base[unit] = replace(base[unit], ours=whole, theirs=whole)
        return base

    def is_running(self, vendor: Vendor) -> bool:
        return any(each is vendor for each, _ in self.running.values())

    def advance(self, vendor: Vendor, *, may_crash: bool) -> None:
        lane = self.random.choice(["", "'"]) if self.lacks("serialising") else ""
        key = vendor.name + lane
        _, job = self.running.setdefault(key, (vendor, self.reconcile(vendor)))
        place = next(job, "done")
        crashed = may_crash and place != "done" and self.random.random() < 0.15
        if crashed:
            self.story.append(f"{vendor.name}: crash after {place}")
        if crashed or place == "done":
            del self.running[key]

    def look_into_conflicts(self) -> None:
        """Somebody waits until nothing is under way, decides, and sees the decision arrive."""
        for vendor in self.vendors * 2:
            while self.is_running(vendor):
                self.advance(vendor, may_crash=False)
            self.decide_conflict()
            self.advance(vendor, may_crash=False)

    def decide_conflict(self) -> None:
        units = sorted({unit for _, unit in self.held})
        if not units or self.running:
            return
        unit = self.random.choice(units)
        listed = [vendor for vendor in self.vendors if (vendor.name, unit) in self.held]
        seen = {vendor.name: self.snapshot(vendor, is_fresh=True) for vendor in listed}
        members = UNITS[CANDIDATE][unit].members
        sides = {
            vendor.name: Side(self.links[vendor.name].base, seen[vendor.name].theirs, vendor.rules)
            for vendor in listed
            if all(name in seen[vendor.name].theirs.values for name in members)
            and not open_intents(self.links[vendor.name].base)
        }
        if len(sides) < len(listed):
            return
        decision = self.random.choice([OURS, *sides])
        before = {name: self.ours.get(name) for name in members}
        made = resolve(unit, decision, ours=self.canonical(), sides=sides, decided_at=self.tick())
        for name, value in made.values.items():
            self.settle_edit(name, value, decision, listed)
        self.stamps[unit] = made.stamp
        self.pin(unit, [before, *(side.theirs.values for side in sides.values())])
        for vendor in listed:
            self.store(vendor, made.bases[vendor.name])
            self.held.discard((vendor.name, unit))
        self.story.append(f"decided {unit}: {decision} = {dict(made.values)}")

    def settle_edit(self, name: str, value: JsonValue, decision: str, listed: Sequence[Vendor]) -> None:
        """A decision descends from all that was seen."""
        # Who keeps ours has changed nothing, but has seen the others.
        edit = self.edits[name] if decision == OURS else self.new_edit(name, self.edits[name], self.clock, 0)
        self.judged |= {self.edits[name], *(vendor.edits[name] for vendor in listed)}
        for vendor in listed:
            self.ancestors[edit] |= self.ancestors[vendor.edits[name]]
        self.ours[name], self.edits[name] = value, edit
        for vendor in listed:
            if vendor.name == decision:
                self.ancestors[vendor.edits[name]] = self.ancestors[edit]
                vendor.edits[name] = edit

    # The oracle

    def require(self, is_kept: bool, what: str) -> None:
        if not is_kept:
            raise Broken("\n".join([f"{self.setting.name}: {what}", *self.story]))

    def may_replace(self, old: int, new: int, what: str) -> None:
        seen = self.ancestors[new] | self.judged  # a person saw it in a decision
        is_allowed = any(edit in seen for edit in self.same(old))
        self.require(is_allowed, f"{what}: edit {old} replaced by {new}, which never saw it")

    def same(self, edit: int) -> Iterator[int]:
        """Yield *edit* and those whose value it put back: there and back again is no change."""
        yield edit
        while edit in self.twins:
            edit = self.twins[edit]
            yield edit

    def judge_take(self, vendor: Vendor, outcome: Outcome, seen: Snapshot) -> None:
        take = outcome.take
        for name, value in take.items():
            what = f"take {name} of {vendor.name}"
            is_ruled = name == RULED and vendor.rank != 1
            if name in GUARDED or is_ruled:
                self.may_replace(self.edits[name], seen.edits[name], what)
            if name == APPENDED:
                self.require(keys_of(self.ours.get(name)) <= keys_of(value), f"{what}: an element was removed")
        for unit, pin in self.pins.items():
            members = UNITS[CANDIDATE][unit].members
            if not take.keys().isdisjoint(members):
                rules = self.vendors[0].rules
                before, after = (
                    print_of(rules, UNITS[CANDIDATE][unit], values, members, hasher=self.own)
                    for values in (self.ours, {**self.ours, **take})
                )
                is_lost = before == pin.decision and after in pin.rejected
                self.require(not is_lost, f"take {unit} of {vendor.name}: a decision was undone by what it rejected")

    def judge_write(self, vendor: Vendor, name: str, value: JsonValue, edits: Mapping[str, int]) -> None:
        what = f"write {name} at {vendor.name}"
        if name in GUARDED or (name == RULED and vendor.rank == 1):
            self.may_replace(vendor.edits[name], edits[name], what)
        if name == APPENDED and name not in vendor.hidden:
            self.require(keys_of(vendor.values[name]) <= keys_of(value), f"{what}: an element was removed")

    def run(self) -> None:
        """Play it to its end. Raises Broken."""
        for _ in range(self.steps):
            self.step()
        self.come_to_rest()
        self.check_agreement()
        for name in SETS:
            self.check_elements(name)
        self.check_latest()
        self.check_invention()

    def step(self) -> None:
        roll, vendor = self.random.random(), self.random.choice(self.vendors)
        if roll < 0.2:
            self.portal_edit()
        elif roll < 0.4:
            self.vendor_edit()
        elif roll < 0.78:
            self.advance(vendor, may_crash=self.setting.crashing)
        elif roll < 0.84 and self.setting.late_pages:
            is_lagging = self.random.random() < 0.3
            self.pages.append((vendor, self.lagging(vendor) if is_lagging else self.snapshot(vendor, is_fresh=False)))
        elif roll < 0.89:
            self.merge_page()
        elif roll < 0.92:
            self.normalise_late(vendor)
        elif roll < 0.95:
            self.put_back(vendor)
        elif roll < 0.96 and self.setting.stubborn:
            self.look_into_conflicts()
        elif roll < 0.98 and self.setting.hiding:
            vendor.hidden ^= {self.random.choice([LWW, CRITICAL, "last_name", TAGS, WORK])}
        else:
            self.decide_conflict()

    def come_to_rest(self) -> None:
        while self.running:
            self.advance(next(iter(self.running.values()))[0], may_crash=False)
        for _ in range(ROUNDS_TO_REST):
            before, is_quiet = self.writes, not self.pages
            for vendor in self.vendors:
                self.normalise_late(vendor)
                is_quiet &= not self.put_back(vendor)
                self.advance(vendor, may_crash=False)
                while self.running:
                    self.advance(next(iter(self.running.values()))[0], may_crash=False)
            for page in list(self.pages):
                self.pages.remove(page)
                outcome = self.decide(*page)
                if outcome is not None:
                    self.store(page[0], outcome.base)
            if is_quiet and self.writes == before and not any(vendor.pending for vendor in self.vendors):
                return
        self.require(False, f"not at rest after {ROUNDS_TO_REST} rounds")

    def check_agreement(self) -> None:
        for vendor in self.vendors:
            base = self.links[vendor.name].base
            for unit in (LWW, CRITICAL, "name", RULED):
                what = UNITS[CANDIDATE][unit]
                if any(name in vendor.hidden for name in what.members) or (vendor.name, unit) in self.held:
                    continue
                known = base.get(unit)
                if known is not None and known.state is State.DIVERGED:
                    continue
                values = {name: self.ours.get(name) for name in what.members}
                made = {name: normalised(vendor.normalise, value) for name, value in values.items()}
                theirs = print_of(vendor.rules, what, vendor.values, what.members)
                allowed = [print_of(vendor.rules, what, each, what.members) for each in (values, made)]
                self.require(theirs in allowed, f"{vendor.name} {unit}: {vendor.values} is not {values}")

    def check_elements(self, name: str) -> None:
        """What somebody added and nobody removed is everywhere it can be."""
        mine, kept = keys_of(self.ours.get(name)), self.added[name] - self.removed
        for vendor in self.vendors:
            if name in vendor.hidden:
                kept &= mine  # what it holds nobody can see
                continue
            theirs = keys_of(vendor.values[name])
            self.require((theirs & kept) <= mine, f"{vendor.name} has {name} {theirs & kept}, we have {mine}")
            can_add = vendor.rules.writable[name].add and not vendor.refuses and not vendor.is_late
            self.require(not can_add or mine & kept <= theirs, f"we have {name} {mine}, {vendor.name} has {theirs}")
        self.require(kept <= mine, f"{name} {kept - mine} is nowhere")

    def check_latest(self) -> None:
        """With exact times and nothing in the way, the last edit is everywhere."""
        if self.setting.is_hampered or self.latest[2] in {0, *self.overwritten} or self.has_clears:
            return  # empty, filled and empty again between two looks is no change
        texts = [self.ours.get(LWW), *(vendor.values[LWW] for vendor in self.vendors)]
        self.require(len(set(map(str, texts))) == 1, f"{LWW} differs: {texts}")
        last = f"Value{self.latest[2]:03d}"
        self.require(str(texts[0]).startswith(last), f"{texts[0]} is not {last}")

    def check_invention(self) -> None:
        """No side holds what nobody ever said."""
        for values in (self.ours, *(vendor.values for vendor in self.vendors)):
            posts = values.get(WORK)
            texts = [values.get(name) for name in SCALARS]
            for post in posts if isinstance(posts, list) else ():
                if isinstance(post, dict):
                    texts.extend(post.get(member) for member in ("title", "description"))
            for text in texts:
                self.require(text is None or key_of(text) in self.said, f"nobody ever said {text}")


def setting_of(seed: int) -> Setting:
    """The setting of a seed: all of them in turn."""
    return SETTINGS[seed % len(SETTINGS)]
