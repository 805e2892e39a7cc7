"""
What hangs on a record that the mapping left out stays out with it.

An application without its candidate would wait for ever, and each run ask for the candidate again. So jobs and
candidates that a filter left out are remembered, under that filter's name; who comes in after all has a link, which is
looked at first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from shared.mapping.reading import filters_of
from shared.model import EntityType, Reference
from shared.store.connections import IntegrationRow
from shared.store.database import Transaction
from shared.store.left_out import LeftOutRecords


class LeftOut:
    """Remembers who was left out. Costs nothing where nothing is filtered."""

    def __init__(self, rows: LeftOutRecords) -> None:
        self._rows = rows

    async def note(
        self, tx: Transaction, integration: IntegrationRow, entity: EntityType, external_ids: Collection[str]
    ) -> None:
        """Remember that *external_ids* were left out, if others may refer to them."""
        name = filters_of(integration.config).get(entity) if external_ids else None
        if name is not None and entity is not EntityType.APPLICATION:
            await self._rows.put(tx, integration.id, entity, external_ids, by=name)

    async def orphans(
        self, tx: Transaction, integration: IntegrationRow, lacking: Mapping[str, Sequence[Reference]]
    ) -> set[str]:
        """Return which of the records *lacking* others (by external id) lack one that was left out."""
        filters = filters_of(integration.config) if lacking else {}
        found: set[str] = set()
        for entity, name in filters.items():
            wanted = {
                each.external_id for references in lacking.values() for each in references if each.entity is entity
            }
            known = await self._rows.known(tx, integration.id, entity, wanted, by=name) if wanted else set()
            found |= {
                external_id
                for external_id, references in lacking.items()
                if any(each.entity is entity and each.external_id in known for each in references)
            }
        return found
