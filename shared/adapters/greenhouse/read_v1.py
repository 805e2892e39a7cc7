"""
The nested shapes of Harvest v1 and of webhooks, laid flat as v3 would show them.

docs/vendors/greenhouse.md, 9.5 and 10.4. What v1 nests as an object (`source`, `rejection_reason`, `departments`)
goes to the reserved key `_liaison`, where the adapter puts what it looked up for v3.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from shared.adapters import wire
from shared.model import EntityType

EXTRAS = "_liaison"
Payload = Mapping[str, Any]


def unwrap(entity: EntityType, payload: Payload) -> Payload:
    """Return the record inside of a webhook's envelope `{"action": …, "payload": {…}}`, or *payload* itself."""
    if "id" in payload or not isinstance(payload.get("payload"), Mapping):
        return payload
    inner: Payload = payload["payload"]
    application = inner.get("application")
    named = inner.get(entity.value)
    if isinstance(named, Mapping):
        return named
    if entity is EntityType.CANDIDATE and isinstance(application, Mapping):
        return wire.optional(application, "candidate", path="payload.application.") or inner
    return inner


def is_nested_application(payload: Payload) -> bool:
    """Whether *payload* is an application as v1 and webhooks show it."""
    return any(key in payload for key in ("applied_at", "current_stage", "jobs", "rejection_reason", "source"))


def is_nested_job(payload: Payload) -> bool:
    """Whether *payload* is a job as v1 and webhooks show it."""
    return any(key in payload for key in ("departments", "offices", "hiring_team", "stages"))


def flatten_application(payload: Payload) -> Payload:
    """Return *payload* with v3's names beside its own. Raises InvalidPayload."""
    extras = dict(wire.optional(payload, EXTRAS) or {})
    flat = dict(payload)
    if "applied_at" in payload:
        flat["created_at"] = payload["applied_at"]
    if "current_stage" in payload:
        stage = wire.optional(payload, "current_stage")
        flat["stage_name"] = None if stage is None else stage.get("name")
        flat["job_interview_stage_id"] = None if stage is None else stage.get("id")
    if "candidate_id" not in payload and isinstance(payload.get("candidate"), Mapping):
        flat["candidate_id"] = payload["candidate"].get("id")
    if "job_id" not in payload:
        flat |= _job_of(payload)
    if "rejection_reason" in payload:
        extras["rejection_reason"] = wire.optional(payload, "rejection_reason")
    if "source" in payload:
        extras["source"] = _source_name(payload)
    return flat | {EXTRAS: extras}


def activity_of(payload: Payload) -> str | None:
    """
    Return an application's last activity as a version of its own kind; None beside the time of the last change.

    v1 does not tell when an application was changed. Its last activity is later whenever somebody has written a note
    or a mail, so it is no time of a change, but no answer with an earlier one is the newer of two. Raises
    InvalidPayload.
    """
    moment = None if "updated_at" in payload else wire.moment(payload, "last_activity_at")
    return None if moment is None else f"last_activity_at={moment.astimezone(UTC).isoformat(timespec='microseconds')}"


def _job_of(payload: Payload) -> dict[str, Any]:
    if "jobs" in payload:
        # A prospect's jobs are those it is considered for, none or many: it has no job of its own.
        jobs = [] if payload.get("prospect") is True else [job for _, job in wire.objects(payload, "jobs")]
        return {"job_id": jobs[0].get("id") if jobs else None}
    job = wire.optional(payload, "job")
    return {} if job is None else {"job_id": job.get("id")}


def _source_name(payload: Payload) -> str | None:
    source = wire.optional(payload, "source")
    if source is None:
        return None
    key = "public_name" if "public_name" in source else "name"
    return wire.text(source, key, path="source.")


def flatten_job(payload: Payload) -> Payload:
    """Return *payload* with the names of its department and offices under `_liaison`. Raises InvalidPayload."""
    extras = dict(wire.optional(payload, EXTRAS) or {})
    for key, name in (("departments", "department"), ("offices", "location")):
        if key in payload:
            extras.setdefault(name, _names(payload, key))
    if "stages" in payload:
        extras.setdefault("stages", payload["stages"])
    return {**payload, EXTRAS: extras}


def _names(payload: Payload, key: str) -> str | None:
    names = [wire.text(entry, "name", path=path) for path, entry in wire.objects(payload, key)]
    return ", ".join(name for name in names if name is not None) or None
