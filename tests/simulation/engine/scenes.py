"""
Scenes: some small worlds dwell on what chance alone would bring about once in thousands.

A scene is drawn apart from the rest, so that worlds without one stay what they are, and is put in between the steps of
the story.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from tests.simulation.engine.script import Kind, Plan, Step

CREATES = 0.25
"""So many small worlds have scenes of creates."""
EDITED_MEANWHILE = 0.5
"""So many of those whose create goes wrong are edited before anybody knows how it ended."""
ARCHIVES = 0.25
"""So many have scenes of archiving."""
POLICIES = ((), ("candidate",), ("candidate",), ("candidate", "application"), ("application",))
SEARCH_LAGS_S = (0.0, 5.0, 30.0, 120.0)


def staged(plan: Plan) -> Plan:
    """Return *plan* with the scenes of its seed, if it has any."""
    roll = Random(f"scenes {plan.seed}")  # noqa: S311 - a seed
    if roll.random() < CREATES:
        plan = _with_creates(plan, roll)
    roll = Random(f"archives {plan.seed}")  # noqa: S311 - a seed
    if roll.random() < ARCHIVES:
        plan = _with_archives(plan, roll)
    return plan


def _with_creates(plan: Plan, roll: Random) -> Plan:
    """
    Let people be submitted whom the vendor does not know, and let their creates go wrong.

    The call is taken and its answer gets lost, its worker dies upon it, or the vendor's own people were faster. While
    nobody knows what became of it, people in the portal go on editing.
    """
    meanwhile = Random(f"meanwhile {plan.seed}")  # noqa: S311 - a seed
    lag_s = roll.choice(SEARCH_LAGS_S)
    vendors = tuple(replace(each, search_lag_s=lag_s) for each in plan.vendors)
    plan = replace(plan, vendors=vendors, jobs=max(1, plan.jobs))
    stage = _Stage(plan, roll)
    for _ in range(roll.randint(2, 4)):
        vendor = roll.choice(plan.vendors).name
        person = roll.randint(1, len(plan.people))
        scene = []
        if roll.random() < 0.7:
            person = stage.newcomer()
            scene += [stage.step(Kind.REGISTER, person=person), stage.step(Kind.WAIT, amount=1.0)]
        wrong = roll.choice([Kind.LOSE_ANSWER, Kind.LOSE_ANSWER, Kind.CRASH_UPON, Kind.BY_HAND])
        name = "" if wrong is Kind.BY_HAND else "create"
        number = stage.numbers(2)  # a stage and a status
        scene += [
            stage.step(wrong, vendor=vendor, person=0 if name else person, name=name),
            stage.step(
                Kind.SUBMIT, vendor=vendor, person=person, number=number, amount=float(roll.randrange(plan.jobs))
            ),
        ]
        if roll.random() < 0.5:
            scene.append(stage.step(Kind.WAIT, amount=roll.choice([1.0, 5.0, 20.0, 61.0])))
        if name and meanwhile.random() < EDITED_MEANWHILE:
            edited = meanwhile.choice(["email", "email", "last_name", "phone", "current_title"])
            scene += [
                stage.step(Kind.WAIT, amount=1.0),
                stage.step(Kind.PORTAL_EDIT, person=person, name=edited, number=stage.numbers(1)),
            ]
        stage.put(scene)
    return replace(plan, steps=tuple(stage.steps))


def _with_archives(plan: Plan, roll: Random) -> Plan:
    """
    Let people archive and restore, one or several at once, by policies that delete at vendors or keep.

    The delete may lose its answer, its worker may die upon it, somebody may restore meanwhile, or a brake may hold it.
    """
    vendors = tuple(
        replace(
            each,
            deletes=roll.choice(POLICIES),
            takes_deletes=roll.random() < 0.85,
            brake=roll.choice([1, 2, 20]),
        )
        for each in plan.vendors
    )
    plan = replace(plan, vendors=vendors)
    stage = _Stage(plan, roll)
    for _ in range(roll.randint(2, 4)):
        vendor = roll.choice(vendors).name
        scene = []
        if roll.random() < 0.5:
            scene.append(stage.step(roll.choice([Kind.LOSE_ANSWER, Kind.CRASH_UPON]), vendor=vendor, name="delete"))
        for _ in range(roll.choice([1, 1, 2, 3])):
            # Of an application no person is named, but its place among all.
            person = 0 if plan.jobs and roll.random() < 0.3 else roll.randint(1, len(plan.people))
            scene.append(stage.step(Kind.ARCHIVE, person=person, amount=0.0 if person else float(roll.randrange(5))))
        if roll.random() < 0.3:
            scene.append(stage.step(Kind.WAIT, amount=roll.choice([1.0, 20.0, 61.0])))
        restored = [each for each in scene if each.kind is Kind.ARCHIVE and roll.random() < 0.6]
        scene += [stage.step(Kind.RESTORE, person=each.person, amount=each.amount) for each in restored]
        if roll.random() < 0.5:
            scene.append(stage.step(Kind.DECIDE_DELETES, vendor=vendor))
        stage.put(scene)
    return replace(plan, steps=tuple(stage.steps))


@dataclass
class _Stage:
    """The story, and the numbers that are still free in it."""

    plan: Plan
    roll: Random

    def __post_init__(self) -> None:
        self.steps = list(self.plan.steps)
        self._number = max([self.plan.first_number, *(each.number for each in self.steps)]) + 2
        comers = (each.person for each in self.steps if each.kind in (Kind.NEW_PERSON, Kind.REGISTER))
        self._people = max([len(self.plan.people), *comers])

    def newcomer(self) -> int:
        """Return the number of somebody who has not been yet."""
        self._people += 1
        return self._people

    def numbers(self, count: int) -> int:
        """Return the first of so many numbers of edits."""
        self._number += count
        return self._number - count

    def step(
        self, kind: Kind, *, vendor: str = "", person: int = 0, name: str = "", number: int = 0, amount: float = 0.0
    ) -> Step:
        """Return a step with choices of its own."""
        moves = self.roll.choice([0, 1, 8, 20])
        return Step(kind, self.roll.getrandbits(32), moves, vendor, person, name, number, amount=amount)

    def put(self, scene: list[Step]) -> None:
        """Put *scene* somewhere into the later two thirds of the story, by when the vendors were read once."""
        at = self.roll.randint(len(self.steps) // 3, len(self.steps))
        self.steps[at:at] = scene
