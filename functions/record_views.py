"""How records are shown: their fields flat, what is joined to them beside, and as of when it is all known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.model import FIELDS, EntityType
from shared.store.database import Transaction
from shared.store.reading import Reading
from shared.store.record_merges import RecordMerges


def record_view(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with every field of its entity; an empty one is null."""
    entity = EntityType(row["entity_type"])
    data = row["data"]
    view: dict[str, Any] = {
        "id": row["id"],
        f"{entity.value}_id": row["id"],
        "version": row["version"],
        **{name: data.get(name) for name in FIELDS[entity]},
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "archived_at": row["archived_at"],
        "archived_by": row["archived_by"],
    }
    if entity is EntityType.APPLICATION:
        view["submission"] = row["submission"]
    return view


async def shown(tx: Transaction, entity: EntityType, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return *rows* as the API shows them, with what hangs on them, in a handful of queries for all."""
    reading = Reading()
    ids = [row["id"] for row in rows]
    external_ids = await reading.external_ids(tx, entity, ids)
    conflicts = await reading.open_conflicts(tx, ids)
    applications = await reading.applications_of(tx, ids) if entity is EntityType.CANDIDATE else {}
    merged = await _merged(tx, ids) if entity is EntityType.CANDIDATE else _Merged({}, {})
    views = []
    for row in rows:
        view = record_view(row)
        view["conflicts"] = conflicts.get(row["id"], 0)
        view["external_ids"] = external_ids.get(row["id"], [])
        if entity is EntityType.CANDIDATE:
            view |= applied_for(applications.get(row["id"], []))
            view["merged_into"] = merged.into.get(row["id"])
            view["merged_from"] = merged.of.get(row["id"], [])
        views.append(view)
    return views


async def candidate_view(tx: Transaction, candidate_id: UUID) -> dict[str, Any]:
    """Return one candidate with what hangs on it. Raises NotFound."""
    row = await Reading().record(tx, EntityType.CANDIDATE, candidate_id)
    return (await shown(tx, EntityType.CANDIDATE, [row]))[0]


@dataclass(frozen=True, slots=True)
class _Merged:
    into: Mapping[UUID, UUID]
    of: Mapping[UUID, Sequence[UUID]]


async def _merged(tx: Transaction, ids: Sequence[UUID]) -> _Merged:
    """Return of which record each one is part, and which are part of it."""
    merges = RecordMerges()
    return _Merged(await merges.survivors(tx, ids), await merges.merged_into(tx, ids))


def applied_for(applications: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """
    Return what a candidate's newest application says of them, beside all of them (S-040, S-041).

    Stage, job and dates live on the application; one person may be submitted to several jobs.
    """
    newest: Mapping[str, Any] = applications[0] if applications else {}
    return {
        "current_stage": newest.get("stage"),
        "applied_for_job_id": newest.get("job_id"),
        "applied_for_job_title": newest.get("job_title"),
        "application_date": newest.get("applied_at"),
        "status": newest.get("status"),
        "source": newest.get("source"),
        "submission": newest.get("submission"),
        "applications": list(applications),
    }


async def freshness(tx: Transaction, entity: EntityType) -> dict[str, Any]:
    """Return `as_of` and what it rests on: the oldest moment as of which every connected system is known."""
    sources = await Reading().freshness(tx, entity)
    return {"as_of": oldest(sources), "sources": sources}


def oldest(sources: Sequence[Mapping[str, Any]]) -> datetime | None:
    """Return the oldest `as_of`; None if there are no systems, or one of them was never read to the end."""
    moments = [source["as_of"] for source in sources]
    return None if not moments or None in moments else min(moments)


def changed_fields(model_fields_set: set[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that a request named; null among them empties one."""
    return {name: values[name] for name in values if name in model_fields_set}


def position(row: Mapping[str, Any]) -> tuple[datetime, UUID]:
    """Return the sort key of a record in a list."""
    return row["created_at"], row["id"]
