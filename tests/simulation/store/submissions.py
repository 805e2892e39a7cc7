"""`shared/store/submissions.py`."""

from __future__ import annotations

from uuid import UUID

from shared.store import submissions as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates
from tests.simulation.store.tables import Row


@imitates(production, "_QUEUED")
async def queued(session: Session, *, company: UUID, integration: UUID, after: UUID | None, limit: int) -> Result:
    def where(row: Row) -> bool:
        said = row["submission"] or {}
        return (
            (row["company_id"], row["entity_type"]) == (company, "application")
            and (said.get("state"), said.get("integration_id")) == ("queued", str(integration))
            and row["archived_at"] is None
            and (after is None or row["id"] > after)
        )

    found = sorted(session.rows(session.memory.tables["records"], where), key=lambda row: row["id"])
    return [{name: row[name] for name in ("id", "candidate_id")} | {"waiting": len(found)} for row in found[:limit]]
