"""The print that base keeps of a value."""

from __future__ import annotations

from shared.merge.fingerprints import print_of
from shared.merge.state import Print
from shared.model.fields import UNITS
from tests.unit.merge.lab import CANDIDATE, rules


def fingerprint(name: str, value: str | None) -> Print:
    return print_of(rules(), UNITS[CANDIDATE][name], {name: value}, (name,))
