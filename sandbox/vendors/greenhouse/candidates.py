"""What can happen to a candidate, whoever asks for it: v3, v1, job board or the control plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.greenhouse import custom_fields, payloads
from sandbox.vendors.greenhouse.account import OF_APPLICATION, OF_CANDIDATE, Account
from sandbox.vendors.greenhouse.errors import invalid
from sandbox.vendors.greenhouse.tables import Row

LISTS = (
    "email_addresses",
    "phone_numbers",
    "addresses",
    "website_addresses",
    "social_media_addresses",
    "tags",
    "linked_user_ids",
)
TEXTS = ("first_name", "last_name", "preferred_name", "company", "title", "time_zone")
FLAGS = ("private", "can_email")
# What each anonymisable field does to the candidate's own row (section 6.3).
CLEARED: Mapping[str, Mapping[str, Any]] = {
    "current_company": {"company": None},
    "current_title": {"title": None},
    "email_addresses": {"email_addresses": []},
    "phone_numbers": {"phone_numbers": []},
    "addresses": {"addresses": []},
    "social_media_links": {"social_media_addresses": []},
    "websites": {"website_addresses": []},
    "tags": {"tags": []},
}
EMPTIED: Mapping[str, str] = {
    "education": "candidate_educations",
    "employment": "candidate_employments",
    "attachments": "attachments",
    "notes": "notes",
    "tags": "applied_candidate_tags",
}
ON_APPLICATIONS: Mapping[str, Mapping[str, Any]] = {
    "source": {"source_id": None},
    "credited_to": {"referrer_id": None},
    "recruiter": {"recruiter_id": None},
    "coordinator": {"coordinator_id": None},
    "location": {"location_address": None},
    "application_questions": {"answers": []},
    "custom_application_fields": {"custom_fields": {}},
    "rejection_reasons": {"rejection_reason_id": None},
}
ALSO_ANONYMIZED = frozenset(
    {
        "full_name", "emails", "activity_items", "custom_candidate_fields", "offers",
        "all_offer_versions", "scorecards_and_interviews", "candidate_stage_data",
        "rejection_notes", "prospect_owner", "prospect_pool_and_stage", "prospect_jobs",
        "prospect_offices", "prospect_offices_and_departments", "referral_questions", "headline",
        "inmails", "innotes", "third_party_integrations", "touchpoints", "follow_up_reminders",
        "match_score_reasoning", "identity_verification", "custom_rejection_question_fields",
    }
)  # fmt: skip


def create(account: Account, values: Mapping[str, Any]) -> Row:
    """Insert a candidate from checked *values*; what is missing is null or empty."""
    now = account.clock.text()
    row: Row = {
        **dict.fromkeys(TEXTS),
        **{name: [] for name in LISTS},
        "private": False,
        "can_email": True,
        "last_activity_at": now,
        "custom_fields": custom_fields.blank(account, "candidate"),
    }
    row = account.add("candidates", **_merged(row, values))
    _apply_tags(account, row)
    return row


def update(account: Account, candidate_id: int, values: Mapping[str, Any]) -> Row:
    """
    Write checked *values* over the candidate and tell `update_candidate`.

    Arrays are replaced wholesale, and so is the set of custom fields (section 6.2).
    """
    row = account.fetch("candidates", candidate_id)
    row = account.save("candidates", _merged(row, values))
    if "tags" in values:
        _apply_tags(account, row)
    account.tell("update_candidate", payloads.candidate_event(account, row))
    return row


def delete(account: Account, candidate_id: int) -> None:
    """Remove the candidate and all below it; one event tells it all (section 9.4)."""
    row = account.fetch("candidates", candidate_id)
    applications = account["applications"].keyed("candidate_id", candidate_id)
    _remove_with_children(account, candidate_id)
    account.tell("delete_candidate", payloads.person_event(row, applications))


def merge(account: Account, winner_id: int, loser_id: int) -> Row:
    """Move everything of the loser to the winner, and delete the loser (section 6.3)."""
    winner = account.fetch("candidates", winner_id)
    loser = account.fetch("candidates", loser_id)
    if winner_id == loser_id:
        raise invalid("secondary_candidate_id", "must differ from the primary candidate")
    for table in ("applications", *OF_CANDIDATE):
        for child in account[table].rows("candidate_id", loser_id):
            account.save(table, child | {"candidate_id": winner_id})
    for name in LISTS:
        winner[name] += [value for value in loser[name] if value not in winner[name]]
    for name in TEXTS:
        winner[name] = loser[name] if winner[name] is None else winner[name]
    winner = account.save("candidates", winner)
    account.remove("candidates", loser_id)
    if account.settings.merge_event:
        account.tell("merge_candidate", payloads.person_event(loser, [], winner_id))
    else:
        account.tell("delete_candidate", payloads.person_event(loser, []))
    return winner


def anonymize(account: Account, candidate_id: int, names: list[str]) -> Row:
    """Destroy what *names* names (section 6.3). Raises Refusal (422) for unknown names."""
    known = {*CLEARED, *EMPTIED, *ON_APPLICATIONS, *ALSO_ANONYMIZED}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise invalid("fields", f"unknown: {', '.join(unknown)}" if unknown else "is required")
    row = account.fetch("candidates", candidate_id)
    changes: dict[str, Any] = {}
    for name in names:
        row |= CLEARED.get(name, {})
        changes |= ON_APPLICATIONS.get(name, {})
        for child in account[EMPTIED[name]].rows("candidate_id", candidate_id) if (name in EMPTIED) else ():
            account.remove(EMPTIED[name], child["id"])
    if "full_name" in names:
        row |= {"first_name": "Anonymized", "last_name": str(candidate_id), "preferred_name": None}
    if "custom_candidate_fields" in names:
        row["custom_fields"] = custom_fields.blank(account, "candidate")
    if changes:
        for application in account["applications"].rows("candidate_id", candidate_id):
            account.save("applications", application | changes)
    row = account.save("candidates", row)
    payload = {"candidate_id": candidate_id, "anonymized_fields": names}
    account.tell("candidate_anonymized", payload)
    return row


def note_activity(account: Account, candidate_id: int) -> None:
    """
    Move `last_activity_at`, and not `updated_at`.

    A child's change does not necessarily touch its parent's `updated_at` (section 3.6).
    """
    row = account["candidates"].find(candidate_id)
    if row is not None:
        row["last_activity_at"] = account.clock.text()
        account.save("candidates", row, touch=False)


def _merged(row: Row, values: Mapping[str, Any]) -> Row:
    known = (*TEXTS, *LISTS, *FLAGS, "custom_fields")
    return row | {name: value for name, value in values.items() if name in known}


def _apply_tags(account: Account, candidate: Row) -> None:
    """Keep the rows of `applied_candidate_tags` and the dictionary in step with `tags`."""
    tag_ids = {tag["name"]: tag["id"] for tag in account["candidate_tags"]}
    for name in candidate["tags"]:
        if name not in tag_ids:
            tag_ids[name] = account.add("candidate_tags", name=name)["id"]
    wanted = {tag_ids[name] for name in candidate["tags"]}
    for applied in account["applied_candidate_tags"].rows("candidate_id", candidate["id"]):
        if applied["candidate_tag_id"] in wanted:
            wanted.remove(applied["candidate_tag_id"])
        else:
            account.remove("applied_candidate_tags", applied["id"])
    for tag_id in sorted(wanted):
        account.add("applied_candidate_tags", candidate_id=candidate["id"], candidate_tag_id=tag_id)


def _remove_with_children(account: Account, candidate_id: int) -> None:
    for application_id in account["applications"].keyed("candidate_id", candidate_id):
        remove_application(account, application_id)
    for table in OF_CANDIDATE:
        for child_id in account[table].keyed("candidate_id", candidate_id):
            account.remove(table, child_id)
    account.remove("candidates", candidate_id)


def remove_application(account: Account, application_id: int) -> None:
    """Remove the application and all below it, telling nobody."""
    for table in OF_APPLICATION:
        for child_id in account[table].keyed("application_id", application_id):
            account.remove(table, child_id)
    account.remove("applications", application_id)
