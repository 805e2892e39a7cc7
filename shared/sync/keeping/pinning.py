"""
People's decisions as the merge reads them: made, kept with the record, and handed to every link's merge.

Prints of a link are made with that link's key and say nothing at another; a decision concerns all links. So pins have
a key of their own: the record's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import JsonValue

from shared.merge.fingerprints import link_hasher
from shared.merge.pins import pinned
from shared.merge.state import Fingerprint, Hasher, Pin, Rules
from shared.model import UNITS, EntityType
from shared.security.keys import Keys, Purpose
from shared.store.database import Transaction
from shared.store.pins import Pins, StoredPin

Values = Mapping[str, JsonValue]
PinsByUnit = Mapping[str, Pin]


@dataclass(frozen=True, slots=True)
class Pinner:
    """Keeps people's decisions."""

    pins: Pins
    keys: Keys

    async def of_records(self, tx: Transaction, record_ids: Collection[UUID]) -> dict[UUID, PinsByUnit]:
        """Return the pins of the records, by record and unit; those of a key that is no longer known have ended."""
        stored = await self.pins.of_records(tx, record_ids)
        return {
            record_id: {unit: pin for unit, row in rows.items() if (pin := self._pin(row)) is not None}
            for record_id, rows in stored.items()
        }

    async def decide(
        self,
        tx: Transaction,
        entity: EntityType,
        record_id: UUID,
        unit: str,
        decision: Values,
        shown: Iterable[Values],
        *,
        at: datetime,
        by: str,
    ) -> None:
        """
        Pin *decision* (fields of *unit*) on the locked record, against all that *by* was *shown*, ours included.

        What was rejected in earlier decisions on the unit stays rejected, unless it was chosen now.
        """
        before = (await self.of_records(tx, [record_id])).get(record_id, {}).get(unit)
        hasher = self._hasher(record_id, self.keys.kid)
        if hasher is None:
            raise AssertionError("the newest key is known")
        what = Rules(entity, hasher)
        pin = pinned(
            what,
            UNITS[entity][unit],
            decision,
            shown,
            hasher=hasher,
            key_id=self.keys.kid,
            decided_at=at,
            before=before,
        )
        row = StoredPin(record_id, unit, pin.decision, sorted(pin.rejected), pin.norm, pin.key_id, at, by)
        await self.pins.put(tx, [row])

    async def replace(
        self,
        tx: Transaction,
        entity: EntityType,
        record_id: UUID,
        before: Values,
        after: Values,
        *,
        at: datetime,
        by: str,
    ) -> None:
        """A person has edited the record from *before* to *after*: an edit of a pinned unit is the decision now."""
        for unit in (await self.pins.of_records(tx, [record_id])).get(record_id, {}):
            members = UNITS[entity][unit].members
            then, now = ({name: values.get(name) for name in members} for values in (before, after))
            if then != now:
                await self.decide(tx, entity, record_id, unit, now, [then], at=at, by=by)

    def _pin(self, row: StoredPin) -> Pin | None:
        hasher = self._hasher(row.record_id, row.key_id)
        if hasher is None:
            return None
        rejected = frozenset(Fingerprint(each) for each in row.rejected)
        return Pin(Fingerprint(row.decision), rejected, row.decided_at, hasher, row.norm, row.key_id)

    def _hasher(self, record_id: UUID, key_id: str) -> Hasher | None:
        key = self.keys.find(key_id, Purpose.FINGERPRINTS)
        return None if key is None else link_hasher(key, f"record/{record_id}")
