"""
Canonical changes → Greenhouse's bodies, without network or clock.

A candidate's contact lists are worked into what the vendor last showed (`record.raw`): see `contact_writing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unicodedata import normalize

from shared.adapters.greenhouse import contact_writing, contacts
from shared.adapters.greenhouse.custom_values import respelled
from shared.errors import Rejected
from shared.model import EntityType, JsonValue, Record
from shared.model.fields import CUSTOM_FIELDS

Body = dict[str, Any]

_PLAIN: Mapping[str, str] = {
    "first_name": "first_name",
    "last_name": "last_name",
    "preferred_name": "preferred_name",
    "current_company": "company",
    "current_title": "title",
    "time_zone": "time_zone",
    "can_email": "can_email",
    "restricted": "is_private",  # read as `private`, written as `is_private`
}
_FLAGS: Mapping[str, bool] = {"can_email": True, "restricted": False}
"""What a new candidate has; Greenhouse knows no empty flag."""
_NAMES = frozenset({"first_name", "last_name", "preferred_name"})
_LISTS: Mapping[str, str] = {
    "further_emails": contacts.EMAILS,
    "further_phones": contacts.PHONES,
    "addresses": contacts.ADDRESSES,
}
_STATUSES: Mapping[str, str] = {
    "active": "in_process",
    "rejected": "rejected",
    "withdrawn": "rejected",
    "hired": "hired",
}


def patch(entity: EntityType, changes: Mapping[str, JsonValue], record: Record) -> Body:
    """
    Return Greenhouse's patch for *changes* of *record* as the vendor last showed it.

    For a candidate it is the body of the PATCH. An application is not patched but moved, rejected and so on; its
    patch says what is to be true, in v3's words, and the adapter plans the calls. Raises Rejected for a job.
    """
    match entity:
        case EntityType.CANDIDATE:
            return candidate_body(changes, record.raw)
        case EntityType.APPLICATION:
            return application_patch(changes)
        case EntityType.JOB:
            raise Rejected("requisitions are read from Greenhouse and never written", field=next(iter(changes), None))


def candidate_body(changes: Mapping[str, JsonValue], raw: Mapping[str, Any]) -> Body:
    """Return the body of a candidate's PATCH or POST; *raw* is empty for a new one."""
    body: Body = {theirs: changes[ours] for ours, theirs in _PLAIN.items() if ours in changes}
    for name, default in _FLAGS.items():
        if name in changes and changes[name] is None:
            body[_PLAIN[name]] = default
    for key, first, rest in (
        (contacts.EMAILS, "email", "further_emails"),
        (contacts.PHONES, "phone", "further_phones"),
    ):
        if first in changes or rest in changes:
            body[key] = contact_writing.ranked_list(raw, key, changes, first, rest)
    if "addresses" in changes:
        body[contacts.ADDRESSES] = contact_writing.plain_list(raw, contacts.ADDRESSES, changes["addresses"])
    if "linkedin_url" in changes or "links" in changes:
        body |= contact_writing.links(raw, changes)
    if "tags" in changes:
        body[contacts.TAGS] = contact_writing.tags(raw, changes["tags"])
    return body


def application_patch(changes: Mapping[str, JsonValue]) -> Body:
    """Return what is to be true of an application, in v3's words. Raises Rejected for a status that can't be set."""
    body: Body = {}
    if "stage" in changes:
        body["stage_name"] = changes["stage"]
    if "status" in changes:
        status = changes["status"]
        if not isinstance(status, str) or status not in _STATUSES:
            raise Rejected("Greenhouse can't be told to set this status", field="status")
        body["status"] = _STATUSES[status]
        body["withdrawn"] = status == "withdrawn"
    if "rejection_reason" in changes:
        body["rejection_reason"] = changes["rejection_reason"]
    return body


def expected(entity: EntityType, name: str, value: JsonValue) -> JsonValue:
    """
    Return what Greenhouse shows after *value* was written to *name*, by its documents.

    A word for a type that they don't name may also stay, where the vendor's list held it before (6.13), and what looks
    like an amount or a yes stays as it is in a custom field that is a text (6.12).
    """
    if entity is EntityType.CANDIDATE:
        if name in _LISTS:
            return contact_writing.shown_list(_LISTS[name], value)
        if name == "links":
            return contact_writing.shown_links(value)
        if name == "tags":
            return [*contact_writing.tags({}, value)]
        if name in _FLAGS and value is None:
            value = _FLAGS[name]
    if name == CUSTOM_FIELDS and isinstance(value, list):
        return [{**each, "value": respelled(each.get("value"))} if isinstance(each, dict) else each for each in value]
    if isinstance(value, str):
        text = value.strip()
        return (normalize("NFC", text) if name in _NAMES else text) or None
    return value
