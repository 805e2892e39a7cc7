"""
Items for people, kept up to date with every merge.

One open item per record and unit lists every differing side, whichever link it stands behind; two reviews of one field
answered by two people would contradict each other. Its version rises when an input moves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from pydantic import JsonValue

from shared.merge.base_codec import encode_print
from shared.merge.settle import is_apart
from shared.merge.state import Held
from shared.model import EntityType, JsonObject
from shared.store.conflicts import ConflictItem, Conflicts, FieldConflict
from shared.store.database import Transaction
from shared.store.history import PersonKey
from shared.sync.keeping.held_values import Vault
from shared.sync.keeping.last_agreed import last_agreed
from shared.sync.merging.one_record import Merged
from shared.sync.merging.stamps import decode_stamps

TABLE = "conflicts"
REFUSED = "refused"
"""Kind of an item about a value that the vendor does not take."""


@dataclass(frozen=True, slots=True)
class ConflictItems:
    """Opens, updates and closes the items of fields."""

    conflicts: Conflicts
    vault: Vault

    async def bring_up_to_date(
        self, tx: Transaction, integration_id: UUID, merged: Sequence[Merged]
    ) -> frozenset[UUID]:
        """
        Make the open items say what *merged* found.

        Only a fresh fetch closes an item: a page that was read before the vendor's edit still shows the old value.
        Return the records whose item would close if a fetch showed the same.
        """
        concerned = [each for each in merged if each.held or (not each.is_new and each.outcome.settled)]
        held = [each for each in concerned if each.held]
        known = await self.conflicts.open_of(tx, [each.record_id for each in concerned if not each.is_new])
        if not held and not known:
            return frozenset()
        keys = await self.vault.keys(tx, sorted({each.record_id for each in held} | {record for record, _ in known}))
        agreed = await last_agreed(tx, self.vault, keys, held)
        puts: list[FieldConflict] = []
        doubtful = set()
        for each in concerned:
            if each.held:
                puts.extend(self._held(tx, integration_id, each, known, agreed, keys[each.record_id]))
            if each.observation.is_fresh_fetch:
                await self._settle(tx, each, known, keys)
            elif any(_is_over(known.get((each.record_id, unit)), each, unit) for unit in each.outcome.settled):
                doubtful.add(each.record_id)
        await self.conflicts.put(tx, puts)
        return frozenset(doubtful)

    def _held(
        self,
        tx: Transaction,
        integration_id: UUID,
        merged: Merged,
        known: Mapping[tuple[UUID, str], ConflictItem],
        agreed: Mapping[tuple[UUID, str], JsonObject],
        key: PersonKey,
    ) -> list[FieldConflict]:
        puts = []
        entity = merged.rules.entity
        for held in merged.held:
            item = known.get((merged.record_id, held.unit))
            content = self.open(tx, item, key) if item is not None else {"ours": {}, "sides": {}}
            inputs = dict(item.inputs) if item is not None else {}
            inputs[str(merged.link_id)] = [encode_print(side) for side in held.inputs]
            content["ours"] |= held.ours  # a side that hides a member of a group says nothing of it
            content |= _origin(merged, held.unit)
            # Two links may have agreed on different values; the first that opened the item says which is shown.
            content.setdefault("agreed", agreed.get((merged.record_id, held.unit)))
            content["sides"][str(merged.link_id)] = _side(integration_id, merged, held)
            item_id = item.id if item is not None else uuid4()
            sealed = self.vault.seal(tx.company, key, TABLE, str(item_id), content)
            puts.append(FieldConflict(item_id, "field", entity, merged.record_id, held.unit, inputs, sealed, held.rule))
        return puts

    async def _settle(
        self,
        tx: Transaction,
        merged: Merged,
        known: Mapping[tuple[UUID, str], ConflictItem],
        keys: Mapping[UUID, PersonKey],
    ) -> None:
        """A side that agrees again leaves its item; an item without sides closes."""
        for unit in merged.outcome.settled:
            item = known.get((merged.record_id, unit))
            if item is None or str(merged.link_id) not in item.inputs:
                continue
            if _is_over(item, merged, unit):
                await self._drop_side(tx, item, merged.link_id, keys[merged.record_id], decision="agreed")
            else:
                await self._print_anew(tx, item, merged, unit)

    async def _print_anew(self, tx: Transaction, item: ConflictItem, merged: Merged, unit: str) -> None:
        """Let a refusal that stands be told by prints of the newest key: a decision is checked by these alone."""
        base = merged.outcome.base[unit]
        inputs = {**item.inputs, str(merged.link_id): [encode_print(base.ours), encode_print(base.theirs)]}
        if inputs == item.inputs or item.record_id is None or item.sealed is None:
            return
        await self.conflicts.put(
            tx,
            [FieldConflict(item.id, item.kind, item.entity, item.record_id, unit, inputs, item.sealed, item.reason)],
        )

    async def agree(self, tx: Transaction, record_id: UUID, link_id: UUID, units: Collection[str]) -> None:
        """Take the side of a link out of the items of *units*: the vendor has taken our value by now."""
        known = await self.conflicts.open_of(tx, [record_id]) if units else {}
        listed = [item for (_, unit), item in known.items() if unit in units and str(link_id) in item.inputs]
        if listed:
            key = (await self.vault.keys(tx, [record_id]))[record_id]
            for item in listed:
                await self._drop_side(tx, item, link_id, key, decision="agreed")

    async def leave(self, tx: Transaction, record_id: UUID, link_id: UUID) -> None:
        """Take the side of a link that is gone out of the record's items: nobody could decide them any more."""
        known = await self.conflicts.open_of(tx, [record_id])
        listed = [item for item in known.values() if str(link_id) in item.inputs]
        if not listed:
            return
        key = (await self.vault.keys(tx, [record_id]))[record_id]
        for item in listed:
            await self._drop_side(tx, item, link_id, key, decision="gone")

    async def _drop_side(
        self, tx: Transaction, item: ConflictItem, link_id: UUID, key: PersonKey, *, decision: str
    ) -> None:
        inputs = {link: value for link, value in item.inputs.items() if link != str(link_id)}
        if not inputs or item.record_id is None or item.unit is None:
            await self.conflicts.end(tx, item.id, "closed", decision=decision)
            return
        content = self.open(tx, item, key)
        content["sides"].pop(str(link_id), None)
        sealed = self.vault.seal(tx.company, key, TABLE, str(item.id), content)
        await self.conflicts.put(
            tx,
            [FieldConflict(item.id, item.kind, item.entity, item.record_id, item.unit, inputs, sealed, item.reason)],
        )

    async def refused(
        self,
        tx: Transaction,
        entity: EntityType,
        record_id: UUID,
        unit: str,
        *,
        ours: Mapping[str, JsonValue],
        link_id: str,
        side: Mapping[str, JsonValue],
        inputs: JsonValue,
        reason: str,
    ) -> FieldConflict:
        """Return the item of a value that the vendor does not take."""
        item = (await self.conflicts.open_of(tx, [record_id])).get((record_id, unit))
        key = (await self.vault.keys(tx, [record_id]))[record_id]
        content = self.open(tx, item, key) if item is not None else {"sides": {}}
        content["ours"] = dict(ours)
        content["sides"][link_id] = dict(side)
        known = dict(item.inputs) if item is not None else {}
        item_id = item.id if item is not None else uuid4()
        sealed = self.vault.seal(tx.company, key, TABLE, str(item_id), content)
        return FieldConflict(item_id, REFUSED, entity, record_id, unit, {**known, link_id: inputs}, sealed, reason)

    def open(self, tx: Transaction, item: ConflictItem, key: PersonKey) -> dict[str, Any]:
        """Return `{"ours": {field: value}, "ours_at", "ours_source", "agreed", "sides": {link id: {…}}}` of an item."""
        if item.sealed is None:
            return {"ours": {}, "sides": {}}
        return self.vault.open(tx.company, key, TABLE, str(item.id), item.sealed)


def _is_over(item: ConflictItem | None, merged: Merged, unit: str) -> bool:
    """
    Whether the side of *merged* has no part in *item* any more.

    That a merge has nothing to do is the end of a question, but not of a refusal: there both stay apart, knowingly.
    """
    if item is None or str(merged.link_id) not in item.inputs:
        return False
    return item.kind != REFUSED or not is_apart(merged.outcome.base.get(unit))


def _origin(merged: Merged, unit: str) -> JsonObject:
    """When our value came to be, and which system gave it (`portal`, or an integration's id)."""
    stamp = decode_stamps(merged.before.stamps).get(unit) if merged.before is not None else None
    return {"ours_at": stamp.at.isoformat() if stamp else None, "ours_source": stamp.source if stamp else None}


def _side(integration_id: UUID, merged: Merged, held: Held) -> JsonObject:
    values: dict[str, JsonValue] = dict(held.theirs)
    return {
        "integration_id": str(integration_id),
        "external_id": merged.observation.external_id,
        "values": values,
        "at": held.theirs_at.isoformat(),
    }
