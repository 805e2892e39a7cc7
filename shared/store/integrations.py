"""`integrations`: connections to vendors' accounts, from their creation to the tombstones that they leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

from pydantic import JsonValue

from shared.errors import NotFound, StaleVersion
from shared.model import Direction, EntityType
from shared.store.database import Transaction, as_json

FIRST = (datetime.min.replace(tzinfo=UTC), UUID(int=0))
"""Sort key before every row."""

TOMBSTONE_DAYS = 30
"""How long a deleted integration's links wait for a new connection to the same account."""


@dataclass(frozen=True, slots=True)
class Integration:
    """A row of `integrations`."""

    id: UUID
    company_id: UUID
    platform: str
    name: str
    api_base_url: str | None
    webhook_url: str
    sync_enabled: bool
    sync_roles: bool
    sync_candidates: bool
    sync_applications: bool
    config: Mapping[str, JsonValue]
    last_synced_at: datetime | None
    created_at: datetime
    updated_at: datetime
    account: str | None
    rank: int
    version: int
    max_retries: int
    attention: str | None
    attention_detail: str | None
    blocked_until: datetime | None
    blocked_reason: str | None
    """Why nothing runs before then: `rate_limited`, `breaker_open`."""
    clock_skew_ms: int
    webhook_secrets_version: int
    full_compare_wanted_at: datetime | None
    previewed_at: datetime | None
    """When somebody last looked at what a first sync would do, the vendor being called as it is now."""
    previewed_by: str | None
    previewed_entities: Sequence[str] | None
    deleted_at: datetime | None
    api_key_encrypted: str | None
    webhook_secret_sealed: str | None

    def syncs(self, entity: EntityType) -> bool:
        """Tell whether the switch of *entity* is on."""
        match entity:
            case EntityType.JOB:
                return self.sync_roles
            case EntityType.CANDIDATE:
                return self.sync_candidates
            case EntityType.APPLICATION:
                return self.sync_applications


@dataclass(frozen=True, slots=True)
class NewIntegration:
    """What a new integration starts with; times, rank and version are the database's."""

    id: UUID
    platform: str
    name: str
    api_base_url: str | None
    webhook_url: str
    sync_enabled: bool
    sync_roles: bool
    sync_candidates: bool
    sync_applications: bool
    config: Mapping[str, JsonValue]
    max_retries: int
    account: str | None
    clock_skew_ms: int
    api_key_encrypted: str | None
    webhook_secret_sealed: str


CHANGEABLE = frozenset(
    {
        "name", "api_base_url", "sync_enabled", "sync_roles", "sync_candidates", "sync_applications", "config",
        "max_retries", "account", "clock_skew_ms", "api_key_encrypted", "webhook_secret_sealed", "attention",
        "attention_detail", "previewed_at", "previewed_by", "previewed_entities",
    }
)  # fmt: skip
"""Columns that `Integrations.update` may set."""

_COLUMNS: LiteralString = ", ".join(Integration.__dataclass_fields__)

_LOCK_RANKS: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended('rank ' || %(company)s::text, 0))"

_INSERT: LiteralString = f"""
INSERT INTO integrations (id, company_id, platform, name, api_base_url, webhook_url, sync_enabled, sync_roles,
    sync_candidates, sync_applications, config, max_retries, account, clock_skew_ms, api_key_encrypted,
    webhook_secret_sealed, rank)
SELECT %(id)s, %(company)s, %(platform)s, %(name)s, %(api_base_url)s, %(webhook_url)s, %(sync_enabled)s, %(sync_roles)s,
    %(sync_candidates)s, %(sync_applications)s, %(config)s, %(max_retries)s, %(account)s, %(clock_skew_ms)s,
    %(api_key_encrypted)s, %(webhook_secret_sealed)s,
    (SELECT coalesce(max(rank), 0) + 1 FROM integrations WHERE company_id = %(company)s)
RETURNING {_COLUMNS}
"""

_GET: LiteralString = f"""
SELECT {_COLUMNS} FROM integrations WHERE id = %(id)s AND (%(deleted)s OR deleted_at IS NULL)
"""

_LIST: LiteralString = f"""
SELECT {_COLUMNS} FROM integrations
WHERE company_id = %(company)s AND deleted_at IS NULL AND (created_at, id) > (%(at)s, %(after)s)
ORDER BY created_at, id LIMIT %(limit)s
"""

_WITH_POLICIES: LiteralString = f"""
SELECT {_COLUMNS} FROM integrations
WHERE company_id = %(company)s AND deleted_at IS NULL AND id <> %(id)s AND config -> 'policies' IS NOT NULL
ORDER BY rank
"""

# Columns that *changes* does not name keep their value, also against a null.
_UPDATE: LiteralString = (
    "UPDATE integrations SET "
    + ", ".join(
        f"{name} = CASE WHEN %(names)s::text[] @> ARRAY['{name}'] THEN %({name})s ELSE {name} END"
        for name in sorted(CHANGEABLE)
    )
    + ", version = version + 1, updated_at = clock_timestamp(),"
    " webhook_secrets_version = webhook_secrets_version"
    "  + (%(names)s::text[] @> ARRAY['webhook_secret_sealed'])::integer"
    f" WHERE id = %(id)s AND version = %(based_on)s AND deleted_at IS NULL RETURNING {_COLUMNS}"
)

_OBSERVE: LiteralString = """
UPDATE integrations SET account = coalesce(%(account)s, account), clock_skew_ms = %(clock_skew_ms)s
WHERE id = %(id)s AND deleted_at IS NULL AND (account, clock_skew_ms)
    IS DISTINCT FROM (coalesce(%(account)s, account), %(clock_skew_ms)s)
"""

# Whoever changed the integration since may have changed what was looked at.
_PREVIEWED: LiteralString = """
UPDATE integrations SET previewed_at = clock_timestamp(), previewed_by = %(by)s, previewed_entities = %(entities)s
WHERE id = %(id)s AND version = %(version)s AND deleted_at IS NULL
"""

_DELETE: LiteralString = f"""
UPDATE integrations SET deleted_at = clock_timestamp(), sync_enabled = false, api_key_encrypted = NULL,
    version = version + 1, updated_at = clock_timestamp()
WHERE id = %(id)s AND deleted_at IS NULL RETURNING {_COLUMNS}
"""

_DROP_TOKENS: LiteralString = "DELETE FROM oauth_tokens WHERE integration_id = %(id)s"

_BURY_LINKS: LiteralString = """
UPDATE external_entity_map SET state = 'tombstone', changed_at = clock_timestamp()
WHERE integration_id = %(id)s AND state = 'live'
"""

# Bases are keyed by the link's id, which stays: what both sides agreed on still holds for the same account.
# Its records may have been archived with the old connection: the next sight of each is looked at whole.
_TAKE_OVER: LiteralString = """
UPDATE external_entity_map l SET integration_id = %(id)s, changed_at = clock_timestamp(), digest = NULL,
    state = CASE l.state WHEN 'tombstone' THEN 'live' ELSE l.state END
FROM integrations old
WHERE old.id = l.integration_id AND old.id <> %(id)s AND old.platform = %(platform)s AND old.account = %(account)s
    AND old.deleted_at > clock_timestamp() - make_interval(days => %(days)s) AND l.state IN ('tombstone', 'gone')
    AND NOT EXISTS (
        SELECT FROM external_entity_map n WHERE n.integration_id = %(id)s AND n.entity_type = l.entity_type
            AND n.state <> 'tombstone' AND (n.external_id = l.external_id OR n.internal_id = l.internal_id))
"""

_ARCHIVE: LiteralString = """
WITH only_here AS (
    SELECT DISTINCT l.internal_id, l.entity_type FROM external_entity_map l
    WHERE l.integration_id = %(id)s AND l.state = 'live' AND NOT EXISTS (
        SELECT FROM external_entity_map o WHERE o.internal_id = l.internal_id AND o.entity_type = l.entity_type
            AND o.integration_id <> %(id)s AND o.state = 'live')
)
UPDATE records r SET archived_at = clock_timestamp(), updated_at = clock_timestamp(), version = r.version + 1
FROM only_here o WHERE r.id = o.internal_id AND r.entity_type = o.entity_type AND r.archived_at IS NULL
RETURNING r.id, r.entity_type
"""

_AT_WORK: LiteralString = """
SELECT DISTINCT entity_type, direction FROM sync_queue
WHERE integration_id = %(id)s AND status = 'processing' AND action = ANY(%(actions)s)
"""

_CLOSE_CONFLICTS: LiteralString = """
UPDATE conflicts SET status = 'closed', ended_at = clock_timestamp(), updated_at = clock_timestamp(),
    ended_by = 'integration_deleted', version = version + 1
WHERE integration_id = %(id)s AND status = 'open'
"""


class Integrations:
    """Statements on `integrations` and on what a connection leaves behind."""

    async def create(self, tx: Transaction, new: NewIntegration) -> Integration:
        """Add an integration, ranked after the company's others."""
        await tx.rows(_LOCK_RANKS, company=tx.company)
        values = {name: getattr(new, name) for name in NewIntegration.__dataclass_fields__}
        row = await tx.one(_INSERT, **{**values, "config": as_json(dict(new.config))}, company=tx.company)
        return _integration(row)

    async def get(self, tx: Transaction, integration_id: UUID, *, include_deleted: bool = False) -> Integration:
        """Return one integration. Raises NotFound, also for another company's."""
        row = await tx.row(_GET, id=integration_id, deleted=include_deleted)
        if row is None:
            raise NotFound(f"there is no integration {integration_id}")
        return _integration(row)

    async def of_company(
        self, tx: Transaction, *, after: tuple[datetime, UUID] = FIRST, limit: int = 500
    ) -> list[Integration]:
        """Return the company's integrations in the order of their creation, deleted ones aside."""
        rows = await tx.rows(_LIST, company=tx.company, at=after[0], after=after[1], limit=limit)
        return [_integration(row) for row in rows]

    async def with_policies(self, tx: Transaction, *, besides: UUID) -> list[Integration]:
        """
        Return the company's other integrations that have `config.policies`, by rank.

        Whoever asks at the same time waits for the end of this transaction: what they go by is not changed under them.
        """
        await tx.rows(_LOCK_RANKS, company=tx.company)
        rows = await tx.rows(_WITH_POLICIES, company=tx.company, id=besides)
        return [_integration(row) for row in rows]

    async def update(
        self, tx: Transaction, integration_id: UUID, changes: Mapping[str, object], *, based_on: int
    ) -> Integration:
        """Set the columns of *changes*, one version on. Raises StaleVersion if it is no longer at *based_on*."""
        unknown = set(changes) - CHANGEABLE
        if unknown:
            raise ValueError(f"not to be changed: {sorted(unknown)}")
        values: dict[str, object] = dict.fromkeys(CHANGEABLE) | dict(changes)
        if values["config"] is not None:
            values["config"] = as_json(values["config"])
        row = await tx.row(_UPDATE, id=integration_id, based_on=based_on, names=sorted(changes), **values)
        if row is None:
            raise StaleVersion("the integration has changed meanwhile")
        return _integration(row)

    async def observe(self, tx: Transaction, integration_id: UUID, *, account: str | None, clock_skew_ms: int) -> None:
        """Keep what a connection test found out; the version stays."""
        await tx.run(_OBSERVE, id=integration_id, account=account, clock_skew_ms=clock_skew_ms)

    async def previewed(
        self, tx: Transaction, integration_id: UUID, *, version: int, by: str, entities: Sequence[EntityType]
    ) -> bool:
        """Keep that *by* saw a preview of *entities*; False: it is no longer at *version*, which was looked at."""
        names = [each.value for each in entities]
        return await tx.run(_PREVIEWED, id=integration_id, version=version, by=by, entities=names) > 0

    async def drop_tokens(self, tx: Transaction, integration_id: UUID) -> None:
        """Forget access tokens that older credentials were given."""
        await tx.run(_DROP_TOKENS, id=integration_id)

    async def delete(self, tx: Transaction, integration_id: UUID) -> Integration:
        """
        Destroy credentials and tokens, turn links into tombstones, close what waited for people.

        The webhook's secret stays as long as the tombstones: events of a deleted integration are told from forged
        ones. Raises NotFound.
        """
        row = await tx.row(_DELETE, id=integration_id)
        if row is None:
            raise NotFound(f"there is no integration {integration_id}")
        await self.drop_tokens(tx, integration_id)
        await tx.run(_BURY_LINKS, id=integration_id)
        await tx.run(_CLOSE_CONFLICTS, id=integration_id)
        return _integration(row)

    async def archive_records(self, tx: Transaction, integration_id: UUID) -> list[tuple[UUID, EntityType]]:
        """Archive the records that no other system is linked to; return them. Call before `delete`."""
        rows = await tx.rows(_ARCHIVE, id=integration_id)
        return [(row["id"], EntityType(row["entity_type"])) for row in rows]

    async def at_work(
        self, tx: Transaction, integration_id: UUID, actions: Sequence[str]
    ) -> set[tuple[EntityType, Direction]]:
        """Return what jobs of *actions* are at work on now."""
        rows = await tx.rows(_AT_WORK, id=integration_id, actions=list(actions))
        return {(EntityType(row["entity_type"]), Direction(row["direction"])) for row in rows}

    async def take_over_links(self, tx: Transaction, integration: Integration, account: str) -> int:
        """Give *integration* the links of deleted connections to the same *account*; return how many."""
        return await tx.run(
            _TAKE_OVER, id=integration.id, platform=integration.platform, account=account, days=TOMBSTONE_DAYS
        )


def _integration(row: Mapping[str, Any]) -> Integration:
    return Integration(**{name: row[name] for name in Integration.__dataclass_fields__})
