"""docs/testing.md says what Makefile, stages and verify do."""

from __future__ import annotations

import importlib.util
import re

from scripts import coverage_gates, stages, verify
from tests.unit.documents.pages import DOCS, ROOT, names, table

PAGE = DOCS / "testing.md"
README = ROOT / "README.md"
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def made(text: str) -> set[str]:
    return set(re.findall(r"(?:`|^ {4})make ([a-z-]+)", text, re.MULTILINE))


def test_every_command_that_is_told_is_a_target() -> None:
    told = {page: made(page.read_text("utf-8")) for page in [README, *DOCS.rglob("*.md")]}
    assert {"demo", "test", "help"} <= told[README]
    assert {"test", "check", "bench", "intake", "simulate", "verify"} <= told[PAGE]
    assert {target for targets in told.values() for target in targets} <= TARGETS


def test_stages_have_the_minutes_and_folders_that_are_told() -> None:
    told = {cells[0]: cells for cells in table(PAGE, "stage")}
    assert told.pop("set-up")[1] == f"{stages.SET_UP_MINUTES:g}"
    assert list(told) == [stage.name for stage in stages.STAGES]
    for stage in stages.STAGES:
        _, minutes, runs = told[stage.name]
        assert minutes == f"{stage.minutes:g}", stage.name
        assert set(re.findall(r"`tests/([a-z]+)`", runs)) == set(stage.folders), stage.name


def test_total_and_gates_are_those_that_are_told() -> None:
    text = " ".join(PAGE.read_text("utf-8").split())
    assert f"at most {stages.TOTAL_MINUTES:g} minutes" in text
    for gate in coverage_gates.GATES:
        pattern = rf"{gate.measure} in `{gate.folder.rstrip('/')}/?` (?:at least )?{gate.share * 100:.0f} %"
        assert re.search(pattern, text), gate


def test_pieces_of_verify_are_those_that_are_told() -> None:
    assert [cells[0] for cells in table(PAGE, "piece of `make verify`")] == [piece.name for piece in verify.PIECES]


def test_every_proof_has_a_command_that_is_there() -> None:
    told = [names(cells[1])[0].split() for cells in table(PAGE, "it is claimed that")]
    assert len(told) >= 16
    for program, *arguments in told:
        if program == "python":
            assert arguments[0] == "-m"
            assert importlib.util.find_spec(arguments[1]), arguments
        else:
            assert program == "pytest"
            assert (ROOT / arguments[0]).exists(), arguments
    every_module = {part for command in told for part in command}
    for piece in verify.PIECES:
        if "-m" in piece.command and "ledger" not in piece.command:
            assert piece.command[piece.command.index("-m") + 1] in every_module, piece.name


def test_layers_are_folders() -> None:
    for cells in table(PAGE, "folder"):
        (folder,) = names(cells[0])
        assert (ROOT / folder).is_dir(), folder
