"""`shared/store/knock_traffic.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from shared.store import knock_traffic as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates, recordset
from tests.simulation.store.tables import Row


@imitates(production, "_ADD")
async def add(session: Session, *, rows: str) -> Result:
    asked = sorted(recordset(rows), key=lambda row: row["queue"])
    for row in asked:
        await session.upsert(
            session.memory.tables["knock_traffic"],
            row,
            "knock_traffic_pkey",
            lambda known, excluded: {**known, **{name: known[name] + excluded[name] for name in ("sent", "received")}},
        )
    return len(asked)


@imitates(production, "_LOOK")
async def look(session: Session, *, queue: str, waiting: int, fewest: int, lasts: float) -> Result:
    table = session.memory.tables["knock_traffic"]

    def change(row: Row) -> Row:
        sent = row["sent"] - row["looked_sent"]
        gap = sent - (row["received"] - row["looked_received"]) - (waiting - row["waiting"])
        vanishes = sent > 0 and gap * 5 > sent
        return {
            **row,
            "waiting": waiting,
            "looked_sent": row["sent"],
            "looked_received": row["received"],
            "missing": row["missing"] + gap if vanishes else 0,
            "vanishing_since": (row["vanishing_since"] or session.clock()) if vanishes else None,
        }

    changed = await session.update(table, session.by_key(table, queue), lambda _: True, change)
    long_ago = session.clock() - timedelta(seconds=lasts)
    return [
        {
            "missing": row["missing"],
            "is_vanishing": row["missing"] >= fewest
            and row["vanishing_since"] is not None
            and row["vanishing_since"] < long_ago,
        }
        for _, row in changed
    ]


@imitates(production, "_INTEGRATIONS")
async def integrations(session: Session, *, jobs: Sequence[UUID]) -> Result:
    table = session.memory.tables["sync_queue"]
    found = {session.seen(slot)["integration_id"] for job_id in jobs for slot in session.by_key(table, job_id)}
    return [{"integration_id": integration_id} for integration_id in sorted(found)]


@imitates(production, "_TOLD")
async def told(session: Session, *, queue: str) -> Result:
    rows = session.rows(
        session.memory.tables["issues"],
        lambda row: (row["kind"], row["subject"], row["ended_at"]) == ("knocks_vanish", queue, None),
        everybody=True,
    )
    return [{"company": row["company_id"], "integration": row["integration_id"]} for row in rows]
