"""Planted bugs that no drawn world meets: each has a story of its own, told at several moments."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from tests.simulation.engine.play import play
from tests.simulation.engine.script import Fate, Kind, Plan, Step
from tests.simulation.engine.traits import plain
from tests.simulation.planted.mutant import Mutant

PAGE = "shared.store.record_merges:RecordMerges.hold_still"
OWN = "shared.sync.applying.apply:_require_own"
HIDDEN = "shared.sync.creating.birth:_with_intent"
UNSETTLED = "shared.sync.identity.identify:_unsettled"
AWAITED = "shared.sync.creating.create:Creator._wait_for_merge"


def test_who_is_merged_while_a_page_is_sorted_stays_one() -> None:
    """Nothing moves a link between the look at it and the lock on its record."""
    worlds = [_pulled_and_merged(moves) for moves in range(8, 21, 3)]
    assert _failures(worlds) == []
    assert (
        _noticed(Mutant("links move meanwhile", "19", PAGE, _does_nothing_later, 0, "duplicate key value"), worlds) > 0
    )


def test_a_job_leaves_a_link_that_has_moved_to_the_job_of_its_record() -> None:
    """Else both write there, and one of them what the vendor holds by then."""
    worlds = [_edited_and_merged(moves, salt) for moves, salt in ((14, 9034), (19, 10951), (9, 23854))]
    assert _failures(worlds) == []
    assert (
        _noticed(
            Mutant("a job follows a link", "19", OWN, _does_nothing, 0, "was written though the vendor holds it"),
            worlds,
        )
        > 0
    )


def test_what_a_create_s_answer_hides_is_known_for_our_own() -> None:
    """Else the first look takes it for the vendor's word, younger than what another system's people had entered."""
    worlds = [_edited_and_created(moves) for moves in range(0, 8, 2)]
    assert _failures(worlds) == []
    assert _noticed(
        Mutant("what a create's answer hides is not known", "20", HIDDEN, _only_what_is_shown, 0, "and was undone"),
        worlds,
    ) == len(worlds)


def _only_what_is_shown(_original: Callable[..., Any]) -> Callable[..., Any]:
    """Leave no intent: the base is what the answer shows alone."""

    def with_intent(*args: Any) -> Any:
        *_, known = args
        return known

    return with_intent


def test_what_a_create_has_made_and_its_vendor_moved_is_ours_before_the_merge_is_known() -> None:
    """Else it comes in as another application of who is left, and ours is said to have failed."""
    worlds = [_moved(fate, s) for fate, s in ((Fate.LOST, 1.0), (Fate.LOST, 20.0), (Fate.DELAYED, 1.0))]
    assert _failures(worlds) == []
    assert _noticed(
        Mutant("what a vendor has moved is new", "19", UNSETTLED, _finds_nothing, 0, "with two records in the portal"),
        worlds,
    ) == len(worlds)


def test_a_search_for_somebody_who_has_left_is_not_believed() -> None:
    """It finds nothing, and what it looks for is somebody else's by then."""
    worlds = [_moved(Fate.LOST, seen_after_s) for seen_after_s in (70.0, 100.0)]
    assert _failures(worlds) == []
    assert _noticed(
        Mutant("nobody waits for a merge", "19", AWAITED, _does_nothing_later, 0, "with two records in the portal"),
        worlds,
    ) == len(worlds)


def _does_nothing(_original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *_args: None


def _does_nothing_later(_original: Callable[..., Any]) -> Callable[..., Any]:
    async def answer(*_args: object) -> None:
        return None

    return answer


def _finds_nothing(_original: Callable[..., Any]) -> Callable[..., Any]:
    async def answer(*_args: object) -> dict[str, object]:
        return {}

    return answer


def _noticed(mutant: Mutant, worlds: Iterable[Plan]) -> int:
    """Play *worlds* with the bug; return how many fail as the oracle would tell of it."""
    with mutant.planted():
        return sum(mutant.words in failure for failure in _failures(worlds))


def _failures(worlds: Iterable[Plan]) -> list[str]:
    """Play *worlds*; return what went wrong."""
    return [failure for each in worlds if (failure := play(each).failure) is not None]


def _pulled_and_merged(moves: int) -> Plan:
    """Return a world in which a pull brings an edit of somebody who becomes another's *moves* gates after its start."""
    return _world(
        Step(Kind.VENDOR_EDIT, 3, 0, "A", 2, "current_title", 201, fate=Fate.LOST),
        Step(Kind.PULL, 0, 0, "A"),
        Step(Kind.PORTAL_MERGE, 1, moves, person=1, other=2),
    )


def _edited_and_merged(moves: int, salt: int) -> Plan:
    """Return a world in which somebody is edited here and becomes another's *moves* gates later."""
    return _world(
        Step(Kind.PORTAL_EDIT, salt, 0, person=2, name="current_title", number=201),
        Step(Kind.PORTAL_MERGE, salt + 1, moves, person=1, other=2),
    )


def _edited_and_created(moves: int) -> Plan:
    """Return a world in which A gets somebody, answers without a word, and B's people had edited them before that."""
    story = (
        Step(Kind.WAIT, 1, amount=60.0),
        Step(Kind.VENDOR_EDIT, 3, 0, "B", 1, "current_title", 201, fate=Fate.LOST),
        Step(Kind.WAIT, 4, amount=1.0),
        Step(Kind.SUBMIT, 5, 0, "A", 1, number=301),
        Step(Kind.PULL, 6, moves, "B"),
        Step(Kind.WAIT, 7, amount=60.0),
    )
    silent = replace(plain("A"), answers="nothing")
    return Plan(1, (silent, plain("B")), (("B",),), story, 200, jobs=1, workers=3)


def _moved(fate: Fate, seen_after_s: float) -> Plan:
    """Return a world in which an application whose create has no answer is moved by a merge, and then pulled."""
    steps = (
        Step(Kind.WAIT, 1, amount=60.0),
        Step(Kind.LOSE_ANSWER, 2, 0, "A", name="create"),
        Step(Kind.SUBMIT, 3, 0, "A", 2, number=201),
        Step(Kind.WAIT, 4, amount=1.0),
        Step(Kind.VENDOR_MERGE, 5, 0, "A", 1, other=2, fate=fate),
        Step(Kind.WAIT, 6, amount=seen_after_s),
        Step(Kind.PULL, 7, 0, "A"),
        Step(Kind.WAIT, 8, amount=60.0),
    )
    return Plan(1, (replace(plain("A"), search_lag_s=5.0),), (("A",), ("A",)), steps, 210, jobs=1)


def _world(*steps: Step) -> Plan:
    """Return a world of two people, both at two vendors, to whom *steps* happen."""
    story = (Step(Kind.WAIT, 1, amount=60.0), *steps, Step(Kind.WAIT, 6, amount=60.0))
    return Plan(1, (plain("A"), plain("B")), (("A", "B"), ("A", "B")), story, 200, workers=3)
