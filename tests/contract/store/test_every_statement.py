"""Nothing that the engine may ask of the database is missing in memory."""

from __future__ import annotations

import dataclasses
import importlib
import re
from types import ModuleType

import pytest

from shared.store.store import Store
from tests.simulation.store import fingerprints
from tests.simulation.store.memory import MemoryStore
from tests.simulation.store.statements import is_imitated

BESIDE_THE_STORE = (
    "shared.store.companies",
    "shared.store.database",
    "shared.store.heartbeats",
    "shared.store.integrations",
    "shared.store.knock_traffic",
    "shared.store.notices",
    "shared.store.oauth_tokens",
    "shared.store.run_changes",
    "shared.store.schedules",
    "shared.store.webhook_events",
    "shared.sync.workers.sweep",
)
"""Modules whose statements a simulated world runs, and that are no group of `Store`."""

PARTS = {"shared.store.conflicts": {"_TELL"}, "shared.store.database": {"_SET_COMPANY"}}
"""Texts that are put into statements and are none themselves, and how a transaction begins."""


def _modules() -> list[ModuleType]:
    store = Store()
    groups = {type(getattr(store, field.name)).__module__ for field in dataclasses.fields(Store)}
    return [importlib.import_module(name) for name in sorted(groups.union(BESIDE_THE_STORE))]


@pytest.mark.parametrize("module", _modules(), ids=lambda module: module.__name__)
def test_every_statement_has_its_imitation(module: ModuleType) -> None:
    statements = {
        name: text
        for name, text in vars(module).items()
        if isinstance(text, str) and re.match(r"\s*\(?(SELECT|INSERT|UPDATE|DELETE|WITH)\b", text)
    }
    assert statements
    missing = {name for name, text in statements.items() if not is_imitated(text)} - PARTS.get(module.__name__, set())
    assert not missing, f"write them in tests/simulation/store: {sorted(missing)}"


def test_the_memory_has_the_groups_of_production() -> None:
    assert issubclass(MemoryStore, Store)
    assert dataclasses.fields(MemoryStore) == dataclasses.fields(Store)


def test_no_statement_has_changed_since_it_was_imitated() -> None:
    """Columns and parameters break by themselves; this tells of a condition that was added."""
    now, then = fingerprints.current(), fingerprints.recorded()
    changed = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
    assert not changed, (
        f"hold tests/simulation/store against these, add a case to tests/contract/store, then run"
        f" python -m tests.simulation.store.fingerprints: {changed}"
    )
