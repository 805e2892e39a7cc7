"""Names of the events that held jobs wait for; what ends the wait releases the name."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from shared.model import EntityType


def parent(integration_id: UUID, entity: EntityType, external_id: str) -> str:
    """A vendor's record without which its children can't come in: until it is linked."""
    return f"parent:{integration_id}:{entity.value}:{external_id}"


def link(integration_id: UUID, entity: EntityType, record_id: UUID | str) -> str:
    """A record of ours that has to exist at the vendor first."""
    return f"link:{integration_id}:{entity.value}:{record_id}"


def ended_by_link(integration_id: UUID, entity: EntityType, external_id: str, record_id: UUID | str) -> tuple[str, ...]:
    """Return what a new link ends the wait for: the vendor's record is known, and ours exists there."""
    return parent(integration_id, entity, external_id), link(integration_id, entity, record_id)


def ended_by_links(integration_id: UUID, entity: EntityType, links: Iterable[tuple[str, UUID]]) -> list[str]:
    """Return what new *links* (external id, record id) end the wait for."""
    parents, ours = parent(integration_id, entity, ""), link(integration_id, entity, "")
    return [name for external_id, record_id in links for name in (parents + external_id, f"{ours}{record_id}")]


def review(integration_id: UUID, entity: EntityType, external_id: str) -> str:
    """A match that a person has to decide."""
    return f"review:{integration_id}:{entity.value}:{external_id}"


def creation(integration_id: UUID, entity: EntityType) -> str:
    """A create of ours at the vendor whose end is not known yet."""
    return f"creation:{integration_id}:{entity.value}"


def quarantine(integration_id: UUID, entity: EntityType, external_id: str) -> str:
    """A payload that can't be a record: looked at again each hour."""
    return f"quarantine:{integration_id}:{entity.value}:{external_id}"


def people(integration_id: UUID) -> str:
    """New credentials, or a person who looked at the connection."""
    return f"people:{integration_id}"


def brake(integration_id: UUID) -> str:
    """A record that has disappeared with too many others: until a person has decided about all of them."""
    return f"brake:{integration_id}"


def parts(reason: str) -> tuple[str, str, str]:
    """Return kind, entity and key of a name; empty where the kind has none."""
    kind, _, entity, key = [*reason.split(":", 3), "", "", ""][:4]
    return kind, entity, key
