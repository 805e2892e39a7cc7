"""Plug-ins of the whole suite; each holds fixtures of one subject."""

from __future__ import annotations

pytest_plugins = [
    "tests.fixtures.interruption",
    "tests.fixtures.lacking",
    "tests.fixtures.network",
    "tests.fixtures.postgres",
    "tests.fixtures.properties",
    "tests.fixtures.storage",
]
