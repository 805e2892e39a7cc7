"""A connection as it was asked for: secrets apart, addresses judged, directions named for every entity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from shared.adapters import registry
from shared.adapters.protocol import Capabilities, Connection
from shared.errors import InvalidInput
from shared.integrations.credentials import API_KEY, take_secrets
from shared.integrations.outbound_gate import DIRECTIONS, check_new
from shared.integrations.requests import CreateIntegration, platform_name
from shared.mapping.reading import mappings_of
from shared.merge.policies import first_link_of, overrides_of
from shared.model import Direction, JsonValue
from shared.security.outgoing import check_url
from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Draft:
    """What an adapter is opened with."""

    api_base_url: str | None
    config: Mapping[str, JsonValue]
    secrets: Mapping[str, str]

    def connection(self, integration_id: UUID) -> Connection:
        """Return it as an adapter takes it."""
        return Connection(str(integration_id), self.api_base_url, self.config, self.secrets)


def draft_of(request: CreateIntegration, settings: Settings) -> Draft:
    """Return the connection that *request* asks for. Raises InvalidInput and PreviewNeeded with the path of it."""
    plain, given = take_secrets(request.config.given())
    secrets = {name: value for name, value in given.items() if value is not None}
    if request.api_key is not None:
        secrets[API_KEY] = request.api_key.get_secret_value()
    check_addresses(request.api_base_url, plain, settings)
    check_merging(plain)
    mappings_of(plain)
    check_removing(plain, platform_name(request.platform))
    if settings.outbound_needs_preview:
        check_new(plain)
    return Draft(request.api_base_url, {k: v for k, v in plain.items() if v is not None}, secrets)


def check_addresses(api_base_url: str | None, config: Mapping[str, JsonValue], settings: Settings) -> None:
    """Judge every address that we would call. Raises InvalidInput."""
    allow = settings.outgoing_allow_loopback
    if api_base_url is not None:
        check_url(api_base_url, allow_loopback=allow, field="api_base_url")
    for name, value in config.items():
        if name.endswith("_url") and isinstance(value, str):
            check_url(value, allow_loopback=allow, field=f"config.{name}")


def check_merging(config: Mapping[str, JsonValue]) -> None:
    """Judge who wins, as *config* says. Raises InvalidInput that names the unit."""
    overrides_of(config)
    first_link_of(config)


def check_removing(config: Mapping[str, JsonValue], platform: str) -> None:
    """Judge what is to be deleted at the vendor. Raises InvalidInput for an entity of which it deletes none for us."""
    asked = config.get("on_archive")
    policies = asked if isinstance(asked, dict) else {}
    for entity, offered in registry.get(platform).capabilities.entities.items():
        if policies.get(entity.value) == "delete" and not offered.delete:
            raise InvalidInput(
                f"config.on_archive.{entity.value}: {platform} deletes no {entity.value}s for others",
                field=f"config.on_archive.{entity.value}",
                remedy="leave it at keep",
            )


def default_directions(capabilities: Capabilities, config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a direction for every entity of the vendor: inbound, unless *config* says otherwise."""
    asked = config.get(DIRECTIONS)
    given = asked if isinstance(asked, dict) else {}
    return {entity.value: Direction.INBOUND.value for entity in capabilities.entities} | given
