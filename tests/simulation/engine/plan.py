"""Drawing a world from one seed: its vendors, its people and what happens to them (`script.Plan`)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from tests.simulation.engine.scenes import staged
from tests.simulation.engine.script import Fate, Kind, Plan, Step
from tests.simulation.engine.traits import drawn, plain
from tests.simulation.engine.values import IDENTITY, MOVES, SCALARS, TAGS

WEIGHTS: dict[Kind, float] = {
    Kind.VENDOR_EDIT: 26,
    Kind.PORTAL_EDIT: 20,
    Kind.VENDOR_TAG: 6,
    Kind.PORTAL_TAG: 6,
    Kind.NEW_PERSON: 1,
    Kind.DECIDE: 5,
    Kind.PULL: 5,
    Kind.PUSH: 1,
    Kind.WAIT: 9,
    Kind.CRASH: 3,
    Kind.FREEZE: 1,
    Kind.FAIL: 5,
    Kind.LIMIT: 1,
    Kind.HIDE: 1,
    Kind.SHOW: 2,
    Kind.EMPTY_LIST: 0.5,
    Kind.MISSING: 0.5,
    Kind.EXPIRE: 0.5,
    Kind.DELETE: 0.5,
    Kind.VENDOR_MERGE: 2,
    Kind.PORTAL_MERGE: 1,
    Kind.PORTAL_PART: 1,
    Kind.REGISTER: 1,
    Kind.SUBMIT: 4,
    Kind.APPLY: 1.5,
    Kind.VENDOR_MOVE: 4,
    Kind.PORTAL_MOVE: 4,
    Kind.LOSE_KNOCK: 2,
}
EDITS = frozenset({Kind.VENDOR_EDIT, Kind.PORTAL_EDIT, Kind.VENDOR_TAG, Kind.PORTAL_TAG})
OF_APPLICATIONS = frozenset({Kind.REGISTER, Kind.SUBMIT, Kind.APPLY, Kind.VENDOR_MOVE, Kind.PORTAL_MOVE})
IN_PORTAL = frozenset(
    {
        Kind.PORTAL_EDIT,
        Kind.PORTAL_TAG,
        Kind.DECIDE,
        Kind.PORTAL_MERGE,
        Kind.PORTAL_PART,
        Kind.REGISTER,
        Kind.PORTAL_MOVE,
    }
)
AT_VENDORS = frozenset(WEIGHTS) - IN_PORTAL - {Kind.WAIT, Kind.CRASH, Kind.FREEZE, Kind.FAIL, Kind.LOSE_KNOCK}
AMOUNTS: dict[Kind, tuple[float, ...]] = {
    Kind.DECIDE: tuple(range(100)),
    Kind.WAIT: (1.0, 5.0, 20.0, 61.0, 300.0),
    Kind.CRASH: tuple(range(1, 41)),
    Kind.FAIL: tuple(range(1, 41)),
    Kind.FREEZE: (31.0, 61.0, 130.0),
    Kind.LIMIT: (5.0, 40.0),
    Kind.MISSING: (120.0,),
}
SMALL_STEPS, FULL_STEPS = 45, 220


def plan_of(seed: int) -> Plan:
    """Return the world of *seed*: odd: small (at most 3 people, 20 to 45 steps); even: full (20 to 26, 220)."""
    roll = Random(f"world {seed}")  # noqa: S311 - a seed
    is_small = seed % 2 == 1
    names = ["A", "B", "C"][: roll.choice([1, 2, 2, 3]) if is_small else roll.choice([2, 2, 3])]
    is_plain = roll.random() < 0.2
    vendors = tuple(plain(name) if is_plain else drawn(name, roll) for name in names)
    count = roll.randint(1, 3) if is_small else roll.randint(20, 26)
    people = tuple(_homes(names, roll) for _ in range(count))
    first_number = 1 + (count + 20) * len(SCALARS) * len(names)
    jobs = roll.choice([0, 1, 2] if is_small else [0, 0, 1, 2])
    maker = _Maker(roll, names, count, first_number, _weights(roll, jobs))
    steps = tuple(maker.steps(roll.randint(20, SMALL_STEPS) if is_small else FULL_STEPS))
    every_s = roll.choice([0, 0, 300, 600])
    workers = roll.choice([1, 2, 3])
    ends_decided = roll.random() < 0.5
    plan = Plan(seed, vendors, people, steps, first_number, jobs, every_s, workers, is_small, ends_decided)
    return staged(plan) if is_small else plan


def _homes(names: list[str], roll: Random) -> tuple[str, ...]:
    homes = tuple(name for name in names if roll.random() < 0.7)
    return homes or (roll.choice(names),)


def _weights(roll: Random, jobs: int) -> dict[Kind, float]:
    """Return the weights of one world: some have no faults at all, some nothing but edits and deaths."""
    weights = dict(WEIGHTS)
    for kind in list(weights):
        if kind not in (Kind.VENDOR_EDIT, Kind.PORTAL_EDIT, Kind.WAIT) and roll.random() < 0.3:
            weights[kind] = 0.0
        if kind in OF_APPLICATIONS and jobs == 0:
            weights[kind] = 0.0
    return weights


@dataclass
class _Maker:
    roll: Random
    names: list[str]
    people: int
    number: int
    weights: dict[Kind, float]
    favourites: list[str] = field(default_factory=list)

    def steps(self, count: int) -> list[Step]:
        kinds, weights = list(self.weights), list(self.weights.values())
        # Few fields and few people meet often, and meetings are where things go wrong.
        self.favourites = self.roll.sample(SCALARS, 3)
        return [self._step(kind) for kind in self.roll.choices(kinds, weights, k=count)]

    def _step(self, kind: Kind) -> Step:
        roll = self.roll
        step = Step(kind, roll.getrandbits(32), roll.choice([0, 0, 1, 3, 8, 20]))
        if kind in EDITS or kind is Kind.DECIDE:
            self.number += 1
            step = replace(step, number=self.number)
        if kind in EDITS:
            step = self._edit(step)
        if kind in AT_VENDORS:
            step = replace(step, vendor=roll.choice(self.names))
        if kind in AMOUNTS:
            step = replace(step, amount=roll.choice(AMOUNTS[kind]))
        if kind is Kind.HIDE:
            step = replace(step, name=roll.choice(self.favourites))
        return self._meeting(self._moving(step))

    def _meeting(self, step: Step) -> Step:
        """Draw who comes, goes or becomes one with whom."""
        kind = step.kind
        if kind in (Kind.DELETE, Kind.PORTAL_PART):
            step = replace(step, person=self._person())
        if kind in (Kind.VENDOR_MERGE, Kind.PORTAL_MERGE):
            step = replace(step, person=self._person(), other=self._person())
        if kind in (Kind.VENDOR_MERGE, Kind.DELETE, Kind.APPLY, Kind.VENDOR_MOVE):
            step = replace(step, fate=self._fate())
        if kind in (Kind.NEW_PERSON, Kind.REGISTER):
            self.people += 1
            step = replace(step, person=self.people)
        return step

    def _moving(self, step: Step) -> Step:
        """Draw whose application it is, and how it moves."""
        if step.kind not in OF_APPLICATIONS or step.kind is Kind.REGISTER:
            return step
        self.number += 2  # a stage and a status
        name = self.roll.choice(MOVES) if step.kind in (Kind.VENDOR_MOVE, Kind.PORTAL_MOVE) else ""
        amount = float(self.roll.randrange(20))
        return replace(step, person=self._person(), name=name, number=self.number - 1, amount=amount)

    def _edit(self, step: Step) -> Step:
        roll, is_tag = self.roll, step.kind in (Kind.VENDOR_TAG, Kind.PORTAL_TAG)
        name = roll.choice(self.favourites) if roll.random() < 0.8 else roll.choice(SCALARS)
        clears = roll.random() < (0.4 if is_tag else 0.1) and (is_tag or name not in IDENTITY)
        fate = self._fate() if step.kind in AT_VENDORS else Fate.SENT
        return replace(step, person=self._person(), name=TAGS if is_tag else name, clears=clears, fate=fate)

    def _fate(self) -> Fate:
        return self.roll.choices(list(Fate), [6, 2, 1, 1])[0]

    def _person(self) -> int:
        return (
            self.roll.randint(1, max(1, min(self.people, 5)))
            if self.roll.random() < 0.6
            else self.roll.randint(1, self.people)
        )
