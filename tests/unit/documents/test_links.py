"""Every relative link of every page leads somewhere, and no file tells where it was written."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.documents.pages import DOCS, ROOT

PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "infra").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PRIVATE = re.compile(r"(?<![\w.])/(?:work|home|root|Users|tmp)/[\w.-]+")
REGISTRY = re.compile(r"https?://[^\s)]*(?:artifactory|nexus|/simple/|:4873|devpi|pkgs\.)", re.IGNORECASE)


MAY = {
    "tests/unit/documents/test_links.py": "says what is looked for",
}
"""Files that may look as if they named a machine or a registry, and why."""


def anchors(page: Path) -> set[str]:
    """Return the anchors of *page*'s headings, as Git hosts make them."""
    found = set()
    for line in FENCE.sub("", page.read_text("utf-8")).splitlines():
        if line.startswith("#"):
            text = re.sub(r"[^\w\s-]", "", line.lstrip("#").strip().lower())
            found.add(text.replace(" ", "-"))
    return found


def broken(page: Path) -> list[str]:
    """Return the relative links of *page* that lead nowhere."""
    found = []
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and (not file.is_file() or anchor not in anchors(file))):
            found.append(target)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def named_places(text: str) -> list[str]:
    """Return the paths of a machine and the addresses of registries in *text*."""
    return PRIVATE.findall(text) + REGISTRY.findall(text)


def test_no_file_names_a_machine_or_a_registry() -> None:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")  # noqa: S603
    files = [name for name in names if (ROOT / name).is_file() and name not in MAY]
    assert {"requirements.txt", "scripts/setup", "function_app.py", "README.md"} <= set(files)
    texts = {name: (ROOT / name).read_text("utf-8", errors="replace") for name in files}
    assert {name: found for name, text in texts.items() if (found := named_places(text))} == {}


def test_a_machine_and_a_registry_are_found() -> None:
    assert named_places("see /home/jo/notes") == ["/home/jo"]
    assert named_places("--index-url https://mirror.example/simple/ x") == ["https://mirror.example/simple/"]
    assert named_places("GET /api/home/x, ./here and https://vendor.example/v1") == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Here\n[a](page.md) [b](page.md#here) [c](gone.md) [d](page.md#there) [e](https://x.example)\n")
    assert broken(page) == ["gone.md", "page.md#there"]
