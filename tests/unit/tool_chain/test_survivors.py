"""A mutant that lives is told by what it changes, and docs/mutants.md explains those of the merge."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.mutation import EXPLAINED, TARGETS
from scripts.sources import ROOT
from scripts.survivors import UNNOTICED, Survivor, explained, survivors

MUTATED = """
def x_first__mutmut_orig(items):
    kept = sorted(
        items,
        reverse=True,
    )
    return kept[0]

def x_first__mutmut_1(items):
    kept = sorted(
        items,
    )
    return kept[0]

def x_first__mutmut_2(items):
    kept = sorted(
        items,
        reverse=True,
    )
    return kept[1]

class List:
    def xǁListǁ_count__mutmut_orig(self):
        return self.xǁListǁ_count__mutmut_orig() or len(self.items)

    def xǁListǁ_count__mutmut_1(self):
        return self.xǁListǁ_count__mutmut_1() and len(self.items)
"""


@pytest.mark.parametrize(
    ("mutant", "text"),
    [
        ("x_first__mutmut_1", "lists.first: -reverse=True,"),
        ("x_first__mutmut_2", "lists.first: return kept[1]"),
        ("xǁListǁ_count__mutmut_1", "lists.List._count: return self.xǁListǁ_count() and len(self.items)"),
    ],
)
@pytest.mark.parametrize("code", [0, 33])
def test_a_survivor_is_told_by_its_function_and_the_lines_it_has_instead(
    tmp_path: Path, mutant: str, text: str, code: int
) -> None:
    name = f"shared.lists.{mutant}"
    killed = {f"shared.lists.{each}__mutmut_1": 1 for each in ("x_first", "xǁListǁ_count")}
    folder = tmp_path / "mutants" / "shared"
    folder.mkdir(parents=True)
    (folder / "lists.py").write_text(MUTATED, encoding="utf-8")
    (folder / "lists.py.meta").write_text(json.dumps({"exit_code_by_key": {**killed, name: code}}), encoding="utf-8")
    assert survivors(tmp_path) == [Survivor(name, text)]


def test_a_session_that_finds_no_tests_kills_nobody() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--noconftest",
        "-q",
        "-p",
        "tests.fixtures.mutants",
        f"{__file__}::gone",
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=120)  # noqa: S603 - ours
    assert ended.returncode in UNNOTICED
    assert b"could not be run" in ended.stderr


def test_a_page_explains_what_its_code_blocks_hold(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```\na.b: c\nd.e: f\n```\n\ng.h: i\n\n```\nj.k: l\n```\n", encoding="utf-8")
    assert explained(page) == {"a.b: c", "d.e: f", "j.k: l"}


def test_what_is_explained_is_of_functions_that_there_are() -> None:
    globs = [glob for target in TARGETS.values() for glob in target.mutate]
    files = [file for glob in globs for file in ROOT.glob(glob) if file.suffix == ".py"]
    there = {f"{file.stem}.{name}" for file in files for name in functions_of(file)}
    told = {text.partition(":")[0] for text in explained(EXPLAINED)}
    assert told
    assert told - there == set()


def functions_of(file: Path) -> list[str]:
    """The functions of *file*, and its methods as `Class.method`."""
    body = ast.parse(file.read_text("utf-8")).body
    classes = [each for each in body if isinstance(each, ast.ClassDef)]
    methods = [f"{each.name}.{one.name}" for each in classes for one in each.body if isinstance(one, ast.FunctionDef)]
    return [each.name for each in body if isinstance(each, ast.FunctionDef)] + methods
