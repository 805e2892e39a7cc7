"""Payloads in the shapes of docs/vendors/greenhouse.md, sections 8, 9.5 and 10.4; all people are invented."""

from __future__ import annotations

from typing import Any

CANDIDATE: dict[str, Any] = {
    "id": 9_000_000_001,
    "first_name": "Zoe\u0308",
    "last_name": " Ñandú-O'Neill ",
    "preferred_name": None,
    "company": "Hollow Oak Ltd",
    "title": "Data Engineer",
    "email_addresses": [
        {"value": "Zoe.Work@example.org", "type": "work"},
        {"value": " Zoe@example.net ", "type": "personal"},
        {"value": "", "type": "personal"},
        {"value": None, "type": "other"},
        {"value": "zoe@EXAMPLE.net", "type": "other"},
    ],
    "phone_numbers": [
        {"value": "live:zoe", "type": "skype"},
        {"value": "020 1", "type": "work"},
        {"value": "+44 20 7946 0011", "type": "mobile"},
    ],
    "addresses": [{"value": "1 Mill Lane\nLeeds", "type": "home"}],
    "website_addresses": [{"value": "https://zoe.example", "type": "portfolio"}],
    "social_media_addresses": [{"value": "@zoe"}, {"value": "linkedin.example/zoe"}],
    "tags": ["Python", " Python ", "C++", "🔥"],
    "private": False,
    "can_email": True,
    "linked_user_ids": [],
    "time_zone": "London",
    "last_activity_at": "2026-10-02T08:00:00.000Z",
    "custom_fields": {},
    "created_at": "2026-09-30T10:11:12.345Z",
    "updated_at": "2026-10-02T08:00:01.002Z",
}
CANDIDATE_FIELDS: dict[str, Any] = {
    "first_name": "Zoë",
    "last_name": "Ñandú-O'Neill",
    "preferred_name": None,
    "email": "Zoe@example.net",
    "further_emails": [{"value": "Zoe.Work@example.org", "type": "work"}],
    "phone": "+44 20 7946 0011",
    "further_phones": [{"value": "020 1", "type": "work"}],
    "addresses": [{"value": "1 Mill Lane\nLeeds", "type": "home"}],
    "linkedin_url": "linkedin.example/zoe",
    "links": [{"value": "@zoe", "type": None}, {"value": "https://zoe.example", "type": "portfolio"}],
    "current_company": "Hollow Oak Ltd",
    "current_title": "Data Engineer",
    "tags": ["Python", "C++", "🔥"],
    "time_zone": "London",
    "restricted": False,
    "can_email": True,
}
APPLICATION: dict[str, Any] = {
    "id": 70_100_900_000,
    "candidate_id": 9_000_000_001,
    "job_id": 4410,
    "prospect": False,
    "prospective_job_ids": [],
    "status": "in_process",
    "stage_id": 55_500_001,
    "job_interview_stage_id": 31002,
    "stage_name": "Phone Screen",
    "source_id": 16,
    "rejection_reason_id": None,
    "created_at": "2026-09-30T10:11:12.345Z",
    "updated_at": "2026-10-02T08:00:01.002Z",
    "_liaison": {"source": "Referral"},
}
APPLICATION_FIELDS: dict[str, Any] = {
    "candidate_id": "9000000001",
    "job_id": "4410",
    "prospect": False,
    "stage": "Phone Screen",
    "status": "active",
    "rejection_reason": None,
    "source": "Referral",
    "applied_at": "2026-09-30T10:11:12.345000Z",
}
V1_APPLICATION: dict[str, Any] = {
    "id": 70_100_900_000,
    "candidate_id": 9_000_000_001,
    "prospect": False,
    "applied_at": "2026-09-30T10:11:12.345Z",
    "rejected_at": None,
    "last_activity_at": "2026-10-02T08:00:01.002Z",
    "source": {"id": 16, "public_name": "Referral"},
    "rejection_reason": None,
    "jobs": [{"id": 4410, "name": "Backend Engineer"}],
    "status": "active",
    "current_stage": {"id": 31002, "name": "Phone Screen"},
}
STAGES: list[dict[str, Any]] = [
    {"id": 31003, "name": "Offer", "sort_order": 1, "active": True},
    {"id": 31002, "name": "Phone Screen", "sort_order": 0, "active": False},
]
JOB: dict[str, Any] = {
    "id": 4410,
    "name": "Backend Engineer",
    "requisition_id": "REQ-77",
    "status": "open",
    "department_id": 12,
    "office_ids": [3, 4],
    "notes": "<p>Replacement <b>hire</b></p>",
    "is_template": False,
    "created_at": "2026-07-30T23:59:59.000Z",
    "updated_at": "2026-09-01T09:00:00.000Z",
    "_liaison": {"department": "Engineering", "location": "Leeds, Zürich", "stages": STAGES},
}
V1_JOB: dict[str, Any] = {
    "id": 4410,
    "name": "Backend Engineer",
    "requisition_id": "REQ-77",
    "status": "open",
    "notes": "<p>Replacement <b>hire</b></p>",
    "departments": [{"id": 12, "name": "Engineering"}],
    "offices": [{"id": 3, "name": "Leeds", "location": {"name": "x"}}, {"id": 4, "name": "Zürich"}],
    "created_at": "2026-07-30T23:59:59.000Z",
    "updated_at": "2026-09-01T09:00:00.000Z",
    "_liaison": {"stages": [{"id": 31002, "name": "Phone Screen", "priority": 0, "active": False}, STAGES[0]]},
}
JOB_FIELDS: dict[str, Any] = {
    "title": "Backend Engineer",
    "requisition_id": "REQ-77",
    "status": "open",
    "department": "Engineering",
    "location": "Leeds, Zürich",
    "description": "<p>Replacement <b>hire</b></p>",
    "created_date": "2026-07-30",
    "stages": [
        {"id": "31002", "name": "Phone Screen", "order": 0, "active": False},
        {"id": "31003", "name": "Offer", "order": 1, "active": True},
    ],
}
