"""
What the API shows of records: lists by key, searches that indexes serve under row-level security, and how fresh it is.

Filters compare plain and generated columns only: an expression (`data ->> 'email'`, `lower`) is not leakproof, so the
planner would read every row of the company before it may apply it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from shared.errors import NotFound
from shared.model import EntityType
from shared.store.database import Transaction

Position = tuple[datetime, UUID]

_COLUMNS: LiteralString = (
    "r.id, r.entity_type, r.data, r.version, r.created_at, r.updated_at, r.archived_at, r.archived_by, r.submission"
)
_LAST = "\U0010ffff"
"""Sorts behind every text that begins alike."""


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records are meant; what is None filters nothing."""

    search: str | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    status: str | None = None
    stage: str | None = None
    candidate_id: UUID | None = None
    job_id: UUID | None = None
    integration_id: UUID | None = None
    external_id: str | None = None
    archived: bool | None = False
    """None shows both."""


class Reading:
    """Queries for people and programs that look; none of them locks or writes."""

    async def records(
        self, tx: Transaction, entity: EntityType, wanted: RecordFilter, *, after: Position | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return records of *entity*, newest first."""
        query, parameters = listing(entity, wanted, after)
        return await tx.rows(query, company=tx.company, limit=limit, **parameters)

    async def record(self, tx: Transaction, entity: EntityType, record_id: UUID) -> dict[str, Any]:
        """Return one record, archived or not. Raises NotFound, also for another company's."""
        row = await tx.row(_RECORD, entity=entity.value, id=record_id)
        if row is None:
            raise NotFound(f"there is no {entity.value} {record_id}")
        return row

    async def applications_of(self, tx: Transaction, candidate_ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
        """Return the applications of each candidate with their jobs' titles, newest first."""
        rows = await tx.rows(_APPLICATIONS, company=tx.company, ids=list(candidate_ids)) if candidate_ids else []
        return _grouped(rows, "candidate_id")

    async def external_ids(
        self, tx: Transaction, entity: EntityType, ids: Sequence[UUID]
    ) -> dict[UUID, list[dict[str, Any]]]:
        """Return each record's ids at the systems that it is linked to."""
        rows = await tx.rows(_EXTERNAL_IDS, entity=entity.value, ids=list(ids)) if ids else []
        return _grouped(rows, "internal_id")

    async def open_conflicts(self, tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, int]:
        """Return how many fields of each record wait for a person; records without any are not in it."""
        rows = await tx.rows(_OPEN_CONFLICTS, ids=list(ids)) if ids else []
        return {row["record_id"]: row["open"] for row in rows}

    async def freshness(self, tx: Transaction, entity: EntityType) -> list[dict[str, Any]]:
        """Return for each connected system as of when *entity* is known here, and how the last attempt ended."""
        return await tx.rows(_FRESHNESS, company=tx.company, entity=entity.value)


def listing(entity: EntityType, wanted: RecordFilter, after: Position | None) -> tuple[LiteralString, dict[str, Any]]:
    """Return the query of a list and its parameters, but `company` and `limit`; only given filters are in it."""
    conditions: list[LiteralString] = ["r.company_id = %(company)s", "r.entity_type = %(entity)s"]
    parameters: dict[str, Any] = {"entity": entity.value}
    for name, condition in _EQUAL.items():
        value = getattr(wanted, name)
        if value is not None:
            conditions.append(condition)
            parameters[name] = _KEYS.get(name, _same)(value)
    if wanted.archived is not None:
        conditions.append("r.archived_at IS NOT NULL" if wanted.archived else "r.archived_at IS NULL")
    if wanted.external_id is not None:
        conditions.append(_BY_EXTERNAL_ID)
        parameters |= {"external_id": wanted.external_id, "integration_id": wanted.integration_id}
    if wanted.search is not None:
        condition, values = _search(wanted.search)
        conditions.append(condition)
        parameters |= values
    if wanted.name is not None:
        conditions.append(_by_name("name"))
        parameters |= _name_range("name", wanted.name)
    if after is not None:
        conditions.append("(r.created_at, r.id) < (%(at)s, %(after)s)")
        parameters |= {"at": after[0], "after": after[1]}
    where: LiteralString = " AND ".join(conditions)
    return (
        f"SELECT {_COLUMNS} FROM records r WHERE {where} ORDER BY r.created_at DESC, r.id DESC LIMIT %(limit)s",
        parameters,
    )


def email_key(text: str) -> str:
    """Return the form in which an e-mail address is looked up."""
    return text.strip().lower()


def phone_key(text: str) -> str:
    """Return the form in which a phone number is looked up: its digits."""
    return re.sub(r"[^0-9]", "", text)


def _same(value: object) -> object:
    return value


_KEYS: Mapping[str, Any] = {"email": email_key, "phone": phone_key}
_EQUAL: Mapping[str, LiteralString] = {
    "email": "r.email_key = %(email)s",
    "phone": "r.phone_key = %(phone)s",
    "status": "r.status = %(status)s",
    "stage": "r.stage = %(stage)s",
    "candidate_id": "r.candidate_id = %(candidate_id)s",
    "job_id": "r.job_id = %(job_id)s",
}
_BY_EXTERNAL_ID: LiteralString = """r.id = ANY(ARRAY(SELECT l.internal_id FROM external_entity_map l
    WHERE l.integration_id = %(integration_id)s AND l.entity_type = %(entity)s AND l.external_id = %(external_id)s
        AND l.state <> 'tombstone'))"""


def _by_name(key: LiteralString) -> LiteralString:
    """Return the condition whose parameters are those of `_name_range` for *key*."""
    # Each branch is one range of one index. The array is made first, so that a limit can't tempt the planner into
    # walking the whole list for names that are rare.
    return f"""r.id = ANY(ARRAY(
    SELECT n.id FROM records n WHERE n.company_id = %(company)s AND n.entity_type = 'candidate'
        AND n.name_key >= %({key})s AND n.name_key < %({key}_end)s
    UNION SELECT n.id FROM records n WHERE n.company_id = %(company)s AND n.entity_type = 'candidate'
        AND n.first_name_key >= %({key})s AND n.first_name_key < %({key}_end)s
    UNION SELECT n.id FROM records n WHERE n.company_id = %(company)s AND n.entity_type = 'candidate'
        AND n.name_key >= %({key}_turned)s AND n.name_key < %({key}_turned_end)s))"""


def _name_range(key: str, text: str) -> dict[str, Any]:
    """Return the bounds of names that begin like *text*, in either order of its words."""
    words = text.strip().lower().split()
    whole, turned = " ".join(words), " ".join([*words[-1:], *words[:-1]])
    return {
        key: whole,
        f"{key}_end": whole + _LAST,
        f"{key}_turned": turned,
        f"{key}_turned_end": turned + _LAST,
    }


def _search(text: str) -> tuple[LiteralString, dict[str, Any]]:
    """Tell by its form what was typed: an e-mail address, a phone number, or the beginning of a name."""
    if "@" in text:
        return "r.email_key >= %(sought)s AND r.email_key < %(sought_end)s", {
            "sought": email_key(text),
            "sought_end": email_key(text) + _LAST,
        }
    if re.fullmatch(r"[\d\s()+./-]{4,}", text):
        return "r.phone_key = %(sought)s", {"sought": phone_key(text)}
    return _by_name("sought"), _name_range("sought", text)


def _grouped(rows: Sequence[dict[str, Any]], key: str) -> dict[UUID, list[dict[str, Any]]]:
    groups: dict[UUID, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append({name: value for name, value in row.items() if name != key})
    return groups


_RECORD: LiteralString = f"SELECT {_COLUMNS} FROM records r WHERE r.entity_type = %(entity)s AND r.id = %(id)s"

_APPLICATIONS: LiteralString = """
SELECT a.candidate_id, a.id, a.job_id, j.data ->> 'title' AS job_title, a.stage, a.status,
    a.data ->> 'source' AS source, a.data ->> 'applied_at' AS applied_at, a.created_at, a.submission
FROM records a LEFT JOIN records j ON j.id = a.job_id AND j.entity_type = 'job'
WHERE a.company_id = %(company)s AND a.entity_type = 'application' AND a.candidate_id = ANY(%(ids)s)
    AND a.archived_at IS NULL
ORDER BY coalesce(a.data ->> 'applied_at', '') DESC, a.created_at DESC, a.id
"""

_EXTERNAL_IDS: LiteralString = """
SELECT l.internal_id, l.integration_id, i.platform, l.external_id, l.state, l.last_synced_at, l.sync_version,
    d.state AS removal, d.detail AS removal_detail
FROM external_entity_map l JOIN integrations i ON i.id = l.integration_id LEFT JOIN removals d ON d.link_id = l.id
WHERE l.entity_type = %(entity)s AND l.internal_id = ANY(%(ids)s) AND l.state <> 'tombstone'
ORDER BY i.rank, l.external_id
"""

_OPEN_CONFLICTS: LiteralString = """
SELECT record_id, count(*)::integer AS open FROM conflicts
WHERE record_id = ANY(%(ids)s) AND status = 'open' GROUP BY record_id
"""

_FRESHNESS: LiteralString = """
SELECT i.id AS integration_id, i.platform, c.watermark AS as_of, r.started_at AS last_attempt_at,
    r.status AS last_result
FROM integrations i
LEFT JOIN cursors c ON c.integration_id = i.id AND c.entity_type = %(entity)s
LEFT JOIN LATERAL (
    SELECT started_at, status FROM runs
    WHERE integration_id = i.id AND entity_type = %(entity)s AND direction = 'inbound'
    ORDER BY started_at DESC LIMIT 1
) r ON true
WHERE i.company_id = %(company)s AND i.deleted_at IS NULL ORDER BY i.rank
"""
