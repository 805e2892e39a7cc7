"""
Field coverage: how many records of a pull showed each field. One that vanishes is reported, and blanks nothing.

Small pulls are judged together: an account of which little changes would else never be told. Custom fields that the
mapping names are counted one by one, and one that no record shows is told of from the first pull on: a key may be
misspelled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from uuid import UUID

from pydantic import JsonValue

from shared.mapping.reading import excluded_by
from shared.model import EntityType
from shared.model.custom_fields import named_in
from shared.model.fields import CUSTOM_FIELDS
from shared.store.attention import Issue
from shared.store.connections import IntegrationRow
from shared.store.database import Transaction
from shared.store.runs import Run, Shown
from shared.store.store import Store

ISSUE = "coverage_fell"
COMMON = 0.2
"""Share of records that show the field; rarer ones come and go by themselves."""
FELL_TO = 0.1
"""Of the share before."""
ENOUGH_RECORDS = 20
UNSEEN = "custom_field_unseen"
_OF_SET = f"{CUSTOM_FIELDS}."


def fallen(before: Shown, now: Shown) -> list[str]:
    """Return the fields that were common *before* and are all but gone *now*."""
    if before.records < ENOUGH_RECORDS or now.records < ENOUGH_RECORDS:
        return []
    return sorted(
        name
        for name in before.coverage
        if (share := before.share(name)) >= COMMON and now.share(name) < FELL_TO * share
    )


def returned(now: Shown) -> list[str]:
    """Return the fields that are common *now*: whatever fell has come back."""
    return sorted(name for name in now.coverage if now.records >= ENOUGH_RECORDS and now.share(name) >= COMMON)


def together(newest_first: Iterator[Shown]) -> Shown:
    """Take runs from *newest_first* until they have enough records, or there are no more; return them as one."""
    coverage, records = Counter[str](), 0
    while records < ENOUGH_RECORDS and (each := next(newest_first, None)) is not None:
        coverage.update(each.coverage)
        records += each.records
    return Shown(coverage, records)


async def compare(tx: Transaction, store: Store, integration: IntegrationRow, run: Run) -> list[str]:
    """
    Compare what the newest records showed, *run*'s first of all, with those before them.

    Opens an issue for each fallen field and closes those that came back, or that the mapping keeps out of sight.
    """
    if run.entity is None or not run.counts.read:
        return []
    earlier = await store.runs.shown(tx, integration.id, run.entity, but=run.id, limit=2 * ENOUGH_RECORDS)
    newest_first = iter([Shown(run.coverage, run.counts.read), *earlier])
    now, before = together(newest_first), together(newest_first)
    excluded = excluded_by(integration.config, run.entity)
    # A custom field that nobody shows has an issue of its own, or stands in the mapping no more.
    lost = [
        name
        for name in fallen(before, now)
        if name not in excluded and (now.share(name) or not name.startswith(_OF_SET))
    ]
    await store.attention.raise_issues(
        tx, integration.id, [Issue(ISSUE, _subject(run.entity, name), _fell(run.entity, name)) for name in lost]
    )
    over = [_subject(run.entity, name) for name in (*returned(now), *sorted(excluded))]
    await store.attention.settle_issues(tx, integration.id, kind=ISSUE, subjects=over)
    return lost


async def tell_of_custom_fields(tx: Transaction, store: Store, integration: IntegrationRow, run: Run) -> None:
    """
    Open an issue for each custom field that the mapping names and that no record of *run* showed; close all others.

    Where no record showed any there is nothing to tell one from the other by.
    """
    if run.entity is None or not run.coverage.get(CUSTOM_FIELDS):
        return
    # The mapping may have been mended while the run was under way.
    named = named_in((await store.connections.get(tx, integration.id)).config, run.entity)
    unseen = sorted(key for key in named if run.coverage.get(_OF_SET + key) == 0)
    await store.attention.settle_others(
        tx,
        integration.id,
        kind=UNSEEN,
        prefix=_of_set(run.entity, ""),
        keep=[_of_set(run.entity, key) for key in unseen],
    )
    await store.attention.raise_issues(
        tx,
        integration.id,
        [Issue(UNSEEN, _of_set(run.entity, key), _told(integration, run.entity, key)) for key in unseen],
    )


async def settle_unnamed(
    tx: Transaction, store: Store, integration_id: UUID, entity: EntityType, config: Mapping[str, JsonValue]
) -> None:
    """Close what is told of custom fields of *entity* that *config* does not name."""
    keep = [_of_set(entity, key) for key in named_in(config, entity)]
    for kind in (UNSEEN, ISSUE):
        await store.attention.settle_others(tx, integration_id, kind=kind, prefix=_of_set(entity, ""), keep=keep)


def _subject(entity: EntityType, name: str) -> str:
    return f"{entity.value}.{name}"


def _of_set(entity: EntityType, key: str) -> str:
    return _subject(entity, _OF_SET + key)


def _fell(entity: EntityType, name: str) -> str:
    return f"{_subject(entity, name)} is hardly shown any more; check the key's permissions and the vendor's field"


def _told(integration: IntegrationRow, entity: EntityType, key: str) -> str:
    return (
        f"integration {integration.id} ({integration.platform}): no {entity.value} shows the custom field {key}, which"
        f" config.mapping.{entity.value}.{CUSTOM_FIELDS} names; nothing of it is synced, all else is. Correct the key"
        f" (POST /api/integrations/{integration.id}/mapping/try lists those that are shown), take it out of the"
        " mapping, or give the credentials leave to see it"
    )
