"""
Finds the right record for a link that seems to point at the wrong one.

A full comparison suspects a link if everything that identifies the record (name, e-mail, phone; candidate and job of an
application) differs at the vendor. If exactly one other record of ours matches what the vendor shows, it is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from shared.merge.matching import identity_keys
from shared.merge.normal_forms import normal
from shared.model import FIELDS, EntityType
from shared.store.comparison import Comparison, StoredData
from shared.store.database import Transaction
from shared.store.record_merges import RecordMerges
from shared.sync.identity.identify import application_identity
from shared.sync.merging.examining import Finding

_NAMES = ("first_name", "last_name")


class TrueRecords:
    """Looks for the record that a vendor's one really is. It is a suspicion until every page has been seen."""

    def __init__(self) -> None:
        self._comparison = Comparison()
        self._record_merges = RecordMerges()

    async def find(
        self,
        tx: Transaction,
        entity: EntityType,
        findings: Sequence[Finding],
        shown: Mapping[str, Mapping[str, JsonValue]],
    ) -> None:
        """Fill in `Finding.other_record_id` where exactly one record of ours answers to what the vendor shows."""
        strangers = {each.external_id: each for each in findings if each.is_somebody_else}
        keys = {external_id: key for external_id in strangers if (key := _key(entity, shown[external_id])) is not None}
        holders = await self._comparison.holders(tx, entity, sorted(set(keys.values())))
        # One that was merged keeps what it said, and its links are the survivor's: that is no mistake.
        merged = await self._record_merges.survivors(tx, [each.id for found in holders.values() for each in found])
        for external_id, key in keys.items():
            finding, values = strangers[external_id], shown[external_id]
            fitting = [
                each.id
                for each in holders.get(key, ())
                if each.id != finding.record_id and each.id not in merged and _is_same(entity, each, values)
            ]
            if len(fitting) == 1:
                finding.other_record_id = fitting[0]


def _key(entity: EntityType, values: Mapping[str, JsonValue]) -> str | None:
    if entity is EntityType.CANDIDATE:
        found = identity_keys(values)
        return found[0][1] if found else None
    return application_identity(values)


def _is_same(entity: EntityType, stored: StoredData, values: Mapping[str, JsonValue]) -> bool:
    if entity is not EntityType.CANDIDATE:
        return True  # the key is all that tells applications apart
    fields = FIELDS[entity]
    return all(normal(fields[name], stored.data.get(name)) == normal(fields[name], values.get(name)) for name in _NAMES)
