"""Commands that the pages tell can be typed: their words are the programs' own."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from sandbox.__main__ import parser as sandbox_parser
from shared.cli.arguments import parser as cli_parser
from tests.unit.documents.pages import DOCS, ROOT

PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
COMMAND = re.compile(r"^ *(?:[A-Z_]+=\S+ )?python -m (shared\.cli|sandbox) ((?:[^\n`|;#<\\]|\\\n)*)", re.MULTILINE)
ID = "00000000-0000-4000-8000-000000000000"


def told(page: Path) -> list[tuple[str, str]]:
    """Return the commands that stand on lines of their own: program and arguments."""
    found = COMMAND.findall(page.read_text("utf-8"))
    return [(program, " ".join(arguments.replace("\\\n", " ").split())) for program, arguments in found]


CASES = sorted({command for page in PAGES for command in told(page)})


def test_pages_tell_commands() -> None:
    assert len(CASES) > 10
    assert "shared.cli" in {program for program, _ in CASES}


@pytest.mark.parametrize(("program", "arguments"), CASES)
def test_a_command_that_is_told_can_be_typed(program: str, arguments: str) -> None:
    words = [re.sub(r"^\$[A-Z_]+$", ID, word) for word in shlex.split(arguments)]
    parser = cli_parser() if program == "shared.cli" else sandbox_parser()
    assert parser.parse_args(words).run is not None
