"""`shared/store/left_out.py`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from shared.store import left_out as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates


@imitates(production, "_PUT")
async def put(
    session: Session, *, company: UUID, integration: UUID, entity: str, ids: Sequence[str], filter: str
) -> Result:
    table, added = session.memory.tables["left_out"], 0
    for external_id in ids:
        row = {
            "company_id": company,
            "integration_id": integration,
            "entity_type": entity,
            "external_id": external_id,
            "filter": filter,
        }
        added += await session.insert_unless(table, row, table.primary.name) is not None
    return added


@imitates(production, "_KNOWN")
async def known(session: Session, *, integration: UUID, entity: str, ids: Sequence[str], filter: str) -> Result:
    wanted = frozenset(ids)
    rows = session.rows(
        session.memory.tables["left_out"],
        lambda row: (
            (row["integration_id"], row["entity_type"], row["filter"]) == (integration, entity, filter)
            and row["external_id"] in wanted
        ),
    )
    return [{"external_id": row["external_id"]} for row in rows]


@imitates(production, "_FORGET")
async def forget(session: Session, *, integration: UUID) -> Result:
    table = session.memory.tables["left_out"]
    return len(await session.delete(table, session.slots(table, lambda row: row["integration_id"] == integration)))
