"""What the engine knows of an integration while it works for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from pydantic import JsonValue

from shared.errors import NotFound
from shared.model import Direction, EntityType
from shared.store.database import Transaction


@dataclass(frozen=True, slots=True)
class IntegrationRow:
    """A row of `integrations`, as far as syncing needs it. Credentials are sealed."""

    id: UUID
    company_id: UUID
    platform: str
    api_base_url: str | None
    credentials_sealed: str | None
    config: Mapping[str, JsonValue]
    sync_enabled: bool
    switches: Mapping[EntityType, bool]
    rank: int
    version: int
    max_retries: int
    attention: str | None
    clock_skew_ms: int
    created_at: datetime
    deleted_at: datetime | None
    wants_full_comparison: bool = False
    """Events were dropped because more came than are kept."""
    default_region: str | None = None
    """Of the company: where phone numbers without a country belong."""
    is_told_unreachable: bool = False
    """People are told that the vendor does not answer (the issue `vendor_unreachable` is open)."""

    def allows(self, entity: EntityType, direction: Direction) -> bool:
        """Whether *entity* travels so: its switch is on and `config.directions` has it (inbound where silent)."""
        if not self.switches[entity] or self.deleted_at is not None:
            return False
        directions = self.config.get("directions")
        allowed = directions.get(entity.value, "inbound") if isinstance(directions, dict) else "inbound"
        return allowed in (direction.value, "both")

    def syncs(self, entity: EntityType) -> bool:
        """Whether *entity* travels at all, in one direction at the least."""
        return any(self.allows(entity, direction) for direction in Direction)

    def deletes(self, entity: EntityType) -> bool:
        """Whether what is archived here is to be deleted there (`config.on_archive`; never where it is silent)."""
        policies = self.config.get("on_archive")
        is_asked_for = isinstance(policies, dict) and policies.get(entity.value) == "delete"
        return is_asked_for and self.allows(entity, Direction.OUTBOUND)


_GET: LiteralString = """
SELECT id, company_id, platform, api_base_url, api_key_encrypted, config, sync_enabled, sync_roles, sync_candidates,
    sync_applications, rank, version, max_retries, attention, clock_skew_ms, created_at, deleted_at,
    full_compare_wanted_at IS NOT NULL AS wants_full_comparison,
    (SELECT c.default_region FROM companies c WHERE c.id = company_id) AS default_region,
    EXISTS (SELECT FROM issues s WHERE s.integration_id = integrations.id AND s.kind = 'vendor_unreachable'
        AND s.ended_at IS NULL) AS is_told_unreachable
FROM integrations WHERE id = %(id)s
"""
_PLATFORMS: LiteralString = "SELECT id, platform FROM integrations WHERE company_id = %(company)s"
_BLOCK: LiteralString = """
UPDATE integrations SET blocked_until = clock_timestamp() + %(wait_s)s * interval '1 s', blocked_reason = %(reason)s
WHERE id = %(id)s
    AND (blocked_until IS NULL OR blocked_until < clock_timestamp() + %(wait_s)s * interval '1 s')
"""
_UNBLOCK: LiteralString = """
UPDATE integrations SET blocked_until = NULL, blocked_reason = NULL WHERE id = %(id)s AND blocked_reason = %(reason)s
"""
_NEEDS_PEOPLE: LiteralString = """
UPDATE integrations SET attention = %(code)s, attention_detail = %(detail)s, updated_at = clock_timestamp()
WHERE id = %(id)s AND attention IS DISTINCT FROM %(code)s AND updated_at <= (
    SELECT q.started_at FROM sync_queue q WHERE q.id = %(job)s)
"""
_LIFT_ATTENTION: LiteralString = """
UPDATE integrations SET attention = NULL, attention_detail = NULL, updated_at = clock_timestamp()
WHERE id = %(id)s AND version = %(version)s AND attention IS NOT NULL
"""
_COMPARED: LiteralString = """
UPDATE integrations i SET full_compare_wanted_at = NULL
WHERE i.id = %(id)s AND i.full_compare_wanted_at IS NOT NULL AND %(entities)s <= (
    SELECT count(DISTINCT r.entity_type) FROM runs r
    WHERE r.integration_id = i.id AND r.direction = 'inbound' AND r.mode = 'full' AND r.entity_type = ANY(%(names)s)
        AND r.status IN ('complete', 'partial') AND r.started_at > i.full_compare_wanted_at)
"""
_CREATED_ROUTES: LiteralString = """
SELECT 1 FROM routes WHERE entity_type = %(entity)s AND from_system = 'portal' AND to_system = 'job_owner'
"""


class Connections:
    """Statements on `integrations` that a job makes."""

    async def get(self, tx: Transaction, integration_id: UUID) -> IntegrationRow:
        """Return the integration. Raises NotFound."""
        row = await tx.row(_GET, id=integration_id)
        if row is None:
            raise NotFound(f"there is no integration {integration_id}")
        return _integration(row)

    async def platforms(self, tx: Transaction) -> dict[UUID, str]:
        """Return the platform of each integration of the company, deleted ones included."""
        return {row["id"]: row["platform"] for row in await tx.rows(_PLATFORMS, company=tx.company)}

    async def block(
        self, tx: Transaction, integration_id: UUID, *, wait_s: float, reason: str = "rate_limited"
    ) -> None:
        """Let none of the integration's jobs start for *wait_s*; a block that lasts longer stays as it is."""
        await tx.run(_BLOCK, id=integration_id, wait_s=wait_s, reason=reason)

    async def unblock(self, tx: Transaction, integration_id: UUID, *, reason: str) -> None:
        """Let the jobs start that were held back for *reason*."""
        await tx.run(_UNBLOCK, id=integration_id, reason=reason)

    async def needs_people(
        self, tx: Transaction, integration_id: UUID, *, job_id: UUID, code: str, detail: str
    ) -> bool:
        """
        Stop the integration until people have acted; return whether it ran until now.

        Settings that changed since the job was claimed are not the ones that failed, and are tried first.
        """
        return await tx.run(_NEEDS_PEOPLE, id=integration_id, job=job_id, code=code, detail=detail) > 0

    async def lift_attention(self, tx: Transaction, integration_id: UUID, *, version: int) -> bool:
        """End the integration's need of people. False: it had none, or was changed since *version*."""
        return await tx.run(_LIFT_ATTENTION, id=integration_id, version=version) > 0

    async def compared(self, tx: Transaction, integration: IntegrationRow) -> None:
        """End the wish for a full comparison once every entity that may come in has been read whole since."""
        if integration.wants_full_comparison:
            names = [each.value for each in EntityType if integration.allows(each, Direction.INBOUND)]
            await tx.run(_COMPARED, id=integration.id, names=names, entities=len(names))

    async def routes_to_job_owner(self, tx: Transaction, entity: EntityType) -> bool:
        """Whether records of *entity* made in the portal are created at the integration that owns their job."""
        return await tx.row(_CREATED_ROUTES, entity=entity.value) is not None


def _integration(row: Mapping[str, Any]) -> IntegrationRow:
    return IntegrationRow(
        id=row["id"],
        company_id=row["company_id"],
        platform=row["platform"],
        api_base_url=row["api_base_url"],
        credentials_sealed=row["api_key_encrypted"],
        config=row["config"],
        sync_enabled=row["sync_enabled"],
        switches={
            EntityType.JOB: row["sync_roles"],
            EntityType.CANDIDATE: row["sync_candidates"],
            EntityType.APPLICATION: row["sync_applications"],
        },
        rank=row["rank"],
        version=row["version"],
        max_retries=row["max_retries"],
        attention=row["attention"],
        clock_skew_ms=row["clock_skew_ms"],
        created_at=row["created_at"],
        deleted_at=row["deleted_at"],
        wants_full_comparison=row["wants_full_comparison"],
        default_region=row["default_region"],
        is_told_unreachable=row["is_told_unreachable"],
    )
