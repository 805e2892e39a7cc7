"""Jobs, runs, cursors and logs."""

from __future__ import annotations

import hashlib
import re

from tests.simulation.store.schema.references import HANGS_ON
from tests.simulation.store.tables import CLOCK, NOW, REQUIRED, Index, Row, Table

_OPEN_JOB = frozenset({"pending", "processing"})
_DIRECTIONS = frozenset({"inbound", "outbound"})
_MODES = frozenset({"incremental", "full", "revert"})


def ledger_tables() -> list[Table]:
    return [
        Table(
            "runs",
            {
                "id": REQUIRED, "company_id": REQUIRED, "integration_id": REQUIRED, "parent_id": None,
                "entity_type": None, "direction": REQUIRED, "mode": REQUIRED, "trigger": REQUIRED,
                "status": "running", "started_at": CLOCK, "ended_at": None, "pages": 0, "requests": 0,
                "records_read": 0, "records_created": 0, "records_updated": 0, "records_unchanged": 0,
                "records_skipped": 0, "records_quarantined": 0, "records_held": 0, "records_suppressed": 0,
                "coverage": {}, "evidence": None,
                "error": None, "expected_records": None, "cancel_requested_at": None, "reverts": None,
            },
            ("id",),
            unique=(Index("runs_reverting", ("reverts", "entity_type"), lambda row: row["status"] == "running"),),
            lookups=(Index("integration", ("integration_id",)), Index("parent", ("parent_id",))),
            json=frozenset({"coverage", "evidence"}),
            references={**HANGS_ON, "parent_id": "runs", "reverts": "runs"},
            checks={
                "complete_needs_evidence": lambda row: row["status"] != "complete" or row["evidence"] is not None,
                "runs_direction_check": lambda row: row["direction"] in _DIRECTIONS,
                "runs_mode_check": lambda row: row["mode"] in _MODES,
                "runs_status_check": lambda row: row["status"]
                in {"running", "complete", "partial", "failed", "cancelled"},
            },
        ),
        Table(
            "cursors",
            {
                "integration_id": REQUIRED, "entity_type": REQUIRED, "company_id": REQUIRED, "watermark": None,
                "run_id": None, "position": None, "updated_at": NOW, "full_wanted_at": None,
            },
            ("integration_id", "entity_type"),
            references=HANGS_ON,
        ),
        Table(
            "sync_queue",
            {
                "id": REQUIRED, "integration_id": REQUIRED, "entity_type": REQUIRED, "direction": REQUIRED,
                "action": REQUIRED, "status": "pending", "priority": 5, "scheduled_at": CLOCK, "retry_count": 0,
                "max_retries": 3, "error_message": None, "payload": {}, "company_id": REQUIRED,
                "record_key": REQUIRED, "started_at": None, "completed_at": None, "requested_seq": 1,
                "claimed_seq": 0, "hold_reason": None, "lease_until": None, "lease_token": None, "crashes": 0,
                "epoch": 0, "sent_at": None, "run_id": None, "error_code": None, "created_at": CLOCK,
            },
            ("id",),
            unique=(
                Index(
                    "sync_queue_open",
                    ("integration_id", "action", "entity_type", "record_key"),
                    lambda row: row["status"] in _OPEN_JOB,
                ),
            ),
            lookups=(Index("status", ("status",)), Index("held", ("hold_reason",))),
            json=frozenset({"payload"}),
            references=HANGS_ON,
            checks={
                "sync_queue_priority_check": lambda row: 1 <= row["priority"] <= 10,
                "sync_queue_direction_check": lambda row: row["direction"] in _DIRECTIONS,
                "sync_queue_status_check": lambda row: row["status"]
                in {"pending", "processing", "completed", "failed"},
            },
        ),
        Table(
            "knock_traffic",
            {
                "queue": REQUIRED, "sent": 0, "received": 0, "waiting": 0, "looked_sent": 0, "looked_received": 0,
                "missing": 0, "vanishing_since": None,
            },
            ("queue",),
            company=None,
        ),
        Table(
            "dead_letters",
            {
                "id": REQUIRED, "company_id": REQUIRED, "integration_id": REQUIRED, "job_id": REQUIRED,
                "queue": REQUIRED, "action": REQUIRED, "entity_type": REQUIRED, "code": REQUIRED, "cause": REQUIRED,
                "attempts": REQUIRED, "state": "open", "created_at": CLOCK, "ended_at": None, "cause_alike": None,
                "group_key": None, "ended_by": None, "ended_reason": None,
            },
            ("id",),
            unique=(Index("dead_letters_open", ("job_id",), lambda row: row["state"] == "open"),),
            references=HANGS_ON,
            generated=_alike,
            checks={
                "dead_letters_state_check": lambda row: row["state"] in {"open", "redriven", "dismissed"},
                "dismissed_with_reason": lambda row: row["state"] != "dismissed" or bool(row["ended_reason"]),
            },
        ),
        Table(
            "sync_logs",
            {
                "id": REQUIRED, "integration_id": REQUIRED, "entity_type": REQUIRED, "entity_id": None,
                "external_id": None, "action": REQUIRED, "direction": REQUIRED, "status": REQUIRED,
                "error_message": None, "synced_at": CLOCK, "retry_count": 0, "company_id": REQUIRED,
                "duration_ms": None, "request_id": None, "run_id": None, "job_id": None, "details": {},
            },
            ("id", "synced_at"),
            json=frozenset({"details"}),
            references={"integration_id": "integrations"},
            checks={
                "sync_logs_action_check": lambda row: row["action"] in {"created", "updated", "deleted", "skipped"},
                "sync_logs_direction_check": lambda row: row["direction"] in _DIRECTIONS,
                "sync_logs_status_check": lambda row: row["status"] in {"success", "failed", "pending", "conflict"},
            },
        ),
    ]  # fmt: skip


def _alike(letter: Row) -> Row:
    cause = re.sub(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|\d+", "#", letter["cause"])[:300]
    of = "/".join([str(letter["integration_id"]), letter["action"], letter["entity_type"], letter["code"], cause])
    return {"cause_alike": cause, "group_key": hashlib.md5(of.encode(), usedforsecurity=False).hexdigest()}
