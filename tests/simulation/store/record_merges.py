"""`shared/store/record_merges.py`."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from shared.store import record_merges as production
from tests.simulation.store.locks import Strength
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates, recordset, shown
from tests.simulation.store.tables import Row

_MERGE = ("id", "survivor_id", "merged_id", "survivor_sealed", "merged_sealed", "merged_at")


@imitates(production, "_HOLD_STILL")
async def hold_still(session: Session, *, company: str) -> Result:
    await session.advise(f"links of {company}", Strength.KEY_SHARE)
    return [{}]


@imitates(production, "_ALONE")
async def alone(session: Session, *, company: str) -> Result:
    await session.advise(f"links of {company}")
    return [{}]


@imitates(production, "_PUT")
async def put(
    session: Session,
    *,
    id: UUID,
    company: UUID,
    entity: str,
    survivor: UUID,
    merged: UUID,
    survivor_sealed: bytes,
    merged_sealed: bytes,
    by: str,
) -> Result:
    row = {
        "id": id,
        "company_id": company,
        "entity_type": entity,
        "survivor_id": survivor,
        "merged_id": merged,
        "survivor_sealed": survivor_sealed,
        "merged_sealed": merged_sealed,
        "merged_by": by,
    }
    await session.insert(session.memory.tables["record_merges"], row)
    return 1


@imitates(production, "_LAST")
async def last(session: Session, *, id: UUID) -> Result:
    table = session.memory.tables["record_merges"]
    slots = session.slots(table, lambda row: row["ended_at"] is None and id in (row["survivor_id"], row["merged_id"]))
    newest = sorted(slots, key=lambda slot: session.seen(slot)["merged_at"], reverse=True)[:1]
    return shown([session.seen(slot) for slot in await session.lock(newest, Strength.FOR_UPDATE)], _MERGE)


@imitates(production, "_END")
async def end(session: Session, *, id: UUID, by: str) -> Result:
    table = session.memory.tables["record_merges"]

    def where(row: Row) -> bool:
        return row["ended_at"] is None

    slots = session.at(table, table.primary.name, id, where)
    ended = await session.update(table, slots, where, lambda row: {**row, "ended_at": session.clock(), "ended_by": by})
    return len(ended)


@imitates(production, "_SURVIVORS")
async def survivors(session: Session, *, ids: Sequence[UUID]) -> Result:
    into = {row["merged_id"]: row["survivor_id"] for row in _standing(session)}
    found: list[dict[str, Any]] = []
    for record_id in sorted(set(ids)):
        end_of = record_id
        while end_of in into:
            end_of = into[end_of]
        if end_of != record_id:
            found.append({"id": record_id, "survivor_id": end_of})
    return found


@imitates(production, "_MERGED")
async def merged(session: Session, *, ids: Sequence[UUID]) -> Result:
    of: dict[UUID, list[Row]] = {}
    for row in _standing(session):
        of.setdefault(row["survivor_id"], []).append(row)
    found: list[dict[str, Any]] = []
    for record_id in sorted(set(ids)):
        ahead, parts = [record_id], []
        while ahead:
            rows = of.get(ahead.pop(), [])
            parts += rows
            ahead += [row["merged_id"] for row in rows]
        parts.sort(key=lambda row: (row["merged_at"], row["merged_id"]))
        found += [{"id": record_id, "merged_id": row["merged_id"]} for row in parts]
    return found


def _standing(session: Session) -> list[Row]:
    return session.rows(session.memory.tables["record_merges"], lambda row: row["ended_at"] is None)


@imitates(production, "_PLACES")
async def places(session: Session, *, ids: Sequence[UUID]) -> Result:
    table = session.memory.tables["external_entity_map"]
    slots = [slot for record_id in dict.fromkeys(ids) for slot in session.at(table, "internal", record_id)]
    locked = await session.lock(sorted(slots, key=lambda slot: session.seen(slot)["id"]), Strength.FOR_UPDATE)
    columns = ("id", "internal_id", "integration_id", "is_primary", "state")
    return shown([session.seen(slot) for slot in locked], columns)


@imitates(production, "_MOVE")
async def move(session: Session, *, rows: str) -> Result:
    table = session.memory.tables["external_entity_map"]
    wanted = {UUID(row["id"]): row for row in recordset(rows)}

    def change(link: Row) -> Row:
        row = wanted[link["id"]]
        return {
            **link,
            "internal_id": UUID(row["internal_id"]),
            "is_primary": row["is_primary"],
            "sync_version": link["sync_version"] + 1,
        }

    slots = [slot for link_id in wanted for slot in session.by_key(table, link_id)]
    return len(await session.update(table, slots, lambda _: True, change))


@imitates(production, "_RENAME_LINK")
async def rename_link(session: Session, *, id: UUID, external: str, fence: int) -> Result:
    table = session.memory.tables["external_entity_map"]
    changed = await session.update(
        table,
        session.by_key(table, id),
        lambda _: True,
        lambda link: {
            **link,
            "external_id": external,
            "digest": None,
            "vendor_version": None,
            "fence": max(link["fence"], fence),
            "sync_version": link["sync_version"] + 1,
        },
    )
    return len(changed)


@imitates(production, "_ITEMS")
async def items(session: Session, *, company: UUID, ids: Sequence[UUID]) -> Result:
    table, wanted = session.memory.tables["conflicts"], frozenset(ids)
    slots = session.slots(
        table,
        lambda row: (
            (row["company_id"], row["status"]) == (company, "open")
            and (row["record_id"] in wanted or not wanted.isdisjoint(row["matches"] or ()))
        ),
    )
    ordered = sorted(slots, key=lambda slot: session.seen(slot)["id"])
    return [table.fresh(session.seen(slot)) for slot in await session.lock(ordered, Strength.FOR_UPDATE)]


@imitates(production, "_RENAME")
async def rename(session: Session, *, id: UUID, record: UUID | None, matches: Sequence[UUID]) -> Result:
    table = session.memory.tables["conflicts"]
    changed = await session.update(
        table,
        session.by_key(table, id),
        lambda _: True,
        lambda item: {
            **item,
            "record_id": record,
            "matches": list(matches),
            "version": item["version"] + 1,
            "updated_at": session.clock(),
        },
    )
    return len(changed)


@imitates(production, "_BEING_CREATED")
async def being_created(session: Session, *, ids: Sequence[UUID]) -> Result:
    wanted = frozenset(ids)
    rows = session.rows(
        session.memory.tables["create_intents"], lambda row: row["state"] == "open" and row["record_id"] in wanted
    )
    return [{"?column?": 1} for _ in rows[:1]]


@imitates(production, "_TOLD")
async def told(session: Session, *, integration: UUID, external: str, keys: Sequence[str], name: str) -> Result:
    rows = session.rows(
        session.memory.tables["sync_queue"],
        lambda row: (
            row["integration_id"] == integration
            and row["action"] == "reconcile"
            and row["entity_type"] == "candidate"
            and row["record_key"] in keys
            and row["payload"].get(name, external) != external
        ),
    )
    newest = sorted(sorted(rows, key=lambda row: row["id"]), key=lambda row: row["created_at"], reverse=True)
    return [{"into_id": row["payload"][name]} for row in newest[:1]]


@imitates(production, "_WAITING")
async def waiting(session: Session, *, reasons: str) -> Result:
    rows = session.rows(
        session.memory.tables["sync_queue"],
        lambda row: (
            row["status"] == "pending"
            and row["hold_reason"] is not None
            and fnmatchcase(row["hold_reason"], reasons.replace("%", "*"))
        ),
    )
    pairs = dict.fromkeys((row["integration_id"], row["hold_reason"]) for row in rows)
    return [{"integration_id": integration_id, "hold_reason": reason} for integration_id, reason in pairs]
