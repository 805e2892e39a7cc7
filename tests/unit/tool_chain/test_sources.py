"""A long check is done again when a file that it rests on changes, and not for any other."""

from __future__ import annotations

import ast
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from scripts import mutation, sources, verify
from scripts.sources import ROOT, fingerprint_of_sources

DECIDE_NO_RESULT = {ROOT / "scripts" / "sources.py", ROOT / "scripts" / "resuming.py"}
BY_NAME = {piece.name: piece for piece in verify.PIECES}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with a file inside and a file outside of what a check rests on."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)  # noqa: S603, S607 - the developer's git
    for name in ("inside/a.py", "outside/b.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("one\n", encoding="utf-8")
    (tmp_path / ".gitignore").write_text("*.pyc\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "counts"),
    [("inside/a.py", True), ("inside/new.py", True), ("inside/a.pyc", False), ("outside/b.py", False)],
)
def test_a_change_counts_inside_alone(tree: Path, changed: str, counts: bool) -> None:
    before = fingerprint_of_sources(["inside"], tree)
    (tree / changed).write_text("two\n", encoding="utf-8")
    assert (fingerprint_of_sources(["inside"], tree) != before) is counts


def test_a_file_that_is_gone_or_has_another_name_counts(tree: Path) -> None:
    before = fingerprint_of_sources(["inside"], tree)
    (tree / "inside/a.py").rename(tree / "inside/c.py")
    moved = fingerprint_of_sources(["inside"], tree)
    (tree / "inside/c.py").unlink()
    assert len({before, moved, fingerprint_of_sources(["inside"], tree)}) == 3


def test_a_row_holds_while_the_files_of_its_piece_are_the_same() -> None:
    piece, other = BY_NAME["20,000 worlds"], BY_NAME["50 kills"]

    def holds(result: str, rests_on: Iterable[str]) -> bool:
        mark = fingerprint_of_sources(tuple(rests_on))
        return verify.holds(piece, {piece.name: verify.Row(piece.name, result, "all", "1", "2026-11-01", mark)})

    assert holds("passed", piece.rests_on)
    assert not holds("failed", piece.rests_on)
    assert not holds("passed", other.rests_on)
    assert not verify.holds(piece, {})


@pytest.mark.parametrize("name", BY_NAME)
def test_every_path_that_is_named_is_there(name: str) -> None:
    assert [path for path in BY_NAME[name].rests_on if not path.startswith(":!") and not files_of([path])] == []


@pytest.mark.parametrize("name", BY_NAME)
def test_a_piece_rests_on_all_of_ours_that_it_imports(name: str) -> None:
    piece = BY_NAME[name]
    imported = closure(programs_of(piece)) - DECIDE_NO_RESULT
    missing = {each for each in imported - files_of(piece.rests_on) if not is_an_empty_package(each)}
    assert sorted(str(each.relative_to(ROOT)) for each in missing) == []


def test_what_is_imported_far_away_is_found() -> None:
    assert ROOT / "shared/merge/fingerprints.py" in closure(programs_of(BY_NAME["20,000 worlds"]))


def test_what_remembers_goes_by_the_paths_of_its_piece() -> None:
    named = {f"sources.{name}": value for name, value in vars(sources).items() if isinstance(value, tuple)}
    for piece in verify.PIECES:
        if piece.resumes and piece.command[2] != "scripts.mutation":
            program = ROOT.joinpath(*piece.command[2].split("."), "__main__.py").read_text("utf-8")
            (used,) = (value for name, value in named.items() if re.search(rf"\b{re.escape(name)}\)", program))
            assert used == piece.rests_on, piece.name
    for name, target in mutation.TARGETS.items():
        assert target.rests_on == BY_NAME[f"mutants of the {name}"].rests_on


def test_a_check_that_is_interrupted_says_last_how_far_it_is() -> None:
    # As in the background of a shell, where Ctrl-C is nobody's: `make verify` interrupts by number.
    program = (
        "import signal, time; from scripts.resuming import telling_how_far\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "with telling_how_far(lambda: (3, 8), 'worlds held'):\n"
        "    print('begun', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "3 of 8 worlds held so far; the next call goes on\n"
    assert process.returncode == 130


def files_of(paths: Iterable[str]) -> set[Path]:
    """The files that git keeps, or would, below *paths*."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *paths]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return {ROOT / name for name in names.splitlines()}


def programs_of(piece: verify.Piece) -> list[Path]:
    """The modules that *piece* begins with: those of a package that are no tests, or of the tests that it runs."""
    if piece.command[1:3] == ("-m", "scripts.mutation"):
        target = mutation.TARGETS[piece.command[3]]
        return [*modules(["scripts/mutation.py", "tests/fixtures/mutants.py", *target.tests])]
    if piece.command[1] == "-m":
        package = modules([piece.command[2].replace(".", "/")])
        return [each for each in package if not each.name.startswith("test_")]
    return [*modules(each for each in piece.command if each.startswith("tests/"))]


def modules(paths: Iterable[str]) -> Iterator[Path]:
    """Each path itself, or every module below it."""
    for path in paths:
        yield from [ROOT / path] if path.endswith(".py") else (ROOT / path).rglob("*.py")


def closure(files: Iterable[Path]) -> set[Path]:
    """*files*, and everything of ours that they import, directly or not."""
    found: set[Path] = set()
    waiting = [*files]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting.extend(imported_by(file))
    return found


@cache
def imported_by(file: Path) -> frozenset[Path]:
    """The files of ours that *file* imports, with the packages around them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names.update(f"{node.module}.{each.name}" for each in node.names)
    return frozenset(path for name in names for path in files_named(name))


def files_named(name: str) -> Iterator[Path]:
    """The modules of ours along a dotted name, which may end in something that is no module."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        path = ROOT.joinpath(*parts[:length])
        yield from (each for each in (path / "__init__.py", path.with_suffix(".py")) if each.is_file())


def is_an_empty_package(file: Path) -> bool:
    """Whether *file* marks a package, and has no statement but its docstring."""
    body = ast.parse(file.read_text("utf-8")).body
    return file.name == "__init__.py" and all(isinstance(each, ast.Expr) for each in body)
