"""
Hold the coverage of all stages together to its gates.

A stage measures lines, or lines and branches; the tool keeps the two apart, in files of two names, and so do we until
both are read: a line is covered if either says so, branches are those of the stages that measured them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

REPORT_LINES = 60
LINES, BRANCHES = ".coverage", ".coverage-branches"
"""Where stages keep what they measure; each process adds a name of its own."""


@dataclass(frozen=True)
class Gate:
    """At least *share* of the *measure* of files below *folder*."""

    folder: str
    measure: Literal["lines", "branches"]
    share: float


GATES = (Gate("shared/", "lines", 0.90), Gate("shared/merge/", "branches", 1.0))


def erase(root: Path) -> None:
    """Forget what earlier runs measured."""
    for data_file in (LINES, BRANCHES):
        _coverage(root, "erase", f"--data-file={data_file}")


def check(root: Path) -> list[str]:
    """Combine what the stages measured, print what is missing, return the gates that fail."""
    lines, branches = _report(root, LINES), _report(root, BRANCHES)
    if lines is None or branches is None:
        return ["coverage: no stage measured lines, or none branches"]
    files = together([lines, branches])
    print_missing(files)
    return [fault for gate in GATES for fault in faults(gate, files)]


def _coverage(root: Path, *arguments: str) -> None:
    tool = str(Path(sys.executable).with_name("coverage"))
    subprocess.run([tool, *arguments], cwd=root, check=True)  # noqa: S603 - our own tool


def _report(root: Path, data_file: str) -> Mapping[str, Any] | None:
    """Return what the processes of *data_file* measured, by path; None if there were none."""
    option = f"--data-file={data_file}"
    if not any(root.glob(f"{data_file}.*")):
        return None
    _coverage(root, "combine", "--quiet", option)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        _coverage(root, "json", "--quiet", option, "-o", str(report))
        files: Mapping[str, Any] = json.loads(report.read_text(encoding="utf-8"))["files"]
        return files


def together(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one report of *reports*: each line is missing that all miss."""
    files: dict[str, Any] = {}
    for report in reports:
        for path, each in report.items():
            before = files.get(path, {"missing_lines": each["missing_lines"], "summary": {}})
            missing = sorted(set(before["missing_lines"]) & set(each["missing_lines"]))
            summary = {**before["summary"], **each["summary"]}
            summary["covered_lines"] = summary["num_statements"] - len(missing)
            files[path] = {"missing_lines": missing, "summary": summary}
    return files


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
    worst = sorted(files.items(), key=lambda item: -len(item[1]["missing_lines"]))
    for path, each in worst[:REPORT_LINES]:
        if missing := each["missing_lines"]:
            share = 1 - len(missing) / each["summary"]["num_statements"]
            print(f"  {path}: {share:.0%}, lines {spans(missing)}")


def spans(lines: list[int]) -> str:
    """Return *lines*, ascending, as spans: `3, 7-9`."""
    found: list[list[int]] = []
    for line in lines:
        if found and line == found[-1][1] + 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)
