"""
After the root secret has changed: whatever is sealed under an older one is sealed anew under the newest.

A batch is a transaction, and what the newest key sealed already stays as it is: stopped anywhere, it goes on there when
it is run again. Whatever an older key sealed opens all the while; versions stay, but for webhooks' new URLs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit
from uuid import UUID
from zlib import crc32

from shared.intake.events import reseal_kept
from shared.security.aead import DataSealer, DataUnreadable
from shared.security.keys import Keys, Purpose
from shared.security.person_keys import PersonalData
from shared.security.sealing import SealBroken, Sealer
from shared.security.webhook_url import check_mac, webhook_url
from shared.store.database import Database, Transaction
from shared.store.sealed import BATCH, START, SealedRows

Batch = Callable[[Transaction, UUID, "Resealed"], Awaitable[list[UUID]]]
"""Seals what comes after an id anew; returns the ids that it has seen, in their order."""


@dataclass(slots=True)
class Resealed:
    """What became of one company's sealed values, by kind."""

    sealed: Counter[str] = field(default_factory=Counter)
    """Sealed anew."""
    unreadable: Counter[str] = field(default_factory=Counter)
    """No known key opens them."""
    stays: Counter[str] = field(default_factory=Counter)
    """Older keys made it, and it can't be made anew from here."""

    webhook_urls: dict[UUID, str] = field(default_factory=dict)
    """Made anew, by integration: the vendors are to be given them."""

    @property
    def is_clear(self) -> bool:
        """Whether nothing is left that an older secret is needed for."""
        return not self.unreadable.total() and not self.stays.total()


class Resealing:
    """Seals what the database holds of companies anew."""

    def __init__(
        self, database: Database, keys: Keys, rows: SealedRows | None = None, *, new_urls_at: str | None = None
    ) -> None:
        """
        Prepare.

        *new_urls_at*: our public address, where webhooks' URLs are to be made anew as well; None: they stay, since
        vendors go on calling what they were given.
        """
        self._new_urls_at = new_urls_at
        self._database = database
        self._keys = keys
        self._rows = rows or SealedRows()
        self._credentials = Sealer(keys)
        self._events = DataSealer(keys, Purpose.EVENTS)
        self._people = PersonalData(keys)

    async def companies(self) -> list[UUID]:
        """Return every company."""
        async with self._database.dispatch() as tx:
            return await self._rows.companies(tx)

    async def run(self, company_id: UUID) -> Resealed:
        """Seal all of *company_id* anew, and count what older keys have made that stays. Raises Unavailable."""
        told = Resealed()
        for batch in (self._integrations, self._tokens, self._kept_events, self._person_keys):
            await self._all(company_id, batch, told)
        await self._look_again(company_id)
        async with self._database.company(company_id) as tx:
            counts = await self._rows.stays(tx, kid=self._keys.kid, key_id=self._prints)
        if len(self._keys.every(Purpose.SUPPRESSION)) == 1:
            counts.pop("suppressions")  # made by the one key there is
        told.stays.update(counts)
        return told

    @property
    def _prints(self) -> int:
        """How bases name the newest key (`RuleBook`)."""
        return crc32(self._keys.kid.encode())

    async def _all(self, company_id: UUID, batch: Batch, told: Resealed) -> None:
        seen = [START]
        while seen:
            async with self._database.company(company_id) as tx:
                seen = await batch(tx, seen[-1], told)

    async def _integrations(self, tx: Transaction, after: UUID, told: Resealed) -> list[UUID]:
        rows = await self._rows.integrations(tx, after)
        for row in rows:
            api_key = self._anew(row["api_key_encrypted"], row["id"], "credentials", told)
            webhook = self._anew(row["webhook_secret_sealed"], row["id"], "webhook_secrets", told)
            if (api_key, webhook) != (row["api_key_encrypted"], row["webhook_secret_sealed"]):
                await self._rows.put_integration(tx, row["id"], api_key=api_key, webhook=webhook)
            if row["deleted_at"] is None:
                await self._mark_url(tx, row["id"], row["webhook_url"], told)
        return [row["id"] for row in rows]

    async def _mark_url(self, tx: Transaction, integration_id: UUID, url: str, told: Resealed) -> None:
        newest = self._keys.derive(Purpose.WEBHOOK_MAC)
        mark = parse_qs(urlsplit(url).query).get("mac", [""])[0]
        if check_mac(integration_id, mark, [newest]):
            return
        if self._new_urls_at is None:
            told.stays["webhook_urls"] += 1
            return
        told.webhook_urls[integration_id] = webhook_url(self._new_urls_at, integration_id, newest)
        await self._rows.put_webhook_url(tx, integration_id, told.webhook_urls[integration_id])

    async def _tokens(self, tx: Transaction, after: UUID, told: Resealed) -> list[UUID]:
        rows = await self._rows.tokens(tx, after)
        for row in rows:
            sealed = self._anew(row["sealed"], row["id"], "access_tokens", told)
            if sealed is not None and sealed != row["sealed"]:
                await self._rows.put_token(tx, row["id"], sealed)
        return [row["id"] for row in rows]

    async def _kept_events(self, tx: Transaction, after: UUID, told: Resealed) -> list[UUID]:
        rows = await self._rows.events(tx, after)
        for row in rows:
            before = row["headers_sealed"], row["body_sealed"]
            try:
                headers, body = reseal_kept(row["integration_id"], row["id"], before, self._events)
            except DataUnreadable:
                told.unreadable["events"] += 1
                continue
            if (headers, body) != before:
                await self._rows.put_event(tx, row["id"], headers=headers, body=body)
                told.sealed["events"] += 1
        return [row["id"] for row in rows]

    async def _person_keys(self, tx: Transaction, after: UUID, told: Resealed) -> list[UUID]:
        rows = await self._rows.person_keys(tx, after, kid=self._keys.kid)
        wrapped: dict[UUID, bytes] = {}
        for row in rows:
            try:
                wrapped[row["id"]] = self._people.rewrap(
                    bytes(row["salt"]), row["kid"], company_id=tx.company, record_id=row["id"]
                )
            except DataUnreadable:
                told.unreadable["person_keys"] += 1
        await self._rows.put_person_keys(tx, wrapped, kid=self._keys.kid)
        told.sealed["person_keys"] += len(wrapped)
        return [row["id"] for row in rows]

    async def _look_again(self, company_id: UUID) -> None:
        """Let prints of older keys be made anew: the values that they are made from are the vendor's to show."""
        touched = BATCH
        while touched == BATCH:
            async with self._database.company(company_id) as tx:
                touched = await self._rows.look_again(tx, self._prints)

    def _anew(self, sealed: str | None, integration_id: UUID, kind: str, told: Resealed) -> str | None:
        """Return *sealed* under the newest key; as it is where it can't be opened."""
        if sealed is None or self._credentials.is_current(sealed):
            return sealed
        try:
            renewed = self._credentials.reseal(sealed, integration_id=integration_id)
        except SealBroken:
            told.unreadable[kind] += 1
            return sealed
        told.sealed[kind] += 1
        return renewed
