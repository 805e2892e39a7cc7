"""
What canonical records of the simulator's rows must be, by a table of its own.

Written from docs/vendors/greenhouse.md and the field list, without looking at the adapter's reader.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any

EMAIL_ORDER = ["personal", "work", "other"]
PHONE_ORDER = ["mobile", "home", "work", "other"]


def candidate(row: dict[str, Any]) -> dict[str, Any]:
    """The visible fields of a candidate."""
    emails, phones = _filled(row["email_addresses"]), _filled(row["phone_numbers"])
    phones = [entry for entry in phones if entry["type"] != "skype"]
    email, further_emails = _first(emails, EMAIL_ORDER)
    phone, further_phones = _first(phones, PHONE_ORDER)
    links = _filled(row["social_media_addresses"]) + _filled(row["website_addresses"])
    linkedin = next((link for link in links if "linkedin." in link["value"].split("/in/")[0].lower()), None)
    return {
        "first_name": _text(row["first_name"]),
        "last_name": _text(row["last_name"]),
        "preferred_name": _text(row["preferred_name"]),
        "email": email,
        "further_emails": further_emails,
        "phone": phone,
        "further_phones": further_phones,
        "addresses": _distinct(_filled(row["addresses"]), None),
        "linkedin_url": None if linkedin is None else linkedin["value"],
        "links": _distinct(links, linkedin),
        "current_company": _trimmed(row["company"]),
        "current_title": _trimmed(row["title"]),
        "tags": list(dict.fromkeys(tag.strip() for tag in row["tags"] if tag.strip())),
        "time_zone": row["time_zone"],
        "restricted": row["private"],
        "can_email": row["can_email"],
    }


def application(row: dict[str, Any], reasons: dict[int, dict[str, Any]], sources: dict[int, str]) -> dict[str, Any]:
    """The visible fields of an application."""
    reason = reasons.get(row["rejection_reason_id"])
    status = {"in_process": "active"}.get(row["status"], row["status"])
    if status == "rejected" and reason is not None and reason["type"]["key"] == "THEY_REJECTED_US":
        status = "withdrawn"
    return {
        "candidate_id": str(row["candidate_id"]),
        "job_id": None if row["job_id"] is None else str(row["job_id"]),
        "stage": row["stage_name"],
        "status": status,
        "rejection_reason": None if reason is None else reason["name"],
        "source": sources.get(row["source_id"]),
        "applied_at": moment(row["created_at"]),
        "prospect": row["prospect"],
    }


def moment(text: str) -> str:
    """A time as records show it."""
    return datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z")


def _filled(entries: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    return [
        {"value": entry["value"].strip(), "type": entry.get("type")}
        for entry in entries or []
        if entry.get("value") is not None and entry["value"].strip()
    ]


def _first(entries: list[dict[str, Any]], order: list[str]) -> tuple[str | None, list[dict[str, Any]]]:
    for kind in order:
        for entry in entries:
            if entry["type"] == kind or (kind == order[-1] and entry["type"] not in order):
                return entry["value"], _distinct(entries, entry)
    return None, []


def _distinct(entries: list[dict[str, Any]], without: dict[str, Any] | None) -> list[dict[str, Any]]:
    seen = {without["value"].casefold()} if without else set()
    rest = []
    for entry in entries:
        if entry["value"].casefold() not in seen:
            seen.add(entry["value"].casefold())
            rest.append(entry)
    return rest


def _trimmed(text: str | None) -> str | None:
    return None if text is None else text.strip() or None


def _text(text: str | None) -> str | None:
    trimmed = _trimmed(text)
    return None if trimmed is None else unicodedata.normalize("NFC", trimmed)
