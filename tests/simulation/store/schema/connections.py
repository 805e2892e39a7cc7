"""Companies, and their connections to vendors."""

from __future__ import annotations

from tests.simulation.store.schema.references import COMPANY, HANGS_ON
from tests.simulation.store.tables import NOW, REQUIRED, Index, Table

_MODES = frozenset({"incremental", "full"})


def connections_tables() -> list[Table]:
    return [
        Table("heartbeats", {"name": REQUIRED, "at": REQUIRED}, ("name",), company=None),
        Table(
            "companies",
            {"id": REQUIRED, "name": REQUIRED, "created_at": NOW, "default_region": None},
            ("id",),
            company="id",
        ),
        Table(
            "integrations",
            {
                "id": REQUIRED, "company_id": REQUIRED, "platform": REQUIRED, "api_key_encrypted": None,
                "api_base_url": None, "webhook_url": REQUIRED, "sync_enabled": True, "sync_roles": True,
                "sync_candidates": True, "sync_applications": True, "config": {}, "last_synced_at": None,
                "created_at": NOW, "updated_at": NOW, "name": "", "account": None, "rank": REQUIRED, "version": 1,
                "max_retries": 3, "attention": None, "attention_detail": None, "blocked_until": None,
                "blocked_reason": None, "clock_skew_ms": 0, "webhook_secret_sealed": None, "webhook_secrets_version": 1,
                "full_compare_wanted_at": None, "deleted_at": None, "previewed_at": None, "previewed_by": None,
                "previewed_entities": None,
            },
            ("id",),
            unique=(Index("integrations_company_id_rank_key", ("company_id", "rank")),),
            json=frozenset({"config"}),
            references=COMPANY,
            checks={"integrations_max_retries_check": lambda row: 0 <= row["max_retries"] <= 5},
        ),
        Table(
            "oauth_tokens",
            {
                "integration_id": REQUIRED, "company_id": REQUIRED, "sealed": None, "version": 0, "expires_at": None,
                "lease_until": None, "lease_token": None, "updated_at": NOW,
            },
            ("integration_id",),
            references=HANGS_ON,
        ),
        Table(
            "schedules",
            {
                "id": REQUIRED, "company_id": REQUIRED, "integration_id": REQUIRED, "entity_type": REQUIRED,
                "mode": REQUIRED, "every_s": REQUIRED, "time_zone": "UTC", "enabled": True, "next_due_at": REQUIRED,
                "last_enqueued_at": None, "anchor_at": None,
            },
            ("id",),
            unique=(
                Index("schedules_integration_id_entity_type_mode_key", ("integration_id", "entity_type", "mode")),
            ),
            references=HANGS_ON,
            checks={
                "schedules_mode_check": lambda row: row["mode"] in _MODES,
                "schedules_every_s_check": lambda row: 300 <= row["every_s"] <= 86_400,
            },
        ),
        Table(
            "routes",
            {
                "id": REQUIRED, "company_id": REQUIRED, "entity_type": REQUIRED, "from_system": REQUIRED,
                "to_system": REQUIRED, "condition": {}, "created_at": NOW,
            },
            ("id",),
            unique=(
                Index(
                    "routes_company_id_entity_type_from_system_to_system_key",
                    ("company_id", "entity_type", "from_system", "to_system"),
                ),
            ),
            json=frozenset({"condition"}),
            references=COMPANY,
        ),
    ]  # fmt: skip
