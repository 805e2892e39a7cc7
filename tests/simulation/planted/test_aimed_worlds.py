"""Planted bugs that no drawn world meets: each has a story of its own, told at several moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.simulation.engine.play import play
from tests.simulation.engine.script import Fate, Kind, Plan, Step
from tests.simulation.engine.traits import plain
from tests.simulation.planted.mutant import Mutant

MOMENTS = range(8, 21, 3)
"""So many gates the pull has passed when two of those whom it brings are merged here."""


def test_who_is_merged_while_a_page_is_sorted_stays_one() -> None:
    assert [each for each in _failures() if each is not None] == []
    with Mutant("links move meanwhile", "19", _HOLD_STILL, _does_nothing, 0).planted():
        assert any(each is not None for each in _failures())


_HOLD_STILL = "shared.store.record_merges:RecordMerges.hold_still"


def _does_nothing(_original: Callable[..., Any]) -> Callable[..., Any]:
    async def answer(*_args: object) -> None:
        return None

    return answer


def _failures() -> Iterator[str | None]:
    """Play the merge at each of the moments; yield what went wrong."""
    for moves in MOMENTS:
        yield play(_pulled_and_merged(moves)).failure


def _pulled_and_merged(moves: int) -> Plan:
    """Return a world in which a pull brings an edit of somebody who becomes another's *moves* gates after its start."""
    steps = (
        Step(Kind.WAIT, 1, amount=60.0),
        Step(Kind.VENDOR_EDIT, 3, 0, "A", 2, "current_title", 201, fate=Fate.LOST),
        Step(Kind.PULL, 0, 0, "A"),
        Step(Kind.PORTAL_MERGE, 1, moves, person=1, other=2),
        Step(Kind.WAIT, 6, amount=60.0),
    )
    return Plan(1, (plain("A"), plain("B")), (("A", "B"), ("A", "B")), steps, 200, workers=3)
