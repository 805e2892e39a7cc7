"""`shared/store/integrations.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from shared.store import integrations as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates
from tests.simulation.store.tables import Condition, Row


@imitates(production, "_LOCK_RANKS")
async def lock_ranks(session: Session, *, company: UUID) -> Result:
    await session.advise(f"rank {company}")
    return [{}]


@imitates(production, "_INSERT")
async def insert(session: Session, *, company: UUID, config: str, **values: Any) -> Result:
    table = session.memory.tables["integrations"]
    ranks = [row["rank"] for row in session.rows(table, lambda row: row["company_id"] == company)]
    row = {
        **values,
        "company_id": company,
        "config": orjson.loads(config),
        "rank": max(ranks, default=0) + 1,
    }
    return [table.fresh(await session.insert(table, row))]


@imitates(production, "_GET")
async def get(session: Session, *, id: UUID, deleted: bool) -> Result:
    table = session.memory.tables["integrations"]
    rows = session.rows_at(table, table.primary.name, id, lambda row: deleted or _is_there(row))
    return [table.fresh(row) for row in rows]


@imitates(production, "_LIST")
async def of_company(session: Session, *, company: UUID, at: datetime, after: UUID, limit: int) -> Result:
    table = session.memory.tables["integrations"]
    rows = session.rows(
        table,
        lambda row: row["company_id"] == company and _is_there(row) and (row["created_at"], row["id"]) > (at, after),
    )
    ordered = sorted(rows, key=lambda row: (row["created_at"], row["id"]))
    return [table.fresh(row) for row in ordered[:limit]]


@imitates(production, "_WITH_POLICIES")
async def with_policies(session: Session, *, company: UUID, id: UUID) -> Result:
    table = session.memory.tables["integrations"]
    rows = session.rows(
        table,
        lambda row: row["company_id"] == company and _is_there(row) and row["id"] != id and "policies" in row["config"],
    )
    return [table.fresh(row) for row in sorted(rows, key=lambda row: row["rank"])]


@imitates(production, "_UPDATE")
async def update(
    session: Session,
    *,
    id: UUID,
    based_on: int,
    names: Sequence[str],
    **values: Any,
) -> Result:
    given = {name: values[name] for name in names}
    if given.get("config") is not None:
        given["config"] = orjson.loads(given["config"])

    def where(row: Row) -> bool:
        return _is_there(row) and row["version"] == based_on

    return await _set(
        session,
        id,
        where,
        lambda row: {
            **given,
            "version": row["version"] + 1,
            "updated_at": session.clock(),
            "webhook_secrets_version": row["webhook_secrets_version"] + ("webhook_secret_sealed" in names),
        },
    )


@imitates(production, "_OBSERVE")
async def observe(session: Session, *, id: UUID, account: str | None, clock_skew_ms: int) -> Result:
    def where(row: Row) -> bool:
        found = (row["account"] if account is None else account, clock_skew_ms)
        return _is_there(row) and (row["account"], row["clock_skew_ms"]) != found

    changed = await _set(
        session,
        id,
        where,
        lambda row: {"account": row["account"] if account is None else account, "clock_skew_ms": clock_skew_ms},
    )
    return len(changed)


@imitates(production, "_PREVIEWED")
async def previewed(session: Session, *, id: UUID, version: int, by: str, entities: list[str]) -> Result:
    changed = await _set(
        session,
        id,
        lambda row: _is_there(row) and row["version"] == version,
        lambda _: {"previewed_at": session.clock(), "previewed_by": by, "previewed_entities": entities},
    )
    return len(changed)


@imitates(production, "_DELETE")
async def delete(session: Session, *, id: UUID) -> Result:
    return await _set(
        session,
        id,
        _is_there,
        lambda row: {
            "deleted_at": session.clock(),
            "sync_enabled": False,
            "api_key_encrypted": None,
            "version": row["version"] + 1,
            "updated_at": session.clock(),
        },
    )


@imitates(production, "_DROP_TOKENS")
async def drop_tokens(session: Session, *, id: UUID) -> Result:
    table = session.memory.tables["oauth_tokens"]
    return len(await session.delete(table, session.by_key(table, id)))


@imitates(production, "_BURY_LINKS")
async def bury_links(session: Session, *, id: UUID) -> Result:
    table = session.memory.tables["external_entity_map"]

    def where(link: Row) -> bool:
        return bool(link["integration_id"] == id and link["state"] == "live")

    changed = await session.update(
        table,
        session.slots(table, where),
        where,
        lambda link: {**link, "state": "tombstone", "changed_at": session.clock()},
    )
    return len(changed)


@imitates(production, "_TAKE_OVER")
async def take_over(session: Session, *, id: UUID, platform: str, account: str, days: int) -> Result:
    links, integrations = session.memory.tables["external_entity_map"], session.memory.tables["integrations"]
    since = session.clock() - timedelta(days=days)
    old = {
        row["id"]
        for row in session.rows(integrations)
        if row["id"] != id
        and (row["platform"], row["account"]) == (platform, account)
        and row["deleted_at"] is not None
        and row["deleted_at"] > since
    }
    here = session.rows(links, lambda link: link["integration_id"] == id and link["state"] != "tombstone")
    taken = {(link["entity_type"], name) for link in here for name in (link["external_id"], link["internal_id"])}

    def where(link: Row) -> bool:
        entity = link["entity_type"]
        return (
            link["integration_id"] in old
            and link["state"] in ("tombstone", "gone")
            and (entity, link["external_id"]) not in taken
            and (entity, link["internal_id"]) not in taken
        )

    changed = await session.update(
        links,
        session.slots(links, where),
        where,
        lambda link: {
            **link,
            "integration_id": id,
            "changed_at": session.clock(),
            "digest": None,
            "state": "live" if link["state"] == "tombstone" else link["state"],
        },
    )
    return len(changed)


@imitates(production, "_ARCHIVE")
async def archive(session: Session, *, id: UUID) -> Result:
    links, records = session.memory.tables["external_entity_map"], session.memory.tables["records"]
    live = session.rows(links, lambda link: link["state"] == "live")
    elsewhere = {(link["internal_id"], link["entity_type"]) for link in live if link["integration_id"] != id}
    only_here = [
        (link["internal_id"], link["entity_type"])
        for link in live
        if link["integration_id"] == id and (link["internal_id"], link["entity_type"]) not in elsewhere
    ]

    def where(record: Row) -> bool:
        return record["archived_at"] is None

    changed = await session.update(
        records,
        [slot for key in dict.fromkeys(only_here) for slot in session.at(records, records.primary.name, key, where)],
        where,
        lambda record: {
            **record,
            "archived_at": session.clock(),
            "updated_at": session.clock(),
            "version": record["version"] + 1,
        },
    )
    return [{"id": after["id"], "entity_type": after["entity_type"]} for _, after in changed]


@imitates(production, "_AT_WORK")
async def at_work(session: Session, *, id: UUID, actions: Sequence[str]) -> Result:
    jobs = session.rows_at(
        session.memory.tables["sync_queue"],
        "status",
        "processing",
        lambda job: job["integration_id"] == id and job["action"] in actions,
    )
    found = sorted({(job["entity_type"], job["direction"]) for job in jobs})
    return [{"entity_type": entity, "direction": direction} for entity, direction in found]


@imitates(production, "_CLOSE_CONFLICTS")
async def close_conflicts(session: Session, *, id: UUID) -> Result:
    table = session.memory.tables["conflicts"]

    def where(item: Row) -> bool:
        return bool(item["integration_id"] == id and item["status"] == "open")

    changed = await session.update(
        table,
        session.slots(table, where),
        where,
        lambda item: {
            **item,
            "status": "closed",
            "ended_at": session.clock(),
            "updated_at": session.clock(),
            "ended_by": "integration_deleted",
            "version": item["version"] + 1,
        },
    )
    return len(changed)


def _is_there(row: Row) -> bool:
    return row["deleted_at"] is None


async def _set(session: Session, integration: UUID, where: Condition, values: Any) -> list[dict[str, Any]]:
    table = session.memory.tables["integrations"]
    slots = session.at(table, table.primary.name, integration, where)
    changed = await session.update(table, slots, where, lambda row: {**row, **values(row)})
    return [table.fresh(after) for _, after in changed]
