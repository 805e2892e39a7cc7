"""
Canonical changes → Greenhouse's bodies, without network or clock.

Greenhouse replaces each contact list of a candidate as a whole (docs/vendors/greenhouse.md, 6.2), so a change of
one entry is worked into what the vendor last showed (`record.raw`): entries that the canonical record doesn't have,
such as a Skype handle, stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from unicodedata import normalize

from shared.adapters.greenhouse import contacts
from shared.errors import Rejected
from shared.model import EntityType, JsonValue, Record
from shared.model.records import Contact

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
_LISTS: Mapping[str, tuple[str, ...]] = {
    "further_emails": contacts.EMAIL_TYPES,
    "further_phones": contacts.PHONE_TYPES,
    "addresses": contacts.ADDRESS_TYPES,
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
    if "email" in changes or "further_emails" in changes:
        body[contacts.EMAILS] = _ranked_list(
            raw, contacts.EMAILS, changes, "email", "further_emails", order=contacts.EMAIL_TYPES
        )
    if "phone" in changes or "further_phones" in changes:
        body[contacts.PHONES] = _ranked_list(
            raw, contacts.PHONES, changes, "phone", "further_phones", order=contacts.PHONE_TYPES
        )
    if "addresses" in changes:
        body[contacts.ADDRESSES] = _plain_list(_given(changes, "addresses"), contacts.ADDRESS_TYPES)
    if "linkedin_url" in changes or "links" in changes:
        body |= _links(raw, changes)
    if "tags" in changes:
        body[contacts.TAGS] = _tags(changes["tags"])
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
    """Return what Greenhouse shows after *value* was written to *name*."""
    if entity is EntityType.CANDIDATE:
        if name in _LISTS:
            return _shown(_plain_list(_contacts(value), _LISTS[name]))
        if name == "links":
            socials, websites = _split_links(_contacts(value))
            return _shown([*socials, *websites])
        if name == "tags":
            return list(_tags(value))
        if name in _FLAGS and value is None:
            return _FLAGS[name]
    if isinstance(value, str):
        text = value.strip()
        return (normalize("NFC", text) if name in _NAMES else text) or None
    return value


def _shown(entries: Sequence[Mapping[str, Any]]) -> JsonValue:
    return [{"value": entry["value"], "type": entry.get("type")} for entry in entries]


def _ranked_list(
    raw: Mapping[str, Any],
    key: str,
    changes: Mapping[str, JsonValue],
    first_name: str,
    rest_name: str,
    *,
    order: tuple[str, ...],
) -> list[dict[str, Any]]:
    """
    Return the whole list at *key* so that reading it back gives the wanted first entry and rest.

    The type decides which entry is the first, so the first one gets the type that comes before all others where
    its own would not do. It takes over the type of the entry that it replaces.
    """
    shown = contacts.entries(raw, key)
    foreign = [entry for entry in shown if key == contacts.PHONES and not contacts.is_phone(entry)]
    own = [entry for entry in shown if key != contacts.PHONES or contacts.is_phone(entry)]
    before = contacts.primary(own, order)
    first = changes[first_name] if first_name in changes else before and before["value"]
    rest = _given(changes, rest_name) if rest_name in changes else contacts.without(own, before)
    known = {contacts.same(entry["value"]): entry for entry in own}
    entries: list[Contact] = []
    if isinstance(first, str) and first.strip():
        kept = known.get(contacts.same(first)) or before
        kind = None if kept is None else kept.get("type")
        entries.append({"value": first.strip(), "type": kind or order[0]})
    entries = _plain_list([*entries, *rest], order)
    if entries and contacts.primary(entries, order) is not entries[0]:
        best = min(contacts.rank(entry.get("type"), order) for entry in entries)
        entries[0]["type"] = order[best]
    return [dict(entry) for entry in (*entries, *foreign)]


def _plain_list(given: Sequence[Contact], order: tuple[str, ...]) -> list[Contact]:
    """
    Return *given* with types that Greenhouse takes.

    It shows words beyond its own list and refuses them when written, so an unknown one becomes `other`.
    """
    return [
        {"value": entry["value"].strip(), "type": order[contacts.rank(entry.get("type"), order)]}
        for entry in contacts.without(given, None)
    ]


def _links(raw: Mapping[str, Any], changes: Mapping[str, JsonValue]) -> Body:
    """
    Return both link lists. LinkedIn's own goes first in the list in which it stood, among the untyped ones if new.

    A link with a type is a website, one without is a social address: that is all that Greenhouse tells them apart by.
    """
    shown = contacts.entries(raw, contacts.SOCIAL) + contacts.entries(raw, contacts.WEBSITES)
    before = next((link for link in shown if contacts.is_linkedin(link["value"])), None)
    linkedin = changes["linkedin_url"] if "linkedin_url" in changes else before and before["value"]
    rest = _given(changes, "links") if "links" in changes else contacts.without(shown, before)
    if isinstance(linkedin, str) and linkedin.strip():
        if raw and not contacts.is_linkedin(linkedin):
            raise Rejected("this is not an address at LinkedIn", field="linkedin_url")
        # Reading looks among the untyped ones first, so another LinkedIn link there would take its place.
        stays_typed = before is not None and not any(
            contacts.is_linkedin(link["value"]) and not link.get("type") for link in rest
        )
        kind = before.get("type") if before is not None and stays_typed else None
        rest = [{"value": linkedin, "type": kind}, *rest]
    socials, websites = _split_links(rest)
    return {
        contacts.SOCIAL: [{"value": entry["value"]} for entry in socials],
        contacts.WEBSITES: [dict(entry) for entry in websites],
    }


def _split_links(given: Sequence[Contact]) -> tuple[list[Contact], list[Contact]]:
    """Return (social addresses, websites) of *given*."""
    rest = contacts.without(given, None)
    socials: list[Contact] = [{"value": entry["value"].strip()} for entry in rest if not entry.get("type")]
    return socials, _plain_list([entry for entry in rest if entry.get("type")], contacts.WEBSITE_TYPES)


def _tags(value: JsonValue) -> list[str]:
    given = value if isinstance(value, list) else []
    return list(dict.fromkeys(tag.strip() for tag in given if isinstance(tag, str) and tag.strip()))


def _given(changes: Mapping[str, JsonValue], name: str) -> list[Contact]:
    return _contacts(changes[name])


def _contacts(value: JsonValue) -> list[Contact]:
    """Return the entries of *value* that hold something. None is the empty list."""
    given = value if isinstance(value, list) else []
    found: list[Contact] = []
    for entry in given:
        if isinstance(entry, Mapping) and isinstance(text := entry.get("value"), str) and text.strip():
            kind = entry.get("type")
            found.append({"value": text, "type": kind if isinstance(kind, str) else None})
    return found
