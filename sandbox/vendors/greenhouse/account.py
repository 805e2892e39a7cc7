"""One Greenhouse organisation: its tables, and the writing of rows."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Protocol

from sandbox.vendors.greenhouse.clock import Clock
from sandbox.vendors.greenhouse.errors import not_found
from sandbox.vendors.greenhouse.settings import Settings
from sandbox.vendors.greenhouse.tables import KeysOf, Row, Table

# Candidates straddle 2**32 after some 7,000 people, and applications lie above it: ids
# are integers of more than 32 bits (section 3.1).
FIRST_IDS: Mapping[str, int] = {
    "users": 1201,
    "user_emails": 2201,
    "departments": 12,
    "offices": 3,
    "sources": 16,
    "referrers": 501,
    "rejection_reasons": 901,
    "close_reasons": 801,
    "custom_fields": 6001,
    "custom_field_options": 66001,
    "candidate_tags": 7001,
    "jobs": 4410,
    "job_owners": 15001,
    "job_hiring_managers": 16001,
    "openings": 41001,
    "job_boards": 61,
    "job_posts": 88120,
    "job_interview_stages": 31002,
    "candidates": 4_294_960_000,
    "candidate_educations": 21_000_001,
    "candidate_employments": 22_000_001,
    "applied_candidate_tags": 23_000_001,
    "applications": 70_100_900_000,
    "application_stages": 55_500_000_001,
    "rejection_details": 24_000_001,
    "prospect_details": 25_000_001,
    "prospect_pools": 301,
    "prospect_pool_stages": 351,
    "attachments": 26_000_001,
    "notes": 27_000_001,
    "interviews": 61234,
    "interviewers": 71234,
    "job_interviews": 8801,
    "interview_kits": 9801,
    "scorecards": 81234,
    "offers": 91234,
    "email_templates": 401,
    "eeoc": 28_000_001,
    "demographic_answers": 29_000_001,
}


def _keys(*columns: str) -> dict[str, KeysOf]:
    def of(column: str) -> KeysOf:
        return lambda row: () if row[column] is None else (row[column],)

    return {column: of(column) for column in columns}


def _emails(row: Row) -> Iterable[Hashable]:
    return {str(entry["value"]).strip().casefold() for entry in row["email_addresses"] or () if entry.get("value")}


INDEXES: Mapping[str, Mapping[str, KeysOf]] = {
    "candidates": {"email": _emails, "tag": lambda row: set(row["tags"])},
    "candidate_educations": _keys("candidate_id"),
    "candidate_employments": _keys("candidate_id"),
    "applied_candidate_tags": _keys("candidate_id"),
    "applications": _keys("candidate_id", "job_id"),
    "application_stages": _keys("application_id"),
    "rejection_details": _keys("application_id"),
    "prospect_details": _keys("application_id"),
    "attachments": _keys("candidate_id", "application_id"),
    "notes": _keys("candidate_id", "application_id"),
    "openings": _keys("job_id"),
    "job_posts": _keys("job_id"),
    "job_interview_stages": _keys("job_id"),
    "job_owners": _keys("job_id"),
    "job_hiring_managers": _keys("job_id"),
    "custom_field_options": _keys("custom_field_id"),
}

# What goes when a candidate goes, and when an application goes.
OF_CANDIDATE = (
    "candidate_educations",
    "candidate_employments",
    "applied_candidate_tags",
    "attachments",
    "notes",
)
OF_APPLICATION = (
    "application_stages",
    "rejection_details",
    "prospect_details",
    "attachments",
    "notes",
)


class Events(Protocol):
    """Who is told what happened (section 9)."""

    def __call__(self, action: str, payload: dict[str, Any]) -> None:
        """Take the payload as it is now; it must not change afterwards."""


def no_events(action: str, payload: dict[str, Any]) -> None:
    """Tell nobody."""


class Account:
    """The organisation's state. All changes run on the event loop, one at a time."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = Clock(settings)
        self.tables = {
            name: Table(name, first_id=first, keys=INDEXES.get(name, {}), settings=settings)
            for name, first in FIRST_IDS.items()
        }
        self.files: dict[int, bytes] = {}  # uploaded contents, by attachment id
        self.tell: Events = no_events
        self.base_url = ""  # the address the simulator answers at, once it serves
        self.version = 0  # rises with each change
        self.service_user_id = 0  # acts when a token names no user (section 2.1)
        self.admin_user_id = 0

    def __getitem__(self, table: str) -> Table:
        return self.tables[table]

    def fetch(self, table: str, row_id: object) -> Row:
        """A copy of the row. Raises Refusal (404)."""
        row = self.tables[table].find(row_id)
        if row is None:
            raise not_found(table.removesuffix("s").replace("_", " ").capitalize())
        return row

    def add(self, table: str, **columns: Any) -> Row:
        """Insert a row with a new id and both times now; *columns* may set other times."""
        if "created_at" not in columns:
            now = self.clock.text()
            columns = {"created_at": now, "updated_at": now} | columns
        row = {"id": self.tables[table].new_id()} | columns
        self.tables[table].put(row)
        self.version += 1
        return row

    def save(self, table: str, row: Row, *, touch: bool = True) -> Row:
        """Write *row* back; `updated_at` becomes now unless *touch* is false."""
        if touch:
            row["updated_at"] = self.clock.text()
        self.tables[table].put(row)
        self.version += 1
        return row

    def remove(self, table: str, row_id: int) -> None:
        """Delete the row and nothing else."""
        self.tables[table].remove(row_id)
        self.version += 1

    def stages_of(self, job_id: int) -> list[Row]:
        """The job's active stage definitions, first stage first."""
        stages = self["job_interview_stages"].rows("job_id", job_id)
        return sorted((s for s in stages if s["active"]), key=lambda s: int(s["sort_order"]))
