"""`shared/store/oauth_tokens.py`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.store import oauth_tokens as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates
from tests.simulation.store.tables import Row


@imitates(production, "_LOAD")
async def load(session: Session, *, id: UUID) -> Result:
    table = session.memory.tables["oauth_tokens"]
    return [{"sealed": session.seen(slot)["sealed"]} for slot in session.by_key(table, id)]


@imitates(production, "_LEASE")
async def lease(session: Session, *, id: UUID, company: UUID, seconds: float) -> Result:
    def is_free(token: Row) -> bool:
        return token["lease_until"] is None or token["lease_until"] < session.clock()

    row = {
        "integration_id": id,
        "company_id": company,
        "lease_until": session.clock() + timedelta(seconds=seconds),
        "lease_token": session.memory.numbers.next("lease_seq"),
    }
    taken = {name: row[name] for name in ("lease_until", "lease_token")}
    token, _ = await session.upsert(
        session.memory.tables["oauth_tokens"],
        row,
        "oauth_tokens_pkey",
        lambda token, _: {**token, **taken} if is_free(token) else token,
    )
    return [{"lease_token": token["lease_token"]}] if token["lease_token"] == row["lease_token"] else []


@imitates(production, "_SAVE")
async def save(session: Session, *, id: UUID, lease: int, sealed: str, expires_at: datetime) -> Result:
    return await _end(
        session,
        id,
        lease,
        lambda token: {
            "sealed": sealed,
            "version": token["version"] + 1,
            "expires_at": expires_at,
            "updated_at": session.clock(),
        },
    )


@imitates(production, "_RELEASE")
async def release(session: Session, *, id: UUID, lease: int) -> Result:
    return await _end(session, id, lease, lambda _: {})


async def _end(session: Session, integration_id: UUID, lease_token: int, values: Any) -> int:
    table = session.memory.tables["oauth_tokens"]

    def where(token: Row) -> bool:
        return bool(token["lease_token"] == lease_token)

    ended = {"lease_until": None, "lease_token": None}
    changed = await session.update(
        table,
        session.at(table, table.primary.name, integration_id, where),
        where,
        lambda token: {**token, **values(token), **ended},
    )
    return len(changed)
