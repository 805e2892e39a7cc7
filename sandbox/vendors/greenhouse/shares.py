"""How much of the generator's population is awkward, and in which way: every share in one place."""

from __future__ import annotations

import random
from collections.abc import Mapping

ANONYMISED = 0.01
PRIVATE = 0.02
CAN_EMAIL = 0.95
CUSTOM_FIELD_FILLED = 0.7
YES = 0.5
RESUME = 0.8
COVER_LETTER = 0.3
VISIT_RECORDED = 0.97

NAMES: Mapping[str, float] = {"full": 0.12, "half": 0.03}
EMAILS: Mapping[str, float] = {
    "shared": 0.02,
    "odd": 0.02,
    "twice in another case": 0.02,
    "an earlier person's": 0.01,
    "of an undocumented type": 0.01,
}
TIMES: Mapping[str, float] = {"seconds only": 0.03, "offset": 0.03}


def happens(chance: random.Random, share: float) -> bool:
    """Return whether what happens to *share* of all happens now. Draws once."""
    return chance.random() < share


def drawn(chance: random.Random, kinds: Mapping[str, float]) -> str | None:
    """Return one of *kinds*, each with its share of all; None for the rest. Draws once."""
    left = chance.random()
    for kind, share in kinds.items():
        if left < share:
            return kind
        left -= share
    return None


def is_turn(number: int, *, every: int, at: int) -> bool:
    """Return whether it is the turn of what comes round *every* so many, first at number *at*."""
    return number % every == at
