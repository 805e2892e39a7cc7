"""`shared/store/conflicts.py`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import orjson

from shared.store import conflicts as production
from tests.simulation.store.locks import Strength
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates, recordset
from tests.simulation.store.tables import Row

_FIELD = ("field", "refused")


@imitates(production, "_OPEN_OF_RECORDS")
async def open_of_records(session: Session, *, ids: Sequence[UUID]) -> Result:
    table = session.memory.tables["conflicts"]
    return [
        table.fresh(row)
        for record_id in dict.fromkeys(ids)
        for row in session.rows_at(
            table, "record", record_id, lambda row: row["status"] == "open" and row["kind"] in _FIELD
        )
    ]


@imitates(production, "_LOCK")
async def lock(session: Session, *, id: UUID) -> Result:
    table = session.memory.tables["conflicts"]
    slots = await session.lock(session.by_key(table, id), Strength.FOR_UPDATE)
    return [table.fresh(session.seen(slot)) for slot in slots]


@imitates(production, "_PUT")
async def put(
    session: Session,
    *,
    company: UUID,
    ids: Sequence[UUID],
    kinds: Sequence[str],
    entities: Sequence[str],
    record_ids: Sequence[UUID],
    units: Sequence[str],
    inputs: Sequence[str],
    sealed: Sequence[bytes],
    reasons: Sequence[str | None],
) -> Result:
    def change(item: Row, excluded: Row) -> Row:
        has_moved = item["inputs"] != excluded["inputs"]
        return {
            **item,
            **{name: excluded[name] for name in ("inputs", "sealed", "kind", "reason")},
            "version": item["version"] + has_moved,
            "updated_at": session.clock() if has_moved else item["updated_at"],
        }

    opened = []
    names = ("id", "kind", "entity_type", "record_id", "unit", "inputs", "sealed", "reason")
    columns = (ids, kinds, entities, record_ids, units, map(orjson.loads, inputs), sealed, reasons)
    for values in zip(*columns, strict=True):
        row = {"company_id": company, **dict(zip(names, values, strict=True))}
        item, is_new = await session.upsert(session.memory.tables["conflicts"], row, "conflicts_open_unit", change)
        if is_new:
            opened.append(item)
    return await _tell(session, opened)


@imitates(production, "_PUT_MATCHES")
async def put_matches(session: Session, *, company: UUID, rows: str) -> Result:
    def change(item: Row, excluded: Row) -> Row:
        has_moved = item["matches"] != excluded["matches"]
        return {**item, "version": item["version"] + has_moved, "matches": excluded["matches"]}

    opened = []
    for item in recordset(rows):
        row = {
            **item,
            "company_id": company,
            "id": UUID(item["id"]),
            "record_id": None if item["record_id"] is None else UUID(item["record_id"]),
            "integration_id": None if item["integration_id"] is None else UUID(item["integration_id"]),
            "matches": [UUID(match) for match in item["matches"]],
        }
        found, is_new = await session.upsert(session.memory.tables["conflicts"], row, "conflicts_open_match", change)
        if is_new:
            opened.append(found)
    return await _tell(session, opened)


async def _tell(session: Session, opened: list[Row]) -> Result:
    for item in opened:
        await session.insert(
            session.memory.tables["notices"],
            {
                **{name: item[name] for name in ("company_id", "entity_type", "record_id")},
                "kind": "conflict_waiting",
                "audience": "data_manager",
                "conflict_id": item["id"],
            },
        )
    return [{"conflict_id": item["id"]} for item in opened]


@imitates(production, "_END")
async def end(session: Session, *, id: UUID, status: str, by: str | None, decision: str | None) -> Result:
    table = session.memory.tables["conflicts"]

    def where(item: Row) -> bool:
        return bool(item["status"] == "open")

    changed = await session.update(
        table,
        session.at(table, table.primary.name, id, where),
        where,
        lambda item: {
            **item,
            "status": status,
            "ended_at": session.clock(),
            "updated_at": session.clock(),
            "ended_by": by,
            "decision": decision,
            "version": item["version"] + 1,
        },
    )
    return len(changed)


@imitates(production, "_DECIDED_MATCH")
async def decided_match(session: Session, *, integration: UUID, entity: str, ids: Sequence[str]) -> Result:
    wanted = frozenset(ids)
    rows = session.rows(
        session.memory.tables["conflicts"],
        lambda row: (
            (row["status"], row["kind"], row["integration_id"], row["entity_type"])
            == ("resolved", "ambiguous_match", integration, entity)
            and row["external_id"] in wanted
        ),
    )
    return [
        {"external_id": row["external_id"], "decision": row["decision"]}
        for row in sorted(rows, key=lambda row: row["ended_at"])
    ]
