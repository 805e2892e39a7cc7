"""What a PATCH comes to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.adapters.protocol import Check, ConnectionReport
from shared.errors import Conflict, InvalidInput, PreviewNeeded
from shared.intake.secrets import WebhookSecrets
from shared.integrations.addresses import CredentialsNeeded
from shared.integrations.change import Change, plan_change
from shared.integrations.connection_test import require_ok
from shared.integrations.credentials import open_secrets, seal_secrets
from shared.integrations.requests import PatchIntegration
from shared.model import EntityType
from shared.security.sealing import Sealer
from shared.settings import Settings, load_settings
from shared.store.integrations import Integration

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ID = UUID(int=7)
SEALER = Sealer(bytes(range(32)))
SETTINGS = load_settings(
    {
        "DATABASE_URL": "postgresql://app@localhost/liaison",
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "ENCRYPTION_SECRET": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "AUTH_JWT_SECRET": "a shared secret of thirty-two characters",
    }
)
UNGATED = SETTINGS.model_copy(update={"outbound_needs_preview": False})
SEEN = {"previewed_at": NOW, "previewed_by": "jo", "previewed_entities": ["job", "candidate"]}
ANEW = {"api_key": "old", "config": {"client_secret": "s"}}
"""The stored credentials, given once more."""


def integration(**changes: Any) -> Integration:
    known: dict[str, Any] = {
        **dict.fromkeys(Integration.__dataclass_fields__),
        "id": ID,
        "company_id": UUID(int=1),
        "platform": "greenhouse",
        "name": "Greenhouse",
        "webhook_url": "https://liaison.example.org/api/integrations/7/webhook",
        "sync_enabled": True,
        "sync_roles": True,
        "sync_candidates": True,
        "sync_applications": True,
        "config": {"client_id": "c", "directions": {"job": "inbound", "candidate": "inbound"}},
        "version": 3,
        "rank": 1,
        "max_retries": 3,
        "api_key_encrypted": seal_secrets(SEALER, ID, {"api_key": "old", "client_secret": "s"}),
        "webhook_secret_sealed": SEALER.seal(WebhookSecrets("first").to_json(), integration_id=ID),
    }
    return Integration(**{**known, **changes})


def planned(
    before: Integration, body: dict[str, Any], expected: int | None = None, settings: Settings = UNGATED
) -> Change:
    return plan_change(
        before,
        PatchIntegration.model_validate(body),
        sealer=SEALER,
        settings=settings,
        expected_version=expected,
        now=NOW,
    )


def report(**values: Any) -> ConnectionReport:
    return ConnectionReport(**{"ok": True, "checks": [], "clock_skew_s": 1.5, "account": "acme", **values})


def test_what_is_already_so_changes_nothing() -> None:
    change = planned(integration(), {"name": "Greenhouse", "sync_enabled": True, "config": {"client_id": "c"}})
    assert (change.columns, change.connection, change.concerns_intake) == ({}, None, False)


@pytest.mark.parametrize(
    "body",
    [
        {"api_key": "new"},
        {"config": {"client_secret": "new"}},
        {"config": {"client_secret": None}},
        {"config": {"client_id": "d"}},
        {"config": {"client_id": None}},
        {"api_base_url": "https://harvest.example.org", **ANEW},
    ],
)
def test_whatever_changes_how_the_vendor_is_called_is_tested_first(body: dict[str, Any]) -> None:
    assert planned(integration(), body).connection is not None


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x"},
        {"max_retries": 5},
        {"sync_roles": False},
        {"config": {"directions": {"candidate": "both"}}},
        {"config": {"on_delete": "keep"}},
        {"config": {"on_vendor_merge": "merge"}},
        {"config": {"delete_brake": {"count": 500}}},
    ],
)
def test_the_rest_asks_nobody(body: dict[str, Any]) -> None:
    change = planned(integration(), body)
    assert change.connection is None
    assert change.columns


def test_new_secrets_are_sealed_beside_the_old_ones() -> None:
    change = planned(integration(), {"api_key": "new", "config": {"client_secret": None}})
    assert open_secrets(SEALER, ID, change.columns["api_key_encrypted"]) == {"api_key": "new"}
    assert change.connection is not None
    assert change.connection.secrets == {"api_key": "new"}


def at(url: str | None, **config: Any) -> Integration:
    before = integration()
    return integration(api_base_url=url, config={**before.config, **config})


VENDOR, EVIL = "https://harvest.example.org/v3", "https://evil.example/t"


@pytest.mark.parametrize(
    ("before", "body", "missing"),
    [
        (at(None), {"api_base_url": EVIL}, "api_key"),
        (at(None), {"config": {"token_url": EVIL}}, "api_key"),
        (at(VENDOR), {"api_base_url": EVIL, "api_key": "k"}, "config.client_secret"),
        (at(VENDOR), {"config": {"token_url": EVIL, "client_secret": "k"}}, "api_key"),
        (at(VENDOR, token_url=VENDOR), {"config": {"token_url": "https://harvest.example.org:8443/"}}, "api_key"),
        (
            at(VENDOR, token_url=VENDOR),
            {"config": {"token_url": "https://harvest.example.org.evil.example"}},
            "api_key",
        ),
        (at(VENDOR), {"config": {"other_url": EVIL}}, "api_key"),
    ],
)
def test_stored_credentials_go_to_no_address_that_they_were_not_given_for(
    before: Integration, body: dict[str, Any], missing: str
) -> None:
    """Or an administrator's token would be enough to read what nobody is shown."""
    with pytest.raises(InvalidInput) as refused:
        planned(before, body)
    assert isinstance(refused.value, CredentialsNeeded)
    assert refused.value.field == missing
    assert refused.value.remedy == "send the credentials together with the new address"
    assert refused.value.host


@pytest.mark.parametrize(
    ("before", "body"),
    [
        (at(VENDOR), {"api_base_url": EVIL, **ANEW}),
        (at(VENDOR), {"api_base_url": EVIL, "api_key": "k", "config": {"client_secret": None}}),
        (at(VENDOR), {"api_base_url": "https://HARVEST.example.org:443/v1"}),
        (at(VENDOR, token_url=EVIL), {"config": {"token_url": None}}),
        (at(EVIL), {"api_base_url": None}),
        (integration(api_key_encrypted=None), {"api_base_url": EVIL}),
    ],
)
def test_an_address_is_changed_with_the_credentials_or_on_the_same_host(
    before: Integration, body: dict[str, Any]
) -> None:
    assert planned(before, body).connection is not None


def test_what_can_not_be_opened_any_more_hinders_nothing_but_the_connection() -> None:
    broken = integration(api_key_encrypted=seal_secrets(Sealer(bytes(32)), ID, {"api_key": "old"}))
    assert planned(broken, {"name": "x"}).columns == {"name": "x"}
    with pytest.raises(InvalidInput) as refused:
        planned(broken, {"config": {"client_id": "d"}})
    assert refused.value.field == "api_key"
    change = planned(broken, {"api_key": "new", "api_base_url": EVIL})
    assert open_secrets(SEALER, ID, change.columns["api_key_encrypted"]) == {"api_key": "new"}


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"client_secret": "x" * 50_000}, "config.client_secret"),
        ({"client_secret": "é" * 8192}, "config.client_secret"),
        ({f"key_{number}_token": "x" * 8000 for number in range(6)}, "config.key_0_token"),
    ],
)
def test_what_is_too_long_to_be_sealed_is_refused_by_name(config: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput, match="too long") as refused:
        planned(integration(), {"config": config})
    assert refused.value.field == field


def outward(entity: str, direction: str = "both") -> dict[str, Any]:
    return {"config": {"directions": {entity: direction}}}


@pytest.mark.parametrize("direction", ["outbound", "both"])
def test_nothing_becomes_outbound_that_nobody_has_seen_a_preview_of(direction: str) -> None:
    with pytest.raises(PreviewNeeded) as refused:
        planned(integration(), outward("candidate", direction), settings=SETTINGS)
    assert refused.value.field == "config.directions.candidate"
    assert f"POST /api/integrations/{ID}/preview" in str(refused.value.remedy)
    change = planned(integration(**SEEN), outward("candidate", direction), settings=SETTINGS)
    assert change.columns["config"]["directions"]["candidate"] == direction
    with pytest.raises(PreviewNeeded, match=r"config\.directions\.application"):
        planned(integration(**SEEN), outward("application", direction), settings=SETTINGS)


@pytest.mark.parametrize("body", [{"api_key": "new"}, {"api_base_url": "https://harvest.example.org", **ANEW}])
def test_a_preview_counts_as_long_as_the_vendor_is_called_as_it_was_then(body: dict[str, Any]) -> None:
    change = planned(integration(**SEEN), body, settings=SETTINGS)
    assert {name: change.columns[name] for name in SEEN} == dict.fromkeys(SEEN)
    config = {**body.get("config", {}), **outward("candidate")["config"]}
    with pytest.raises(PreviewNeeded):
        planned(integration(**SEEN), {**body, "config": config}, settings=SETTINGS)


@pytest.mark.parametrize("body", [{"name": "x"}, {"config": {"first_link": "portal"}}, outward("candidate", "inbound")])
def test_what_leaves_the_calls_alone_leaves_the_preview_valid(body: dict[str, Any]) -> None:
    both = {"client_id": "c", "directions": {"job": "inbound", "candidate": "both"}}
    change = planned(integration(**{**SEEN, "config": both}), body, settings=SETTINGS)
    assert change.columns.keys().isdisjoint(SEEN)


def test_what_is_outbound_already_stays_so_without_a_preview() -> None:
    both = {"client_id": "c", "directions": {"job": "inbound", "candidate": "outbound"}}
    change = planned(integration(config=both), {"api_key": "new", **outward("candidate")}, settings=SETTINGS)
    assert change.columns["config"]["directions"]["candidate"] == "both"


def test_directions_are_merged_by_entity_and_can_not_be_lost() -> None:
    change = planned(integration(), {"config": {"directions": {"candidate": "both"}}})
    assert change.columns["config"]["directions"] == {"job": "inbound", "candidate": "both"}


def test_another_account_is_refused() -> None:
    change = planned(integration(account="acme"), {"api_key": "new"})
    assert change.confirmed(report()).columns.keys() >= {"api_key_encrypted"}
    with pytest.raises(InvalidInput):
        change.confirmed(report(account="initech"))


def test_a_first_account_is_learned_and_what_people_had_to_mend_is_mended() -> None:
    before = integration(attention="auth_failed", attention_detail="401")
    change = planned(before, {"api_key": "new"}).confirmed(report())
    assert change.columns["account"] == "acme"
    assert change.columns["clock_skew_ms"] == 1500
    assert change.columns["attention"] is None
    assert change.is_resumed
    assert change.concerns_intake


def test_what_the_vendor_refuses_is_told_check_by_check() -> None:
    refused = report(
        ok=False, checks=[Check("candidates", ok=False, detail="permission missing"), Check("jobs", ok=True)]
    )
    with pytest.raises(InvalidInput, match="candidates: permission missing") as caught:
        require_ok(refused)
    assert "jobs" not in str(caught.value)


def test_pausing_and_resuming() -> None:
    paused = planned(integration(), {"sync_enabled": False})
    assert (paused.is_resumed, paused.concerns_intake) == (False, True)
    assert planned(integration(sync_enabled=False), {"sync_enabled": True}).is_resumed
    assert not planned(integration(), {"sync_enabled": True}).is_resumed
    assert planned(integration(attention="auth_failed"), {"sync_enabled": True}).is_resumed
    assert not planned(integration(sync_enabled=False), {"name": "x"}).is_resumed


def test_switches_name_their_entities() -> None:
    off = planned(integration(), {"sync_roles": False, "sync_candidates": True})
    assert (off.switched_off, off.switched_on) == ([EntityType.JOB], [])
    on = planned(integration(sync_applications=False), {"sync_applications": True})
    assert (on.switched_off, on.switched_on) == ([], [EntityType.APPLICATION])
    asleep = planned(integration(sync_applications=False, sync_enabled=False), {"sync_applications": True})
    assert asleep.switched_on == []


def test_a_rotation_keeps_the_secret_before_for_24_hours() -> None:
    change = planned(integration(), {"rotate_webhook_secret": True})
    sealed = change.columns["webhook_secret_sealed"]
    kept = WebhookSecrets.from_json(SEALER.open(sealed, integration_id=ID))
    assert (kept.current, kept.previous) == (change.webhook_secret, "first")
    assert kept.previous_until == NOW + timedelta(hours=24)


def test_a_version_that_was_overtaken_is_refused() -> None:
    assert planned(integration(), {"name": "x"}, expected=3).columns == {"name": "x"}
    with pytest.raises(Conflict):
        planned(integration(), {"name": "x"}, expected=2)


def test_a_mapping_calls_nobody_and_is_followed_by_a_look_at_everything() -> None:
    body = {"config": {"mapping": {"candidate": {"exclude": ["phone"], "where": "True"}}}}
    change = planned(integration(), body)
    assert change.connection is None
    assert change.remapped == [EntityType.CANDIDATE, EntityType.APPLICATION]
    mapped = integration(config={**integration().config, **body["config"]})
    assert planned(mapped, body).remapped == []
    assert planned(mapped, {"config": {"client_id": "c"}}).remapped == []
    assert planned(integration(sync_enabled=False), body).remapped == []
    assert planned(integration(sync_enabled=False), {**body, "sync_enabled": True}).remapped != []
    assert planned(mapped, {"config": {"mapping": None}}).columns["config"].get("mapping") is None


def test_a_mapping_that_can_not_be_one_is_not_planned() -> None:
    with pytest.raises(InvalidInput) as refused:
        planned(integration(), {"config": {"mapping": {"candidate": {"where": "salary > 3"}}}})
    assert refused.value.field == "config.mapping.candidate.where"
