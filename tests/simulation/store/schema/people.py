"""What waits for people, and what they decided; events that were kept."""

from __future__ import annotations

from tests.simulation.store.schema.references import COMPANY, HANGS_ON
from tests.simulation.store.tables import CLOCK, RANDOM_ID, REQUIRED, Index, Table

_FIELD = frozenset({"field", "refused"})
_MATCH = frozenset({"ambiguous_match", "possible_duplicate"})


def people_tables() -> list[Table]:
    return [
        Table(
            "quarantine",
            {
                "id": REQUIRED, "company_id": REQUIRED, "integration_id": REQUIRED, "entity_type": REQUIRED,
                "external_id": None, "run_id": None, "code": REQUIRED, "reason": REQUIRED, "tries": 1,
                "first_seen_at": CLOCK, "last_seen_at": CLOCK, "ended_at": None,
            },
            ("id",),
            unique=(
                Index(
                    "quarantine_open",
                    ("integration_id", "entity_type", "external_id"),
                    lambda row: row["ended_at"] is None,
                ),
            ),
            references=HANGS_ON,
        ),
        Table(
            "conflicts",
            {
                "id": REQUIRED, "company_id": REQUIRED, "kind": REQUIRED, "entity_type": REQUIRED,
                "record_id": None, "unit": None, "integration_id": None, "external_id": None, "matches": None,
                "version": 1, "inputs": {}, "sealed": None, "status": "open", "reason": None, "opened_at": CLOCK,
                "updated_at": CLOCK, "ended_at": None, "ended_by": None, "decision": None, "reminded_at": None,
            },
            ("id",),
            unique=(
                Index(
                    "conflicts_open_unit",
                    ("record_id", "unit"),
                    lambda row: row["status"] == "open" and row["kind"] in _FIELD,
                ),
                Index(
                    "conflicts_open_match",
                    ("integration_id", "entity_type", "external_id"),
                    lambda row: row["status"] == "open" and row["kind"] in _MATCH,
                ),
            ),
            lookups=(Index("record", ("record_id",)),),
            json=frozenset({"inputs"}),
            references=HANGS_ON,
            checks={
                "conflicts_kind_check": lambda row: row["kind"] in _FIELD | _MATCH,
                "conflicts_status_check": lambda row: row["status"] in {"open", "resolved", "closed"},
            },
        ),
        Table(
            "notices",
            {
                "id": RANDOM_ID, "company_id": REQUIRED, "kind": REQUIRED, "audience": REQUIRED, "conflict_id": None,
                "entity_type": None, "record_id": None, "at": CLOCK,
            },
            ("id",),
            unique=(Index("notices_once", ("conflict_id", "kind")),),
            references={**COMPANY, "conflict_id": "conflicts"},
        ),
        Table(
            "record_pins",
            {
                "record_id": REQUIRED, "unit": REQUIRED, "company_id": REQUIRED, "decision": REQUIRED, "rejected": (),
                "norm": REQUIRED, "key_id": REQUIRED, "decided_at": REQUIRED, "decided_by": REQUIRED,
            },
            ("record_id", "unit"),
            lookups=(Index("record", ("record_id",)),),
            references=COMPANY,
        ),
        Table(
            "record_merges",
            {
                "id": REQUIRED, "company_id": REQUIRED, "entity_type": REQUIRED, "survivor_id": REQUIRED,
                "merged_id": REQUIRED, "survivor_sealed": REQUIRED, "merged_sealed": REQUIRED, "merged_at": CLOCK,
                "merged_by": REQUIRED, "ended_at": None, "ended_by": None,
            },
            ("id",),
            unique=(Index("record_merges_merged", ("merged_id",), lambda row: row["ended_at"] is None),),
            references=COMPANY,
            checks={"record_merges_check": lambda row: row["merged_id"] != row["survivor_id"]},
        ),
        Table(
            "identity_pairs",
            {"company_id": REQUIRED, "low": REQUIRED, "high": REQUIRED, "decided_at": CLOCK, "decided_by": REQUIRED},
            ("low", "high"),
            references=COMPANY,
            checks={"identity_pairs_check": lambda row: row["high"] > row["low"]},
        ),
        Table(
            "left_out",
            {
                "company_id": REQUIRED, "integration_id": REQUIRED, "entity_type": REQUIRED, "external_id": REQUIRED,
                "filter": REQUIRED, "parent_type": None, "parent_id": None,
            },
            ("integration_id", "entity_type", "external_id", "filter"),
            references=HANGS_ON,
            checks={"left_out_parent_check": lambda row: (row["parent_type"] is None) == (row["parent_id"] is None)},
        ),
        Table(
            "issues",
            {
                "id": REQUIRED, "company_id": REQUIRED, "integration_id": REQUIRED, "kind": REQUIRED,
                "subject": REQUIRED, "detail": REQUIRED, "times": 1, "opened_at": CLOCK, "last_seen_at": CLOCK,
                "ended_at": None,
            },
            ("id",),
            unique=(
                Index(
                    "issues_open",
                    ("integration_id", "kind", "subject", "company_id"),
                    lambda row: row["ended_at"] is None,
                ),
            ),
            references=HANGS_ON,
        ),
    ]  # fmt: skip


def webhook_events_tables() -> list[Table]:
    return [Table(
        "webhook_events",
        {
            "id": REQUIRED, "company_id": REQUIRED, "integration_id": REQUIRED, "event_id": None, "state": REQUIRED,
            "received_at": REQUIRED, "processed_at": None, "times": 1, "records": 0, "size_bytes": 0,
            "headers_sealed": None, "body_sealed": None,
        },
        ("id",),
        unique=(Index("webhook_events_event", ("integration_id", "event_id")),),
        references=HANGS_ON,
        checks={"webhook_events_state_check": lambda row: row["state"] in {"processed", "kept", "refused"}},
    )]  # fmt: skip
