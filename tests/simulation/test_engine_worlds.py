"""Worlds of the production engine: three hundred of them, told the same again, and told short when they fail."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import JsonValue

from tests.simulation.engine.loop import VirtualLoop
from tests.simulation.engine.plan import plan_of
from tests.simulation.engine.play import play
from tests.simulation.engine.script import Kind, Plan, Step
from tests.simulation.engine.story import MOST_LINES, shrink, told
from tests.simulation.engine.traits import plain
from tests.simulation.engine.values import value_of
from tests.simulation.engine.vendor import MemoryVendor
from tests.simulation.planted.mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
WORLDS = 300
BEYOND = (
    382,
    547,
    638,
    662,
    1049,
    1180,
    1189,
    1244,
    1316,
    1385,
    1465,
    1470,
    1746,
    2121,
    2186,
    2222,
    2844,
    3090,
    3190,
    3314,
    3544,
    3658,
    3844,
    4110,
    4584,
    4783,
    4973,
    5172,
    5272,
    5362,
    5564,
    5614,
    5618,
    8048,
    8620,
    9559,
    9757,
    10312,
    10432,
    10934,
    11883,
    12462,
    12866,
    13569,
    13714,
    13760,
    14695,
    15453,
    15626,
    15832,
    15855,
    16196,
    17171,
    18005,
    18236,
    18875,
    19543,
    30685,
)
"""Seeds after those that told of a fault which is mended."""


def test_three_hundred_worlds_hold_every_invariant() -> None:
    """In a process without a tracer, and on every core: half small (odd seeds), half full."""
    command = [sys.executable, "-m", "tests.simulation", "--seeds", f"1-{WORLDS}", "--jobs", "2"]
    done = subprocess.run(command, cwd=ROOT, env=_untraced(), capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith(f"{WORLDS} of {WORLDS} worlds held, {WORLDS // 2} of them small"), last


@pytest.mark.parametrize("seed", BEYOND)
def test_a_world_that_told_of_a_fault_holds(seed: int) -> None:
    assert play(plan_of(seed)).failure is None


@pytest.mark.parametrize("seed", sorted({each.seed for each in MUTANTS if each.seed > WORLDS}))
def test_a_world_that_tells_of_a_planted_bug_holds_without_it(seed: int) -> None:
    assert play(plan_of(seed)).failure is None


@pytest.mark.parametrize("moves", range(24, 38, 2))
def test_what_is_undone_before_we_look_comes_to_rest(moves: int) -> None:
    """Between an answer that shows nothing and our look, *moves* gates after the edit, somebody clears the field."""
    assert play(_undone(moves)).failure is None


def test_what_a_vendor_ignores_without_a_word_is_written_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once more than it takes, since somebody may have undone it; not for ever."""
    written: list[Mapping[str, JsonValue]] = []

    def ignore(_: MemoryVendor, external_id: str, changes: Mapping[str, JsonValue], seen: Mapping[str, int]) -> None:
        assert external_id
        assert seen is not None
        written.append(changes)

    monkeypatch.setattr(MemoryVendor, "write", ignore)
    plan = _undone(1)
    verdict = play(replace(plan, steps=tuple(each for each in plan.steps if each.number != 103)))
    assert verdict.failure is not None
    assert [each["current_company"] for each in written].count(value_of("current_company", 102)) == 2
    assert all(written.count(each) == 2 for each in written)


def _undone(moves: int) -> Plan:
    """Return a world in which a company is cleared, comes from A to B, and is cleared there again."""
    steps = (
        Step(Kind.WAIT, 1, amount=60.0),
        Step(Kind.VENDOR_EDIT, 2, 0, "A", 1, "current_company", 101, clears=True),
        Step(Kind.WAIT, 3, amount=60.0),
        Step(Kind.VENDOR_EDIT, 4, 0, "A", 1, "current_company", 102),
        Step(Kind.VENDOR_EDIT, 5, moves, "B", 1, "current_company", 103, clears=True),
        Step(Kind.WAIT, 6, amount=60.0),
    )
    return Plan(1, (plain("A"), replace(plain("B"), answers="nothing")), (("A", "B"),), steps, 100, workers=1)


def test_a_full_world_has_the_size_that_is_promised() -> None:
    for seed in range(2, 40, 2):
        plan = plan_of(seed)
        assert len(plan.vendors) >= 2
        assert len(plan.people) >= 20
        assert len(plan.steps) >= 200
    assert all(len(plan_of(seed).people) <= 3 for seed in range(1, 40, 2))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_seed_tells_the_same_world_again(seed: int) -> None:
    first, again = play(plan_of(seed)), play(plan_of(seed))
    assert (first.trace, first.gates, first.figures) == (again.trace, again.gates, again.figures)


def test_a_seed_tells_the_same_world_whatever_the_order_of_sets() -> None:
    """In processes whose strings hash differently."""
    code = (
        "from tests.simulation.engine.plan import plan_of\n"
        "from tests.simulation.engine.play import play\n"
        "print(*(play(plan_of(seed)).trace for seed in (5, 6, 7)))"
    )
    traces = {
        subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**_untraced(), "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(traces) == 1


def test_the_loop_has_no_world_outside() -> None:
    loop = VirtualLoop(lambda: None)
    try:
        with pytest.raises(RuntimeError):
            loop.run_in_executor(None, print)
        with pytest.raises(NotImplementedError):
            loop.run_until_complete(asyncio.open_connection("127.0.0.1", 1))
    finally:
        loop.close()


def test_time_passes_without_waiting() -> None:
    loop: VirtualLoop
    loop = VirtualLoop(lambda: loop.advance(loop.next_timer() or 0.0))
    try:
        loop.run_until_complete(asyncio.sleep(86_400.0))
        assert loop.time() >= 86_400.0
    finally:
        loop.close()


def test_a_failing_world_becomes_a_short_story(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that writes nothing at the vendor leaves edits behind; the story names one of them and little else."""

    async def push(*_: object) -> bool:
        return False

    monkeypatch.setattr("shared.sync.reconciling.pushing.Pusher.push", push)
    kinds = (Kind.WAIT, Kind.PORTAL_EDIT, Kind.PULL)
    steps = tuple(
        Step(kinds[number % 3], number, 0, "A", 1, "current_title", 100 + number, amount=61.0) for number in range(12)
    )
    verdict = play(Plan(1, (plain("A"),), (("A",),), steps, 100))
    assert verdict.failure is not None
    small = shrink(verdict)
    story = told(small)
    assert small.failure is not None
    assert len(small.plan.steps) < len(steps)
    assert len(story.splitlines()) <= MOST_LINES
    assert play(small.plan).trace == small.trace


def _untraced() -> dict[str, str]:
    """Return our environment without what would start a tracer: under one the worlds take three times as long."""
    inherited = os.environ.items()  # noqa: TID251 - what another process is given, and no setting
    return {name: value for name, value in inherited if not name.startswith("COVERAGE")}
