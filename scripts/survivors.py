"""
The mutants that no test noticed, and which of them docs/mutants.md explains.

mutmut numbers the mutants of a function, and any edit of it numbers them anew. So one is told
here by its function and by the lines that it has in place of others: they are the same as long
as that code is.
"""

from __future__ import annotations

import ast
import difflib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

UNNOTICED = {0, 5, 33, 35}
"""What the tool notes: the tests passed, or none runs the code, or nobody knows."""
_NUMBER = re.compile(r"__mutmut_(?:orig|\d+)\b")


class Survivor(NamedTuple):
    """A mutant that lives."""

    name: str
    """The tool's, for `mutmut show` and `mutmut run`."""
    text: str
    """`module.function: the lines that it has in place of others`."""


def survivors(folder: Path) -> list[Survivor]:
    """Return the mutants below *folder*, where the tool works, that no test noticed."""
    found: list[Survivor] = []
    for meta in sorted((folder / "mutants").rglob("*.py.meta")):
        codes = json.loads(meta.read_text("utf-8"))["exit_code_by_key"]
        lived = [name for name, code in codes.items() if code in UNNOTICED]
        if lived:
            written = dict(_functions(meta.with_suffix("")))
            found += [Survivor(name, _told(name, written)) for name in lived]
    return found


def explained(page: Path) -> set[str]:
    """Return the survivors that *page* explains: the lines of its code blocks."""
    blocks = re.findall(r"^```\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return {line for block in blocks for line in block.splitlines()}


def _functions(file: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each function of *file*, its name and its lines without the tool's numbers."""
    text = file.read_text("utf-8")
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, [_NUMBER.sub("", line).strip() for line in lines[node.lineno - 1 : node.end_lineno]]


def _told(name: str, written: dict[str, list[str]]) -> str:
    """`shared.merge.sets.x_merge_set__mutmut_7` → `sets.merge_set: if intent is None:`; `-line` where it is gone."""
    module, _, mutant = name.rpartition(".")
    function = _NUMBER.sub("", mutant)
    before, after = written[f"{function}__mutmut_orig"], written[mutant]
    changes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    told = [
        " ".join(after[start:end]) if start < end else "-" + " ".join(before[was:until])
        for kind, was, until, start, end in changes
        if kind != "equal"
    ]
    plain = function.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    return f"{module.rpartition('.')[2]}.{plain}: {' … '.join(told)}"
