"""`shared/store/namesakes.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.store import namesakes as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates, text_of
from tests.simulation.store.tables import Row


@imitates(production, "BY_PHONE")
async def by_phone(session: Session, *, company: UUID, integration: UUID, digits: Sequence[str], most: int) -> Result:
    return _people(session, company, integration, "phone", digits, most)


@imitates(production, "BY_NAME")
async def by_name(
    session: Session,
    *,
    company: UUID,
    integration: UUID,
    lasts: Sequence[str],
    firsts: Sequence[str],
    employers: Sequence[str],
    below: int,
) -> Result:
    names = sorted({f"{last} {first}".strip(" ").lower() for last, first in zip(lasts, firsts, strict=True)})
    records = session.memory.tables["records"]
    rare = [
        name for name in names if len(session.rows_at(records, "name", name, lambda row: _lives(row, company))) < below
    ]
    wanted = {
        (f"{last} {first}".strip(" ").lower(), employer.strip(" ").lower())
        for last, first, employer in zip(lasts, firsts, employers, strict=True)
    }
    return [
        person
        for person in _people(session, company, integration, "name", rare, below)
        if (
            f"{person['last_name'] or ''} {person['first_name'] or ''}".strip(" ").lower(),
            (person["current_company"] or "").strip(" ").lower(),
        )
        in wanted
    ]


def _people(
    session: Session, company: UUID, integration: UUID, index: str, keys: Sequence[str], most: int
) -> list[dict[str, Any]]:
    records, links = session.memory.tables["records"], session.memory.tables["external_entity_map"]
    found: dict[UUID, dict[str, Any]] = {}
    for key in keys:
        rows = session.rows_at(records, index, key, lambda row: _lives(row, company))
        for row in rows[:most]:
            found[row["id"]] = {
                "id": row["id"],
                **{
                    name: text_of(row["data"], name)
                    for name in ("first_name", "last_name", "email", "phone", "current_company")
                },
                "is_linked": any(
                    (link["integration_id"], link["entity_type"], link["state"]) == (integration, "candidate", "live")
                    for link in session.rows_at(links, "internal", row["id"])
                ),
            }
    return list(found.values())


def _lives(row: Row, company: UUID) -> bool:
    return row["company_id"] == company and row["archived_at"] is None
