"""`shared/store/connections.py` and `shared/store/companies.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from shared.store import companies
from shared.store import connections as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates, shown
from tests.simulation.store.tables import Row


@imitates(companies, "_ADD")
async def add_company(session: Session, *, id: UUID, name: str) -> Result:
    table = session.memory.tables["companies"]
    return int(await session.insert_unless(table, {"id": id, "name": name}, table.primary.name) is not None)


@imitates(companies, "_SET_REGION")
async def set_region(session: Session, *, id: UUID, region: str | None) -> Result:
    table = session.memory.tables["companies"]
    slots = session.at(table, table.primary.name, id)
    return len(await session.update(table, slots, lambda _: True, lambda row: {**row, "default_region": region}))


@imitates(companies, "_REGION_OF")
async def region_of(session: Session, *, id: UUID) -> Result:
    table = session.memory.tables["companies"]
    return shown(session.rows_at(table, table.primary.name, id), ("default_region",))


@imitates(companies, "_ROUTE")
async def add_route(session: Session, *, id: UUID, company: UUID, entity: str) -> Result:
    await session.insert(
        session.memory.tables["routes"],
        {
            "id": id,
            "company_id": company,
            "entity_type": entity,
            "from_system": "portal",
            "to_system": "job_owner",
        },
    )
    return 1


@imitates(companies, "_OF_INTEGRATION")
async def company_of(session: Session, *, integration: UUID) -> Result:
    rows = session.rows(session.memory.tables["integrations"], lambda row: row["id"] == integration, everybody=True)
    return [{"company": row["company_id"]} for row in rows]


@imitates(production, "_GET")
async def get(session: Session, *, id: UUID) -> Result:
    table, companies = session.memory.tables["integrations"], session.memory.tables["companies"]
    regions = {row["id"]: row["default_region"] for row in session.rows(companies, lambda _: True)}
    told = session.rows(
        session.memory.tables["issues"],
        lambda row: row["integration_id"] == id and row["kind"] == "vendor_unreachable" and row["ended_at"] is None,
    )
    return [
        {
            **table.fresh(row),
            "wants_full_comparison": row["full_compare_wanted_at"] is not None,
            "default_region": regions.get(row["company_id"]),
            "is_told_unreachable": bool(told),
        }
        for row in session.rows_at(table, table.primary.name, id)
    ]


@imitates(production, "_PLATFORMS")
async def platforms(session: Session, *, company: UUID) -> Result:
    rows = session.rows(session.memory.tables["integrations"], lambda row: row["company_id"] == company)
    return shown(rows, ("id", "platform"))


@imitates(production, "_BLOCK")
async def block(session: Session, *, id: UUID, wait_s: float, reason: str) -> Result:
    until = session.clock() + timedelta(seconds=wait_s)

    def where(row: Row) -> bool:
        return row["blocked_until"] is None or row["blocked_until"] < until

    table = session.memory.tables["integrations"]
    changed = await session.update(
        table,
        session.at(table, table.primary.name, id, where),
        where,
        lambda row: {**row, "blocked_until": until, "blocked_reason": reason},
    )
    return len(changed)


@imitates(production, "_UNBLOCK")
async def unblock(session: Session, *, id: UUID, reason: str) -> Result:
    def where(row: Row) -> bool:
        return bool(row["blocked_reason"] == reason)

    table = session.memory.tables["integrations"]
    changed = await session.update(
        table,
        session.at(table, table.primary.name, id, where),
        where,
        lambda row: {**row, "blocked_until": None, "blocked_reason": None},
    )
    return len(changed)


@imitates(production, "_NEEDS_PEOPLE")
async def needs_people(session: Session, *, id: UUID, job: UUID, code: str, detail: str) -> Result:
    table, jobs = session.memory.tables["integrations"], session.memory.tables["sync_queue"]
    claims = [session.seen(slot)["started_at"] for slot in session.by_key(jobs, job)]
    claimed_at = claims[0] if claims else None

    def where(row: Row) -> bool:
        return row["attention"] != code and claimed_at is not None and row["updated_at"] <= claimed_at

    changed = await session.update(
        table,
        session.at(table, table.primary.name, id, where),
        where,
        lambda row: {**row, "attention": code, "attention_detail": detail, "updated_at": session.clock()},
    )
    return len(changed)


@imitates(production, "_LIFT_ATTENTION")
async def lift_attention(session: Session, *, id: UUID, version: int) -> Result:
    def where(row: Row) -> bool:
        return row["version"] == version and row["attention"] is not None

    table = session.memory.tables["integrations"]
    changed = await session.update(
        table,
        session.at(table, table.primary.name, id, where),
        where,
        lambda row: {**row, "attention": None, "attention_detail": None, "updated_at": session.clock()},
    )
    return len(changed)


@imitates(production, "_COMPARED")
async def compared(session: Session, *, id: UUID, names: Sequence[str], entities: int) -> Result:
    table = session.memory.tables["integrations"]
    runs = session.rows_at(
        session.memory.tables["runs"],
        "integration",
        id,
        lambda run: (
            run["direction"] == "inbound"
            and run["mode"] == "full"
            and run["entity_type"] in names
            and run["status"] in ("complete", "partial")
        ),
    )

    def where(row: Row) -> bool:
        wanted_at = row["full_compare_wanted_at"]
        return wanted_at is not None and entities <= len(
            {run["entity_type"] for run in runs if run["started_at"] > wanted_at}
        )

    changed = await session.update(
        table,
        session.at(table, table.primary.name, id, where),
        where,
        lambda row: {**row, "full_compare_wanted_at": None},
    )
    return len(changed)


@imitates(production, "_CREATED_ROUTES")
async def created_routes(session: Session, *, entity: str) -> Result:
    rows = session.rows(
        session.memory.tables["routes"],
        lambda row: (row["entity_type"], row["from_system"], row["to_system"]) == (entity, "portal", "job_owner"),
    )
    return [{} for _ in rows]
