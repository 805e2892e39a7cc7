"""`shared/store/identity_pairs.py`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from shared.store import identity_pairs as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates


@imitates(production, "_PUT")
async def put(session: Session, *, company: UUID, id: UUID, others: Sequence[UUID], by: str) -> Result:
    table, added = session.memory.tables["identity_pairs"], 0
    for other in others:
        if other != id:
            low, high = sorted((id, other))
            row = {"company_id": company, "low": low, "high": high, "decided_by": by}
            added += await session.insert_unless(table, row, table.primary.name) is not None
    return added


@imitates(production, "_DROP")
async def drop(session: Session, *, a: UUID, b: UUID) -> Result:
    table = session.memory.tables["identity_pairs"]
    return len(await session.delete(table, session.by_key(table, (min(a, b), max(a, b)))))


@imitates(production, "_EXISTS")
async def exists(session: Session, *, a: UUID, b: UUID) -> Result:
    table = session.memory.tables["identity_pairs"]
    return [{"?column?": 1} for _ in session.by_key(table, (min(a, b), max(a, b)))]


@imitates(production, "_APART")
async def apart(session: Session, *, integration: UUID, entity: str, ids: Sequence[str]) -> Result:
    wanted = frozenset(ids)
    found = {
        (item["external_id"], record_id)
        for item in session.rows(
            session.memory.tables["conflicts"],
            lambda row: (
                (row["status"], row["decision"], row["integration_id"], row["entity_type"])
                == ("resolved", "new", integration, entity)
                and row["external_id"] in wanted
            ),
        )
        for record_id in item["matches"] or ()
    }
    pairs = session.rows(session.memory.tables["identity_pairs"])
    for link in session.rows(
        session.memory.tables["external_entity_map"],
        lambda row: (
            (row["integration_id"], row["entity_type"]) == (integration, entity) and row["external_id"] in wanted
        ),
    ):
        ours = link["internal_id"]
        found |= {
            (link["external_id"], pair["high"] if pair["low"] == ours else pair["low"])
            for pair in pairs
            if ours in (pair["low"], pair["high"])
        }
    return [{"external_id": external_id, "record_id": record_id} for external_id, record_id in sorted(found)]
