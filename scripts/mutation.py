"""
Mutation testing of pure code: change it a little, and see whether a test notices.

`python -m scripts.mutation merge` works in `.local/mutation/merge`, a copy of the sources,
so that the tree stays as it is. Stopped, it goes on where it was; changed sources start it
anew. Exits 0 if as many of the mutants were killed as the target wants, and those that live
are explained.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from scripts import sources
from scripts.resuming import telling_how_far
from scripts.sources import fingerprint_of_sources
from scripts.survivors import explained, survivors

ROOT = Path(__file__).resolve().parents[1]
EXPLAINED = ROOT / "docs" / "mutants.md"


@dataclass(frozen=True)
class Target:
    """Code to mutate, as globs, and the tests that must notice."""

    mutate: tuple[str, ...]
    tests: tuple[str, ...]
    rests_on: tuple[str, ...]
    share: float
    """The least share that must be killed: a little below what was measured, so that explaining away has an end."""
    spare: tuple[str, ...] = ()
    """Files among them that hold values and no decision."""


TARGETS = {
    "merge": Target(
        ("shared/merge/*",),
        ("tests/unit/merge", "tests/property/merge/test_first_meetings.py"),
        sources.MERGE_MUTANTS,
        share=0.95,
        spare=("shared/merge/state.py", "shared/merge/rows.py"),
    ),
    "ledger": Target(
        ("shared/sync/jobs/next_step.py", "shared/sync/jobs/priorities.py", "shared/sync/runs/cadence.py"),
        ("tests/unit/sync",),
        sources.LEDGER_MUTANTS,
        share=0.95,
    ),
}

# A mutant that hangs is one that is noticed, so a test that only waits for a processor must not seem to: five minutes.
CONFIGURATION = """\
[mutmut]
source_paths=shared
only_mutate=
{mutate}
do_not_mutate=
{spare}
pytest_add_cli_args=
    --noconftest
    -p
    no:randomly
    -p
    tests.fixtures.mutants
    -q
pytest_add_cli_args_test_selection=
{tests}
also_copy=
    functions
    sandbox
    docs
    host.json
use_git_change_detection=false
timeout_constant=20
"""


def prepare(name: str) -> Path:
    """
    Return the folder for *name*, with a fresh copy of the sources if they have changed.

    What is tried does not depend on how it is judged: a change of `scripts/` alone costs no results.
    """
    target, folder = TARGETS[name], ROOT / ".local" / "mutation" / name
    present = [each for each in target.tests if (ROOT / each).exists()]
    configuration = CONFIGURATION.format(
        mutate="\n".join(f"    {each}" for each in target.mutate),
        spare="\n".join(f"    {each}" for each in target.spare),
        tests="\n".join(f"    {each}" for each in present),
    )
    mark, made_of = folder / "made_of", f"{fingerprint_of_sources((*target.rests_on, ':!scripts'))}\n{configuration}"
    if mark.exists() and mark.read_text(encoding="utf-8") == made_of:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ignored = shutil.ignore_patterns("__pycache__")
    for each in ("shared", "functions", "sandbox", "tests", "docs"):
        if (ROOT / each).is_dir():
            shutil.copytree(ROOT / each, folder / each, ignore=ignored)
    for each in ("pyproject.toml", "host.json", "function_app.py"):
        if (ROOT / each).exists():
            shutil.copy(ROOT / each, folder)
    (folder / "setup.cfg").write_text(configuration, encoding="utf-8")
    mark.write_text(made_of, encoding="utf-8")
    return folder


def tried_so_far(folder: Path) -> tuple[int, int]:
    """Return how many mutants have a result, and how many are known, by the tool's own notes."""
    codes: list[int | None] = []
    for file in (folder / "mutants").rglob("*.meta"):
        try:
            codes += json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"].values()
        except json.JSONDecodeError:  # it was being written when the tool was stopped
            continue
    return sum(code is not None for code in codes), len(codes)


def main() -> int:
    """Run one target and judge it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    arguments = parser.parse_args()
    folder = prepare(arguments.target)
    mutmut = str(Path(sys.executable).with_name("mutmut"))
    log = folder / "mutmut.log"  # its spinner fills screens
    with telling_how_far(lambda: tried_so_far(folder), "mutants tried"), log.open("w", encoding="utf-8") as output:
        run = subprocess.run([mutmut, "run"], cwd=folder, check=False, stdout=output, stderr=output)  # noqa: S603
    if run.returncode != 0:
        print(log.read_text(encoding="utf-8", errors="replace")[-3000:])
        print(f"mutmut ended with {run.returncode}")
        return 1
    return _judge(TARGETS[arguments.target], folder, mutmut)


def _judge(target: Target, folder: Path, mutmut: str) -> int:
    """Print who lives without an explanation and, last, the figures; return the exit code."""
    lived = survivors(folder)
    modules = {file.stem for each in target.mutate for file in ROOT.glob(each)}
    known = {text for text in explained(EXPLAINED) if text.partition(".")[0] in modules}
    unexplained = [each for each in lived if each.text not in known]
    for each in unexplained:
        print(f"{each.name} lives\n    {each.text}")
    for text in sorted(known - {each.text for each in lived}):
        print(f"docs/mutants.md explains what does not live (any more):\n    {text}")
    subprocess.run([mutmut, "export-cicd-stats"], cwd=folder, check=True, capture_output=True)  # noqa: S603
    stats = json.loads((folder / "mutants" / "mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    # A mutant that hangs or crashes the tests was noticed, too.
    killed = stats["killed"] + stats["timeout"] + stats["segfault"]
    total = stats["total"] - stats["skipped"]
    share = killed / total if total else 0.0
    print(
        f"{killed} of {total} mutants killed, {share:.1%} (at least {target.share:.0%} wanted);"
        f" of {len(lived)} that live {len(lived) - len(unexplained)} explained"
    )
    return 0 if total and share >= target.share and not unexplained else 1


if __name__ == "__main__":
    sys.exit(main())
