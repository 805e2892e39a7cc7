"""Changes of a record as they were kept, opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import JsonValue

from shared.merge.state import Stamp
from shared.security.aead import DataUnreadable
from shared.store.database import Transaction
from shared.store.history import HistorySide, PastChange, PersonKey
from shared.sync.keeping.held_values import Vault
from shared.sync.merging.stamps import decode_stamps

MOST_CHANGES = 2_000
"""Rows of history that are read for one record; what is older can't be shown."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a record, or a value that one of its decisions or writes did away with."""

    version: int
    """The version that the change ended."""
    at: datetime
    side: HistorySide
    units: Sequence[str]
    values: Mapping[str, JsonValue]
    """Old values by field; None was empty."""
    stamps: Mapping[str, Stamp]
    """By unit, as they were."""
    seen: Mapping[str, tuple[datetime | None, datetime]]
    """By unit that a vendor gave: when its old value was last seen there, and when its new one first was."""
    source: str
    job_id: UUID | None
    run_id: UUID | None


async def changes_of(tx: Transaction, vault: Vault, record_id: UUID) -> list[Change]:
    """Return the changes of a record, newest first. Of an erased person nothing can be opened: none."""
    rows = await vault.history.of(tx, record_id, limit=MOST_CHANGES)
    if not rows:
        return []
    key = (await vault.keys(tx, [record_id]))[record_id]
    return opened(tx, vault, key, rows)


def opened(tx: Transaction, vault: Vault, key: PersonKey, rows: Sequence[PastChange]) -> list[Change]:
    """Open *rows* of one record, newest first, as far as its key reaches."""
    found = []
    for row in rows:
        try:
            past = vault.open_change(tx.company, key, row.side, row.version, row.sealed)
        except DataUnreadable:
            break  # sealed before the person was erased
        found.append(
            Change(
                version=row.version,
                at=row.at,
                side=row.side,
                units=row.units,
                values=past.values,
                stamps=decode_stamps(past.stamps),
                seen={unit: _bracket(value) for unit, value in past.seen.items()},
                source=row.source,
                job_id=row.job_id,
                run_id=row.run_id,
            )
        )
    return found


def _bracket(value: JsonValue) -> tuple[datetime | None, datetime]:
    since, until = value if isinstance(value, list) else (None, None)
    return (None if since is None else datetime.fromisoformat(str(since))), datetime.fromisoformat(str(until))
