"""What holds deletes, and what keeps erased people away."""

from __future__ import annotations

from tests.simulation.store.schema.references import COMPANY, HANGS_ON
from tests.simulation.store.tables import CLOCK, REQUIRED, Index, Table

_REMOVAL_STATES = frozenset({"wanted", "sent", "done", "kept", "refused", "revoked"})


def deletes_tables() -> list[Table]:
    return [
        Table(
            "delete_brakes",
            {
                "id": REQUIRED, "company_id": REQUIRED, "integration_id": REQUIRED, "entity_type": REQUIRED,
                "state": "open", "disappeared": REQUIRED, "allowed": REQUIRED, "opened_at": CLOCK, "ended_at": None,
                "ended_by": None,
            },
            ("id",),
            unique=(Index("delete_brakes_open", ("integration_id",), lambda row: row["state"] == "open"),),
            references=HANGS_ON,
            checks={"delete_brakes_state_check": lambda row: row["state"] in {"open", "approved", "rejected"}},
        ),
        Table(
            "held_deletes",
            {
                "brake_id": REQUIRED, "link_id": REQUIRED, "company_id": REQUIRED, "entity_type": REQUIRED,
                "record_id": REQUIRED, "held_at": CLOCK,
            },
            ("brake_id", "link_id"),
            references=COMPANY,
        ),
        Table(
            "removals",
            {
                "link_id": REQUIRED, "company_id": REQUIRED, "state": "wanted", "asked_by": REQUIRED,
                "asked_at": CLOCK, "ended_at": None, "detail": None,
            },
            ("link_id",),
            references={**COMPANY, "link_id": "external_entity_map"},
            checks={
                "removals_state_check": lambda row: row["state"] in _REMOVAL_STATES,
            },
        ),
        Table(
            "suppressions",
            {
                "company_id": REQUIRED, "hash": REQUIRED, "kind": REQUIRED, "reason": REQUIRED, "created_at": CLOCK,
                "because_of": None,
            },
            ("company_id", "hash"),
            references=COMPANY,
            checks={"suppressions_kind_check": lambda row: row["kind"] in {"external", "email", "phone"}},
        ),
    ]  # fmt: skip
