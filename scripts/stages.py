"""
Run the stages of the tests, print the minutes of each, and hold them to their budget.

A stage is a list of commands; its tests are whole folders below `tests/`, so that a new
test runs without being named here, and a new folder that no stage names is an error.

A stage that waits more than it computes may have others beside it, one after the other,
which take the processors' idle time alone and say what they have to say when all are done.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from scripts import coverage_gates
from scripts.reports import Tally, read_report

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT / ".local" / "reports"
TOTAL_MINUTES = 20.0

Command = tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """One stage: *commands*, then the tests of *folders*; *minutes* is its budget."""

    name: str
    minutes: float
    commands: tuple[Command, ...] = ()
    folders: tuple[str, ...] = ()  # below tests/
    awaited: bool = False  # may have no tests yet, and says so
    workers: int = 0  # processes that share the tests; 0: this one alone
    share: str = "load"  # how: test by test, or `loadfile` where a file's set-up is dear
    branches: bool = False  # also measured, not lines alone: it takes half as long again
    beside: str = ""  # the stage whose idle time it takes; its minutes are within that one's

    def test_folders(self) -> list[str]:
        """Return those of its folders that hold tests."""
        return [f"tests/{folder}" for folder in self.folders if any((ROOT / "tests" / folder).rglob("test_*.py"))]


def generators() -> list[str]:
    """
    Return the modules of `scripts/` that write documents from code, by name: `generate_…`.

    Each writes when called plainly; with `--check` it exits 1 if a document has drifted.
    """
    return sorted(path.stem for path in (ROOT / "scripts").glob("generate_*.py"))


CHECKED = ("function_app.py", "functions", "shared", "sandbox", "scripts", "tests")

STAGES = (
    Stage(
        "static",
        1,
        commands=(
            ("ruff", "format", "--check", "."),
            ("ruff", "check", "."),
            ("mypy", *(each for each in CHECKED if (ROOT / each).exists())),
            ("lint-imports",),
            *(("python", "-m", f"scripts.{each}", "--check") for each in generators()),
        ),
    ),
    # These wait for services more than they compute, so four share two cores well.
    Stage("integration", 7, folders=("integration",), workers=4),
    Stage("acceptance", 7.5, folders=("acceptance",)),
    Stage("conformance", 1.5, folders=("contract", "conformance"), workers=2, share="loadfile"),
    # No clock of the machine's counts in these, so they bear to be kept waiting.
    Stage("simulation", 5, folders=("simulation",), workers=2, beside="acceptance"),
    Stage("unit", 2.5, folders=("unit", "property"), workers=2, branches=True, beside="acceptance"),
    Stage("browser", 0.5, folders=("browser",), awaited=True),
    Stage("bench", 0.5, folders=("bench",), awaited=True),
)
SET_UP_MINUTES = 1.5
GATES_MINUTES = 0.5
NO_TESTS = {"fixtures"}  # folders of tests/ that hold none


@dataclass
class Outcome:
    """How a stage ended."""

    name: str
    budget: float
    seconds: float
    failures: list[str] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    none_yet: bool = False
    beside: str = ""


@dataclass(frozen=True)
class Runner:
    """Runs tools; what they say goes to *out*. One that is *patient* takes the processors' idle time alone."""

    out: TextIO
    patient: bool = False

    def say(self, text: str) -> None:
        """Print *text* where the tools print."""
        print(text, file=self.out, flush=True)

    def run(self, command: Command) -> int:
        """Run a tool of this environment; return its exit code."""
        name, *arguments = command
        program = sys.executable if name == "python" else str(Path(sys.executable).with_name(name))
        tool = [program, *arguments]
        with subprocess.Popen(tool, cwd=ROOT, stdout=self.out, stderr=subprocess.STDOUT) as process:  # noqa: S603
            if self.patient and hasattr(os, "SCHED_IDLE"):
                os.sched_setscheduler(process.pid, os.SCHED_IDLE, os.sched_param(0))
            return process.wait()


def run_stages(stages: Sequence[Stage]) -> list[Outcome]:
    """Run *stages* in their order, but those that go beside another of them while that one runs."""
    names = {stage.name for stage in stages}
    outcomes = []
    for stage in stages:
        if stage.beside in names:
            continue
        guests = [each for each in stages if each.beside == stage.name]
        with running_beside(guests) as besides:
            outcomes.append(run_stage(stage, Runner(sys.stdout)))
        outcomes += besides
    return outcomes


@contextmanager
def running_beside(stages: Sequence[Stage]) -> Iterator[list[Outcome]]:
    """Run *stages* in turn meanwhile, patiently; at the end the list that is yielded has what they came to."""
    outcomes: list[Outcome] = []
    with ExitStack() as stack:
        said = [stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in stages]
        thread = stack.enter_context(ThreadPoolExecutor(max_workers=1))
        pairs = zip(stages, said, strict=True)
        running = [thread.submit(run_stage, stage, Runner(out, patient=True)) for stage, out in pairs]
        yield outcomes
        outcomes += [each.result() for each in running]
        for out in said:
            out.seek(0)
            shutil.copyfileobj(out, sys.stdout)


def run_stage(stage: Stage, runner: Runner) -> Outcome:
    """Run all of *stage*, also after a failure, so that one run shows everything wrong."""
    runner.say(f"\n=== {stage.name} " + "=" * (70 - len(stage.name)))
    started = time.monotonic()
    outcome = Outcome(stage.name, stage.minutes, 0, beside=stage.beside)
    for command in stage.commands:
        runner.say("$ " + " ".join(command))
        if (code := runner.run(command)) != 0:
            outcome.failures.append(f"{' '.join(command[:2])} ended with {code}")
    if folders := stage.test_folders():
        run_tests(stage, folders, outcome, runner)
    elif stage.awaited:
        runner.say("none yet")
        outcome.none_yet = True
    elif stage.folders:
        outcome.failures.append(f"no tests in {', '.join(stage.folders)}")
    outcome.seconds = time.monotonic() - started
    return outcome


def run_tests(stage: Stage, folders: Sequence[str], outcome: Outcome, runner: Runner) -> None:
    """Run the tests of *folders* under coverage, and add their figures to *outcome*."""
    report = REPORTS / f"{stage.name}.xml"
    report.unlink(missing_ok=True)
    shared = ("-n", str(stage.workers), "--dist", stage.share) if stage.workers else ()
    measure = ("--branch", f"--data-file={coverage_gates.BRANCHES}") if stage.branches else ()
    code = runner.run(
        ("coverage", "run", *measure, "-m", "pytest", *folders, *shared, f"--junitxml={report}", "--durations=5")
    )
    outcome.tally = read_report(report) if report.exists() else Tally()
    if code != 0:
        outcome.failures.append(f"pytest ended with {code}")


def unnamed_folders(stages: Sequence[Stage] = STAGES) -> list[str]:
    """Return the folders of `tests/` with tests that no stage would run."""
    named = {folder for stage in stages for folder in stage.folders} | NO_TESTS
    return sorted(
        folder.name
        for folder in (ROOT / "tests").iterdir()
        if folder.is_dir() and folder.name not in named and any(folder.rglob("test_*.py"))
    )


def run_gates() -> Outcome:
    """Hold what the stages left to the gates that count for all of them together."""
    gates, started = Outcome("gates", GATES_MINUTES, 0), time.monotonic()
    gates.failures = [f"tests/{name} is in no stage" for name in unnamed_folders()]
    gates.failures += coverage_gates.check(ROOT)
    gates.seconds = time.monotonic() - started
    return gates


def print_table(outcomes: Sequence[Outcome]) -> float:
    """Print minutes and results of each stage; return all minutes together, of what went side by side the longer."""
    print(f"\n{'stage':<14}{'minutes':>8}{'budget':>8}  result")
    alone: dict[str, float] = {}
    beside: defaultdict[str, float] = defaultdict(float)
    for outcome in outcomes:
        minutes = outcome.seconds / 60
        result = "none yet" if outcome.none_yet else "; ".join(outcome.failures) or "ok"
        result += f", beside {outcome.beside}" if outcome.beside else ""
        over = "  OVER ITS BUDGET" if minutes > outcome.budget else ""
        print(f"{outcome.name:<14}{minutes:>8.2f}{outcome.budget:>8.1f}  {result}{over}")
        if outcome.beside:
            beside[outcome.beside] += minutes
        else:
            alone[outcome.name] = minutes
    total = sum(max(alone.get(name, 0.0), beside[name]) for name in {*alone, *beside})
    print(f"{'all':<14}{total:>8.2f}{TOTAL_MINUTES:>8.0f}")
    return total


def main() -> int:
    """Run the stages asked for; return 0 if all is well and in time."""
    parser = argparse.ArgumentParser(description=__doc__, prog="scripts/test")
    names = [stage.name for stage in STAGES]
    parser.add_argument("--only", choices=names, action="append", help="run only this stage")
    parser.add_argument("--set-up-seconds", type=float, default=0.0, help="spent before us")
    arguments = parser.parse_args()

    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    coverage_gates.erase(ROOT)
    outcomes = [Outcome("set-up", SET_UP_MINUTES, arguments.set_up_seconds)]
    outcomes += run_stages([stage for stage in STAGES if stage.name in (arguments.only or names)])
    if not arguments.only:
        outcomes.append(run_gates())

    total = print_table(outcomes)
    tally = sum((outcome.tally for outcome in outcomes), Tally())
    # Whatever fails that is no test counts as one failed, so the closing line never lies.
    bare = sum(bool(each.failures) and not each.tally.failed for each in outcomes)
    bare += total > TOTAL_MINUTES
    print(f"\n{tally.passed} passed, {tally.failed + bare} failed, {tally.skipped} skipped")
    return 1 if tally.failed + bare else 0


if __name__ == "__main__":
    sys.exit(main())
