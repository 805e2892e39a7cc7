"""
Run the stages of the tests, print the minutes of each, and hold them to their budget.

A stage is a list of commands; its tests are whole folders below `tests/`, so that a new
test runs without being named here, and a new folder that no stage names is an error.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

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
    Stage("unit", 1.5, folders=("unit", "property"), workers=2, branches=True),
    # These wait for services more than they compute, so four share two cores well.
    Stage("integration", 5, folders=("integration",), workers=4),
    Stage("acceptance", 6.5, folders=("acceptance",)),
    Stage("conformance", 1.5, folders=("contract", "conformance"), workers=2, share="loadfile"),
    Stage("simulation", 2, folders=("simulation",), workers=2),
    Stage("browser", 0.5, folders=("browser",), awaited=True),
    Stage("bench", 0.5, folders=("bench",), awaited=True),
)
SET_UP_MINUTES = 1.5
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


def run_stage(stage: Stage) -> Outcome:
    """Run all of *stage*, also after a failure, so that one run shows everything wrong."""
    print(f"\n=== {stage.name} " + "=" * (70 - len(stage.name)), flush=True)
    started = time.monotonic()
    outcome = Outcome(stage.name, stage.minutes, 0)
    for command in stage.commands:
        print("$ " + " ".join(command), flush=True)
        if (code := run_tool(command)) != 0:
            outcome.failures.append(f"{' '.join(command[:2])} ended with {code}")
    if folders := stage.test_folders():
        run_tests(stage, folders, outcome)
    elif stage.awaited:
        print("none yet")
        outcome.none_yet = True
    elif stage.folders:
        outcome.failures.append(f"no tests in {', '.join(stage.folders)}")
    outcome.seconds = time.monotonic() - started
    return outcome


def run_tests(stage: Stage, folders: Sequence[str], outcome: Outcome) -> None:
    """Run the tests of *folders* under coverage, and add their figures to *outcome*."""
    report = REPORTS / f"{stage.name}.xml"
    report.unlink(missing_ok=True)
    shared = ("-n", str(stage.workers), "--dist", stage.share) if stage.workers else ()
    measure = ("--branch", f"--data-file={coverage_gates.BRANCHES}") if stage.branches else ()
    code = run_tool(
        ("coverage", "run", *measure, "-m", "pytest", *folders, *shared, f"--junitxml={report}", "--durations=5")
    )
    outcome.tally = read_report(report) if report.exists() else Tally()
    if code != 0:
        outcome.failures.append(f"pytest ended with {code}")


def run_tool(command: Command) -> int:
    """Run a tool of this environment; return its exit code."""
    name, *arguments = command
    program = sys.executable if name == "python" else str(Path(sys.executable).with_name(name))
    return subprocess.run([program, *arguments], cwd=ROOT, check=False).returncode  # noqa: S603


def unnamed_folders(stages: Sequence[Stage] = STAGES) -> list[str]:
    """Return the folders of `tests/` with tests that no stage would run."""
    named = {folder for stage in stages for folder in stage.folders} | NO_TESTS
    return sorted(
        folder.name
        for folder in (ROOT / "tests").iterdir()
        if folder.is_dir() and folder.name not in named and any(folder.rglob("test_*.py"))
    )


def print_table(outcomes: Sequence[Outcome]) -> float:
    """Print minutes and results of each stage; return all minutes together."""
    print(f"\n{'stage':<14}{'minutes':>8}{'budget':>8}  result")
    for outcome in outcomes:
        minutes = outcome.seconds / 60
        result = "none yet" if outcome.none_yet else "; ".join(outcome.failures) or "ok"
        over = "  OVER ITS BUDGET" if minutes > outcome.budget else ""
        print(f"{outcome.name:<14}{minutes:>8.2f}{outcome.budget:>8.1f}  {result}{over}")
    total = sum(outcome.seconds for outcome in outcomes) / 60
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
    outcomes += [run_stage(stage) for stage in STAGES if stage.name in (arguments.only or names)]
    if not arguments.only:
        gates = Outcome("gates", 1, 0)
        started = time.monotonic()
        gates.failures = [f"tests/{name} is in no stage" for name in unnamed_folders()]
        gates.failures += coverage_gates.check(ROOT)
        gates.seconds = time.monotonic() - started
        outcomes.append(gates)

    total = print_table(outcomes)
    tally = sum((outcome.tally for outcome in outcomes), Tally())
    # Whatever fails that is no test counts as one failed, so the closing line never lies.
    bare = sum(bool(each.failures) and not each.tally.failed for each in outcomes)
    bare += total > TOTAL_MINUTES
    print(f"\n{tally.passed} passed, {tally.failed + bare} failed, {tally.skipped} skipped")
    return 1 if tally.failed + bare else 0


if __name__ == "__main__":
    sys.exit(main())
