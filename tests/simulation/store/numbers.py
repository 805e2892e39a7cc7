"""Where the database's own ids and sequences come from."""

from __future__ import annotations

import random
from collections import Counter
from uuid import UUID


class Numbers:
    """Ids and sequences that are the same for the same *seed*."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - the same each time is what is wanted
        self._sequences: Counter[str] = Counter()

    def uuid(self) -> UUID:
        """`gen_random_uuid()`."""
        return UUID(int=self._random.getrandbits(128), version=4)

    def next(self, sequence: str) -> int:
        """`nextval(sequence)`: from 1, and no rollback gives a number back."""
        self._sequences[sequence] += 1
        return self._sequences[sequence]
