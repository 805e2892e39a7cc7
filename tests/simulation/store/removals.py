"""`shared/store/removals.py`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from shared.store import removals as production
from tests.simulation.store.locks import Strength
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates, shown
from tests.simulation.store.tables import Row, Slot

_COLUMNS = ("link_id", "state", "asked_by", "asked_at", "ended_at", "detail")


@imitates(production, "_WANT")
async def want(session: Session, *, company: UUID, links: Sequence[UUID], by: str) -> Result:
    table = session.memory.tables["removals"]

    def again(removal: Row, excluded: Row) -> Row:
        was_sent = removal["state"] in ("sent", "revoked") and removal["asked_by"] != "candidate"
        asked = {
            "state": "sent" if was_sent else "wanted",
            "asked_by": excluded["asked_by"],
            "asked_at": session.clock(),
        }
        return {**removal, **asked, "ended_at": None, "detail": None}

    for link in links:
        row = {"link_id": link, "company_id": company, "asked_by": by}
        await session.upsert(table, row, table.primary.name, again)
    return len(links)


@imitates(production, "_LOCK")
async def lock(session: Session, *, links: Sequence[UUID]) -> Result:
    locked = await session.lock(_of_links(session, links), Strength.FOR_UPDATE)
    return shown([session.seen(slot) for slot in locked], _COLUMNS)


@imitates(production, "_MARK")
async def mark(session: Session, *, link: UUID, state: str, detail: str | None) -> Result:
    table = session.memory.tables["removals"]
    ended = None if state in ("wanted", "sent") else session.clock()
    changed = await session.update(
        table,
        session.by_key(table, link),
        lambda _: True,
        lambda row: {**row, "state": state, "detail": detail, "ended_at": ended},
    )
    return len(changed)


@imitates(production, "_REVOKE")
async def revoke(session: Session, *, links: Sequence[UUID]) -> Result:
    changed = await session.update(
        session.memory.tables["removals"],
        _of_links(session, links),
        lambda row: row["state"] in ("sent", "revoked"),
        lambda row: {**row, "state": "revoked", "ended_at": session.clock()},
    )
    return len(changed)


@imitates(production, "_PRESUME")
async def presume(session: Session, *, company: UUID, links: Sequence[UUID]) -> Result:
    for link in links:
        row = {"link_id": link, "company_id": company, "state": "revoked", "asked_by": "candidate"}
        await session.insert(session.memory.tables["removals"], {**row, "ended_at": session.clock()})
    return len(links)


@imitates(production, "_WITHDRAW")
async def withdraw(session: Session, *, links: Sequence[UUID]) -> Result:
    table = session.memory.tables["removals"]
    return len(await session.delete(table, _of_links(session, links), lambda row: row["state"] != "revoked"))


@imitates(production, "_KEEP")
async def keep(session: Session, *, links: Sequence[UUID], detail: str) -> Result:
    changed = await session.update(
        session.memory.tables["removals"],
        _of_links(session, links),
        lambda row: row["state"] in ("wanted", "sent"),
        lambda row: {**row, "state": "kept", "detail": detail, "ended_at": session.clock()},
    )
    return len(changed)


@imitates(production, "_KEEP_HELD")
async def keep_held(session: Session, *, brake: UUID) -> Result:
    held = session.rows(session.memory.tables["held_deletes"], lambda row: row["brake_id"] == brake)
    table, links = session.memory.tables["removals"], session.memory.tables["external_entity_map"]
    free = await session.lock(
        _of_links(session, [row["link_id"] for row in held]),
        Strength.FOR_UPDATE,
        lambda row: row["state"] == "wanted",
        skip_locked=True,
    )
    changed = await session.update(
        table,
        [slot for slot in free if session.by_key(links, session.seen(slot)["link_id"])],
        lambda _: True,
        lambda row: {**row, "state": "kept", "detail": None, "ended_at": session.clock()},
    )
    found = [slot for _, after in changed for slot in session.by_key(links, after["link_id"])]
    return shown([session.seen(slot) for slot in found], ("entity_type", "internal_id", "external_id"))


@imitates(production, "_FORGET")
async def forget(session: Session, *, links: Sequence[UUID]) -> Result:
    table = session.memory.tables["removals"]
    return len(await session.delete(table, _of_links(session, links)))


@imitates(production, "_UNDER_WAY")
async def under_way(session: Session, *, integration: UUID, entity: str, link: UUID) -> Result:
    removals = session.rows(session.memory.tables["removals"], lambda row: row["state"] in ("sent", "revoked"))
    sent = {row["link_id"] for row in removals} - {link}
    links = session.rows(
        session.memory.tables["external_entity_map"],
        lambda row: (
            row["id"] in sent
            and (row["integration_id"], row["entity_type"], row["state"]) == (integration, entity, "live")
        ),
    )
    return [{"sent": len(links)}]


def _of_links(session: Session, links: Sequence[UUID]) -> list[Slot]:
    table = session.memory.tables["removals"]
    return [slot for link in sorted(set(links)) for slot in session.by_key(table, link)]
