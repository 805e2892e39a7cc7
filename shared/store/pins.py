"""`record_pins`: people's decisions, as fingerprints with the record's own key."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from shared.store.database import Transaction


@dataclass(frozen=True, slots=True)
class StoredPin:
    """A row of `record_pins`."""

    record_id: UUID
    unit: str
    decision: str
    rejected: Sequence[str]
    norm: int
    key_id: str
    decided_at: datetime
    decided_by: str


_OF_RECORDS: LiteralString = """
SELECT record_id, unit, decision, rejected, norm, key_id, decided_at, decided_by
FROM record_pins WHERE record_id = ANY(%(ids)s)
"""
_PUT: LiteralString = """
INSERT INTO record_pins (record_id, unit, company_id, decision, rejected, norm, key_id, decided_at, decided_by)
VALUES (%(record)s, %(unit)s, %(company)s, %(decision)s, %(rejected)s, %(norm)s, %(key)s, %(at)s, %(by)s)
ON CONFLICT (record_id, unit) DO UPDATE SET decision = excluded.decision, rejected = excluded.rejected,
    norm = excluded.norm, key_id = excluded.key_id, decided_at = excluded.decided_at, decided_by = excluded.decided_by
"""
_CLEAR: LiteralString = """
DELETE FROM record_pins WHERE record_id = ANY(%(ids)s) AND (%(units)s::text[] IS NULL OR unit = ANY(%(units)s))
"""


class Pins:
    """Statements on `record_pins`; their record is locked by the caller."""

    async def of_records(self, tx: Transaction, record_ids: Collection[UUID]) -> dict[UUID, dict[str, StoredPin]]:
        """Return the pins of the records, by record and unit; a record without one is missing."""
        found: dict[UUID, dict[str, StoredPin]] = {}
        if not record_ids:
            return found
        for row in await tx.rows(_OF_RECORDS, ids=list(record_ids)):
            found.setdefault(row["record_id"], {})[row["unit"]] = StoredPin(**row)
        return found

    async def put(self, tx: Transaction, pins: Sequence[StoredPin]) -> None:
        """Keep *pins*, each in place of the one that its record has on the unit."""
        for pin in pins:
            await tx.run(
                _PUT,
                record=pin.record_id,
                unit=pin.unit,
                company=tx.company,
                decision=pin.decision,
                rejected=list(pin.rejected),
                norm=pin.norm,
                key=pin.key_id,
                at=pin.decided_at,
                by=pin.decided_by,
            )

    async def clear(self, tx: Transaction, record_ids: Collection[UUID], units: Collection[str] | None = None) -> None:
        """Drop the pins of the records on *units*; None = on all."""
        if record_ids:
            await tx.run(_CLEAR, ids=list(record_ids), units=None if units is None else list(units))
