"""When something that has to run regularly last did."""

from __future__ import annotations

from typing import LiteralString

from shared.store.database import Transaction

SWEEP = "sweep"

_BEAT: LiteralString = """
INSERT INTO heartbeats (name, at) VALUES (%(name)s, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET at = excluded.at
"""


class Heartbeats:
    """Statements on `heartbeats`."""

    async def beat(self, tx: Transaction, name: str) -> None:
        """Say that *name* runs."""
        await tx.run(_BEAT, name=name)
