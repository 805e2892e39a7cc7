"""
From a failing seed to a short story: whatever can be left out without the failure going away is left out.

The plan is replayed, not the seed: every step keeps its own salt, so that the choices made between two steps stay as
they were while others are taken out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from tests.simulation.engine.play import Verdict, play
from tests.simulation.engine.script import Plan
from tests.simulation.engine.traits import Traits, plain

MOST_PLAYS = 600
_P = TypeVar("_P")
MOST_LINES = 12


def kind_of(failure: str) -> str:
    """Return *failure* without the numbers and names that differ from one telling to the next."""
    plain_text = re.sub(r"#?\d+|nothing\b", "#", failure)
    return re.sub(r"\b(?:" + "|".join(_FIELDS) + r")\b", "field", re.sub(r"\b[ABC]\b", "V", plain_text))[:80]


_FIELDS = ("name", "first_name", "last_name", "preferred_name", "email", "phone", "current_title", "current_company")


def shrink(verdict: Verdict, *, again: Callable[[Plan], Verdict] = play, most: int = MOST_PLAYS) -> Verdict:
    """Return the smallest world found that fails in the same way. *again* plays a plan, *most* times."""
    if verdict.failure is None:
        raise ValueError("only a failing world can be made smaller")
    search = _Search(verdict, kind_of(verdict.failure), again, most)
    plays = -1
    while plays != search.plays_that_helped and search.plays < most:
        plays = search.plays_that_helped
        search.in_pieces(lambda plan: plan.steps, lambda plan, steps: replace(plan, steps=steps))
        search.each(_fewer_vendors)
        search.in_pieces(_inhabited, _only_people)
        search.each(_calmer)
    return search.best


@dataclass
class _Search:
    best: Verdict
    kind: str
    again: Callable[[Plan], Verdict]
    most: int
    plays: int = 0
    plays_that_helped: int = 0

    def tries(self, plan: Plan) -> bool:
        """Whether *plan* fails in the same way; then it is the best one."""
        if self.plays >= self.most:
            return False
        self.plays += 1
        tried = self.again(plan)
        if tried.failure is None or kind_of(tried.failure) != self.kind:
            return False
        self.best = tried
        self.plays_that_helped += 1
        return True

    def in_pieces(
        self, parts: Callable[[Plan], tuple[_P, ...]], without: Callable[[Plan, tuple[_P, ...]], Plan]
    ) -> None:
        """Leave out *parts*, half of them at first, then ever smaller pieces."""
        size = max(1, len(parts(self.best.plan)) // 2)
        while True:
            start = 0
            while start < len(parts(self.best.plan)):
                whole = parts(self.best.plan)
                if not self.tries(without(self.best.plan, whole[:start] + whole[start + size :])):
                    start += size
            if size == 1:
                return
            size //= 2

    def each(self, simpler: Callable[[Plan], Iterator[Plan]]) -> None:
        """Take every simpler plan that still fails."""
        while any(self.tries(plan) for plan in simpler(self.best.plan)):
            pass


def _inhabited(plan: Plan) -> tuple[int, ...]:
    return tuple(number for number, homes in enumerate(plan.people, 1) if homes)


def _only_people(plan: Plan, people: tuple[int, ...]) -> Plan:
    kept = tuple(homes if number in people else () for number, homes in enumerate(plan.people, 1))
    return replace(plan, people=kept)


def told(verdict: Verdict) -> str:
    """Return the story of *verdict* in twelve lines at most: who took part, what happened, what went wrong."""
    plan = verdict.plan
    vendors = "; ".join(" ".join([each.name, *each.odd()]) for each in plan.vendors)
    people = ", ".join(f"{number} at {'+'.join(homes)}" for number, homes in enumerate(plan.people, 1) if homes)
    head = [f"seed {plan.seed}: vendors {vendors}", f"people {people}; {plan.workers} worker(s)"]
    steps = [each.told() for each in plan.steps]
    room = MOST_LINES - len(head) - 1
    if len(steps) > room:
        steps = [*steps[: room - 1], f"… and {len(steps) - room + 1} more steps"]
    return "\n".join([*head, *steps, f"then: {verdict.failure}"])


def _fewer_vendors(plan: Plan) -> Iterator[Plan]:
    for gone in plan.vendors if len(plan.vendors) > 1 else ():
        yield replace(
            plan,
            vendors=tuple(each for each in plan.vendors if each is not gone),
            people=tuple(tuple(home for home in homes if home != gone.name) for homes in plan.people),
            steps=tuple(each for each in plan.steps if each.vendor != gone.name),
        )


def _calmer(plan: Plan) -> Iterator[Plan]:
    if plan.ends_decided:
        yield replace(plan, ends_decided=False)
    if plan.workers > 1:
        yield replace(plan, workers=1)
    for index, traits in enumerate(plan.vendors):
        for simpler in _simpler(traits):
            yield replace(plan, vendors=(*plan.vendors[:index], simpler, *plan.vendors[index + 1 :]))


def _simpler(traits: Traits) -> Iterator[Traits]:
    bare = plain(traits.name)
    if traits == bare:
        return
    yield bare
    for name in traits.fields:
        yield replace(traits, fields={each: trait for each, trait in traits.fields.items() if each != name})
    for name in Traits.__slots__:
        if name not in ("name", "fields") and getattr(traits, name) != getattr(bare, name):
            yield replace(traits, **{name: getattr(bare, name)})
