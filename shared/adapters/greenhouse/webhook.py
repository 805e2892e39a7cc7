"""
Greenhouse's recruiting webhooks: the signature, and which records an event names.

docs/vendors/greenhouse.md, section 9. Nothing here is believed: each change leads to a fetch.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from shared.adapters import json_bodies, wire
from shared.adapters.protocol import Change, ChangeKind
from shared.errors import InvalidPayload, SignatureError
from shared.model import EntityType

SIGNATURE, EVENT_ID = "signature", "greenhouse-event-id"
Payload = Mapping[str, Any]


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    """
    Check `Signature: sha256 <hex>`, an HMAC of the raw *body* with any of *secrets*, in constant time.

    Raises SignatureError; its message says what is wrong with the header, never what would be right.
    """
    given = _header(headers, SIGNATURE)
    if given is None:
        raise SignatureError("Signature: is missing")
    scheme, _, digest = given.strip().partition(" ")
    if scheme.lower() != "sha256" or not digest:
        raise SignatureError("Signature: is not `sha256 <hex>`")
    claimed = digest.strip().encode()
    matches = [hmac.compare_digest(_digest(secret, body), claimed) for secret in secrets if secret]
    if not any(matches):
        raise SignatureError


def _digest(secret: str, body: bytes) -> bytes:
    return hmac.new(secret.encode(), body, sha256).hexdigest().encode()


def read_changes(headers: Mapping[str, str], body: bytes) -> Sequence[Change]:
    """Return what the event says may differ, parents first; empty for a ping and for unknown actions."""
    try:
        envelope = json_bodies.parse(body)
    except ValueError:
        raise InvalidPayload("body: is not JSON") from None
    envelope = wire.mapping(envelope, "body")
    action = wire.text(envelope, "action")
    reader = _READERS.get(action or "")
    if reader is None:
        return ()
    payload = wire.mapping(envelope.get("payload"), "payload")
    event_id = _header(headers, EVENT_ID)
    return [
        Change(entity, external_id, kind, event_id=event_id, merged_into=survivor)
        for entity, external_id, kind, survivor in reader(payload)
    ]


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name), None)


Named = tuple[EntityType, str, ChangeKind, str | None]


def _named(entity: EntityType, external_id: str, kind: ChangeKind = ChangeKind.TOUCHED) -> Named:
    return entity, external_id, kind, None


def _inner(payload: Payload, key: str) -> tuple[Payload, str]:
    return wire.mapping(payload.get(key), f"payload.{key}"), f"payload.{key}."


def _application(payload: Payload) -> list[Named]:
    application, path = _inner(payload, "application")
    return [_named(EntityType.APPLICATION, wire.required_id(application, path=path))]


def _new_application(payload: Payload) -> list[Named]:
    """The candidate is probably as new as the application."""
    application, path = _inner(payload, "application")
    candidate = application.get("candidate")
    if isinstance(candidate, Mapping):
        candidate_id = wire.identifier(candidate, "id", path=f"{path}candidate.")
    else:
        candidate_id = wire.identifier(application, "candidate_id", path=path)
    named = [] if candidate_id is None else [_named(EntityType.CANDIDATE, candidate_id)]
    return named + _application(payload)


def _deleted_application(payload: Payload) -> list[Named]:
    application, path = _inner(payload, "application")
    return [_named(EntityType.APPLICATION, wire.required_id(application, path=path), ChangeKind.DELETED)]


def _candidate(payload: Payload) -> list[Named]:
    candidate, path = _inner(payload, "candidate")
    return [_named(EntityType.CANDIDATE, wire.required_id(candidate, path=path))]


def _deleted_candidate(payload: Payload) -> list[Named]:
    """No events follow for the applications that went with the candidate: this one lists them."""
    person, path = _inner(payload, "person")
    named = [_named(EntityType.CANDIDATE, wire.required_id(person, path=path), ChangeKind.DELETED)]
    for holder, where in ((payload, "payload."), (person, path)):
        for index, value in enumerate(wire.items(holder, "deleted_application_ids", path=where)):
            entry = {f"[{index}]": value}
            external_id = wire.required_id(entry, f"[{index}]", path=f"{where}deleted_application_ids")
            named.append(_named(EntityType.APPLICATION, external_id, ChangeKind.DELETED))
    return named


def _merged_candidate(payload: Payload) -> list[Named]:
    person, path = _inner(payload, "person")
    holder, where = (payload, "payload.") if "new_candidate_id" in payload else (person, path)
    survivor = wire.required_id(holder, "new_candidate_id", path=where)
    loser = wire.required_id(person, path=path)
    return [
        _named(EntityType.CANDIDATE, survivor),
        (EntityType.CANDIDATE, loser, ChangeKind.MERGED, survivor),
    ]


def _anonymized_candidate(payload: Payload) -> list[Named]:
    return [_named(EntityType.CANDIDATE, wire.required_id(payload, "candidate_id", path="payload."))]


def _job(payload: Payload) -> list[Named]:
    job, path = _inner(payload, "job")
    return [_named(EntityType.JOB, wire.required_id(job, path=path))]


def _deleted_job(payload: Payload) -> list[Named]:
    job, path = _inner(payload, "job")
    return [_named(EntityType.JOB, wire.required_id(job, path=path), ChangeKind.DELETED)]


def _deleted_stage(payload: Payload) -> list[Named]:
    if "job" in payload:
        return _job(payload)
    stage, path = _inner(payload, "job_interview_stage")
    return [_named(EntityType.JOB, wire.required_id(stage, "job_id", path=path))]


def _post(payload: Payload) -> list[Named]:
    """The payload is the post itself; one without a job is for prospects."""
    job_id = wire.identifier(payload, "job_id", path="payload.")
    return [] if job_id is None else [_named(EntityType.JOB, job_id)]


_READERS: Mapping[str, Callable[[Payload], list[Named]]] = {
    "new_candidate_application": _new_application,
    "new_prospect_application": _new_application,
    "application_updated": _application,
    "candidate_stage_change": _application,
    "hire_candidate": _application,
    "unhire_candidate": _application,
    "reject_candidate": _application,
    "unreject_candidate": _application,
    "delete_application": _deleted_application,
    "update_candidate": _candidate,
    "delete_candidate": _deleted_candidate,
    "merge_candidate": _merged_candidate,
    "candidate_anonymized": _anonymized_candidate,
    "job_created": _job,
    "job_updated": _job,
    "job_approved": _job,
    "job_deleted": _deleted_job,
    "job_interview_stage_deleted": _deleted_stage,
    "job_post_created": _post,
    "job_post_updated": _post,
    "job_post_deleted": _post,
}
"""
By action. Offers, interviews, scorecards, departments and offices are kept by nothing of ours yet, and a ping
concerns nobody: they have no reader.
"""
