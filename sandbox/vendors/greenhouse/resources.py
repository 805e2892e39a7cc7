"""The v3 list endpoints, declared: filters by kind (section 3.3). Section 8 has the shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TIMES = ("created_at", "updated_at")


@dataclass(frozen=True)
class Resource:
    """One list endpoint and its filters, each parameter → column of the row."""

    name: str
    parents: Mapping[str, str] = field(default_factory=dict)  # up to 50 ids, comma separated
    times: tuple[str, ...] = TIMES  # pipe operators
    texts: Mapping[str, str] = field(default_factory=dict)  # equal, case as it is
    integers: Mapping[str, str] = field(default_factory=dict)
    booleans: Mapping[str, str] = field(default_factory=dict)
    special: frozenset[str] = frozenset()  # parameters with rules of their own, in filters.py


def _parents(*columns: str) -> dict[str, str]:
    return {column + "s": column for column in columns}


def _same(*columns: str) -> dict[str, str]:
    return {column: column for column in columns}


RESOURCES: Mapping[str, Resource] = {
    resource.name: resource
    for resource in (
        Resource(
            "jobs",
            times=(*TIMES, "opened_at", "closed_at"),
            texts=_same("status", "requisition_id"),
            integers=_same("department_id"),
            booleans=_same("confidential"),
            special=frozenset({"office_id", "custom_field_option_id"}),
        ),
        Resource(
            "openings",
            parents=_parents("job_id", "application_id"),
            times=(*TIMES, "opened_at", "closed_at"),
            texts=_same("opening_id"),
            booleans=_same("open"),
        ),
        Resource(
            "job_owners",
            parents=_parents("job_id", "user_id"),
            texts=_same("type"),
            booleans=_same("responsible"),
        ),
        Resource("job_hiring_managers", parents=_parents("job_id", "user_id")),
        Resource("job_boards"),
        Resource(
            "job_posts",
            parents=_parents("job_id", "job_board_id"),
            booleans=_same("live", "internal", "active", "featured"),
        ),
        Resource("job_interview_stages", parents=_parents("job_id"), booleans=_same("active")),
        Resource(
            "application_stages",
            parents=_parents("application_id", "job_interview_stage_id"),
            booleans=_same("current"),
        ),
        Resource(
            "candidates",
            times=(*TIMES, "last_activity_at"),
            special=frozenset({"email", "tag", "private", "custom_field_option_id"}),
        ),
        Resource("candidate_educations", parents=_parents("candidate_id")),
        Resource("candidate_employments", parents=_parents("candidate_id")),
        Resource("candidate_tags"),
        Resource("applied_candidate_tags", parents=_parents("candidate_id", "candidate_tag_id")),
        Resource(
            "applications",
            parents=_parents("candidate_id", "job_id", "job_post_id", "source_id", "referrer_id", "stage_id"),
            times=(*TIMES, "last_activity_at"),
            texts=_same("stage_name"),
            booleans=_same("prospect"),
            special=frozenset({"status", "prospective_job_ids", "custom_field_option_id"}),
        ),
        Resource("rejection_details", parents=_parents("application_id", "rejection_reason_id")),
        Resource("rejection_reasons", special=frozenset({"include_defaults"})),
        Resource("prospect_details", parents=_parents("application_id")),
        Resource("prospect_pools"),
        Resource("prospect_pool_stages", parents=_parents("prospect_pool_id")),
        Resource(
            "interviews",
            parents=_parents("application_id", "job_id", "organizer_id"),
            times=(*TIMES, "starts_at", "ends_at"),
            texts=_same("status", "external_event_id"),
        ),
        Resource("interviewers", parents=_parents("interview_id", "user_id")),
        Resource("job_interviews", parents=_parents("job_id", "job_interview_stage_id")),
        Resource("interview_kits", parents=_parents("job_interview_id")),
        Resource(
            "scorecards",
            parents=_parents("application_id", "interviewer_id"),
            times=(*TIMES, "submitted_at"),
            texts=_same("status"),
        ),
        Resource(
            "offers",
            parents=_parents("application_id", "candidate_id", "job_id"),
            texts=_same("status", "sent_on", "starts_on"),
        ),
        Resource(
            "attachments",
            parents=_parents("application_id", "candidate_id"),
            texts=_same("type"),
        ),
        Resource(
            "notes",
            parents=_parents("candidate_id", "application_id", "user_id"),
            texts=_same("type", "visibility"),
        ),
        Resource(
            "users",
            texts=_same("primary_email"),
            booleans=_same("deactivated"),
            special=frozenset({"employee_ids", "show_service_accounts"}),
        ),
        Resource("user_emails", parents=_parents("user_id")),
        Resource("departments", integers=_same("parent_id"), texts=_same("external_id")),
        Resource("offices", integers=_same("parent_id"), texts=_same("external_id")),
        Resource(
            "custom_fields",
            texts=_same("field_type", "name", "name_key"),
            booleans=_same("active"),
        ),
        Resource(
            "custom_field_options",
            parents=_parents("custom_field_id"),
            booleans=_same("active"),
            special=frozenset({"custom_field_key"}),
        ),
        Resource("sources"),
        Resource("referrers", parents=_parents("user_id")),
        Resource("close_reasons"),
        Resource("email_templates"),
        Resource("eeoc", parents=_parents("application_id"), times=(*TIMES, "submitted_at")),
        Resource("demographic_answers", parents=_parents("application_id")),
    )
}
