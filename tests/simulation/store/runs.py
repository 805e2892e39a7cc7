"""`shared/store/runs.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from shared.store import runs as production
from shared.store.runs import Counts
from tests.simulation.store.locks import Strength
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, greatest, imitates, shown
from tests.simulation.store.tables import Condition, Row

_COLUMN_OF_COUNT = {
    name: name if name in ("pages", "requests") else f"records_{name}" for name in Counts.__dataclass_fields__
}

_READ = ("read", "unchanged", "skipped", "quarantined", "suppressed")


@imitates(production, "_CREATE")
async def create(
    session: Session,
    *,
    id: UUID,
    company: UUID,
    integration: UUID,
    parent: UUID | None,
    entity: str | None,
    direction: str,
    mode: str,
    trigger: str,
) -> Result:
    row = {
        "id": id,
        "company_id": company,
        "integration_id": integration,
        "parent_id": parent,
        "entity_type": entity,
        "direction": direction,
        "mode": mode,
        "trigger": trigger,
    }
    await session.insert(session.memory.tables["runs"], row)
    return 1


@imitates(production, "_GET")
async def get(session: Session, *, id: UUID) -> Result:
    table = session.memory.tables["runs"]
    return [table.fresh(session.seen(slot)) for slot in session.by_key(table, id)]


@imitates(production, "_RUNNING")
async def running(session: Session, *, integration: UUID, entity: str, direction: str) -> Result:
    rows = _of(
        session,
        integration,
        lambda row: (
            (row["entity_type"], row["direction"], row["status"]) == (entity, direction, "running")
            and row["mode"] != "revert"
        ),
    )
    return _fresh(session, rows)


@imitates(production, "_LATEST")
async def latest(session: Session, *, integration: UUID, entity: str, direction: str | None) -> Result:
    rows = _of(
        session,
        integration,
        lambda row: row["entity_type"] == entity and row["mode"] != "revert" and direction in (None, row["direction"]),
    )
    return _fresh(session, rows[-1:])


@imitates(production, "_CHILDREN")
async def children(session: Session, *, id: UUID) -> Result:
    rows = session.rows_at(session.memory.tables["runs"], "parent", id)
    return _fresh(session, sorted(rows, key=_age))


@imitates(production, "_ADD")
async def add(session: Session, *, id: UUID, coverage: str, **counts: int) -> Result:
    shown: dict[str, int] = orjson.loads(coverage)

    def change(run: Row) -> Row:
        return {
            **run,
            **{_COLUMN_OF_COUNT[name]: run[_COLUMN_OF_COUNT[name]] + count for name, count in counts.items()},
            "coverage": {
                name: run["coverage"].get(name, 0) + shown.get(name, 0) for name in {**run["coverage"], **shown}
            },
        }

    table = session.memory.tables["runs"]
    changed = await session.update(table, session.by_key(table, id), lambda _: True, change)
    return [{"is_cancel_requested": after["cancel_requested_at"] is not None} for _, after in changed]


@imitates(production, "_BEGIN_AGAIN")
async def begin_again(session: Session, *, id: UUID) -> Result:
    table = session.memory.tables["runs"]
    zero = dict.fromkeys(("pages", *(f"records_{name}" for name in _READ)), 0)
    changed = await session.update(
        table,
        session.by_key(table, id),
        lambda _: True,
        lambda run: {
            **run,
            **zero,
            "coverage": {},
            "evidence": {"records_done_before": run["records_created"] + run["records_updated"]},
        },
    )
    return len(changed)


@imitates(production, "_END")
async def end(session: Session, *, id: UUID, status: str, evidence: str | None, error: str | None) -> Result:
    table = session.memory.tables["runs"]
    found = None if evidence is None else orjson.loads(evidence)
    changed = await session.update(
        table,
        session.at(table, table.primary.name, id, _is_running),
        _is_running,
        lambda run: {**run, "status": status, "ended_at": session.clock(), "evidence": found, "error": error},
    )
    return len(changed)


@imitates(production, "_LOCK")
async def lock(session: Session, *, ids: list[UUID]) -> Result:
    table = session.memory.tables["runs"]
    found = [slot for each in ids for slot in session.by_key(table, each)]
    slots = sorted(found, key=lambda slot: (session.seen(slot)["parent_id"] is not None, session.seen(slot)["id"]))
    return shown([session.seen(slot) for slot in await session.lock(slots, Strength.NO_KEY_UPDATE)], ("id",))


@imitates(production, "_END_PARENT")
async def end_parent(session: Session, *, id: UUID) -> Result:
    table = session.memory.tables["runs"]
    below = session.rows_at(table, "parent", id)
    results = [run["status"] for run in below]
    if not below or "running" in results:
        return 0
    if all(result == "complete" for result in results):
        status = "complete"
    elif all(result == "failed" for result in results):
        status = "failed"
    else:
        status = "cancelled" if "cancelled" in results else "partial"
    changed = await session.update(
        table,
        session.at(table, table.primary.name, id, _is_running),
        _is_running,
        lambda run: {
            **run,
            "status": status,
            "ended_at": session.clock(),
            "evidence": {"runs": [str(each["id"]) for each in below]} if status == "complete" else None,
            **{column: sum(each[column] for each in below) for column in _COLUMN_OF_COUNT.values()},
        },
    )
    return len(changed)


@imitates(production, "_REQUEST_CANCEL")
async def request_cancel(session: Session, *, id: UUID) -> Result:
    table = session.memory.tables["runs"]
    slots = [*session.by_key(table, id), *session.at(table, "parent", id)]
    changed = await session.update(
        table,
        [slot for slot in slots if _is_running(session.seen(slot))],
        _is_running,
        lambda run: {**run, "cancel_requested_at": session.clock()},
    )
    return len(changed)


@imitates(production, "_LOCK_CURSOR")
async def lock_cursor(session: Session, *, integration: UUID, entity: str, company: UUID) -> Result:
    written = await session.upsert(
        session.memory.tables["cursors"],
        {"integration_id": integration, "entity_type": entity, "company_id": company},
        "cursors_pkey",
        lambda cursor, _: cursor,
    )
    return [{name: written[0][name] for name in ("watermark", "run_id", "position", "full_wanted_at")}]


@imitates(production, "_MOVE_CURSOR")
async def move_cursor(session: Session, *, integration: UUID, entity: str, run: UUID, position: str | None) -> Result:
    return await _set_cursor(session, integration, entity, lambda _: {"run_id": run, "position": position})


@imitates(production, "_ADVANCE")
async def advance(session: Session, *, integration: UUID, entity: str, watermark: datetime) -> Result:
    return await _set_cursor(
        session,
        integration,
        entity,
        lambda cursor: {
            "watermark": greatest(cursor["watermark"], watermark),
            "run_id": None,
            "position": None,
        },
    )


@imitates(production, "_WANT_FULL")
async def want_full(session: Session, *, integration: UUID, company: UUID, entities: Sequence[str]) -> Result:
    for entity in entities:
        given = {
            "integration_id": integration,
            "entity_type": entity,
            "company_id": company,
            "full_wanted_at": session.clock(),
        }
        await session.upsert(
            session.memory.tables["cursors"],
            given,
            "cursors_pkey",
            lambda cursor, _: {**cursor, "full_wanted_at": session.clock()},
        )
    return len(entities)


@imitates(production, "_FULL_READ")
async def full_read(session: Session, *, integration: UUID, entity: str, started: datetime) -> Result:
    def where(cursor: Row) -> bool:
        return cursor["full_wanted_at"] is not None and bool(cursor["full_wanted_at"] < started)

    table = session.memory.tables["cursors"]
    slots = session.at(table, table.primary.name, (integration, entity), where)
    return len(await session.update(table, slots, where, lambda cursor: {**cursor, "full_wanted_at": None}))


@imitates(production, "_SYNCED")
async def synced(session: Session, *, integration: UUID, at: datetime) -> Result:
    table = session.memory.tables["integrations"]
    changed = await session.update(
        table,
        session.by_key(table, integration),
        lambda _: True,
        lambda row: {**row, "last_synced_at": greatest(row["last_synced_at"], at)},
    )
    return len(changed)


@imitates(production, "_SHOWN")
async def shown_by_runs(session: Session, *, integration: UUID, entity: str, run: UUID, limit: int) -> Result:
    rows = _of(
        session,
        integration,
        lambda row: (
            (row["entity_type"], row["direction"]) == (entity, "inbound")
            and row["status"] in ("complete", "partial")
            and row["mode"] != "revert"
            and row["records_read"] > 0
            and row["id"] != run
        ),
    )
    return [
        {"coverage": row["coverage"], "records": row["records_read"]} for row in _fresh(session, rows[::-1][:limit])
    ]


@imitates(production, "_EXPECT")
async def expect(session: Session, *, id: UUID, integration: UUID, entity: str, mode: str, is_whole: bool) -> Result:
    table = session.memory.tables["runs"]
    links = session.memory.tables["external_entity_map"]
    expected: int | None = None
    if is_whole:
        expected = len(session.at(links, "integration", (integration, entity), lambda row: row["state"] == "live"))
    if not expected:
        expected = _last_complete(session, integration, entity, mode)

    def where(run: Row) -> bool:
        return run["expected_records"] is None

    changed = await session.update(
        table,
        session.at(table, table.primary.name, id, where),
        where,
        lambda run: {**run, "expected_records": expected},
    )
    return len(changed)


def _last_complete(session: Session, integration: UUID, entity: str, mode: str) -> int | None:
    """Return how many records the last complete run of *mode* read, that was not the entity's first."""
    complete = _of(
        session,
        integration,
        lambda row: (row["entity_type"], row["direction"], row["status"]) == (entity, "inbound", "complete"),
    )
    later = [row for row in complete if row["mode"] == mode and row["started_at"] > complete[0]["started_at"]]
    return later[-1]["records_read"] if later else None


def _is_running(run: Row) -> bool:
    return bool(run["status"] == "running")


def _age(run: Row) -> tuple[datetime, UUID]:
    return run["started_at"], run["id"]


def _of(session: Session, integration: UUID, where: Condition) -> list[Row]:
    """Return an integration's runs, oldest first."""
    return sorted(session.rows_at(session.memory.tables["runs"], "integration", integration, where), key=_age)


def _fresh(session: Session, rows: list[Row]) -> list[dict[str, Any]]:
    return [session.memory.tables["runs"].fresh(row) for row in rows]


async def _set_cursor(session: Session, integration: UUID, entity: str, values: Any) -> int:
    table = session.memory.tables["cursors"]
    changed = await session.update(
        table,
        session.by_key(table, (integration, entity)),
        lambda _: True,
        lambda cursor: {**cursor, **values(cursor), "updated_at": session.clock()},
    )
    return len(changed)
