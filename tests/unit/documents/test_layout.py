"""The top level, the packages, the import contracts and the decisions are what the pages say."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from tests.unit.documents.pages import DECISIONS, DOCS, ROOT, names, table

TOP_LEVEL = [
    *("function_app.py", "functions", "shared", "infra", "tests", "sandbox", "docs", "host.json"),
    *("local.settings.sample.json", "requirements.txt", "requirements-dev.txt", "README.md", "CHANGELOG.md"),
    *("LICENSE", "Makefile", "pyproject.toml", ".ci/run"),
]
PACKAGES = [
    *("azure-functions", "azure-storage-blob", "azure-storage-queue", "azure-data-tables", "psycopg", "httpx"),
    *("pydantic", "cryptography", "opencensus-ext-azure", "pytest"),
]
HEADINGS = ("## Context", "## Choice", "## What we gave up", "## What would change our mind")
OF_MANY_ROWS = "0011-what-we-do-otherwise.md"


def required() -> set[str]:
    lines = [line for path in ROOT.glob("requirements*.in") for line in path.read_text("utf-8").splitlines()]
    return {found[0].lower() for line in lines if (found := re.match(r"[A-Za-z][A-Za-z0-9-]*", line))}


def contracts() -> dict[str, dict[str, Any]]:
    """The contracts that `lint-imports` holds, by name."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return {contract["name"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}


def test_the_top_level_has_what_the_specification_names() -> None:
    assert [name for name in TOP_LEVEL if not (ROOT / name).exists()] == []


def test_the_binding_packages_are_required() -> None:
    assert set(PACKAGES) - required() == set()
    lock = ROOT / "sandbox" / "services" / "azurite" / "package.json"
    assert '"azurite": "3.35.0"' in lock.read_text("utf-8")


def test_the_contracts_on_the_page_are_those_that_are_checked() -> None:
    assert [cells[0] for cells in table(DOCS / "architecture.md", "contract")] == list(contracts())


def test_the_parts_and_files_on_the_page_exist() -> None:
    cells = [row[1] for row in table(DOCS / "architecture.md", "behaviour")]
    paths = [name for cell in cells for name in names(cell) if "/" in name and "<" not in name]
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_decisions_are_numbered_dated_and_whole() -> None:
    pages = sorted(DECISIONS.glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text("utf-8")
        assert text.startswith(f"# {int(page.name[:4])}. "), page.name
        assert re.search(r"^\d{4}-\d\d-\d\d · ", text, re.MULTILINE), page.name
        if page.name != OF_MANY_ROWS:
            assert [heading for heading in HEADINGS if heading not in text] == [], page.name


def test_the_code_that_a_decision_names_exists() -> None:
    heads = [page.read_text("utf-8").splitlines()[2] for page in DECISIONS.glob("*.md")]
    paths = [name for head in heads for name in names(head) if name.startswith(("shared/", "functions/"))]
    assert len(paths) > len(heads)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_decisions_that_code_cites_exist() -> None:
    cited = {
        name
        for folder in ("shared", "functions", "sandbox")
        for path in (ROOT / folder).rglob("*.py")
        for name in re.findall(r"docs/decisions/([\w-]+\.md)", path.read_text("utf-8"))
    }
    assert cited
    assert {name for name in cited if not (DECISIONS / name).is_file()} == set()


def test_the_files_of_the_engines_page_exist() -> None:
    text = (DOCS / "engine.md").read_text("utf-8")
    files = {name for name in names(text) if name.endswith(".py")}
    assert len(files) > 15
    missing = {name for name in files if not (ROOT / name).is_file() and not (ROOT / "shared/sync" / name).is_file()}
    assert missing == set()


def test_the_engines_packages_are_told_in_their_order() -> None:
    told = {names(row[0])[0]: row[1] for row in table(DOCS / "architecture.md", "package")}
    layers = contracts()["Layers of the engine"]["layers"]
    assert list(told) == [name for line in layers for name in line.split(" | ")]
    for name, holds in told.items():
        text = (ROOT / "shared/sync" / name / "__init__.py").read_text("utf-8")
        assert text == f'"""{holds}."""\n', name
