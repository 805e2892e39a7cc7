"""
One company's ids in another's hands, in every HTTP function: nothing is read, changed, or even told to exist.

A function without a case here fails these tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shared.composition import Services
from shared.security.identity import Role
from tests.integration.api.calling import Caller, http_functions
from tests.integration.api.conftest import Company, Query, drain, everything_of


@dataclass(frozen=True)
class Case:
    """A call of a stranger with the victim's ids in *path* and *body*; one of *statuses* is the answer."""

    path: str
    body: dict[str, Any] | None = None
    statuses: frozenset[int] = field(default=frozenset({404}))
    is_empty: bool = False
    """A list that must come back, and hold nothing."""


def empty(path: str) -> Case:
    return Case(path, statuses=frozenset({200}), is_empty=True)


def open_to_all(path: str) -> Case:
    return Case(path, statuses=frozenset({200, 503}))


CASES = {
    "health": open_to_all("/health"),
    "api_health": open_to_all("/api/health"),
    "webhook_in": Case("/api/integrations/{integration}/webhook?mac=AAAAAAAAAAAAAAAAAAAAAA", {}, frozenset({401})),
    "list_platforms": Case("/api/platforms", statuses=frozenset({200})),
    "list_integrations": Case("/api/companies/{company}/integrations"),
    "create_integration": Case("/api/companies/{company}/integrations", {"platform": "greenhouse", "api_key": "x"}),
    "get_integration": Case("/api/integrations/{integration}"),
    "update_integration": Case("/api/integrations/{integration}", {"name": "mine"}),
    "delete_integration": Case("/api/integrations/{integration}?records=archive"),
    "test_integration": Case("/api/integrations/{integration}/test"),
    "sync_integration": Case("/api/integrations/{integration}/sync", {"direction": "inbound"}),
    "preview_integration": Case("/api/integrations/{integration}/preview", {}),
    "try_mapping": Case("/api/integrations/{integration}/mapping/try", {"entity": "job", "mapping": {}, "example": {}}),
    "import_id_map": Case("/api/integrations/{integration}/id-map", None),
    "list_integration_logs": Case("/api/integrations/{integration}/logs"),
    "list_integration_runs": Case("/api/integrations/{integration}/runs"),
    "list_integration_issues": Case("/api/integrations/{integration}/issues?status=all"),
    "get_integration_stats": Case("/api/integrations/{integration}/stats"),
    "get_integration_parity": Case("/api/integrations/{integration}/parity"),
    "compare_integration": Case("/api/integrations/{integration}/parity", {"entity": "candidate"}),
    "get_parity": Case("/api/parity/{parity}"),
    "list_delete_brakes": Case("/api/integrations/{integration}/deletes"),
    "approve_deletes": Case("/api/integrations/{integration}/deletes/approve"),
    "reject_deletes": Case("/api/integrations/{integration}/deletes/reject"),
    "redrive_quarantine": Case("/api/integrations/{integration}/quarantine/redrive"),
    "get_run": Case("/api/runs/{run}"),
    "get_run_status": Case("/api/runs/{run}/status"),
    "revert_run": Case("/api/runs/{run}/revert", {"preview": True}),
    "cancel_run": Case("/api/runs/{run}"),
    "list_dead_letters": empty("/api/dead-letters?integration_id={integration}&state=all"),
    "list_dead_letter_groups": empty("/api/dead-letters/groups?integration_id={integration}"),
    "redrive_dead_letters": Case(
        "/api/dead-letters/redrive", {"integration_id": "{integration}"}, statuses=frozenset({202})
    ),
    "dismiss_dead_letters": Case(
        "/api/dead-letters/dismiss", {"integration_id": "{integration}", "reason": "mine"}, statuses=frozenset({200})
    ),
    "dismiss_dead_letter": Case("/api/dead-letters/{letter}/dismiss", {"reason": "mine"}),
    "redrive_dead_letter": Case("/api/dead-letters/{letter}/redrive"),
    "list_candidates": empty("/api/candidates?integration_id={integration}&external_id={external}&archived=all"),
    "get_candidate": Case("/api/candidates/{candidate}"),
    "explain_candidate": Case("/api/candidates/{candidate}/explain"),
    "explain_application": Case("/api/applications/{application}/explain"),
    "explain_job": Case("/api/jobs/{job}/explain"),
    "get_candidate_history": Case("/api/candidates/{candidate}/history"),
    "get_application_history": Case("/api/applications/{application}/history"),
    "get_job_history": Case("/api/jobs/{job}/history"),
    "create_candidate": Case("/api/candidates", {"email": "{email}"}, frozenset({201})),
    "update_candidate": Case("/api/candidates/{candidate}", {"first_name": "Mine"}),
    "archive_candidate": Case("/api/candidates/{candidate}"),
    "restore_candidate": Case("/api/candidates/{candidate}/restore"),
    "merge_candidate": Case("/api/candidates/{candidate}/merge", {"other_id": "{application}"}),
    "unmerge_candidate": Case("/api/candidates/{candidate}/unmerge"),
    "list_applications": empty("/api/applications?candidate_id={candidate}&archived=all"),
    "get_application": Case("/api/applications/{application}"),
    "create_application": Case(
        "/api/applications", {"candidate_id": "{candidate}", "job_id": "{job}"}, frozenset({422})
    ),
    "update_application": Case("/api/applications/{application}", {"stage": "Offer"}),
    "archive_application": Case("/api/applications/{application}"),
    "restore_application": Case("/api/applications/{application}/restore"),
    "list_jobs": empty("/api/jobs?archived=all"),
    "list_roles": empty("/api/roles?archived=all"),
    "get_job": Case("/api/jobs/{job}"),
    "get_role": Case("/api/roles/{job}"),
    "list_conflicts": empty("/api/conflicts?record_id={candidate}&status=all"),
    "get_conflict": Case("/api/conflicts/{conflict}"),
    "resolve_conflicts": Case("/api/conflicts/resolve", {"ids": ["{conflict}"], "choice": "portal"}, frozenset({200})),
    "list_notices": empty("/api/notices"),
    "resolve_conflict": Case("/api/conflicts/{conflict}/resolve", {"choice": "portal"}),
}


def filled(value: Any, ids: dict[str, str]) -> Any:
    """Return *value* with the victim's ids in it."""
    if isinstance(value, dict):
        return {name: filled(each, ids) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, ids) for each in value]
    return value.format(**ids) if isinstance(value, str) else value


def test_every_http_function_has_a_case() -> None:
    assert {function.name for function in http_functions()} == set(CASES)


async def test_another_companys_ids_open_nothing(
    company: Company, stranger: Company, victim: dict[str, str], query: Query
) -> None:
    before = everything_of(query, company.id)
    assert sum(map(len, before.values())) > 50
    # Administrator last, and twice: what the first calls made of the stranger's own must open no door.
    for role in (Role.OPS, Role.DATA_MANAGER, Role.ADMIN, Role.ADMIN):
        caller = stranger.as_(role)
        for function in http_functions():
            case = CASES[function.name]
            reply = await caller(function.method, case.path.format(**victim), filled(case.body, victim))
            refused = {403} if role is not Role.ADMIN else set()
            again = {409} if function.name == "create_candidate" else set()
            assert reply.status in case.statuses | refused | again, (function.name, reply.text)
            assert victim["name"] not in reply.text
            if case.is_empty and reply.status == 200:
                assert reply.body["data"] == [], function.name
            if function.name != "create_candidate":  # shows the stranger what they typed themselves
                assert victim["email"] not in reply.text, function.name
    assert everything_of(query, company.id) == before


async def test_the_victim_itself_is_let_in_by_the_same_calls(
    services: Services, admin: Caller, victim: dict[str, str], query: Query
) -> None:
    """The walk above proves something: for its own company each of these answers."""
    for name in (
        "get_integration",
        "get_parity",
        "list_integration_logs",
        "get_run",
        "get_candidate",
        "get_application",
        "get_job",
    ):
        reply = await admin("GET", CASES[name].path.format(**victim))
        assert reply.status == 200, (name, reply.text)
    listed = await admin("GET", CASES["list_candidates"].path.format(**victim))
    assert [row["id"] for row in listed.body["data"]] == [victim["candidate"]]
    assert (await admin("GET", CASES["list_conflicts"].path.format(**victim))).body["data"]
    assert (await admin("GET", CASES["list_dead_letters"].path.format(**victim))).body["data"]
    await drain(services)
