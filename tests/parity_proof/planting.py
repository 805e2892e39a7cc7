"""
Ten ways in which two systems come apart without anybody being told, planted in candidates.

What is done to the database is done past the app, as by a restored backup or a hand in psql; what is done at the vendor
is done with its webhooks silent.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import psycopg
from psycopg.rows import dict_row

from shared.composition import Services
from shared.model import EntityType


@dataclass(frozen=True)
class Ground:
    """Where corruptions are planted."""

    services: Services
    company_id: UUID
    integration_id: UUID
    admin_dsn: str
    control: httpx.AsyncClient

    async def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        """Run a statement past every policy; return its rows, if it has any."""
        async with await psycopg.AsyncConnection.connect(self.admin_dsn, row_factory=dict_row) as connection:
            cursor = await connection.execute(query, parameters)
            return await cursor.fetchall() if cursor.description else []

    async def at_vendor(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Act as a recruiter at the vendor whose webhooks are lost."""
        response = await self.control.request(
            method, f"{path}?webhooks=false", json=None if body is None else dict(body)
        )
        response.raise_for_status()
        return dict(response.json()) if response.content else {}


@dataclass(frozen=True)
class Pair:
    """A candidate who is in step: the vendor's id, ours, and the link's."""

    external_id: str
    record_id: UUID
    link_id: UUID


@dataclass(frozen=True)
class Planted:
    """One corruption: what a comparison has to find, and at whose external id."""

    way: str
    external_id: str
    kind: str


Way = Callable[[Ground, Sequence[Pair]], Awaitable[list[Planted]]]


async def edited_there(ground: Ground, pairs: Sequence[Pair]) -> list[Planted]:
    """Edited at the vendor, and the webhook was lost."""
    for each in pairs:
        await ground.at_vendor("PATCH", f"/candidates/{each.external_id}", {"title": "Lighthouse keeper"})
    return _found("edited_there", pairs, "theirs_changed")


async def created_there(ground: Ground, pairs: Sequence[Pair]) -> list[Planted]:
    """Made at the vendor, and the webhook was lost."""
    planted = []
    for number, _ in enumerate(pairs):
        body = {
            "first_name": "Newly",
            "last_name": f"Made {number}",
            "email_addresses": [{"value": f"newly.made.{number}@parity.example", "type": "personal"}],
        }
        row = await ground.at_vendor("POST", "/candidates", body)
        planted.append(Planted("created_there", str(row["id"]), "missing_here"))
    return planted


async def deleted_there(ground: Ground, pairs: Sequence[Pair]) -> list[Planted]:
    """Deleted at the vendor, and the webhook was lost."""
    for each in pairs:
        await ground.at_vendor("DELETE", f"/candidates/{each.external_id}")
    return _found("deleted_there", pairs, "missing_there")


async def altered_here(ground: Ground, pairs: Sequence[Pair]) -> list[Planted]:
    """A value of ours overwritten in the table."""
    await ground.rows(
        """UPDATE records SET data = data || '{"last_name": "Overwritten"}' WHERE id = ANY(%(ids)s)""",
        ids=[each.record_id for each in pairs],
    )
    return _found("altered_here", pairs, "ours_altered")


async def link_lost(ground: Ground, pairs: Sequence[Pair]) -> list[Planted]:
    """The link's row deleted."""
    await ground.rows("DELETE FROM external_entity_map WHERE id = ANY(%(ids)s)", ids=[each.link_id for each in pairs])
    return _found("link_lost", pairs, "missing_here")


async def link_gone(ground: Ground, pairs: Sequence[Pair]) -> list[Planted]:
    """The link marked as gone, and its record archived, while the vendor has it alive."""
    ids = [each.record_id for each in pairs]
    await ground.rows("UPDATE external_entity_map SET state = 'gone' WHERE internal_id = ANY(%(ids)s)", ids=ids)
    await ground.rows("UPDATE records SET archived_at = now() WHERE id = ANY(%(ids)s)", ids=ids)
    return _found("link_gone", pairs, "returned")


async def record_lost(ground: Ground, pairs: Sequence[Pair]) -> list[Planted]:
    """The record's row deleted; its link points at nothing."""
    await ground.rows("DELETE FROM records WHERE id = ANY(%(ids)s)", ids=[each.record_id for each in pairs])
    return _found("record_lost", pairs, "record_lost")


async def base_altered(ground: Ground, pairs: Sequence[Pair]) -> list[Planted]:
    """What the link says was agreed on in the name overwritten."""
    await ground.rows(
        """UPDATE external_entity_map SET base = jsonb_set(base, '{u,name}', '"AAAAAAAAAAAAAAAA.BBBBBBBBBBBBBBBB"')
        WHERE id = ANY(%(ids)s)""",
        ids=[each.link_id for each in pairs],
    )
    return _found("base_altered", pairs, "base_altered")


async def links_crossed(ground: Ground, pairs: Sequence[Pair]) -> list[Planted]:
    """Two links point at each other's record."""
    crossed = list(pairs[: len(pairs) // 2 * 2])
    for one, other in zip(crossed[::2], crossed[1::2], strict=True):
        await ground.rows("UPDATE external_entity_map SET is_primary = false WHERE id = %(id)s", id=one.link_id)
        for link, record in ((other, one), (one, other)):
            await ground.rows(
                "UPDATE external_entity_map SET internal_id = %(record)s, is_primary = true WHERE id = %(id)s",
                record=record.record_id,
                id=link.link_id,
            )
    return _found("links_crossed", crossed, "wrong_record")


async def job_lost(ground: Ground, pairs: Sequence[Pair]) -> list[Planted]:
    """Edited here by a person, and the job that was to carry it out deleted."""
    for each in pairs:
        await ground.services.edits.edit(
            ground.company_id, EntityType.CANDIDATE, each.record_id, {"current_title": "Pearl diver"}, actor="proof"
        )
    await ground.rows(
        "DELETE FROM sync_queue WHERE record_key = ANY(%(keys)s)", keys=[str(each.record_id) for each in pairs]
    )
    return _found("job_lost", pairs, "ours_changed")


WAYS: Sequence[Way] = (
    edited_there,
    created_there,
    deleted_there,
    altered_here,
    link_lost,
    link_gone,
    record_lost,
    base_altered,
    links_crossed,
    job_lost,
)


async def in_step(ground: Ground) -> list[Pair]:
    """Return candidates with a name of two parts and an e-mail address that nobody shares, by external id."""
    rows = await ground.rows(
        """SELECT l.external_id, l.internal_id, l.id FROM external_entity_map l JOIN records r ON r.id = l.internal_id
        WHERE l.integration_id = %(integration)s AND l.entity_type = 'candidate' AND l.state = 'live'
            AND r.archived_at IS NULL AND r.data ->> 'first_name' > '' AND r.data ->> 'last_name' > ''
            AND r.data ->> 'email' LIKE '%%_@_%%._%%' AND NOT EXISTS (
                SELECT FROM records o WHERE o.id <> r.id AND o.email_key = r.email_key AND o.company_id = r.company_id)
            AND jsonb_array_length(coalesce(r.data -> 'further_emails', '[]')) = 0
        ORDER BY l.external_id""",
        integration=ground.integration_id,
    )
    return [Pair(row["external_id"], row["internal_id"], row["id"]) for row in rows]


async def plant(ground: Ground, each_way: int, *, seed: int = 7) -> list[Planted]:
    """Plant *each_way* corruptions of every way in candidates of their own; return what is to be found."""
    chosen = random.Random(seed).sample(await in_step(ground), each_way * len(WAYS))  # noqa: S311 - a shuffle
    planted: list[Planted] = []
    for number, way in enumerate(WAYS):
        planted += await way(ground, chosen[number * each_way : (number + 1) * each_way])
    return planted


def _found(way: str, pairs: Sequence[Pair], kind: str) -> list[Planted]:
    return [Planted(way, each.external_id, kind) for each in pairs]
