"""Who may call what: one table from endpoint to roles. An endpoint that is not in it can be called by nobody."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from shared.security.identity import Forbidden, Principal, Role

EVERYONE = frozenset(Role)
READS_RECORDS = EVERYONE - {Role.OPS}
EDITS_RECORDS = frozenset({Role.RECRUITER, Role.DATA_MANAGER, Role.ADMIN})
DECIDES = frozenset({Role.DATA_MANAGER, Role.ADMIN})
SYNCS = frozenset({Role.DATA_MANAGER, Role.ADMIN, Role.OPS})
OPERATES = frozenset({Role.ADMIN, Role.OPS})
ADMINISTERS = frozenset({Role.ADMIN})

PUBLIC: frozenset[str] = frozenset({"health", "api_health", "webhook_in"})
"""Open by design: health tells no data, and a webhook is signed."""

PERMISSIONS: Mapping[str, frozenset[Role]] = MappingProxyType(
    {
        "list_platforms": EVERYONE,
        "list_integrations": EVERYONE,
        "get_integration": EVERYONE,
        "create_integration": ADMINISTERS,
        "update_integration": ADMINISTERS,
        "delete_integration": ADMINISTERS,
        "test_integration": OPERATES,
        "sync_integration": SYNCS,
        "preview_integration": DECIDES,
        "try_mapping": DECIDES,
        "import_id_map": DECIDES,
        "list_integration_logs": EVERYONE,
        "get_integration_stats": EVERYONE,
        "list_integration_runs": EVERYONE,
        "list_integration_issues": SYNCS,
        "get_integration_parity": EVERYONE,
        "compare_integration": SYNCS,
        "get_parity": SYNCS,
        "list_delete_brakes": SYNCS,
        "approve_deletes": DECIDES,
        "reject_deletes": DECIDES,
        "redrive_quarantine": SYNCS,
        "get_run": EVERYONE,
        "get_run_status": EVERYONE,
        "cancel_run": SYNCS,
        "revert_run": DECIDES,
        "list_dead_letters": OPERATES,
        "list_dead_letter_groups": OPERATES,
        "redrive_dead_letter": OPERATES,
        "redrive_dead_letters": OPERATES,
        "dismiss_dead_letter": OPERATES,
        "dismiss_dead_letters": OPERATES,
        "list_candidates": READS_RECORDS,
        "get_candidate": READS_RECORDS,
        "create_candidate": EDITS_RECORDS,
        "update_candidate": EDITS_RECORDS,
        "archive_candidate": EDITS_RECORDS,
        "restore_candidate": EDITS_RECORDS,
        "explain_candidate": READS_RECORDS,
        "explain_application": READS_RECORDS,
        "explain_job": READS_RECORDS,
        "get_candidate_history": READS_RECORDS,
        "get_application_history": READS_RECORDS,
        "get_job_history": READS_RECORDS,
        "merge_candidate": DECIDES,
        "unmerge_candidate": DECIDES,
        "list_applications": READS_RECORDS,
        "get_application": READS_RECORDS,
        "create_application": EDITS_RECORDS,
        "update_application": EDITS_RECORDS,
        "archive_application": EDITS_RECORDS,
        "restore_application": EDITS_RECORDS,
        "list_jobs": READS_RECORDS,
        "get_job": READS_RECORDS,
        "list_conflicts": READS_RECORDS,
        "get_conflict": READS_RECORDS,
        "list_notices": READS_RECORDS,
        "resolve_conflict": DECIDES,
    }
)
"""Endpoint, by its function's name → roles that may call it (S-027)."""


def require(principal: Principal, permission: str) -> None:
    """Return when *principal* may use *permission*. Raises Forbidden; KeyError for a permission nobody declared."""
    if principal.role not in PERMISSIONS[permission]:
        raise Forbidden(f"the role {principal.role.value} may not call {permission}")
