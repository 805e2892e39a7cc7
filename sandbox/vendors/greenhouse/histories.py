# ruff: noqa: RUF001 - letters that are easily mistaken are what this is for
"""What generated people did: applications through their stages, files, notes, education, work."""

from __future__ import annotations

import random
from typing import Any

from sandbox.vendors.greenhouse import material, shares
from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.clock import moment_text
from sandbox.vendors.greenhouse.organisation import DAY_S
from sandbox.vendors.greenhouse.shares import happens
from sandbox.vendors.greenhouse.tables import Row

OUTCOMES = ("in_process", "in_process", "in_process", "rejected", "rejected", "hired")
FILENAMES = (
    "resume.pdf", "Lebenslauf – Müller (final).pdf", "CV.PDF", "履歴書.docx", "resume.txt",
    "cv;v2 'last'.rtf",
)  # fmt: skip
NOTE_TYPES = ("NOTE", "NOTE", "EMAIL", "ACTIVITY", "FEEDBACK")
VISIBILITIES = ("admin_only_visible", "privately_visible", "publicly_visible")
PROSPECT_SHARE = 0.06
CONVERTED_SHARE = 0.3
SECOND_SHARE = 0.25


class Histories:
    """Adds the rows that hang on one candidate."""

    def __init__(self, account: Account, chance: random.Random) -> None:
        self._account = account
        self._chance = chance
        jobs = [job for job in account["jobs"] if not job["is_template"] and job["opened_at"]]
        self._jobs = jobs
        self._stages = {job["id"]: account.stages_of(job["id"]) for job in jobs}
        self._posts = {row["job_id"]: row["id"] for row in account["job_posts"]}
        self._ids = {name: account[name].ids() for name in ("sources", "referrers", "users", "rejection_reasons")}
        self._option_ids = _option_ids(account)

    def add(self, candidate: Row, created_s: float, updated_s: float) -> None:
        """Applications, files, notes, educations and employments between the two times."""
        chance = self._chance
        jobs = chance.sample(self._jobs, 2 if chance.random() < SECOND_SHARE else 1)
        if chance.random() < PROSPECT_SHARE:
            self._prospect(candidate, jobs, created_s, updated_s)
        else:
            for job in jobs:
                self._application(candidate, job, created_s, updated_s)
        for latest in range(chance.choice((0, 1, 1, 2))):
            self._education(candidate["id"], created_s, latest=latest == 0)
        for latest in range(chance.choice((0, 1, 2, 3))):
            self._employment(candidate["id"], created_s, latest=latest == 0)

    def _prospect(self, candidate: Row, jobs: list[Row], created_s: float, updated_s: float) -> None:
        """A prospect of none, one or more jobs; some were converted (section 6.10)."""
        chance = self._chance
        converted = chance.random() < CONVERTED_SHARE
        named = jobs[: chance.randrange(3)]
        row = self._row(candidate, None, created_s, updated_s) | {
            "prospect": True,
            "prospective_job_ids": [job["id"] for job in named],
            "status": "converted" if converted else "in_process",
        }
        self._account["applications"].put(row)
        self._account.add(
            "prospect_details",
            application_id=row["id"],
            prospect_pool_id=None,
            prospect_pool_stage_id=None,
            prospect_owner_id=chance.choice(self._ids["users"]),
            **_stamps(created_s),
        )
        if converted and jobs:
            self._application(candidate, jobs[0], created_s, updated_s)

    def _application(self, candidate: Row, job: Row, created_s: float, updated_s: float) -> None:
        status = self._chance.choice(OUTCOMES)
        row = self._row(candidate, job, created_s, updated_s) | {"status": status}
        row |= self._walk(row, job, created_s, updated_s)
        if status == "rejected":
            self._rejection(row, updated_s)
        self._account["applications"].put(row)
        if happens(self._chance, shares.RESUME):
            self._file(row, created_s, "resume")
        if happens(self._chance, shares.COVER_LETTER):
            self._file(row, created_s, "cover_letter")
        for _ in range(self._chance.choice((0, 0, 1, 2))):
            self._note(row, updated_s)

    def _row(self, candidate: Row, job: Row | None, created_s: float, updated_s: float) -> Row:
        chance = self._chance
        asked = chance.sample(material.QUESTIONS, chance.randrange(4))
        return {
            "id": self._account["applications"].new_id(),
            "candidate_id": candidate["id"],
            "job_id": job and job["id"],
            "job_post_id": job and chance.choice((None, self._posts.get(job["id"]))),
            "prospect": False,
            "prospective_job_ids": [],
            "status": "in_process",
            "stage_id": None,
            "job_interview_stage_id": None,
            "stage_name": None,
            "needs_decision": chance.choice((None, False, True)),
            "source_id": chance.choice((None, *self._ids["sources"])),
            "referrer_id": chance.choice((None, None, *self._ids["referrers"])),
            "recruiter_id": chance.choice((None, self._ids["users"][0])),
            "coordinator_id": chance.choice((None, self._ids["users"][1])),
            "location_address": chance.choice((None, "Leeds, UK", "Zürich, Schweiz", "東京")),
            "answers": [{"question": q, "answer": chance.choice(material.ANSWERS)} for q in asked],
            "rejection_reason_id": None,
            "rejected_at": None,
            "last_activity_at": moment_text(updated_s),
            "agency_note_id": None,
            "custom_fields": {
                "interview_format": {
                    "name": "Interview format",
                    "type": "single_select",
                    "value": chance.choice((None, "Remote", "On site")),
                },
                "priority": {
                    "name": "Priority",
                    "type": "number",
                    "value": chance.choice((None, 0, 1, 2**40)),
                },
            },
            **_stamps(created_s, updated_s),
        }

    def _walk(self, row: Row, job: Row, created_s: float, updated_s: float) -> dict[str, Any]:
        """Visits to the first stages of the job; the last one is current if still open."""
        stages = self._stages[job["id"]]
        reached = len(stages) if row["status"] == "hired" else self._chance.randint(1, len(stages))
        is_open = row["status"] == "in_process"
        step_s = (updated_s - created_s) / reached
        visit: Row = {}
        for position, stage in enumerate(stages[:reached]):
            entered_s = created_s + position * step_s
            current = is_open and position == reached - 1
            # A visit's times may be null where history was only partly recorded.
            recorded = current or happens(self._chance, shares.VISIT_RECORDED)
            visit = self._account.add(
                "application_stages",
                application_id=row["id"],
                job_interview_stage_id=stage["id"],
                entered_at=moment_text(entered_s) if recorded else None,
                exited_at=None if current or not recorded else moment_text(entered_s + step_s),
                days_in_stage=int(step_s // DAY_S),
                current=current,
                **_stamps(entered_s),
            )
        if not is_open:
            return {}
        return {
            "stage_id": visit["id"],
            "job_interview_stage_id": visit["job_interview_stage_id"],
            "stage_name": stages[reached - 1]["name"],
        }

    def _rejection(self, row: Row, updated_s: float) -> None:
        row["rejected_at"] = moment_text(updated_s)
        row["rejection_reason_id"] = self._chance.choice((None, *self._ids["rejection_reasons"]))
        self._account.add(
            "rejection_details",
            application_id=row["id"],
            rejected_at=row["rejected_at"],
            rejected_by_id=self._chance.choice((None, self._ids["users"][0])),
            rejection_reason_id=row["rejection_reason_id"],
            rejection_note_id=None,
            question_custom_fields={},
            **_stamps(updated_s),
        )

    def _file(self, application: Row, created_s: float, kind: str) -> None:
        self._account.add(
            "attachments",
            application_id=application["id"],
            candidate_id=application["candidate_id"],
            filename=self._chance.choice(FILENAMES),
            type=kind,
            url=None,
            **_stamps(created_s),
        )

    def _note(self, application: Row, updated_s: float) -> None:
        kind = self._chance.choice(NOTE_TYPES)
        is_mail = kind == "EMAIL"
        body = self._chance.choice(material.PROSE)
        self._account.add(
            "notes",
            candidate_id=application["candidate_id"],
            application_id=self._chance.choice((None, application["id"])),
            user_id=self._chance.choice((None, self._ids["users"][0])),
            type=kind,
            body=body,
            body_with_tags=body,
            subject="Your application" if is_mail else None,
            email_from="ada.recruiter@acme.example" if is_mail else None,
            email_to="a@example.com, b@example.com" if is_mail else None,
            email_cc=[] if is_mail else None,
            email_attachment_file_names=None,
            visibility=self._chance.choice(VISIBILITIES),
            import_hash=None,
            **_stamps(updated_s),
        )

    def _education(self, candidate_id: int, created_s: float, *, latest: bool) -> None:
        start = self._chance.randint(1985, 2020)
        options = {
            f"{key}_custom_field_option_id": self._chance.choice((None, *self._option_ids[key]))
            for key in ("school_name", "degree", "discipline")
        }
        self._account.add(
            "candidate_educations",
            candidate_id=candidate_id,
            **options,
            start_at=f"{start}-09-01T00:00:00.000Z",
            end_at=None if latest else f"{start + 3}-06-01T00:00:00.000Z",
            start_date_month=9,
            start_date_year=start,
            end_date_month=None if latest else 6,
            end_date_year=None if latest else start + 3,
            latest=latest,
            **_stamps(created_s),
        )

    def _employment(self, candidate_id: int, created_s: float, *, latest: bool) -> None:
        start = self._chance.randint(1995, 2022)
        self._account.add(
            "candidate_employments",
            candidate_id=candidate_id,
            company_name=self._chance.choice(material.EMPLOYERS),
            title=self._chance.choice(material.TITLES),
            start_date=f"{start}-01-01T00:00:00.000Z",
            end_date=None if latest else f"{start + 1}-12-31T00:00:00.000Z",
            latest=latest,
            **_stamps(created_s),
        )


def options_by_key(account: Account) -> dict[str, list[str]]:
    """Names of the options of each select field, by `name_key`."""
    return {
        field["name_key"]: [
            option["name"] for option in account["custom_field_options"].rows("custom_field_id", field["id"])
        ]
        for field in account["custom_fields"]
    }


def _option_ids(account: Account) -> dict[str, list[int]]:
    return {
        field["name_key"]: account["custom_field_options"].keyed("custom_field_id", field["id"])
        for field in account["custom_fields"]
    }


def _stamps(created_s: float, updated_s: float | None = None) -> dict[str, str]:
    created = moment_text(created_s)
    updated = created if updated_s is None else moment_text(updated_s)
    return {"created_at": created, "updated_at": updated}
