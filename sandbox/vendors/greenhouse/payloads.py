"""Webhook payloads: nested and v1-like, times at second precision (section 9.5)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.clock import second_text, seconds_of
from sandbox.vendors.greenhouse.files import Files
from sandbox.vendors.greenhouse.legacy_shapes import (
    LEGACY_STATUS,
    LegacyShapes,
    current_stage,
    keyed_custom_fields,
)
from sandbox.vendors.greenhouse.tables import Row

# Payloads carry addresses of Greenhouse's own pages; nobody follows them here.
APP = "https://app.greenhouse.example"


def candidate_event(account: Account, row: Row) -> dict[str, Any]:
    """The payload of `update_candidate`."""
    return {"candidate": _candidate(account, row, newest_application(account, row["id"]))}


def application_event(account: Account, row: Row) -> dict[str, Any]:
    """The payload of all events whose entity is an application."""
    shapes = _shapes(account)
    candidate = account.fetch("candidates", row["candidate_id"])
    jobs = [_job_of_application(shapes, job) for job in shapes.jobs_of(row)]
    source = shapes.source(row["source_id"])
    stage = current_stage(row)
    payload: dict[str, Any] = {
        "id": row["id"],
        "rejected_at": second_text(row["rejected_at"]),
        "prospect": row["prospect"],
        "status": LEGACY_STATUS.get(row["status"], row["status"]),
        "applied_at": second_text(row["created_at"]),
        "last_activity_at": second_text(row["last_activity_at"]),
        "url": f"{APP}/people/{row['candidate_id']}?application_id={row['id']}",
        "source": source and {"id": source["id"], "public_name": source["public_name"]},
        "credited_to": _credited(account, row["referrer_id"]),
        "rejection_reason": shapes.rejection_reason(row["rejection_reason_id"]),
        "rejection_details": None,
        "current_stage": stage and stage | {"interviews": []},
        "custom_fields": keyed_custom_fields(row["custom_fields"]),
        "candidate": _candidate(account, candidate, row),
        "jobs": jobs,
        "prospect_detail": {
            "prospect_pool": None,
            "prospect_stage": None,
            "prospect_owner": None,
        },
    }
    if row["status"] == "hired":
        payload |= _hire(account, row, jobs)
    return {"application": payload}


def person_event(row: Row, application_ids: list[int], new_candidate_id: int | None = None) -> dict[str, Any]:
    """The payload of `delete_candidate`, and of `merge_candidate` with the winner's id."""
    person: dict[str, Any] = {
        "id": row["id"],
        "first_name": row["first_name"],
        "last_name": row["last_name"],
        "company": row["company"],
        "title": row["title"],
        "created_at": second_text(row["created_at"]),
        "headline": None,
        "is_private": row["private"],
        "recruiter_user_id": None,
        "coordinator_user_id": None,
        "can_email": row["can_email"],
    }
    if new_candidate_id is None:
        person["deleted_application_ids"] = application_ids
    else:
        person["new_candidate_id"] = new_candidate_id
    return {"person": person}


def deleted_application_event(row: Row) -> dict[str, Any]:
    """The payload of `delete_application`: ids and times, nothing nested."""
    return {
        "application": {
            "id": row["id"],
            "candidate_id": row["candidate_id"],
            "job_id": row["job_id"],
            "created_at": second_text(row["created_at"]),
            "source_id": row["source_id"],
            "candidate_rejection_reason_id": row["rejection_reason_id"],
            "rejection_note_id": None,
            "rejected_at": second_text(row["rejected_at"]),
            "referrer_id": row["referrer_id"],
            "prospect": row["prospect"],
            "rejected_by_user_id": None,
        }
    }


def job_of_event(account: Account, row: Row) -> dict[str, Any]:
    """`payload.job` of the job events; the hiring team holds ids only."""
    shapes = _shapes(account)
    job = shapes.job(row)
    team = {
        role: [{"user_id": u["id"], "employee_id": u["employee_id"]} for u in members]
        for role, members in job["hiring_team"].items()
    }
    posts = account["job_posts"].keyed("job_id", row["id"])
    return {
        "id": row["id"],
        "name": row["name"],
        "requisition_id": row["requisition_id"],
        "notes": row["notes"],
        "confidential": row["confidential"],
        "job_post_id": min(posts, default=None),
        "status": row["status"],
        "created_by_id": None,
        "created_at": second_text(row["created_at"]),
        "opened_at": second_text(row["opened_at"]),
        "closed_at": second_text(row["closed_at"]),
        "departments": job["departments"],
        "offices": _offices(shapes, row),
        "hiring_team": team,
        "openings": [
            {"id": opening["id"], "opening_id": opening["opening_id"], "custom_fields": []}
            for opening in job["openings"]
        ],
        "custom_fields": keyed_custom_fields(row["custom_fields"]),
    }


def post_event(row: Row) -> dict[str, Any]:
    """The payload of the job post events is the post itself; a post for prospects has no `job_id` (section 9.4)."""
    shown = {name: row[name] for name in ("id", "title", "active", "live", "internal", "content", "language")}
    times = {name: second_text(row[name]) for name in ("first_published_at", "created_at", "updated_at")}
    return shown | times | ({} if row["job_id"] is None else {"job_id": row["job_id"]})


def newest_application(account: Account, candidate_id: int) -> Row | None:
    """The candidate's newest application, or None."""
    rows = account["applications"].rows("candidate_id", candidate_id)
    return rows[-1] if rows else None


def _shapes(account: Account) -> LegacyShapes:
    return LegacyShapes(account, Files(account), account.base_url)


def _candidate(account: Account, row: Row, application: Row | None) -> dict[str, Any]:
    candidate = _shapes(account).candidate(row)
    owners = application or {}
    copied = (
        "id", "first_name", "last_name", "title", "company", "photo_url", "is_private",
        "can_email", "phone_numbers", "email_addresses", "addresses", "website_addresses",
        "social_media_addresses", "tags",
    )  # fmt: skip
    return {name: candidate[name] for name in copied} | {
        "created_at": second_text(row["created_at"]),
        "external_id": None,
        "url": f"{APP}/people/{row['id']}",
        "educations": _dated(candidate["educations"]),
        "employments": _dated(candidate["employments"]),
        "recruiter": _person(account, owners.get("recruiter_id")),
        "coordinator": _person(account, owners.get("coordinator_id")),
        "attachments": candidate["attachments"],
        "custom_fields": keyed_custom_fields(row["custom_fields"]),
    }


def _job_of_application(shapes: LegacyShapes, row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "requisition_id": row["requisition_id"],
        "notes": row["notes"],
        "job_post_id": None,
        "confidential": row["confidential"],
        "status": row["status"],
        "created_at": second_text(row["created_at"]),
        "opened_at": second_text(row["opened_at"]),
        "closed_at": second_text(row["closed_at"]),
        "url": f"{APP}/sdash/{row['id']}",
        "departments": [shapes.department(row["department_id"])],
        "offices": _offices(shapes, row),
        "custom_fields": keyed_custom_fields(row["custom_fields"]),
    }


def _hire(account: Account, row: Row, jobs: list[dict[str, Any]]) -> dict[str, Any]:
    openings = account["openings"].rows("job_id", row["job_id"])
    filled = next((o for o in openings if o["application_id"] == row["id"]), None)
    return {
        "opening": filled and {"opening_id": filled["opening_id"], "custom_fields": []},
        "job": jobs[0] if jobs else None,
        "offer": None,
    }


def _offices(shapes: LegacyShapes, row: Row) -> list[dict[str, Any]]:
    return [
        {
            "id": office["id"],
            "name": office["name"],
            "location": office["location"]["name"],
            "external_id": office["external_id"],
        }
        for office in shapes.offices(row["office_ids"])
    ]


def _credited(account: Account, referrer_id: int | None) -> dict[str, Any] | None:
    referrer = account["referrers"].find(referrer_id)
    if referrer is None:
        return None
    unnamed = {"id": None, "email": None, "name": referrer["name"], "employee_id": None}
    return _person(account, referrer["user_id"]) or unnamed


def _person(account: Account, user_id: int | None) -> dict[str, Any] | None:
    user = account["users"].find(user_id)
    if user is None:
        return None
    return {
        "id": user["id"],
        "email": user["primary_email"],
        "name": user["name"],
        "employee_id": user["employee_id"],
    }


def _dated(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Replace the dates by `MM/DD/YYYY`, as webhooks write them."""

    def american(text: str | None) -> str | None:
        if text is None:
            return None
        return datetime.fromtimestamp(seconds_of(text), UTC).strftime("%m/%d/%Y")

    return [row | {"start_date": american(row["start_date"]), "end_date": american(row["end_date"])} for row in rows]
