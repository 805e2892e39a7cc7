"""What can happen to an application, whoever asks for it (sections 6.4 to 6.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.greenhouse import candidates, custom_fields, jobs, payloads
from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.candidates import note_activity
from sandbox.vendors.greenhouse.errors import invalid
from sandbox.vendors.greenhouse.tables import Row

NO_STAGE: Mapping[str, Any] = {
    "stage_id": None,
    "job_interview_stage_id": None,
    "stage_name": None,
}
EDITABLE = (
    "source_id",
    "referrer_id",
    "recruiter_id",
    "coordinator_id",
    "location_address",
    "answers",
    "needs_decision",
    "job_post_id",
    "custom_fields",
)


def create(account: Account, candidate_id: int, values: Mapping[str, Any]) -> Row:
    """
    Insert an application of checked *values* and tell it.

    A candidate's lands on the job's first stage, or on `initial_stage_id`; a prospect has
    no stage and any number of `prospective_job_ids`.
    """
    now = account.clock.text()
    prospect = bool(values.get("prospect"))
    job_id = None if prospect else values["job_id"]
    row = account.add(
        "applications",
        candidate_id=candidate_id,
        job_id=job_id,
        job_post_id=values.get("job_post_id"),
        prospect=prospect,
        prospective_job_ids=list(values.get("prospective_job_ids") or ()),
        status="in_process",
        **NO_STAGE,
        needs_decision=None,
        source_id=values.get("source_id"),
        referrer_id=values.get("referrer_id"),
        recruiter_id=values.get("recruiter_id"),
        coordinator_id=values.get("coordinator_id"),
        location_address=values.get("location_address"),
        answers=list(values.get("answers") or ()),
        rejection_reason_id=None,
        rejected_at=None,
        last_activity_at=now,
        agency_note_id=None,
        custom_fields=values.get("custom_fields") or custom_fields.blank(account, "application"),
    )
    if prospect:
        account.add(
            "prospect_details",
            application_id=row["id"],
            prospect_pool_id=None,
            prospect_pool_stage_id=None,
            prospect_owner_id=None,
        )
    elif job_id is not None:
        stage = _initial_stage(account, job_id, values.get("initial_stage_id"))
        row = account.save("applications", row | _enter(account, row["id"], stage))
    note_activity(account, candidate_id)
    action = "new_prospect_application" if prospect else "new_candidate_application"
    account.tell(action, payloads.application_event(account, row))
    return row


def update(account: Account, application_id: int, values: Mapping[str, Any]) -> Row:
    """Write checked *values* over the application and tell `application_updated`."""
    row = account.fetch("applications", application_id)
    row |= {name: value for name, value in values.items() if name in EDITABLE}
    row = account.save("applications", row)
    account.tell("application_updated", payloads.application_event(account, row))
    return row


def delete(account: Account, application_id: int) -> None:
    """Remove the application and tell `delete_application`."""
    row = account.fetch("applications", application_id)
    candidates.remove_application(account, application_id)
    account.tell("delete_application", payloads.deleted_application_event(row))


def move(account: Account, application_id: int, *, stage_id: int | None, job_id: int | None) -> Row:
    """To stage definition *stage_id*, to the first stage of *job_id*, or one stage on (6.5)."""
    row = account.fetch("applications", application_id)
    check_is_open(row)
    if job_id is not None and job_id != row["job_id"]:
        account.fetch("jobs", job_id)
        row |= {"job_id": job_id, "job_post_id": None}
        stage = _initial_stage(account, job_id, stage_id)
    elif stage_id is not None:
        stage = _stage_of_job(account, row["job_id"], stage_id, "to_stage_id")
    else:
        stage = _next_stage(account, row)
    _leave(account, application_id)
    return _finish(account, row | _enter(account, application_id, stage), "candidate_stage_change")


def reject(
    account: Account,
    application_id: int,
    *,
    reason_id: int,
    notes: str | None,
    user_id: int | None,
) -> Row:
    """Close the application with a reason; stage ids become null (section 6.6)."""
    row = account.fetch("applications", application_id)
    check_is_open(row)
    _check_reason(account, reason_id)
    now = account.clock.text()
    note_id = None
    if notes:
        note_id = add_note(account, row["candidate_id"], application_id, notes, user_id)["id"]
    for detail in account["rejection_details"].rows("application_id", application_id):
        account.remove("rejection_details", detail["id"])
    account.add(
        "rejection_details",
        application_id=application_id,
        rejected_at=now,
        rejected_by_id=user_id,
        rejection_reason_id=reason_id,
        rejection_note_id=note_id,
        question_custom_fields={},
    )
    _leave(account, application_id)
    row |= {"status": "rejected", "rejected_at": now, "rejection_reason_id": reason_id, **NO_STAGE}
    return _finish(account, row, "reject_candidate")


def change_reason(account: Account, detail_id: int, reason_id: int) -> Row:
    """Give a rejection another reason; the application shows it too, and tells `application_updated` (6.6)."""
    detail = account.fetch("rejection_details", detail_id)
    _check_reason(account, reason_id)
    detail = account.save("rejection_details", detail | {"rejection_reason_id": reason_id})
    row = account.fetch("applications", detail["application_id"])
    _finish(account, row | {"rejection_reason_id": reason_id}, "application_updated")
    return detail


def reopen(account: Account, application_id: int, *, from_status: str) -> Row:
    """Undo a rejection or a hire: the prior stage is back, reason and note are gone (6.6)."""
    row = account.fetch("applications", application_id)
    if row["status"] != from_status:
        raise invalid("status", f"application is not {from_status}")
    for detail in account["rejection_details"].rows("application_id", application_id):
        if detail["rejection_note_id"] is not None:
            account.remove("notes", detail["rejection_note_id"])
        account.remove("rejection_details", detail["id"])
    row |= {"status": "in_process", "rejected_at": None, "rejection_reason_id": None}
    visits = account["application_stages"].rows("application_id", application_id)
    if visits:
        account.save("application_stages", visits[-1] | {"exited_at": None, "current": True})
        row |= _standing_on(account, visits[-1])
    action = "unreject_candidate" if from_status == "rejected" else "unhire_candidate"
    return _finish(account, row, action)


def hire(account: Account, application_id: int, *, values: Mapping[str, Any]) -> Row:
    """Fill an opening and close the application; the job's last opening closes the job (6.7)."""
    row = account.fetch("applications", application_id)
    check_is_open(row)
    if row["prospect"]:
        raise invalid("application_id", "a prospect cannot be hired")
    opening = jobs.opening_to_fill(account, row["job_id"], values.get("opening_id"))
    _leave(account, application_id)
    if opening is not None:
        jobs.fill(account, opening, application_id, values.get("close_reason_id"))
    return _finish(account, row | {"status": "hired", **NO_STAGE}, "hire_candidate")


def convert(account: Account, application_id: int, *, job_id: int, stage_id: int | None) -> Row:
    """Close a prospect as `converted` and return the new candidate application (6.10)."""
    row = account.fetch("applications", application_id)
    check_is_open(row)
    if not row["prospect"]:
        raise invalid("application_id", "is not a prospect")
    if row["prospective_job_ids"] and job_id not in row["prospective_job_ids"]:
        raise invalid("job_id", "the prospect is not on this job")
    account.save("applications", row | {"status": "converted"})
    values = {name: row[name] for name in ("source_id", "referrer_id", "recruiter_id", "coordinator_id")}
    return create(account, row["candidate_id"], values | {"job_id": job_id, "initial_stage_id": stage_id})


def add_note(
    account: Account,
    candidate_id: int,
    application_id: int | None,
    body: str,
    user_id: int | None,
    *,
    note_type: str = "NOTE",
    visibility: str = "admin_only_visible",
) -> Row:
    """Insert a note and move the `last_activity_at` of the candidate and of the application (sections 3.6, 6.8)."""
    application = None if application_id is None else account["applications"].find(application_id)
    if application is not None:
        account.save("applications", application | {"last_activity_at": account.clock.text()}, touch=False)
    note_activity(account, candidate_id)
    return account.add(
        "notes",
        candidate_id=candidate_id,
        application_id=application_id,
        user_id=user_id,
        type=note_type,
        body=body,
        body_with_tags=body,
        subject=None,
        email_from=None,
        email_to=None,
        email_cc=None,
        email_attachment_file_names=None,
        visibility=visibility,
        import_hash=None,
    )


def check_is_open(row: Row) -> None:
    """Raises Refusal (422) when the application has ended."""
    if row["status"] != "in_process":
        raise invalid("status", f"application is {row['status']}")


def _check_reason(account: Account, reason_id: int) -> None:
    if reason_id not in account["rejection_reasons"]:
        raise invalid("rejection_reason_id", "is not a rejection reason")


def _finish(account: Account, row: Row, action: str) -> Row:
    row["last_activity_at"] = account.clock.text()
    row = account.save("applications", row)
    note_activity(account, row["candidate_id"])
    account.tell(action, payloads.application_event(account, row))
    return row


def _initial_stage(account: Account, job_id: int, stage_id: int | None) -> Row:
    if stage_id is not None:
        return _stage_of_job(account, job_id, stage_id, "initial_stage_id")
    stages = account.stages_of(job_id)
    if not stages:
        raise invalid("job_id", "the job has no stages")
    return stages[0]


def _stage_of_job(account: Account, job_id: int | None, stage_id: int, name: str) -> Row:
    stage = account["job_interview_stages"].find(stage_id)
    if stage is None or stage["job_id"] != job_id:
        raise invalid(name, "is not a stage of the application's job")
    return stage


def _next_stage(account: Account, row: Row) -> Row:
    stages = account.stages_of(row["job_id"])
    ids = [stage["id"] for stage in stages]
    following = ids.index(row["job_interview_stage_id"]) + 1
    if following == len(ids):
        raise invalid("to_stage_id", "the application is on the last stage")
    return stages[following]


def _enter(account: Account, application_id: int, stage: Row) -> dict[str, Any]:
    visit = account.add(
        "application_stages",
        application_id=application_id,
        job_interview_stage_id=stage["id"],
        entered_at=account.clock.text(),
        exited_at=None,
        days_in_stage=0,
        current=True,
    )
    return _standing_on(account, visit)


def _standing_on(account: Account, visit: Row) -> dict[str, Any]:
    stage = account.fetch("job_interview_stages", visit["job_interview_stage_id"])
    return {
        "stage_id": visit["id"],
        "job_interview_stage_id": stage["id"],
        "stage_name": stage["name"],
    }


def _leave(account: Account, application_id: int) -> None:
    for visit in account["application_stages"].rows("application_id", application_id):
        if visit["current"]:
            left = {"exited_at": account.clock.text(), "current": False}
            account.save("application_stages", visit | left)
