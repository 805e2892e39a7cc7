"""Hold the coverage of all stages together to its gates."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

REPORT_LINES = 60


@dataclass(frozen=True)
class Gate:
    """At least *share* of the *measure* of files below *folder*."""

    folder: str
    measure: Literal["lines", "branches"]
    share: float


GATES = (Gate("shared/", "lines", 0.90), Gate("shared/merge/", "branches", 1.0))


def check(root: Path) -> list[str]:
    """Combine what the stages measured, print what is missing, return the gates that fail."""
    tool = str(Path(sys.executable).with_name("coverage"))
    combined = subprocess.run(  # noqa: S603 - our own tool
        [tool, "combine", "--quiet"], cwd=root, check=False
    )
    if combined.returncode != 0:
        return ["coverage: no stage measured anything"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        command = [tool, "json", "--quiet", "-o", str(report)]
        subprocess.run(command, cwd=root, check=True)  # noqa: S603 - our own tool
        files: Mapping[str, Any] = json.loads(report.read_text(encoding="utf-8"))["files"]
    print_missing(files)
    return [fault for gate in GATES for fault in faults(gate, files)]


def faults(gate: Gate, files: Mapping[str, Any]) -> list[str]:
    """Return what *gate* finds wrong: nothing, or one sentence."""
    covered, of = "covered_lines", "num_statements"
    if gate.measure == "branches":
        covered, of = "covered_branches", "num_branches"
    chosen = [each["summary"] for path, each in files.items() if path.startswith(gate.folder)]
    total = sum(summary[of] for summary in chosen)
    reached = sum(summary[covered] for summary in chosen)
    if total == 0:
        return [f"coverage: nothing measured in {gate.folder}"]
    print(f"coverage of {gate.folder}: {reached / total:.2%} of {gate.measure} ({reached}/{total})")
    if reached < gate.share * total:
        return [f"coverage: {reached / total:.2%} of {gate.measure} of {gate.folder}"]
    return []


def print_missing(files: Mapping[str, Any]) -> None:
    """Print the files with most lines unreached, the worst first."""
    worst = sorted(files.items(), key=lambda item: -item[1]["summary"]["missing_lines"])
    for path, each in worst[:REPORT_LINES]:
        if missing := each["missing_lines"]:
            print(f"  {path}: {each['summary']['percent_covered']:.0f} %, lines {spans(missing)}")


def spans(lines: list[int]) -> str:
    """Return *lines*, ascending, as spans: `3, 7-9`."""
    found: list[list[int]] = []
    for line in lines:
        if found and line == found[-1][1] + 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)
