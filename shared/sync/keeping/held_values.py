"""Values that wait for a person, and values that history keeps: sealed under the person's own key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from pydantic import JsonValue

from shared.model import JsonObject
from shared.security.person_keys import PersonalData, Place
from shared.store.database import Transaction
from shared.store.history import History, HistorySide, PersonKey

_HISTORY = "record_history"


@dataclass(frozen=True, slots=True)
class PastValues:
    """What one change of a record replaced."""

    values: Mapping[str, JsonValue]
    """By field that changed; a missing key in them never occurs, None is empty."""
    stamps: Mapping[str, JsonValue]
    """All stamps of the record as they were (`shared.sync.merging.stamps`)."""
    seen: Mapping[str, JsonValue] = field(default_factory=dict)
    """By unit that a vendor gave: when its old value was last seen, and when its new one first was. ISO 8601."""


@dataclass(frozen=True, slots=True)
class Vault:
    """Seals and opens what is kept of people beside their records."""

    history: History
    personal: PersonalData

    async def keys(self, tx: Transaction, record_ids: Sequence[UUID]) -> Mapping[UUID, PersonKey]:
        """Return the key material of each record, made where it is missing."""
        return await self.history.ensure_keys(tx, record_ids, self.personal.kid)

    def seal(self, company_id: UUID, key: PersonKey, table: str, row: str, content: Mapping[str, JsonValue]) -> bytes:
        """Seal *content* for one row of one table."""
        place = Place(company_id, table, row, str(key.record_id))
        return self.personal.seal_personal(orjson.dumps(dict(content)), key.salt, key.kid, place)

    def open(self, company_id: UUID, key: PersonKey, table: str, row: str, sealed: bytes) -> JsonObject:
        """Open what `seal` made for the same row. Raises DataUnreadable."""
        place = Place(company_id, table, row, str(key.record_id))
        content: Any = orjson.loads(self.personal.open_personal(sealed, key.salt, key.kid, place))
        return dict(content)

    def seal_change(self, company_id: UUID, key: PersonKey, side: HistorySide, version: int, past: PastValues) -> bytes:
        """Seal what a row of history keeps of *version*."""
        content: JsonObject = {"values": dict(past.values), "stamps": dict(past.stamps), "seen": dict(past.seen)}
        return self.seal(company_id, key, _HISTORY, _place(key.record_id, side, version), content)

    def open_change(
        self, company_id: UUID, key: PersonKey, side: HistorySide, version: int, sealed: bytes
    ) -> PastValues:
        """Open what `seal_change` made. Raises DataUnreadable: the person was erased."""
        content: Any = self.open(company_id, key, _HISTORY, _place(key.record_id, side, version), sealed)
        return PastValues(content["values"], content["stamps"], content.get("seen", {}))


def _place(record_id: UUID, side: HistorySide, version: int) -> str:
    return f"{record_id}/{version}" if side is HistorySide.OURS else f"{record_id}/{version}/{side.value}"
