"""`shared/store/suppressions.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from shared.store import suppressions as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates


@imitates(production, "_ANY")
async def any_at_all(session: Session) -> Result:
    return [{"found": bool(session.slots(session.memory.tables["suppressions"]))}]


@imitates(production, "_ADD")
async def add(session: Session, *, company: UUID, reason: str, hashes: Sequence[bytes], kinds: Sequence[str]) -> Result:
    added = 0
    for mark, kind in zip(hashes, kinds, strict=True):
        row = {"company_id": company, "hash": mark, "kind": kind, "reason": reason}
        added += await session.insert_unless(session.memory.tables["suppressions"], row) is not None
    return added


@imitates(production, "_ADD_FOLLOWING")
async def add_following(session: Session, *, hashes: Sequence[bytes], causes: Sequence[bytes]) -> Result:
    table, added = session.memory.tables["suppressions"], 0
    known = {row["hash"]: row for row in session.rows(table)}
    for mark, cause in sorted(zip(hashes, causes, strict=True)):
        if cause in known:
            row = {**known[cause], "hash": mark, "kind": "external", "because_of": cause, "created_at": session.clock()}
            added += await session.insert_unless(table, row) is not None
    return added


@imitates(production, "_LIFT")
async def lift(session: Session, *, hashes: Sequence[bytes]) -> Result:
    table = session.memory.tables["suppressions"]
    lifted = await session.delete(table, session.slots(table, lambda row: row["hash"] in hashes))
    await session.delete(table, session.slots(table, lambda row: row["because_of"] in hashes))
    return len(lifted)


@imitates(production, "_KNOWN")
async def known(session: Session, *, hashes: Sequence[bytes]) -> Result:
    rows = session.rows(session.memory.tables["suppressions"], lambda row: row["hash"] in hashes)
    return [{"hash": row["hash"]} for row in rows]


@imitates(production, "_FIGURES")
async def figures(session: Session) -> Result:
    counted = Counter(row["kind"] for row in session.rows(session.memory.tables["suppressions"]))
    return [{"kind": kind, "count": count} for kind, count in sorted(counted.items())]
