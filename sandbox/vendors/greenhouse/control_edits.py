"""A recruiter's edits: any field of any record, with the events the UI would cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.vendors.greenhouse import applications, candidates, custom_fields, jobs, payloads
from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.errors import invalid, not_found
from sandbox.vendors.greenhouse.tables import Row

Change = Callable[[Account, Mapping[str, Any], dict[str, Any]], Row]
Verb = Callable[[Account, int, dict[str, Any]], Row]

FIXED = frozenset({"id", "candidate_id", "application_id"})


def create(account: Account, path: Mapping[str, Any], body: dict[str, Any]) -> Row:
    """Insert; candidates, applications and jobs get what a new one has."""
    match path["table"]:
        case "candidates":
            application = body.pop("application", None)
            row = candidates.create(account, body)
            row = _as_is(account, "candidates", row, body, touch=True)
            if application is not None:
                applications.create(account, row["id"], application)
            return row
        case "applications":
            account.fetch("candidates", body["candidate_id"])
            return applications.create(account, body["candidate_id"], body)
        case "jobs":
            return jobs.create(account, body)
        case "custom_fields":
            return custom_fields.define(account, body)
        case table:
            return account.add(table, **body)


def edit(account: Account, path: Mapping[str, Any], body: dict[str, Any]) -> Row:
    """
    Set any fields to any values, however odd, and tell the event of that kind of record.

    `updated_at` becomes now unless the body sets it; a custom field may be set by its key:
    `{"custom_fields.notice_period": "1 month"}`.
    """
    table, row_id = path["table"], path["row_id"]
    row = account.fetch(table, row_id)
    if FIXED.intersection(body):
        raise invalid("base", f"cannot be edited: {sorted(FIXED.intersection(body))}")
    row = _as_is(account, table, row, body, touch="updated_at" not in body)
    match table:
        case "candidates":
            if "tags" in body:
                row = candidates.update(account, row_id, {"tags": row["tags"]})
            else:
                account.tell("update_candidate", payloads.candidate_event(account, row))
        case "applications":
            account.tell("application_updated", payloads.application_event(account, row))
        case "jobs":
            account.tell("job_updated", {"job": payloads.job_of_event(account, row)})
        case "job_posts":
            account.tell("job_post_updated", payloads.post_event(row))
        case "custom_fields":
            custom_fields.refresh(account, row)
        case _:
            pass  # no event exists for the other kinds (section 9.4)
    return row


def remove(account: Account, path: Mapping[str, Any], _: dict[str, Any]) -> Row:
    """Delete the record and what hangs on it. Returns what it was."""
    table, row_id = path["table"], path["row_id"]
    row = account.fetch(table, row_id)
    match table:
        case "candidates":
            candidates.delete(account, row_id)
        case "applications":
            applications.delete(account, row_id)
        case "jobs":
            jobs.delete(account, row_id)
        case _:
            account.remove(table, row_id)
            if table == "custom_fields":
                custom_fields.refresh(account, row | {"active": False})
            elif table == "job_interview_stages":
                account.tell("job_interview_stage_deleted", {"job_interview_stage": row})
            elif table == "job_posts":
                account.tell("job_post_deleted", payloads.post_event(row))
            elif table in {"departments", "offices"}:
                name = table.removesuffix("s")
                account.tell(f"{name}_deleted", {name: {"id": row_id, "name": row["name"]}})
    return row


def act(account: Account, path: Mapping[str, Any], body: dict[str, Any]) -> Row:
    """Do *verb* to a candidate or an application."""
    verb = VERBS.get((path["table"], path["verb"]))
    if verb is None:
        raise not_found("Verb")
    return verb(account, path["row_id"], body)


def _move(account: Account, row_id: int, body: dict[str, Any]) -> Row:
    """`{}` advances; else `to_stage_id`, `stage_name` or `to_job_id`."""
    stage_id = body.get("to_stage_id")
    if "stage_name" in body:
        row = account.fetch("applications", row_id)
        names = {stage["name"]: stage["id"] for stage in account.stages_of(row["job_id"])}
        if body["stage_name"] not in names:
            raise invalid("stage_name", f"Must be one of: {', '.join(names)}")
        stage_id = names[body["stage_name"]]
    return applications.move(account, row_id, stage_id=stage_id, job_id=body.get("to_job_id"))


def _reject(account: Account, row_id: int, body: dict[str, Any]) -> Row:
    reason_id = body.get("rejection_reason_id", account["rejection_reasons"].ids()[0])
    return applications.reject(
        account,
        row_id,
        reason_id=reason_id,
        notes=body.get("notes"),
        user_id=account.admin_user_id,
    )


VERBS: Mapping[tuple[str, str], Verb] = {
    ("applications", "move"): _move,
    ("applications", "reject"): _reject,
    ("applications", "unreject"): lambda account, row_id, _: applications.reopen(
        account, row_id, from_status="rejected"
    ),
    ("applications", "hire"): lambda account, row_id, body: applications.hire(account, row_id, values=body),
    ("applications", "unhire"): lambda account, row_id, _: applications.reopen(account, row_id, from_status="hired"),
    ("applications", "convert"): lambda account, row_id, body: applications.convert(
        account, row_id, job_id=body["job_id"], stage_id=body.get("to_stage_id")
    ),
    ("candidates", "merge"): lambda account, row_id, body: candidates.merge(
        account, row_id, body["secondary_candidate_id"]
    ),
    ("candidates", "anonymize"): lambda account, row_id, body: candidates.anonymize(account, row_id, body["fields"]),
    ("candidates", "note"): lambda account, row_id, body: applications.add_note(
        account, row_id, body.get("application_id"), body["body"], account.admin_user_id
    ),
}


def _as_is(account: Account, table: str, row: Row, body: dict[str, Any], *, touch: bool) -> Row:
    for name, value in body.items():
        first, _, key = name.partition(".")
        if first == "custom_fields" and key:
            row[first].setdefault(key, {"name": key, "type": "short_text"})["value"] = value
        else:
            row[name] = value
    return account.save(table, row, touch=touch)
