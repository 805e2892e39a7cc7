"""Bodies of writes, checked and turned into columns (sections 6.1, 6.2 and 6.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.greenhouse import custom_fields
from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.candidates import TEXTS
from sandbox.vendors.greenhouse.errors import Fault, Refusal, all_invalid, invalid
from sandbox.vendors.greenhouse.tables import Row

LONGEST_TEXT = 255
CONTACT_TYPES: Mapping[str, frozenset[str]] = {
    "email_addresses": frozenset({"personal", "work", "other"}),
    "phone_numbers": frozenset({"mobile", "home", "work", "skype", "other"}),
    "addresses": frozenset({"home", "work", "other"}),
    "website_addresses": frozenset({"personal", "company", "portfolio", "blog", "other"}),
}
REFERENCES: Mapping[str, str] = {
    "source_id": "sources",
    "referrer_id": "referrers",
    "recruiter_id": "users",
    "coordinator_id": "users",
    "job_post_id": "job_posts",
}


def candidate_values(
    account: Account, body: Mapping[str, Any], *, current: Row | None = None, legacy: bool = False
) -> dict[str, Any]:
    """
    The columns that *body* sets. Unknown properties are ignored, and so is `private`,
    which is written as `is_private` (section 6.2). Raises Refusal (422) naming all faults.

    *current* is the row of an edit. v1 (*legacy*) changes custom fields one by one, v3
    replaces the whole set.
    """
    faults: list[Fault] = []
    values: dict[str, Any] = {}
    for name in TEXTS:
        if name in body:
            values[name] = _text(name, body[name], faults)
    for name, types in CONTACT_TYPES.items():
        if name in body:
            values[name] = _contacts(name, body[name], types, _held_types(account, name, current), faults)
    if "social_media_addresses" in body:
        values["social_media_addresses"] = _socials(body["social_media_addresses"], faults)
    if "tags" in body:
        values["tags"] = _tags(body["tags"], faults)
    if "linked_user_ids" in body:
        values["linked_user_ids"] = _users(account, body["linked_user_ids"], faults)
    values |= _flags(body, faults)
    if faults:
        raise all_invalid(faults)
    if "custom_fields" in body:
        values["custom_fields"] = custom_fields.written(
            account, "candidate", body["custom_fields"], current=current, legacy=legacy
        )
    return values


def application_values(
    account: Account,
    body: Mapping[str, Any],
    *,
    candidate_id: int | None,
    current: Row | None = None,
    legacy: bool = False,
) -> dict[str, Any]:
    """
    The columns of a new application, or with *current* of an edited one.

    A candidate's needs one job and may have one open application per job; a prospect may
    name any number of jobs (section 6.4). Raises Refusal (422).
    """
    values = {name: body[name] for name in ("answers", "location_address") if name in body}
    if isinstance(body.get("location"), Mapping):
        values["location_address"] = body["location"].get("address")
    for name, table in REFERENCES.items():
        if name in body:
            if body[name] is not None and body[name] not in account[table]:
                raise invalid(name, "does not exist")
            values[name] = body[name]
    if "custom_fields" in body:
        values["custom_fields"] = custom_fields.written(
            account, "application", body["custom_fields"], current=current, legacy=legacy
        )
    if current is None:
        values |= _placement(account, body, candidate_id)
    return values


def _placement(account: Account, body: Mapping[str, Any], candidate_id: int | None) -> dict[str, Any]:
    if body.get("prospect"):
        ids = body.get("prospective_job_ids", body.get("job_ids")) or []
        if not isinstance(ids, list) or any(i not in account["jobs"] for i in ids):
            raise invalid("job_ids", "must be ids of jobs")
        return {"prospect": True, "prospective_job_ids": ids}
    job = account["jobs"].find(body.get("job_id"))
    if job is None or job["is_template"]:
        raise invalid("job_id", "is required, and must be a job")
    if candidate_id is not None and any(
        row["job_id"] == job["id"] and row["status"] == "in_process"
        for row in account["applications"].rows("candidate_id", candidate_id)
    ):
        raise invalid("job_id", "the candidate already has an open application for this job")
    stage_id = body.get("initial_stage_id")
    stage = account["job_interview_stages"].find(stage_id)
    if stage_id is not None and (stage is None or stage["job_id"] != job["id"]):
        raise invalid("initial_stage_id", "is not a stage of the job")
    return {"job_id": job["id"], "initial_stage_id": stage_id}


def _text(name: str, value: object, faults: list[Fault]) -> str | None:
    if value is None or value == "":  # an empty string clears, as null does
        return None
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        faults.append((name, f"must be a string of at most {LONGEST_TEXT} characters"))
        return None
    return value


def _flags(body: Mapping[str, Any], faults: list[Fault]) -> dict[str, bool]:
    flags = {}
    for name, column in {"is_private": "private", "can_email": "can_email"}.items():
        if name in body:
            flags[column] = body[name]
            if not isinstance(body[name], bool):
                faults.append((name, "must be true or false"))
    return flags


def _held_types(account: Account, name: str, current: Row | None) -> frozenset[str | None]:
    """The types that the list already holds, where they are taken again whatever they are (section 6.13)."""
    if current is None or not account.settings.keeps_type_words:
        return frozenset()
    return frozenset(entry.get("type") for entry in current[name] or ())


def _contacts(
    name: str, value: object, types: frozenset[str], held: frozenset[str | None], faults: list[Fault]
) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        faults.append((name, "must be an array"))
        return []
    contacts = []
    for entry in value:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("value"), str):
            faults.append((name, "each entry needs a value"))
        elif entry.get("type") not in types | held:
            faults.append((f"{name}.type", f"Must be one of: {', '.join(sorted(types))}"))
        elif name == "email_addresses" and "@" not in entry["value"]:
            faults.append((name, "is not an e-mail address"))
        else:
            contacts.append({"value": entry["value"], "type": entry.get("type")})
    return contacts


def _socials(value: object, faults: list[Fault]) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(
        isinstance(entry, Mapping) and isinstance(entry.get("value"), str) for entry in value
    ):
        faults.append(("social_media_addresses", "must be an array of {value}"))
        return []
    return [{"value": entry["value"]} for entry in value]


def _tags(value: object, faults: list[Fault]) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(tag, str) and tag for tag in value):
        faults.append(("tags", "must be an array of names"))
        return []
    return list(dict.fromkeys(value))


def _users(account: Account, value: object, faults: list[Fault]) -> list[int]:
    if not isinstance(value, list) or any(user_id not in account["users"] for user_id in value):
        faults.append(("linked_user_ids", "must be ids of users"))
        return []
    return value


def checked_names(value: object) -> list[str]:
    """The list of field names of an anonymisation. Raises Refusal (422)."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise Refusal(422, "Validation error", [("fields", "must be a list of field names")])
    return [name.strip() for name in value]
