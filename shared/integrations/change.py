"""
What a PATCH comes to, decided without a database: which columns, whether the vendor must be asked first, what follows.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.adapters.protocol import Connection, ConnectionReport
from shared.errors import InvalidInput, StaleVersion
from shared.intake.secrets import WebhookSecrets
from shared.integrations import credentials
from shared.integrations.addresses import require_secrets
from shared.integrations.connection_test import skew_ms
from shared.integrations.drafting import check_addresses, check_merging, check_removing
from shared.integrations.outbound_gate import DIRECTIONS, NOT_SEEN, check_change
from shared.integrations.requests import Config, PatchIntegration
from shared.integrations.switching import SWITCHES
from shared.mapping.reading import MAPPING, mappings_of, remapped
from shared.merge.policies import FIRST_LINK, POLICIES
from shared.model import EntityType, JsonValue
from shared.security.sealing import SealBroken, Sealer
from shared.settings import Settings
from shared.store.integrations import Integration
from shared.store.schedules import Cadence

WEBHOOK_SECRET_BYTES = 32
_NOT_OF_CALLS: Mapping[str, None] = dict.fromkeys((*Config.model_fields, POLICIES, FIRST_LINK, MAPPING))
PREVIOUS_STAYS = timedelta(hours=24)
"""How long webhooks that are signed with the old secret still verify (S-091)."""


def new_webhook_secret() -> str:
    """Make what a vendor is to sign its webhooks with."""
    return secrets.token_urlsafe(WEBHOOK_SECRET_BYTES)


@dataclass(frozen=True, slots=True)
class Change:
    """A planned change of *before*."""

    before: Integration
    columns: Mapping[str, Any] = field(default_factory=dict)
    """New values by column; what stays is not in it."""
    schedules: Sequence[Cadence] = ()
    connection: Connection | None = None
    """To be tested before anything is kept; None when the connection stays as it is."""
    webhook_secret: str | None = None
    """The new one, in clear, to be shown once."""

    @property
    def switched_off(self) -> list[EntityType]:
        """Entities that are to be left alone from now on."""
        return [entity for column, entity in SWITCHES.items() if self.columns.get(column) is False]

    @property
    def switched_on(self) -> list[EntityType]:
        """Entities that are to be kept in step again; none while the integration does not run."""
        if not self.runs_after:
            return []
        return [entity for column, entity in SWITCHES.items() if self.columns.get(column) is True]

    @property
    def runs_after(self) -> bool:
        """Whether the integration runs once this is done."""
        enabled = self.columns.get("sync_enabled", self.before.sync_enabled)
        return bool(enabled) and self.columns.get("attention", self.before.attention) is None

    @property
    def is_resumed(self) -> bool:
        """Whether it runs and did not before."""
        return self.runs_after and not (self.before.sync_enabled and self.before.attention is None)

    @property
    def remapped(self) -> list[EntityType]:
        """Entities of which everything is to be looked at through another mapping; none while nothing runs."""
        if not self.runs_after or "config" not in self.columns:
            return []
        return remapped(self.before.config, self.columns["config"])

    @property
    def concerns_intake(self) -> bool:
        """Whether the webhook intake must be told."""
        return not self.columns.keys().isdisjoint({"sync_enabled", "attention", "webhook_secret_sealed"})

    def confirmed(self, report: ConnectionReport) -> Change:
        """
        Add what the vendor said of the new connection.

        Raises InvalidInput if it leads to another account: its ids would be taken for those of the old one.
        """
        known = self.before.account
        if known is not None and report.account is not None and report.account != known:
            raise InvalidInput(
                "these credentials belong to another account of the vendor",
                field="api_key",
                remedy="make a new integration for the other account",
            )
        # Also where nobody is needed now: a job may be refused with the old settings just as the new ones are saved.
        learned: dict[str, Any] = {"clock_skew_ms": skew_ms(report), "attention": None, "attention_detail": None}
        if known is None and report.account is not None:
            learned["account"] = report.account
        return replace(self, columns={**self.columns, **learned})


def plan_change(
    before: Integration,
    request: PatchIntegration,
    *,
    sealer: Sealer,
    settings: Settings,
    expected_version: int | None,
    now: datetime,
) -> Change:
    """
    Return what *request* changes.

    Raises StaleVersion if *before* is not at *expected_version*, InvalidInput, PreviewNeeded.
    """
    if expected_version is not None and before.version != expected_version:
        raise StaleVersion(f"the integration is at version {before.version} by now")
    columns: dict[str, Any] = {**request.switches()}
    for name in ("name", "max_retries"):
        if (value := getattr(request, name)) is not None:
            columns[name] = value
    if request.sync_enabled and before.attention is not None:
        columns |= {"attention": None, "attention_detail": None}
    connection = _plan_connection(before, request, sealer, settings, columns)
    if connection is not None:
        columns |= NOT_SEEN
    if settings.outbound_needs_preview:
        seen = () if connection is not None else before.previewed_entities or ()
        check_change(before.id, before.config, columns["config"], seen)
    webhook_secret = None
    if request.rotate_webhook_secret:
        webhook_secret = new_webhook_secret()
        columns["webhook_secret_sealed"] = _rotated(sealer, before, webhook_secret, now)
    columns = {name: value for name, value in columns.items() if value != getattr(before, name)}
    asked = [Cadence(**cadence.model_dump()) for cadence in request.schedules or ()]
    return Change(before, columns, asked, connection, webhook_secret)


def _plan_connection(
    before: Integration, request: PatchIntegration, sealer: Sealer, settings: Settings, columns: dict[str, Any]
) -> Connection | None:
    plain, given = credentials.take_secrets(request.config.given() if request.config else {})
    if request.api_key is not None:
        given[credentials.API_KEY] = request.api_key.get_secret_value()
    known = _known_secrets(sealer, before)
    wanted = {name: value for name, value in {**(known or {}), **given}.items() if value is not None}
    config = _merged(before.config, plain)
    url = request.api_base_url if "api_base_url" in request.model_fields_set else before.api_base_url
    check_merging(config)
    mappings_of(config)
    check_removing(config, before.platform)
    columns |= {"config": config, "api_base_url": url}
    is_kept = not given if known is None else wanted == known
    if is_kept and url == before.api_base_url and _calls_alike(config, before.config):
        return None
    check_addresses(url, config, settings)
    if known is None and not given:
        raise InvalidInput(
            "api_key: what is stored can't be opened any more",
            field=credentials.API_KEY,
            remedy="send the credentials together with this change",
        )
    require_secrets((before.api_base_url, before.config), (url, config), stored=known or {}, given=given)
    if wanted != known:
        columns["api_key_encrypted"] = credentials.seal_secrets(sealer, before.id, wanted)
    return Connection(str(before.id), url, config, wanted)


def _known_secrets(sealer: Sealer, before: Integration) -> dict[str, str] | None:
    """Return what is stored; None if it can't be opened any more: then whatever is given replaces it whole."""
    try:
        return credentials.open_secrets(sealer, before.id, before.api_key_encrypted)
    except SealBroken:
        return None


def _merged(before: Mapping[str, JsonValue], patch: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return *before* with *patch* laid over it key by key; directions entity by entity; null removes."""
    merged = {**before, **patch}
    old, new = before.get(DIRECTIONS), patch.get(DIRECTIONS)
    if isinstance(old, dict) and isinstance(new, dict):
        merged[DIRECTIONS] = {**old, **new}
    elif DIRECTIONS in patch and new is None:
        merged[DIRECTIONS] = before.get(DIRECTIONS)
    return {name: value for name, value in merged.items() if value is not None}


def _calls_alike(one: Mapping[str, JsonValue], other: Mapping[str, JsonValue]) -> bool:
    """Tell whether both configurations call the vendor in the same way; the others only say what is synced and how."""
    return {**one, **_NOT_OF_CALLS} == {**other, **_NOT_OF_CALLS}


def _rotated(sealer: Sealer, before: Integration, secret: str, now: datetime) -> str:
    integration_id: UUID = before.id
    if before.webhook_secret_sealed is None:
        replaced = WebhookSecrets(current=secret)
    else:
        opened = sealer.open(before.webhook_secret_sealed, integration_id=integration_id)
        current = WebhookSecrets.from_json(opened).current
        replaced = WebhookSecrets(current=secret, previous=current, previous_until=now + PREVIOUS_STAYS)
    return sealer.seal(replaced.to_json(), integration_id=integration_id)
