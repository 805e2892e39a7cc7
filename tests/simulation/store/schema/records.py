"""Records with their history, and links."""

from __future__ import annotations

import re
from uuid import UUID

from tests.simulation.store.schema.references import COMPANY, HANGS_ON
from tests.simulation.store.statements import text_of
from tests.simulation.store.tables import NOW, REQUIRED, Index, Next, Row, Table

CREATE_STATES = frozenset({"open", "linked", "review", "withdrawn"})


def records_tables() -> list[Table]:
    return [
        Table(
            "records",
            {
                "company_id": REQUIRED, "entity_type": REQUIRED, "id": REQUIRED, "data": REQUIRED, "stamps": {},
                "version": 1, "created_at": NOW, "updated_at": NOW, "archived_at": None, "submission": None,
                "archived_by": None,
                "email_key": None, "phone_key": None, "name_key": None, "first_name_key": None, "candidate_id": None,
                "job_id": None, "status": None, "stage": None,
            },
            ("id", "entity_type"),
            lookups=(
                Index("email", ("email_key",), lambda row: row["entity_type"] == "candidate"),
                Index("phone", ("phone_key",), lambda row: row["entity_type"] == "candidate"),
                Index("name", ("name_key",), lambda row: row["entity_type"] == "candidate"),
                Index("candidate", ("candidate_id",), lambda row: row["entity_type"] == "application"),
            ),
            json=frozenset({"data", "stamps", "submission"}),
            references=COMPANY,
            generated=_generated,
        ),
        Table(
            "person_keys",
            {"record_id": REQUIRED, "company_id": REQUIRED, "kid": REQUIRED, "salt": REQUIRED, "created_at": NOW},
            ("record_id",),
            references=COMPANY,
        ),
        Table(
            "record_history",
            {
                "company_id": REQUIRED, "record_id": REQUIRED, "entity_type": REQUIRED, "version": REQUIRED,
                "at": REQUIRED, "units": REQUIRED, "sealed": REQUIRED, "source": REQUIRED, "job_id": None,
                "run_id": None, "side": "ours", "seq": Next.of("history_seq"),
            },
            ("record_id", "version", "at", "seq"),
            lookups=(Index("record", ("record_id",)),),
            checks={"record_history_side_check": lambda row: row["side"] in {"ours", "theirs", "lost"}},
        ),
        Table(
            "external_entity_map",
            {
                "id": REQUIRED, "integration_id": REQUIRED, "entity_type": REQUIRED, "internal_id": REQUIRED,
                "external_id": REQUIRED, "last_synced_at": NOW, "sync_version": 1, "company_id": REQUIRED,
                "state": "live", "is_primary": True, "fence": 0, "vendor_version": None,
                "digest": None, "base": {}, "changed_at": None, "created_at": NOW,
            },
            ("id",),
            unique=(
                Index(
                    "external_entity_map_external",
                    ("integration_id", "entity_type", "external_id"),
                    lambda row: row["state"] != "tombstone",
                ),
                Index(
                    "external_entity_map_primary",
                    ("integration_id", "entity_type", "internal_id"),
                    lambda row: row["is_primary"] and row["state"] != "tombstone",
                ),
            ),
            lookups=(Index("internal", ("internal_id",)), Index("integration", ("integration_id", "entity_type"))),
            json=frozenset({"base"}),
            references=HANGS_ON,
            checks={
                "external_entity_map_state_check": lambda row: row["state"] in {"live", "gone", "tombstone"},
            },
        ),
        Table(
            "create_intents",
            {
                "id": REQUIRED, "company_id": REQUIRED, "integration_id": REQUIRED, "entity_type": REQUIRED,
                "record_id": REQUIRED, "identity_key": None, "state": "open", "lease_token": REQUIRED,
                "sent_at": None, "sent_sealed": None, "created_at": NOW, "ended_at": None,
            },
            ("id",),
            unique=(
                Index(
                    "create_intents_open",
                    ("integration_id", "entity_type", "record_id"),
                    lambda row: row["state"] == "open",
                ),
            ),
            references=HANGS_ON,
            checks={"create_intents_state_check": lambda row: row["state"] in CREATE_STATES},
        ),
    ]  # fmt: skip


def _generated(row: Row) -> Row:
    data = row["data"]
    first, last = text_of(data, "first_name"), text_of(data, "last_name")
    email, phone = text_of(data, "email"), text_of(data, "phone")
    name = f"{last or ''} {first or ''}".strip(" ").lower()
    return {
        "email_key": None if email is None else email.strip(" ").lower(),
        "phone_key": None if phone is None else re.sub(r"[^0-9]", "", phone) or None,
        "name_key": name or None,
        "first_name_key": None if first is None else first.strip(" ").lower(),
        "candidate_id": _uuid(text_of(data, "candidate_id")),
        "job_id": _uuid(text_of(data, "job_id")),
        "status": text_of(data, "status"),
        "stage": text_of(data, "stage"),
    }


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
