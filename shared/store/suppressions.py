"""Keyed hashes of what an erased person could come back by. They tell nothing, and outlive the person's data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

from shared.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Mark:
    """One identifier as a keyed hash. *kind*: external, email or phone."""

    kind: str
    hash: bytes


_ANY: LiteralString = "SELECT EXISTS (SELECT FROM suppressions) AS found"
_ADD: LiteralString = """
INSERT INTO suppressions (company_id, hash, kind, reason)
SELECT %(company)s, u.hash, u.kind, %(reason)s FROM unnest(%(hashes)s::bytea[], %(kinds)s::text[]) AS u (hash, kind)
ON CONFLICT DO NOTHING
"""
_ADD_FOLLOWING: LiteralString = """
INSERT INTO suppressions (company_id, hash, kind, reason, because_of)
SELECT s.company_id, u.hash, 'external', s.reason, s.hash
FROM unnest(%(hashes)s::bytea[], %(causes)s::bytea[]) AS u (hash, cause) JOIN suppressions s ON s.hash = u.cause
ORDER BY u.hash ON CONFLICT DO NOTHING
"""
_LIFT: LiteralString = "DELETE FROM suppressions WHERE hash = ANY(%(hashes)s)"
_KNOWN: LiteralString = "SELECT hash FROM suppressions WHERE hash = ANY(%(hashes)s)"
_FIGURES: LiteralString = "SELECT kind, count(*) AS count FROM suppressions GROUP BY kind ORDER BY kind"


class Suppressions:
    """Statements on `suppressions`."""

    async def any(self, tx: Transaction) -> bool:
        """Whether the company suppresses anybody: where it does not, nothing has to be hashed."""
        return bool((await tx.one(_ANY))["found"])

    async def add(self, tx: Transaction, marks: Sequence[Mark], *, reason: str) -> int:
        """Suppress *marks*; return how many were not yet."""
        return await tx.run(
            _ADD,
            company=tx.company,
            hashes=[mark.hash for mark in marks],
            kinds=[mark.kind for mark in marks],
            reason=reason,
        )

    async def add_following(self, tx: Transaction, causes: Mapping[Mark, bytes]) -> None:
        """Suppress vendors' ids (the keys) for as long as the hash that each came under is suppressed."""
        await tx.run(_ADD_FOLLOWING, hashes=[mark.hash for mark in causes], causes=list(causes.values()))

    async def lift(self, tx: Transaction, marks: Iterable[Mark]) -> int:
        """Let *marks* in again, with what was suppressed because of them; return how many of *marks* were."""
        return await tx.run(_LIFT, hashes=[mark.hash for mark in marks])

    async def known(self, tx: Transaction, marks: Iterable[Mark]) -> set[bytes]:
        """Return the hashes of those of *marks* that are suppressed."""
        return {bytes(row["hash"]) for row in await tx.rows(_KNOWN, hashes=[mark.hash for mark in marks])}

    async def figures(self, tx: Transaction) -> dict[str, int]:
        """Return how many identifiers are suppressed, by kind."""
        return {row["kind"]: row["count"] for row in await tx.rows(_FIGURES)}
