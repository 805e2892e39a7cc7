"""Whatever is sealed or keyed under a root secret, a batch at a time, to be sealed anew after the root has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

from shared.store.database import Transaction
from shared.store.links import OUT_OF_DATE

BATCH = 500
"""Rows of one transaction."""

START = UUID(int=0)
"""Before every id."""

_COMPANIES: LiteralString = "SELECT company FROM all_companies()"

# Other rows refer to an integration: who adds one must not wait for us.
_INTEGRATIONS: LiteralString = """
SELECT id, api_key_encrypted, webhook_secret_sealed, webhook_url, deleted_at FROM integrations
WHERE id > %(after)s ORDER BY id LIMIT %(limit)s FOR NO KEY UPDATE
"""
_PUT_INTEGRATION: LiteralString = """
UPDATE integrations SET api_key_encrypted = %(api_key)s, webhook_secret_sealed = %(webhook)s WHERE id = %(id)s
"""
_PUT_URL: LiteralString = """
UPDATE integrations SET webhook_url = %(url)s, version = version + 1, updated_at = clock_timestamp() WHERE id = %(id)s
"""
_ACCESS: LiteralString = """
SELECT integration_id AS id, sealed FROM oauth_tokens
WHERE integration_id > %(after)s AND sealed IS NOT NULL ORDER BY integration_id LIMIT %(limit)s FOR NO KEY UPDATE
"""
_PUT_ACCESS: LiteralString = "UPDATE oauth_tokens SET sealed = %(sealed)s WHERE integration_id = %(id)s"
_EVENTS: LiteralString = """
SELECT id, integration_id, headers_sealed, body_sealed FROM webhook_events
WHERE id > %(after)s AND headers_sealed IS NOT NULL AND body_sealed IS NOT NULL
ORDER BY id LIMIT %(limit)s FOR NO KEY UPDATE
"""
_PUT_EVENT: LiteralString = """
UPDATE webhook_events SET headers_sealed = %(headers)s, body_sealed = %(body)s WHERE id = %(id)s
"""
_PERSON_KEYS: LiteralString = """
SELECT record_id AS id, kid, salt FROM person_keys
WHERE record_id > %(after)s AND kid <> %(kid)s ORDER BY record_id LIMIT %(limit)s FOR NO KEY UPDATE
"""
_PUT_PERSON_KEYS: LiteralString = """
UPDATE person_keys p SET kid = %(kid)s, salt = u.salt
FROM unnest(%(ids)s::uuid[], %(salts)s::bytea[]) AS u (id, salt) WHERE p.record_id = u.id
"""

_OF_OLDER_KEY: LiteralString = """
l.base -> 'u' IS DISTINCT FROM '{}'::jsonb AND l.base ? 'u' AND (coalesce((l.base ->> 'k')::bigint, 1) <> %(key)s
    OR jsonb_path_exists(l.base, '$.u.*.k ? (@ != $key)', jsonb_build_object('key', %(key)s::bigint)))
"""
# A link that is at work just now is left to the next run: nobody waits for us. To take its digest away would say that
# we wrote there last, which brings back what was archived; one without is looked at anyhow.
_LOOK_AGAIN: LiteralString = f"""
UPDATE external_entity_map SET digest = %(out_of_date)s WHERE id IN (
    SELECT l.id FROM external_entity_map l WHERE l.state <> 'tombstone' AND l.digest <> %(out_of_date)s
        AND {_OF_OLDER_KEY}
    LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED)
"""
_STAYS: LiteralString = f"""
SELECT (SELECT count(*) FROM external_entity_map l WHERE l.state <> 'tombstone' AND {_OF_OLDER_KEY}) AS links,
    (SELECT count(*) FROM record_pins WHERE key_id <> %(kid)s) AS pins,
    (SELECT count(*) FROM suppressions) AS suppressions
"""


class SealedRows:
    """Statements on sealed columns. Rows that are read stay locked until the transaction ends."""

    async def companies(self, tx: Transaction) -> list[UUID]:
        """Return every company, in a dispatch transaction."""
        return [row["company"] for row in await tx.rows(_COMPANIES)]

    async def integrations(self, tx: Transaction, after: UUID) -> list[dict[str, Any]]:
        """Return the next integrations, deleted ones too, with what is sealed in them and their webhook's URL."""
        return await tx.rows(_INTEGRATIONS, after=after, limit=BATCH)

    async def put_integration(
        self, tx: Transaction, integration_id: UUID, *, api_key: str | None, webhook: str | None
    ) -> None:
        """Replace what is sealed in an integration; its version stays, since nothing has changed."""
        await tx.run(_PUT_INTEGRATION, id=integration_id, api_key=api_key, webhook=webhook)

    async def put_webhook_url(self, tx: Transaction, integration_id: UUID, url: str) -> None:
        """Replace the URL that the vendor is to call, one version on."""
        await tx.run(_PUT_URL, id=integration_id, url=url)

    async def tokens(self, tx: Transaction, after: UUID) -> list[dict[str, Any]]:
        """Return the next access tokens by their integration."""
        return await tx.rows(_ACCESS, after=after, limit=BATCH)

    async def put_token(self, tx: Transaction, integration_id: UUID, sealed: str) -> None:
        """Replace a sealed access token."""
        await tx.run(_PUT_ACCESS, id=integration_id, sealed=sealed)

    async def events(self, tx: Transaction, after: UUID) -> list[dict[str, Any]]:
        """Return the next webhook events whose content is kept."""
        return await tx.rows(_EVENTS, after=after, limit=BATCH)

    async def put_event(self, tx: Transaction, event_id: UUID, *, headers: str, body: str) -> None:
        """Replace the content of a kept event."""
        await tx.run(_PUT_EVENT, id=event_id, headers=headers, body=body)

    async def person_keys(self, tx: Transaction, after: UUID, *, kid: str) -> list[dict[str, Any]]:
        """Return the next people's keys that are not under the root *kid*."""
        return await tx.rows(_PERSON_KEYS, after=after, kid=kid, limit=BATCH)

    async def put_person_keys(self, tx: Transaction, wrapped: Mapping[UUID, bytes], *, kid: str) -> None:
        """Replace what the keys of people are made from, by record; from now on under the root *kid*."""
        ids: Sequence[UUID] = sorted(wrapped)
        await tx.run(_PUT_PERSON_KEYS, kid=kid, ids=ids, salts=[wrapped[each] for each in ids])

    async def look_again(self, tx: Transaction, key_id: int) -> int:
        """Let the next full pull or comparison merge links whose prints another key made; return how many now."""
        return await tx.run(_LOOK_AGAIN, key=key_id, limit=BATCH, out_of_date=OUT_OF_DATE)

    async def stays(self, tx: Transaction, *, kid: str, key_id: int) -> dict[str, int]:
        """Count what older keys made and nobody can make anew from here: prints of links and pins, suppressions."""
        return dict(await tx.one(_STAYS, kid=kid, key=key_id))
