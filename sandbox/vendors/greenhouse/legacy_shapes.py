"""The nested shapes of Harvest v1, which webhooks still resemble (sections 9.5 and 10.4)."""

from __future__ import annotations

from typing import Any

from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.files import Files
from sandbox.vendors.greenhouse.tables import Row

LEGACY_STATUS = {"in_process": "active"}
LEGACY_VALUE_TYPES = {"yes_no": "boolean"}


class LegacyShapes:
    """Builds v1 objects from the tables; *base* is the address the files live under."""

    def __init__(self, account: Account, files: Files, base: str) -> None:
        self._account = account
        self._files = files
        self._base = base

    def candidate(self, row: Row) -> dict[str, Any]:
        """A candidate with all that hangs on it."""
        applications = self._account["applications"].rows("candidate_id", row["id"])
        newest = applications[-1] if applications else {}
        return {
            "id": row["id"],
            "first_name": row["first_name"],
            "last_name": row["last_name"],
            "company": row["company"],
            "title": row["title"],
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
            "last_activity": row["last_activity_at"],
            "is_private": row["private"],
            "photo_url": None,
            "attachments": self._attachments("candidate_id", row["id"]),
            "application_ids": [application["id"] for application in applications],
            "phone_numbers": row["phone_numbers"],
            "addresses": row["addresses"],
            "email_addresses": row["email_addresses"],
            "website_addresses": row["website_addresses"],
            "social_media_addresses": row["social_media_addresses"],
            "recruiter": self.user(newest.get("recruiter_id")),
            "coordinator": self.user(newest.get("coordinator_id")),
            "can_email": row["can_email"],
            "tags": row["tags"],
            "applications": [self.application(application) for application in applications],
            "educations": self.educations(row["id"]),
            "employments": [
                {name: employment[name] for name in ("id", "company_name", "title")}
                | {name: employment[name] for name in ("start_date", "end_date")}
                for employment in self._account["candidate_employments"].rows("candidate_id", row["id"])
            ],
            "linked_user_ids": row["linked_user_ids"],
            **legacy_custom_fields(row["custom_fields"]),
        }

    def application(self, row: Row) -> dict[str, Any]:
        """An application, as a list of its own and inside a candidate."""
        return {
            "id": row["id"],
            "candidate_id": row["candidate_id"],
            "prospect": row["prospect"],
            "applied_at": row["created_at"],
            "rejected_at": row["rejected_at"],
            "last_activity_at": row["last_activity_at"],
            "location": row["location_address"] and {"address": row["location_address"]},
            "source": self.source(row["source_id"]),
            "credited_to": self.referrer(row["referrer_id"]),
            "recruiter": self.user(row["recruiter_id"]),
            "coordinator": self.user(row["coordinator_id"]),
            "rejection_reason": self.rejection_reason(row["rejection_reason_id"]),
            "rejection_details": None
            if row["status"] != "rejected"
            else {"custom_fields": {}, "keyed_custom_fields": {}},
            "jobs": [{"id": job["id"], "name": job["name"]} for job in self.jobs_of(row)],
            "job_post_id": row["job_post_id"],
            "status": LEGACY_STATUS.get(row["status"], row["status"]),
            "current_stage": current_stage(row),
            "answers": row["answers"],
            "prospective_office": None,
            "prospective_department": None,
            "prospect_detail": {
                "prospect_pool": None,
                "prospect_stage": None,
                "prospect_owner": None,
            },
            **legacy_custom_fields(row["custom_fields"]),
            "attachments": self._attachments("application_id", row["id"]),
        }

    def job(self, row: Row) -> dict[str, Any]:
        """A job with departments, offices, hiring team and openings inside."""
        return {
            "id": row["id"],
            "name": row["name"],
            "requisition_id": row["requisition_id"],
            "notes": row["notes"],
            "confidential": row["confidential"],
            "is_template": row["is_template"],
            "copied_from_id": row["copied_from_id"],
            "status": row["status"],
            "created_at": row["created_at"],
            "opened_at": row["opened_at"],
            "closed_at": row["closed_at"],
            "updated_at": row["updated_at"],
            "departments": [self.department(row["department_id"])],
            "offices": self.offices(row["office_ids"]),
            "hiring_team": self._hiring_team(row["id"]),
            **legacy_custom_fields(row["custom_fields"]),
            "openings": [
                {
                    "id": opening["id"],
                    "opening_id": opening["opening_id"],
                    "status": "open" if opening["open"] else "closed",
                    "opened_at": opening["opened_at"],
                    "closed_at": opening["closed_at"],
                    "application_id": opening["application_id"],
                    "close_reason": None,
                    **legacy_custom_fields(opening["custom_fields"]),
                }
                for opening in self._account["openings"].rows("job_id", row["id"])
            ],
        }

    def stage(self, row: Row) -> dict[str, Any]:
        """A job stage; v3's `sort_order` was `priority`."""
        return {
            "id": row["id"],
            "name": row["name"],
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
            "active": row["active"],
            "job_id": row["job_id"],
            "priority": row["sort_order"],
            "interviews": [],
        }

    def legacy_user(self, row: Row) -> dict[str, Any]:
        """A user of the v1 list."""
        return {
            "id": row["id"],
            "name": row["name"],
            "first_name": row["first_name"],
            "last_name": row["last_name"],
            "primary_email_address": row["primary_email"],
            "updated_at": row["updated_at"],
            "created_at": row["created_at"],
            "disabled": row["deactivated"],
            "site_admin": row["site_admin"],
            "emails": row["emails"],
            "employee_id": row["employee_id"],
            "linked_candidate_ids": row["linked_candidate_ids"],
        }

    def jobs_of(self, application: Row) -> list[Row]:
        """One job of a candidate's application; none or many of a prospect's."""
        ids = [application["job_id"], *application["prospective_job_ids"]]
        found = [self._account["jobs"].find(job_id) for job_id in ids]
        return [job for job in found if job is not None]

    def user(self, user_id: int | None) -> dict[str, Any] | None:
        """A user as nested in other objects, or None."""
        row = self._account["users"].find(user_id)
        names = ("id", "first_name", "last_name", "name", "employee_id")
        return None if row is None else {name: row[name] for name in names}

    def referrer(self, referrer_id: int | None) -> dict[str, Any] | None:
        """`credited_to`: the user behind the referrer, or only its name."""
        row = self._account["referrers"].find(referrer_id)
        if row is None:
            return None
        return self.user(row["user_id"]) or {
            "id": None,
            "first_name": None,
            "last_name": None,
            "name": row["name"],
            "employee_id": None,
        }

    def source(self, source_id: int | None) -> dict[str, Any] | None:
        """`source` with the name as v1 calls it, or None."""
        row = self._account["sources"].find(source_id)
        return None if row is None else {"id": row["id"], "public_name": row["name"]}

    def rejection_reason(self, reason_id: int | None) -> dict[str, Any] | None:
        """The reason, whose type has no `key` in v1."""
        row = self._account["rejection_reasons"].find(reason_id)
        if row is None:
            return None
        kind = {"id": row["type"]["id"], "name": row["type"]["name"]}
        return {"id": row["id"], "name": row["name"], "type": kind}

    def department(self, department_id: int | None) -> dict[str, Any] | None:
        """A department as nested in a job; v1 lists `[null]` for none."""
        row = self._account["departments"].find(department_id)
        names = ("id", "name", "parent_id", "external_id")
        return None if row is None else {name: row[name] for name in names}

    def offices(self, office_ids: list[int] | None) -> list[dict[str, Any]]:
        """Offices as nested in a job."""
        rows = [self._account["offices"].find(office_id) for office_id in office_ids or ()]
        return [
            {
                "id": row["id"],
                "name": row["name"],
                "location": {"name": row["location"]},
                "parent_id": row["parent_id"],
                "external_id": row["external_id"],
            }
            for row in rows
            if row is not None
        ]

    def educations(self, candidate_id: int) -> list[dict[str, Any]]:
        """Educations with the options' names instead of their ids."""

        def name(option_id: int | None) -> str | None:
            option = self._account["custom_field_options"].find(option_id)
            return None if option is None else str(option["name"])

        return [
            {
                "id": row["id"],
                "school_name": name(row["school_name_custom_field_option_id"]),
                "degree": name(row["degree_custom_field_option_id"]),
                "discipline": name(row["discipline_custom_field_option_id"]),
                "start_date": row["start_at"],
                "end_date": row["end_at"],
            }
            for row in self._account["candidate_educations"].rows("candidate_id", candidate_id)
        ]

    def _attachments(self, column: str, owner_id: int) -> list[dict[str, Any]]:
        return [
            {
                "filename": row["filename"],
                "url": self._files.address(row, self._base),
                "type": row["type"],
                "created_at": row["created_at"],
            }
            for row in self._account["attachments"].rows(column, owner_id)
        ]

    def _hiring_team(self, job_id: int) -> dict[str, list[dict[str, Any]]]:
        owners = self._account["job_owners"].rows("job_id", job_id)

        def of(kind: str) -> list[dict[str, Any]]:
            found = [(self.user(owner["user_id"]), owner) for owner in owners if owner["type"] == kind]
            return [user | {"responsible": o["responsible"]} for user, o in found if user]

        managers = self._account["job_hiring_managers"].rows("job_id", job_id)
        return {
            "hiring_managers": [u for m in managers if (u := self.user(m["user_id"]))],
            "recruiters": of("recruiter"),
            "coordinators": of("coordinator"),
            "sourcers": of("sourcer"),
        }

    def custom_field(self, row: Row) -> dict[str, Any]:
        """A definition with the options that can be chosen (section 10.6)."""
        options = self._account["custom_field_options"].rows("custom_field_id", row["id"])
        return row | {
            "priority": row["id"],
            "custom_field_options": [
                {"id": one["id"], "name": one["name"], "priority": one["sort_order"], "external_id": one["external_id"]}
                for one in options
                if one["active"]
            ],
        }


def current_stage(application: Row) -> dict[str, Any] | None:
    """The stage definition's id and name, or None."""
    stage_id = application["job_interview_stage_id"]
    return None if stage_id is None else {"id": stage_id, "name": application["stage_name"]}


def legacy_custom_fields(fields: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """`custom_fields` with bare values and `keyed_custom_fields` with names and types."""
    keyed = keyed_custom_fields(fields)
    return {
        "custom_fields": {key: field["value"] for key, field in keyed.items()},
        "keyed_custom_fields": keyed,
    }


def keyed_custom_fields(fields: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """v3's custom fields with v1's value types and shapes (section 8.6)."""
    return {
        key: {
            "name": field["name"],
            "type": LEGACY_VALUE_TYPES.get(field["type"], field["type"]),
            "value": _legacy_value(field["type"], field["value"]),
        }
        for key, field in fields.items()
    }


def _legacy_value(kind: str, value: Any) -> Any:
    if value is None:
        return None
    match kind:
        case "currency":
            return {"amount": value["amount"], "unit": value["currency_code"]}
        case "currency_range":
            return {
                "min_value": _as_text(value["min_amount"]),  # numbers may be strings there
                "max_value": _as_text(value["max_amount"]),
                "unit": value["currency_code"],
            }
        case _:
            return value


def _as_text(value: Any) -> str | None:
    return None if value is None else str(value)
