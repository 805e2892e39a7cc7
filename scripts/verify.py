"""
Run the checks that are too long for CI, piece by piece, and keep the results in a document.

docs/verification.md is both result and memory: a piece that passed on these very files
(scripts/sources.py) is not run again, so `make verify` may be stopped and started until all is done. A piece
ends within ten minutes; one that can go on where it stopped says so (`resumes`) and gets
its next ten minutes from the next `make verify`. Three take longer, because they cannot
be cut so small: the intake, whose load lasts ten minutes without a break, the proof of
parity, and the kills, ten of which live through outages of five minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from scripts import sources
from scripts.sources import fingerprint_of_sources

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "verification.md"
LIMIT_SECONDS = 570
OUT_OF_DATE = "out of date"
"""How a piece is shown that passed on other files than today's."""

HEADER = """\
# Verification

The last result of each long check. `make verify` runs every check that has not passed on the present sources, and
writes this page. *Sources* is a fingerprint of the files that the check rests on (`scripts/sources.py`); a row holds
until one of them changes. A check that passed on earlier files is shown as *out of date* once the page is next written;
`python -m scripts.verify --list` tells at any time which rows are out of date.

| piece | result | figures | minutes | date | sources |
| --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Piece:
    """One check: a command that exits 0 if all is well and prints its figures last."""

    name: str
    command: tuple[str, ...]
    rests_on: tuple[str, ...]
    """Paths: the result holds as long as what git keeps there is the same."""
    resumes: bool = False
    limit_seconds: int = LIMIT_SECONDS


PYTHON = sys.executable

PIECES = (
    Piece("mutants of the merge", (PYTHON, "-m", "scripts.mutation", "merge"), sources.MERGE_MUTANTS, resumes=True),
    Piece("mutants of the ledger", (PYTHON, "-m", "scripts.mutation", "ledger"), sources.LEDGER_MUTANTS, resumes=True),
    Piece("unit and property on 3.12", ("scripts/test_on", "3.12", "tests/unit", "tests/property"), sources.EVERYTHING),
    Piece("unit and property on 3.13", ("scripts/test_on", "3.13", "tests/unit", "tests/property"), sources.EVERYTHING),
    Piece("parity of 100,000 records", (PYTHON, "-m", "tests.parity_proof"), sources.PARITY, limit_seconds=1800),
    Piece(
        "100,000 worlds of the rules",
        (PYTHON, "-m", "tests.simulation.rules", "--seeds", "1-100000", "--keep", ".local/rules.json"),
        sources.RULES,
        resumes=True,
    ),
    Piece(
        "20,000 worlds",
        (PYTHON, "-m", "tests.simulation", "--seeds", "1-20000", "--keep", ".local/simulation.json"),
        sources.WORLDS,
        resumes=True,
    ),
    Piece(
        "300 previews",
        (PYTHON, "-m", "tests.preview_proof", "--seeds", "1-300", "--keep", ".local/previews.json"),
        sources.PREVIEWS,
        resumes=True,
    ),
    Piece(
        "the past of 1,000 records",
        (PYTHON, "-m", "tests.past_proof", "--stories", "1-16", "--keep", ".local/past.json"),
        sources.PAST,
        resumes=True,
    ),
    Piece(
        "20 kill points",
        (PYTHON, "-m", "tests.acceptance.kill_points", "--points", "20"),
        sources.KILL_POINTS,
        resumes=True,
    ),
    Piece(
        "50 kills",
        (PYTHON, "-m", "tests.acceptance.kills", "--kills", "50"),
        sources.KILLS,
        resumes=True,
        limit_seconds=3600,
    ),
    Piece(
        "ten minutes of intake",
        (PYTHON, "-m", "tests.acceptance.intake", "--seconds", "600"),
        sources.INTAKE,
        limit_seconds=3600,
    ),
)


@dataclass(frozen=True)
class Row:
    """One line of the document."""

    piece: str
    result: str  # passed, failed, unfinished, not yet run
    figures: str
    minutes: str
    date: str
    sources: str

    def line(self) -> str:
        """Return it as Markdown."""
        cells = (self.piece, self.result, self.figures, self.minutes, self.date, self.sources)
        return "| " + " | ".join(cells) + " |\n"


def read_rows() -> dict[str, Row]:
    """Return the document's rows by piece."""
    if not DOCUMENT.exists():
        return {}
    lines = DOCUMENT.read_text(encoding="utf-8").split("| --- |", 1)[-1].splitlines()[1:]
    rows = (Row(*(cell.strip() for cell in line.strip("| ").split(" | "))) for line in lines if line)
    # The fingerprint tells what is out of date; the files may yet become again what they were.
    return {row.piece: replace(row, result="passed") if row.result == OUT_OF_DATE else row for row in rows}


def write_rows(rows: Mapping[str, Row]) -> None:
    """Write the document; a piece without a row is shown as not yet run, one that no longer holds as out of date."""
    lines = [_shown(piece, rows).line() for piece in PIECES]
    DOCUMENT.write_text(HEADER + "".join(lines), encoding="utf-8")


def _shown(piece: Piece, rows: Mapping[str, Row]) -> Row:
    """Return the row of *piece* as people see it."""
    row = rows.get(piece.name) or Row(piece.name, "not yet run", "-", "-", "-", "-")
    return replace(row, result=OUT_OF_DATE) if row.result == "passed" and not holds(piece, rows) else row


def run_piece(piece: Piece) -> Row:
    """Run *piece* for at most its limit; its output is shown, its last line kept."""
    print(f"\n=== {piece.name}", flush=True)
    fingerprint = fingerprint_of_sources(piece.rests_on)
    started = time.monotonic()
    figures, code = _run(piece.command, piece.limit_seconds)
    minutes = f"{(time.monotonic() - started) / 60:.1f}"
    result = {0: "passed", None: "unfinished" if piece.resumes else "failed"}.get(code, "failed")
    if code is None:
        figures = f"stopped after {piece.limit_seconds} s; {figures}"
    date = datetime.now(UTC).date().isoformat()
    return Row(piece.name, result, figures.replace("|", "/"), minutes, date, fingerprint)


def _run(command: tuple[str, ...], limit_seconds: int) -> tuple[str, int | None]:
    """Run *command*; return its last line of output, and its exit code or None if out of time."""
    with subprocess.Popen(  # noqa: S603 - the table above
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        # A timer ends the whole session, so that no test's child outlives its piece.
        alarm = _Alarm(process.pid, limit_seconds)
        last = ""
        with alarm:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                last = line.strip() or last
        code = process.wait()
    return last, None if alarm.rang else code


class _Alarm:
    """Interrupt the session *leader* after *seconds*, unless the block ends before."""

    def __init__(self, leader: int, seconds: int) -> None:
        self._leader = leader
        self._seconds = seconds
        self.rang = False

    def __enter__(self) -> None:
        signal.signal(signal.SIGALRM, self._ring)
        signal.alarm(self._seconds)

    def __exit__(self, *_: object) -> None:
        signal.alarm(0)

    def _ring(self, _signal: int, _frame: object) -> None:
        # The first time politely, so that results are saved; then for good.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._leader, signal.SIGKILL if self.rang else signal.SIGINT)
        if not self.rang:
            signal.alarm(15)
        self.rang = True


def main() -> int:
    """Run what has not passed on the present sources; return 0 once everything has."""
    parser = argparse.ArgumentParser(description=__doc__, prog="make verify")
    parser.add_argument("--only", choices=[piece.name for piece in PIECES], action="append")
    parser.add_argument("--again", action="store_true", help="also what has passed")
    parser.add_argument("--list", action="store_true", help="show the results and run nothing")
    arguments = parser.parse_args()

    rows = read_rows()
    for piece in () if arguments.list else PIECES:
        if (arguments.only and piece.name not in arguments.only) or (holds(piece, rows) and not arguments.again):
            continue
        rows[piece.name] = run_piece(piece)
        write_rows(rows)
    wrong = [piece for piece in PIECES if not holds(piece, rows)]
    for piece in PIECES:
        row = _shown(piece, rows)
        print(f"{row.piece:<28} {row.result:<12} {row.figures}")
    return 1 if wrong else 0


def holds(piece: Piece, rows: Mapping[str, Row]) -> bool:
    """Tell whether *piece* has passed on the files as they are."""
    row = rows.get(piece.name)
    return row is not None and row.result == "passed" and row.sources == fingerprint_of_sources(piece.rests_on)


if __name__ == "__main__":
    sys.exit(main())
