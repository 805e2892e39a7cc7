"""What follows from another policy or mapping: what was decided under the old one is looked at again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from pydantic import JsonValue

from shared.mapping.reading import remapped
from shared.merge.policies import Overrides, overrides_of
from shared.model import Direction, EntityType
from shared.store.conflict_listing import ConflictListing
from shared.store.database import Transaction
from shared.store.ledger import JobRequest, Knock
from shared.store.store import Store
from shared.sync.jobs.priorities import OTHER_EDIT, RECONCILE
from shared.sync.pulling.coverage import settle_unnamed

_NONE = Overrides()


def moved_units(before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]) -> list[tuple[EntityType, str]]:
    """Return the units that *after* (an integration's config) merges by another policy than *before*."""
    old, new = overrides_of(before), overrides_of(after)
    return sorted(
        (entity, unit) for entity in {*old, *new} for unit in _units(old.get(entity, _NONE), new.get(entity, _NONE))
    )


async def owe_another_look(
    tx: Transaction,
    store: Store,
    integration_id: UUID,
    before: Mapping[str, JsonValue],
    after: Mapping[str, JsonValue],
) -> None:
    """
    Owe a full pull of each entity that is mapped otherwise now, however long nothing of it may run.

    To be called before the integration's row is written (`Runs.want_full`).
    """
    if owed := remapped(before, after):
        await store.runs.want_full(tx, integration_id, owed)


async def look_again(
    tx: Transaction,
    store: Store,
    integration_id: UUID,
    before: Mapping[str, JsonValue],
    after: Mapping[str, JsonValue],
) -> list[Knock]:
    """
    Ask for a reconcile of every record in which a unit is held that is now merged by another policy.

    Under another mapping nothing counts as left out any more; the full pull that follows tells what is. What people
    were told of custom fields that it no longer names is over.
    """
    if entities := remapped(before, after):
        await store.left_out.forget(tx, integration_id)
        for entity in entities:
            await settle_unnamed(tx, store, integration_id, entity, after)
    listing = ConflictListing(timedelta(0))
    knocks: list[Knock] = []
    for entity, unit in moved_units(before, after):
        records = await listing.open_fields(tx, integration_id, entity, unit)
        knocks += await store.ledger.enqueue(
            tx,
            [
                JobRequest(integration_id, RECONCILE, entity, str(each), Direction.INBOUND, OTHER_EDIT)
                for each in records
            ],
        )
    return knocks


def _units(old: Overrides, new: Overrides) -> list[str]:
    named = {*old.policies, *new.policies}
    return [
        unit
        for unit in named
        if (old.policies.get(unit), old.authorities.get(unit)) != (new.policies.get(unit), new.authorities.get(unit))
    ]
