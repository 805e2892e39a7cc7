"""
Greenhouse's JSON → canonical records, without network or clock.

Harvest v3 is flat (`job_id`, `private`), v1 and webhooks are nested (`jobs[]`, `is_private`); which one a payload is
shows in its keys, so that any recorded payload can be replayed. Names that v3 gives as ids alone are looked up by
the adapter and put under the reserved key `_liaison` before the payload comes here:

    {"id": 4410, …, "_liaison": {"department": "Sales", "location": "Leeds", "stages": [{…}]}}
    {"id": 7010, …, "_liaison": {"source": "Referral", "rejection_reason": {"name": …, "type": {"key": …}}}}

With a Job Board connected a job's public post stands there too: `"post": {"content": …, "location": {"name": …}}`, null
where no post is live, or `"board_error": why` while the board can't be read.

Custom fields are read as far as the caller names them: a company may have dozens that are nobody's business here.

A field that the payload doesn't carry, and that no look-up gave, is not visible. `null` in place of a list that the
vendor always fills is not visible either, with a warning: it must not blank what we hold.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from html import unescape
from typing import Any

from shared.adapters import wire
from shared.adapters.greenhouse import contacts, read_v1
from shared.adapters.greenhouse.custom_reading import read_custom_fields
from shared.adapters.greenhouse.markup import safe_html
from shared.errors import InvalidPayload
from shared.model import Application, Candidate, EntityType, Job, Record, Reference
from shared.model.fields import CUSTOM_FIELDS
from shared.model.records import Contact

EXTRAS = "_liaison"
"""Reserved key of a payload: names that the adapter looked up."""
POST, BOARD_ERROR = "post", "board_error"
"""Keys under `_liaison`: the job's public post, or why the Job Board can't be read."""

ANONYMIZED = "Anonymized"
STATUSES: Mapping[str, str] = {
    "in_process": "active",
    "active": "active",
    "rejected": "rejected",
    "hired": "hired",
    "converted": "converted",
}
"""v3 says `in_process` where v1 and webhooks say `active`."""
JOB_STATUSES = frozenset({"draft", "open", "closed"})
THEY_REJECTED_US = "THEY_REJECTED_US"

Fields = dict[str, Any]
Warnings = list[str]


def read(entity: EntityType, payload: Mapping[str, Any], custom: Collection[str] = ()) -> Record:
    """
    Map one record of a list, a fetch or a webhook; of its custom fields those whose keys stand in *custom*.

    Raises InvalidPayload with the path of what is wrong.
    """
    if type(payload) is not dict and not isinstance(payload, Mapping):
        raise InvalidPayload("payload: is not an object")
    return _READERS[entity](read_v1.unwrap(entity, payload), custom)


def read_candidate(payload: Mapping[str, Any], custom: Collection[str] = ()) -> Candidate:
    """Map a candidate. An anonymised one has no fields: its placeholders are not data."""
    external_id = wire.required_id(payload)
    updated_at = wire.moment(payload, "updated_at")
    if payload.get("first_name") == ANONYMIZED and str(payload.get("last_name")) == external_id:
        return Candidate(external_id=external_id, updated_at=updated_at, anonymized=True, raw=payload)
    warnings: Warnings = []
    fields: Fields = {}
    for name in ("first_name", "last_name", "preferred_name"):
        if name in payload:
            fields[name] = wire.name(payload, name)
    for name, key in (("current_company", "company"), ("current_title", "title"), ("time_zone", "time_zone")):
        if key in payload:
            fields[name] = wire.text(payload, key)
    _read_contacts(payload, fields, warnings)
    if "private" in payload or "is_private" in payload:
        fields["restricted"] = wire.flag(payload, "private" if "private" in payload else "is_private")
    if "can_email" in payload:
        fields["can_email"] = wire.flag(payload, "can_email")
    if custom:
        _read_custom(payload, custom, fields, warnings)
    return Candidate(external_id=external_id, updated_at=updated_at, warnings=tuple(warnings), raw=payload, **fields)


def _read_contacts(payload: Mapping[str, Any], fields: Fields, warnings: Warnings) -> None:
    if _has_list(payload, contacts.EMAILS, warnings):
        found = contacts.entries(payload, contacts.EMAILS)
        _warn_types(found, contacts.EMAILS, contacts.EMAIL_TYPES, warnings)
        first = contacts.primary(found, contacts.EMAIL_TYPES)
        fields["email"] = None if first is None else first["value"]
        fields["further_emails"] = contacts.without(found, first)
    if _has_list(payload, contacts.PHONES, warnings):
        found = contacts.entries(payload, contacts.PHONES)
        _warn_types(found, contacts.PHONES, (*contacts.PHONE_TYPES, contacts.NOT_A_PHONE), warnings)
        found = [entry for entry in found if contacts.is_phone(entry)]
        first = contacts.primary(found, contacts.PHONE_TYPES)
        fields["phone"] = None if first is None else first["value"]
        fields["further_phones"] = contacts.without(found, first)
    if _has_list(payload, contacts.ADDRESSES, warnings):
        found = contacts.entries(payload, contacts.ADDRESSES)
        _warn_types(found, contacts.ADDRESSES, contacts.ADDRESS_TYPES, warnings)
        fields["addresses"] = contacts.without(found, None)
    # LinkedIn may stand in either list: with only one of them in sight nothing is known of the whole.
    has_social = _has_list(payload, contacts.SOCIAL, warnings)
    if _has_list(payload, contacts.WEBSITES, warnings) and has_social:
        links = contacts.entries(payload, contacts.SOCIAL) + contacts.entries(payload, contacts.WEBSITES)
        first = next((link for link in links if contacts.is_linkedin(link["value"])), None)
        fields["linkedin_url"] = None if first is None else first["value"]
        fields["links"] = contacts.without(links, first)
    if _has_list(payload, contacts.TAGS, warnings):
        fields["tags"] = _read_tags(payload)


def _read_tags(payload: Mapping[str, Any]) -> list[str]:
    found: dict[str, None] = {}
    for index, value in enumerate(wire.items(payload, contacts.TAGS)):
        tag = wire.clean(value, f"{contacts.TAGS}[{index}]")
        if tag is not None:
            found[tag] = None
    return list(found)


def read_application(payload: Mapping[str, Any], custom: Collection[str] = ()) -> Application:
    """Map an application; *candidate_id* and *job_id* become references."""
    if read_v1.is_nested_application(payload):
        payload = read_v1.flatten_application(payload)
    external_id = wire.required_id(payload)
    extras = wire.optional(payload, EXTRAS) or {}
    warnings: Warnings = []
    fields: Fields = {}
    references: dict[str, Reference] = {}
    for name, entity in (("candidate_id", EntityType.CANDIDATE), ("job_id", EntityType.JOB)):
        if name in payload:
            fields[name] = wire.identifier(payload, name)
            if fields[name] is not None:
                references[name] = Reference(entity, fields[name])
    if "prospect" in payload:
        fields["prospect"] = wire.flag(payload, "prospect")
    if "stage_name" in payload:
        fields["stage"] = wire.text(payload, "stage_name")
    if "created_at" in payload:
        fields["applied_at"] = wire.moment(payload, "created_at")
    _read_reason_and_source(payload, extras, fields, warnings)
    if "status" in payload:
        _read_status(payload, extras, fields, warnings)
    if custom:
        _read_custom(payload, custom, fields, warnings)
    return Application(
        external_id=external_id,
        updated_at=wire.moment(payload, "updated_at"),
        vendor_version=read_v1.activity_of(payload),
        references=references,
        warnings=tuple(warnings),
        raw=payload,
        **fields,
    )


def _read_status(payload: Mapping[str, Any], extras: Mapping[str, Any], fields: Fields, warnings: Warnings) -> None:
    word = wire.text(payload, "status")
    status = None if word is None else STATUSES.get(word.casefold())
    if word is not None and status is None:
        warnings.append("status: unknown word, kept as it came")
        status = word
    elif status == "rejected" and "rejection_reason" in extras:
        reason = wire.optional(extras, "rejection_reason", path=f"{EXTRAS}.")
        status = "withdrawn" if is_withdrawal(reason) else status
    elif status == "rejected" and payload.get("rejection_reason_id") is not None:
        warnings.append("status: rejected or withdrawn, which its reason alone tells")
        return
    fields["status"] = status


def is_withdrawal(reason: Mapping[str, Any] | None) -> bool:
    """Whether a rejection for *reason* means that the candidate withdrew. v1's types have a name and no key."""
    kind = reason.get("type") if reason is not None else None
    if not isinstance(kind, Mapping):
        return False
    return kind.get("key") == THEY_REJECTED_US or str(kind.get("name")).casefold() == "they rejected us"


def _read_reason_and_source(
    payload: Mapping[str, Any], extras: Mapping[str, Any], fields: Fields, warnings: Warnings
) -> None:
    if "rejection_reason" in extras:
        reason = wire.optional(extras, "rejection_reason", path=f"{EXTRAS}.")
        name = None if reason is None else wire.text(reason, "name", path="rejection_reason.")
        fields["rejection_reason"] = name
    elif "rejection_reason_id" in payload and payload["rejection_reason_id"] is None:
        fields["rejection_reason"] = None
    elif "rejection_reason_id" in payload:
        warnings.append("rejection_reason_id: its name can't be read")
    _read_named(payload, extras, "source", "source_id", fields=fields, warnings=warnings)


def _read_named(
    payload: Mapping[str, Any], extras: Mapping[str, Any], name: str, key: str, *, fields: Fields, warnings: Warnings
) -> None:
    """Set *name* from the looked-up *extras*; without one it is empty if the ids at *key* are, else not visible."""
    if name in extras:
        fields[name] = wire.text(extras, name, path=f"{EXTRAS}.")
    elif key in payload and payload[key] in (None, []):
        fields[name] = None
    elif key in payload:
        warnings.append(f"{key}: its name can't be read")


def read_job(payload: Mapping[str, Any], custom: Collection[str] = ()) -> Job:
    """
    Map a requisition. *stages* are visible only where the adapter looked them up or v1 nests them.

    *description* and *location* are the public post's where one is live, else what Harvest shows.
    """
    if read_v1.is_nested_job(payload):
        payload = read_v1.flatten_job(payload)
    external_id = wire.required_id(payload)
    extras = wire.optional(payload, EXTRAS) or {}
    warnings: Warnings = []
    fields: Fields = {}
    for name, key in (("title", "name"), ("requisition_id", "requisition_id")):
        if key in payload:
            fields[name] = wire.text(payload, key)
    if "status" in payload:
        fields["status"] = wire.text(payload, "status")
        if fields["status"] is not None and fields["status"] not in JOB_STATUSES:
            warnings.append("status: unknown word, kept as it came")
    if "created_at" in payload:
        fields["created_date"] = wire.day(payload, "created_at")
    _read_named(payload, extras, "department", "department_id", fields=fields, warnings=warnings)
    _read_public(payload, extras, fields, warnings)
    if "stages" in extras:
        fields["stages"] = read_stages(extras, path=f"{EXTRAS}.")
    if custom:
        _read_custom(payload, custom, fields, warnings)
    return Job(
        external_id=external_id,
        updated_at=wire.moment(payload, "updated_at"),
        warnings=tuple(warnings),
        raw=payload,
        **fields,
    )


def _read_public(payload: Mapping[str, Any], extras: Mapping[str, Any], fields: Fields, warnings: Warnings) -> None:
    """
    Set *description* and *location*.

    While the Job Board can't be read neither is visible: whether a post is live is not known then, and Harvest's
    internal notes in place of the post's text would be a change that nobody made.
    """
    if BOARD_ERROR in extras:
        warnings.append(f"job board: {wire.text(extras, BOARD_ERROR, path=f'{EXTRAS}.')}")
        return
    post = wire.optional(extras, POST, path=f"{EXTRAS}.")
    if post is None:
        if "notes" in payload:
            fields["description"] = safe_html(wire.text(payload, "notes"))
        _read_named(payload, extras, "location", "office_ids", fields=fields, warnings=warnings)
        return
    if "content" in post:
        escaped = wire.text(post, "content", path=f"{POST}.")
        fields["description"] = None if escaped is None else safe_html(wire.clean(unescape(escaped), f"{POST}.content"))
    if "location" in post:
        place = wire.optional(post, "location", path=f"{POST}.")
        fields["location"] = None if place is None else wire.text(place, "name", path=f"{POST}.location.")


def read_stages(payload: Mapping[str, Any], *, path: str = "") -> list[dict[str, Any]]:
    """Return the stages at `stages` in their order; v1 calls `sort_order` `priority`."""
    stages = []
    for where, stage in wire.objects(payload, "stages", path=path):
        order = "sort_order" if "sort_order" in stage else "priority"
        active = wire.flag(stage, "active", path=where)
        stages.append(
            {
                "id": wire.required_id(stage, path=where),
                "name": wire.name(stage, "name", path=where) or "",
                "order": wire.whole(stage, order, default=0, path=where),
                "active": active is not False,
            }
        )
    return sorted(stages, key=lambda stage: (stage["order"], len(stage["id"]), stage["id"]))


def _read_custom(payload: Mapping[str, Any], keys: Collection[str], fields: Fields, warnings: Warnings) -> None:
    found = read_custom_fields(payload, keys, warnings)
    if found is not None:
        fields[CUSTOM_FIELDS], unseen = found
        if unseen:
            fields["unseen_custom_fields"] = unseen


def _has_list(payload: Mapping[str, Any], key: str, warnings: Warnings) -> bool:
    if key not in payload:
        return False
    if payload[key] is None:
        warnings.append(f"{key}: null where a list was promised")
        return False
    return True


def _warn_types(found: list[Contact], key: str, known: tuple[str, ...], warnings: Warnings) -> None:
    words = {entry.get("type") or "other" for entry in found}
    if words and not words.issubset(known) and not {word.casefold() for word in words}.issubset(known):
        warnings.append(f"{key}[].type: unknown word, kept as it came")


_READERS: Mapping[EntityType, Callable[[Mapping[str, Any], Collection[str]], Record]] = {
    EntityType.CANDIDATE: read_candidate,
    EntityType.APPLICATION: read_application,
    EntityType.JOB: read_job,
}
