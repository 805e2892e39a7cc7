"""
A model of the rules alone: one record, one to three vendors and the portal, in random small worlds.

No coroutines and no database: merge, link state and snapshots, driven by a seed. It knows vendors that normalise what
is written (at once or late), can't write a field, refuse values, hide fields, date coarsely or not at all and answer
with nothing; jobs that die between their transactions; pages that are merged late; portal edits while a job runs.

The oracle goes by causality: every value carries the edits that it descends from, and automation may replace a
critical value only by one that descends from it. At rest, both sides of every link agree or an open conflict, a known
divergence or a hidden field says why not.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from pydantic import JsonValue

from shared.merge.base_codec import decode_base, encode_base
from shared.merge.fingerprints import link_hasher, print_of
from shared.merge.merge import merge
from shared.merge.resolve import OURS, Side, resolve
from shared.merge.settle import open_intents, refuse, settle, with_intents
from shared.merge.state import Base, Ours, Outcome, Rules, Stamp, State, StoredBase, Theirs, Writable
from shared.model.enums import EntityType
from shared.model.fields import UNITS

CANDIDATE = EntityType.CANDIDATE
START = datetime(2026, 3, 1, 9, tzinfo=UTC)
LWW, CRITICAL, TAGS = "current_title", "preferred_name", "tags"
SCALARS = (LWW, CRITICAL, "first_name", "last_name")
FIELDS = (*SCALARS, TAGS)
UNIT_OF = {"first_name": "name", "last_name": "name"}
GUARDED = frozenset({CRITICAL, "first_name", "last_name"})
STEPS, ROUNDS_TO_REST, CUT_AT = 40, 25, 12


@dataclass(frozen=True)
class Setting:
    """What may happen in a world."""

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
    version: int = 0
    hidden: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)


@dataclass
class Link:
    base: StoredBase = field(default_factory=StoredBase)
    fence: int = 0
    version: int = 0


@dataclass(frozen=True)
class Snapshot:
    ticket: int
    version: int
    theirs: Theirs
    edits: Mapping[str, int]


def normalised(kind: str, name: str, value: JsonValue) -> JsonValue:
    if kind == "keeps" or value is None:
        return value
    if isinstance(value, list):
        return [normalised(kind, name, each) for each in value]
    text = str(value)
    return {"upper": text.upper(), "lower": text.lower(), "cut": text[:CUT_AT]}[kind]


class World:
    """One seed's story."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting, self.random = setting, random.Random(f"{setting.name}/{seed}")  # noqa: S311 - a seed
        self.clock, self.tickets, self.edit_count = START, 0, 0
        self.ancestors: dict[int, set[int]] = {0: {0}}
        self.added: dict[str, int] = {}
        self.removed: set[str] = set()
        self.ours: dict[str, JsonValue] = {}
        self.stamps: dict[str, Stamp] = {}
        self.edits: dict[str, int] = dict.fromkeys(SCALARS, 0)
        self.vendors = [self._vendor(rank + 1) for rank in range(setting.vendors)]
        self.links = {vendor.name: Link() for vendor in self.vendors}
        self.running: dict[str, Iterator[str]] = {}
        self.pages: list[tuple[Vendor, Snapshot]] = []
        self.held: set[tuple[str, str]] = set()
        self.judged: set[int] = set()
        self.writes = 0
        self.gaps: set[str] = set()
        self.has_gaps = self.has_clears = False
        self.latest: tuple[datetime, int, int] = (START, 0, 0)
        self.story: list[str] = []

    def _vendor(self, rank: int) -> Vendor:
        setting, roll = self.setting, self.random
        kind = roll.choice(["upper", "lower", "cut", "keeps"]) if setting.normalising else "keeps"
        fixed = {roll.choice([LWW, CRITICAL, "name", TAGS])} if setting.unwritable and roll.random() < 0.7 else set()
        may = {unit: Writable(unit not in fixed, unit not in fixed, unit not in fixed) for unit in UNITS[CANDIDATE]}
        rules = Rules(
            CANDIDATE,
            link_hasher(b"k" * 32, f"link-{rank}"),
            writable=may,
            expected=lambda name, value: normalised(kind, name, value),
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
            values={name: [] if name == TAGS else None for name in FIELDS},
            edits=dict.fromkeys(SCALARS, 0),
            at=dict.fromkeys(FIELDS, START),
        )

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

    def edited(self, name: str, value: JsonValue, edit: int) -> JsonValue:
        """A new value. Tags get one element added or one removed."""
        if name != TAGS:
            # Critical fields are not cleared here: two empties can't be told apart by what they descend from.
            is_cleared = name == LWW and self.random.random() < 0.15
            self.has_clears |= is_cleared
            return None if is_cleared else f"Value{edit:03d}-{'x' * self.random.choice([1, 9])}Y"
        tags = [str(each) for each in value] if isinstance(value, list) else []
        if tags and self.random.random() < 0.4:
            gone = tags.pop(self.random.randrange(len(tags)))
            self.removed.add(gone.lower()[:CUT_AT])
            return list(tags)
        element = f"Tag{edit:03d}-{'x' * 8}Y"
        self.added[element.lower()[:CUT_AT]] = edit
        return [*tags, element]

    def portal_edit(self) -> None:
        name, at = self.random.choice(FIELDS), self.tick()
        edit = self.new_edit(name, self.edits.get(name, 0), at, 0)
        self.ours[name] = self.edited(name, self.ours.get(name), edit)
        self.stamps[UNIT_OF.get(name, name)] = Stamp(at, 0, "portal")
        if name != TAGS:
            self.edits[name] = edit
        self.story.append(f"portal {name} = {self.ours[name]}")

    def vendor_edit(self) -> None:
        vendor, name, at = self.random.choice(self.vendors), self.random.choice(FIELDS), self.tick()
        edit = self.new_edit(name, vendor.edits.get(name, 0), at, vendor.rank)
        vendor.values[name] = self.edited(name, vendor.values[name], edit)
        vendor.at[name], vendor.version = at, vendor.version + 1
        if name != TAGS:
            vendor.edits[name] = edit
        if vendor.name in self.running:
            # Between a job's fetch and its write nobody can guard it: no vendor compares and swaps.
            self.gaps.add(vendor.name)
            self.has_gaps = True
        self.story.append(f"{vendor.name} {name} = {vendor.values[name]}")

    # What a vendor does

    def normalise_late(self, vendor: Vendor) -> None:
        for name in sorted(vendor.pending):
            made = normalised(vendor.normalise, name, vendor.values[name])
            if made != vendor.values[name]:
                vendor.values[name] = made
                vendor.version += 1
        vendor.pending.clear()

    def snapshot(self, vendor: Vendor, *, is_fresh: bool) -> Snapshot:
        visible = [name for name in FIELDS if name not in vendor.hidden]
        return Snapshot(
            self.ticket(),
            vendor.version,
            self.shown(vendor, visible, is_fresh=is_fresh),
            dict(vendor.edits),
        )

    def shown(self, vendor: Vendor, names: list[str], *, is_fresh: bool = False) -> Theirs:
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

    def write(self, vendor: Vendor, push: Mapping[str, JsonValue], edits: Mapping[str, int]) -> Theirs | None:
        """Our call. None = refused, nothing written."""
        if vendor.refuses and any("7" in str(value) for value in push.values()):
            return None
        for name, value in push.items():
            if name in GUARDED and vendor.name not in self.gaps:
                self.may_replace(vendor.edits[name], edits[name], f"write {name} at {vendor.name}")
            vendor.values[name] = value if vendor.is_late else normalised(vendor.normalise, name, value)
            vendor.at[name] = self.tick()
            vendor.pending.add(name)
            if name != TAGS:
                vendor.edits[name] = edits[name]
        vendor.version += 1
        self.writes += 1
        names = {"record": list(FIELDS), "sent": list(push), "nothing": []}[vendor.answers]
        return self.shown(vendor, [name for name in names if name not in vendor.hidden])

    # What Liaison does

    def canonical(self) -> Ours:
        return Ours(dict(self.ours), dict(self.stamps))

    def store(self, vendor: Vendor, base: Base) -> None:
        """Through the codec, as a row would."""
        self.links[vendor.name].base = decode_base(orjson.loads(orjson.dumps(encode_base(base))))

    def decide(self, vendor: Vendor, seen: Snapshot) -> Outcome | None:
        """Transaction 1 without its intents; None where the observation is too old."""
        link = self.links[vendor.name]
        if seen.ticket < link.fence or seen.version < link.version:
            return None
        outcome = merge(link.base, self.canonical(), seen.theirs, vendor.rules)
        for name, value in outcome.take.items():
            if name in GUARDED:
                self.may_replace(self.edits[name], seen.edits[name], f"take {name} of {vendor.name}")
            self.ours[name] = value
            if name != TAGS:
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
        """Two edits that came to the same value are one."""
        for name in GUARDED & seen.theirs.values.keys():
            mine, theirs = self.ours.get(name), seen.theirs.values[name]
            made = normalised(vendor.normalise, name, mine)
            if theirs in (mine, made):
                both = self.ancestors[self.edits[name]] | self.ancestors[seen.edits[name]]
                for edit in (self.edits[name], seen.edits[name]):
                    self.ancestors[edit] = both
        # Liaison knows what descends from these only by value, so all that come later share it.

    def merge_page(self) -> None:
        if not self.pages:
            return
        vendor, seen = self.pages.pop(self.random.randrange(len(self.pages)))
        if vendor.name in self.running:
            return
        outcome = self.decide(vendor, seen)
        if outcome is not None:
            self.store(vendor, outcome.base)
        self.story.append(f"page of {vendor.name} merged: {seen.theirs.values}")

    def reconcile(self, vendor: Vendor) -> Iterator[str]:
        link = self.links[vendor.name]
        seen = self.snapshot(vendor, is_fresh=True)
        self.gaps.discard(vendor.name)
        yield "fetched"
        had_intents = open_intents(link.base)
        outcome = self.decide(vendor, seen)
        if outcome is None:
            return
        base = with_intents(outcome.base, outcome.intents, outcome.expects)
        self.store(vendor, base)
        if had_intents:
            link.fence, link.version = seen.ticket, seen.version
        edits = dict(self.edits)
        self.story.append(f"{vendor.name} take {dict(outcome.take)} push {dict(outcome.push)}")
        if not outcome.push:
            return
        yield "decided"
        for unit, intent in outcome.intents.items():
            sent = {name: value for name, value in outcome.push.items() if UNIT_OF.get(name, name) == unit}
            answer = self.write(vendor, sent, edits)
            yield "called"
            if answer is None:
                self.store(vendor, refuse(link.base, [unit], outcome.intents, "no 7"))
                continue
            self.store(vendor, settle(link.base, {unit: intent}, sent, answer, vendor.rules))
            link.fence, link.version = self.ticket(), vendor.version
            yield "settled"

    def advance(self, vendor: Vendor, *, may_crash: bool) -> None:
        job = self.running.setdefault(vendor.name, self.reconcile(vendor))
        place = next(job, "done")
        crashed = may_crash and place != "done" and self.random.random() < 0.15
        if crashed:
            self.story.append(f"{vendor.name}: crash after {place}")
        if crashed or place == "done":
            del self.running[vendor.name]

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
        made = resolve(unit, decision, ours=self.canonical(), sides=sides, decided_at=self.tick())
        for name, value in made.values.items():
            # Who keeps ours has changed nothing, but has seen the others.
            edit = self.edits[name] if decision == OURS else self.new_edit(name, self.edits[name], self.clock, 0)
            self.judged |= {self.edits[name], *(vendor.edits[name] for vendor in listed)}
            for vendor in listed:
                self.ancestors[edit] |= self.ancestors[vendor.edits[name]]
            self.ours[name], self.edits[name] = value, edit
            if decision != OURS:
                chosen = next(vendor for vendor in listed if vendor.name == decision)
                self.ancestors[chosen.edits[name]] = self.ancestors[edit]
                chosen.edits[name] = edit
        self.stamps[unit] = made.stamp
        for vendor in listed:
            self.store(vendor, made.bases[vendor.name])
            self.held.discard((vendor.name, unit))
        self.story.append(f"decided {unit}: {decision} = {dict(made.values)}")

    # The oracle

    def may_replace(self, old: int, new: int, what: str) -> None:
        is_allowed = old in self.ancestors[new] or old in self.judged  # a person saw it in a decision
        assert is_allowed, self.told(f"{what}: edit {old} replaced by {new}, which never saw it")

    def told(self, what: str) -> str:
        return "\n".join([what, *self.story])

    def run(self) -> None:
        for _ in range(STEPS):
            self.step()
        self.come_to_rest()
        self.check_agreement()
        self.check_tags()
        self.check_latest()

    def step(self) -> None:
        roll, vendor = self.random.random(), self.random.choice(self.vendors)
        if roll < 0.22:
            self.portal_edit()
        elif roll < 0.44:
            self.vendor_edit()
        elif roll < 0.8:
            self.advance(vendor, may_crash=self.setting.crashing)
        elif roll < 0.86 and self.setting.late_pages:
            self.pages.append((vendor, self.snapshot(vendor, is_fresh=False)))
        elif roll < 0.91:
            self.merge_page()
        elif roll < 0.94:
            self.normalise_late(vendor)
        elif roll < 0.97 and self.setting.hiding:
            vendor.hidden ^= {self.random.choice([LWW, CRITICAL, "last_name", TAGS])}
        else:
            self.decide_conflict()

    def come_to_rest(self) -> None:
        for vendor in self.vendors:
            while vendor.name in self.running:
                self.advance(vendor, may_crash=False)
        for _ in range(ROUNDS_TO_REST):
            before, is_quiet = self.writes, not self.pages
            for vendor in self.vendors:
                self.normalise_late(vendor)
                self.advance(vendor, may_crash=False)
                while vendor.name in self.running:
                    self.advance(vendor, may_crash=False)
            for page in list(self.pages):
                self.pages.remove(page)
                outcome = self.decide(*page)
                if outcome is not None:
                    self.store(page[0], outcome.base)
            if is_quiet and self.writes == before and not any(vendor.pending for vendor in self.vendors):
                return
        pytest.fail(self.told(f"not at rest after {ROUNDS_TO_REST} rounds"))

    def check_agreement(self) -> None:
        for vendor in self.vendors:
            base = self.links[vendor.name].base
            for unit in (LWW, CRITICAL, "name"):
                what = UNITS[CANDIDATE][unit]
                if any(name in vendor.hidden for name in what.members) or (vendor.name, unit) in self.held:
                    continue
                known = base.get(unit)
                if known is not None and known.state is State.DIVERGED:
                    continue
                values = {name: self.ours.get(name) for name in what.members}
                made = {name: normalised(vendor.normalise, name, value) for name, value in values.items()}
                theirs = print_of(vendor.rules, what, vendor.values, what.members)
                allowed = [print_of(vendor.rules, what, each, what.members) for each in (values, made)]
                assert theirs in allowed, self.told(f"{vendor.name} {unit}: {vendor.values} is not {values}")

    def check_tags(self) -> None:
        """What somebody added and nobody removed is everywhere it can be."""
        if self.has_gaps:
            return  # a whole list written over an edit that nobody could see
        mine = {str(each).lower()[:CUT_AT] for each in _list(self.ours.get(TAGS))}
        for vendor in self.vendors:
            theirs = {str(each).lower()[:CUT_AT] for each in _list(vendor.values[TAGS])}
            kept = {each for each in self.added if each not in self.removed}
            shown = TAGS not in vendor.hidden
            lost = (theirs & kept) - mine
            assert not (shown and lost), self.told(f"{vendor.name} has {lost}, we have {mine}")
            if shown and vendor.rules.writable[TAGS].add and not vendor.refuses and not vendor.is_late:
                assert mine & kept <= theirs, self.told(f"we have {mine}, {vendor.name} has {theirs}")

    def check_latest(self) -> None:
        """With exact times and nothing in the way, the last edit is everywhere."""
        setting = self.setting
        hampered = (
            setting.unwritable or setting.refusing or setting.hiding or setting.coarse_times or setting.normalising
        )
        if hampered or self.has_gaps or not self.latest[2] or self.has_clears:
            return  # empty, filled and empty again between two looks is no change
        sides = [self.edits[LWW], *(vendor.edits[LWW] for vendor in self.vendors)]
        texts = [self.ours.get(LWW), *(vendor.values[LWW] for vendor in self.vendors)]
        assert len(set(map(str, texts))) == 1, self.told(f"{texts}")
        last = f"Value{self.latest[2]:03d}"
        assert str(texts[0]).startswith(last), self.told(f"{texts[0]} is not {last}; {sides}")


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


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
    ),
)
WORLDS_EACH = 300


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_world_comes_to_rest_in_agreement(setting: Setting) -> None:
    for seed in range(WORLDS_EACH):
        World(setting, seed).run()
