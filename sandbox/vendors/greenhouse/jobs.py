"""What can happen to a job and its openings (section 6.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.greenhouse import custom_fields, payloads
from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.errors import invalid
from sandbox.vendors.greenhouse.tables import Row

STAGE_NAMES = (
    "Application Review",
    "Preliminary Phone Screen",
    "Phone Interview",
    "Face to Face",
    "Reference Check",
    "Offer",
)


def create(account: Account, values: Mapping[str, Any]) -> Row:
    """Insert a job with the usual six stages and one opening, and tell `job_created`."""
    row = account.add(
        "jobs",
        **{
            "name": "New job",
            "requisition_id": None,
            "status": "draft",
            "department_id": None,
            "office_ids": [],
            "opened_at": None,
            "closed_at": None,
            "notes": None,
            "confidential": False,
            "is_template": False,
            "copied_from_id": None,
            "custom_fields": custom_fields.blank(account, "job"),
        }
        | dict(values),
    )
    add_stages(account, row["id"])
    add_opening(account, row["id"])
    account.tell("job_created", {"job": payloads.job_of_event(account, row)})
    return row


def update(account: Account, job_id: int, values: Mapping[str, Any]) -> Row:
    """Write *values* over the job and tell `job_updated`."""
    row = account.save("jobs", account.fetch("jobs", job_id) | dict(values))
    account.tell("job_updated", {"job": payloads.job_of_event(account, row)})
    return row


def delete(account: Account, job_id: int) -> None:
    """Remove a closed job that nobody applied to, and tell `job_deleted`."""
    row = account.fetch("jobs", job_id)
    if account["applications"].keyed("job_id", job_id):
        raise invalid("job_id", "the job has applications")
    for table in ("job_interview_stages", "openings", "job_posts"):
        for child_id in account[table].keyed("job_id", job_id):
            account.remove(table, child_id)
    account.remove("jobs", job_id)
    account.tell("job_deleted", {"job": {"id": row["id"], "name": row["name"]}})


def add_stages(account: Account, job_id: int, **columns: Any) -> list[Row]:
    """Six stage definitions, Application Review first and Offer last (section 8)."""
    return [
        account.add(
            "job_interview_stages",
            job_id=job_id,
            name=name,
            sort_order=position,
            active=True,
            **columns,
        )
        for position, name in enumerate(STAGE_NAMES)
    ]


def add_opening(account: Account, job_id: int, **columns: Any) -> Row:
    """An open opening."""
    return account.add(
        "openings",
        **{
            "job_id": job_id,
            "opening_id": None,
            "open": True,
            "opened_at": account.clock.text(),
            "closed_at": None,
            "close_reason_id": None,
            "application_id": None,
            "target_start_on": None,
            "sort_order": len(account["openings"].keyed("job_id", job_id)),
            "custom_fields": {},
        }
        | columns,
    )


def opening_to_fill(account: Account, job_id: int, opening_id: object) -> Row | None:
    """The open opening that a hire fills; it must be named when there are several (6.7)."""
    opened = [o for o in account["openings"].rows("job_id", job_id) if o["open"]]
    if opening_id is not None:
        named = [opening for opening in opened if opening["id"] == opening_id]
        if not named:
            raise invalid("opening_id", "is not an open opening of this job")
        return named[0]
    if len(opened) > 1:
        raise invalid("opening_id", "is required when the job has several open openings")
    return opened[0] if opened else None


def fill(account: Account, opening: Row, application_id: int, close_reason_id: object) -> None:
    """Close the opening with its hire; the last one closes the job (section 6.7)."""
    now = account.clock.text()
    closed = {"open": False, "closed_at": now, "application_id": application_id}
    account.save("openings", opening | closed | {"close_reason_id": close_reason_id})
    if not any(other["open"] for other in account["openings"].rows("job_id", opening["job_id"])):
        update(account, opening["job_id"], {"status": "closed", "closed_at": now})
