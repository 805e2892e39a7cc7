"""The oracle can fail: each kind of loss is told, and what is none is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.acceptance.kills.edits import Edit, Key, Outcome, Side
from tests.acceptance.kills.faults import FAULTS
from tests.acceptance.kills.plan import chunks
from tests.acceptance.kills.verdicts import Sides, judge

TITLE: Key = ("candidate", 7, "current_title")
PHONE: Key = ("candidate", 7, "phone")
RECORD = "record"


def edit(
    side: Side, value: str, at: float, *, key: Key = TITLE, seen: str | None = None, how: Outcome = "acknowledged"
) -> Edit:
    return Edit(side, key, value, at, at + 0.5, how, seen)


def sides(
    here: str, there: str, *, conflict: tuple[str, Sequence[str]] | None = None, calls: Sequence[Mapping[str, Any]] = ()
) -> Sides:
    return Sides(
        here={("candidate", 7): {"current_title": here, "phone": here}},
        there={("candidate", 7): {"title": there, "phone_numbers": [{"value": there, "type": "mobile"}]}},
        conflicts={} if conflict is None else {(RECORD, "phone"): conflict},
        ids={("candidate", 7): RECORD},
        calls={7: calls},
    )


def call(method: str, at: float, body: str | None = None) -> Mapping[str, Any]:
    return {"method": method, "at": at, "seconds": 0.1, "body": body}


GOOD: Mapping[str, tuple[list[Edit], Sides, dict[str, int]]] = {
    "the later of two sides stands": (
        [edit("here", "a", 0), edit("there", "b", 5)],
        sides("b", "b"),
        {"found": 1, "superseded": 1},
    ),
    "an edit without an answer may stand": (
        [edit("here", "a", 0), edit("here", "b", 5, how="unknown")],
        sides("b", "b"),
        {"superseded": 1},
    ),
    "a critical edit gives way to one whose author saw it": (
        [edit("there", "a", 0, key=PHONE), edit("here", "b", 5, key=PHONE, seen="a")],
        sides("b", "b"),
        {"found": 1, "superseded": 1},
    ),
    "a critical edit was written there before the next was made": (
        [edit("here", "a", 0, key=PHONE), edit("there", "b", 5, key=PHONE)],
        sides("b", "b", calls=[call("GET", 1), call("PATCH", 2, '{"value": "a"}')]),
        {"found": 1, "superseded": 1},
    ),
    "a conflict holds both": (
        [edit("here", "a", 0, key=PHONE), edit("there", "b", 5, key=PHONE)],
        sides("a", "b", conflict=("a", ["b"])),
        {"held": 2},
    ),
    "an edit between our fetch and our write": (
        [edit("here", "a", 0), edit("there", "b", 5)],
        sides("a", "a", calls=[call("GET", 4.9), call("PATCH", 5.6, '{"title": "a"}')]),
        {"found": 1, "raced": 1},
    ),
}
LOST: Mapping[str, tuple[list[Edit], Sides]] = {
    "the later of two sides is gone": ([edit("here", "a", 0), edit("there", "b", 5)], sides("a", "a")),
    "the later of one side is gone": ([edit("here", "a", 0), edit("here", "b", 5)], sides("a", "a")),
    "a value that nobody gave": ([edit("here", "a", 0)], sides("x", "x")),
    "the sides differ": ([edit("here", "a", 0)], sides("a", "x")),
    "a conflict that shows another value": (
        [edit("here", "a", 0, key=PHONE), edit("there", "b", 5, key=PHONE)],
        sides("a", "b", conflict=("a", ["x"])),
    ),
    "a conflict in place of a later edit": (
        [edit("here", "a", 0, key=PHONE), edit("here", "c", 2, key=PHONE), edit("there", "b", 5, key=PHONE)],
        sides("a", "b", conflict=("a", ["b"])),
    ),
    "a critical edit that nobody saw": (
        [edit("here", "a", 0, key=PHONE), edit("there", "b", 5, key=PHONE)],
        sides("b", "b"),
    ),
    "an edit after our fetch of long ago": (
        [edit("here", "a", 0), edit("there", "b", 5)],
        sides("a", "a", calls=[call("GET", 1), call("PATCH", 90, '{"title": "a"}')]),
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_accounted_for_is_counted(name: str) -> None:
    edits, both, counts = GOOD[name]
    verdicts = judge({edits[0].key: edits}, both)
    assert verdicts.wrong == []
    assert dict(verdicts.counts) == counts


@pytest.mark.parametrize("name", LOST)
def test_a_loss_is_told(name: str) -> None:
    edits, both = LOST[name]
    verdicts = judge({edits[0].key: edits}, both)
    assert verdicts.wrong
    assert verdicts.counts["lost"] == 1


@pytest.mark.parametrize("kills", [10, 20, 50])
def test_every_kind_of_fault_happens(kills: int) -> None:
    planned = chunks(kills, seed=3)
    assert sum(len(chunk.kills) for chunk in planned) == kills
    assert {kill.fault for chunk in planned for kill in chunk.kills} == {*FAULTS, None}
