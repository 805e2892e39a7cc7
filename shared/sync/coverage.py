"""
Field coverage: how many records of a pull showed each field. One that vanishes is reported, and blanks nothing.

Custom fields that the mapping names are told of one by one, from the first pull on: a key may be misspelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from pydantic import JsonValue

from shared.model import EntityType
from shared.model.custom_fields import named_in
from shared.model.fields import CUSTOM_FIELDS
from shared.store.attention import Issue
from shared.store.connections import IntegrationRow
from shared.store.database import Transaction
from shared.store.runs import Run
from shared.store.store import Store

ISSUE = "coverage_fell"
WAS_COMMON = 0.2
"""Share of records that showed the field before; rarer ones come and go by themselves."""
FELL_TO = 0.1
"""Of the share before."""
ENOUGH_RECORDS = 20
UNSEEN = "custom_field_unseen"
_OF_SET = f"{CUSTOM_FIELDS}."


def fallen(before: Mapping[str, int], of: int, now: Mapping[str, int], records: int) -> list[str]:
    """Return the fields that were common among *of* records and are all but gone among *records*."""
    if of < ENOUGH_RECORDS or records < ENOUGH_RECORDS:
        return []
    return sorted(
        name
        for name, count in before.items()
        if count / of >= WAS_COMMON and now.get(name, 0) / records < FELL_TO * count / of
    )


async def compare(tx: Transaction, store: Store, integration: IntegrationRow, run: Run) -> list[str]:
    """Compare *run* with the last large enough one; open an issue for each fallen field, close those that came back."""
    if run.entity is None:
        return []
    last = await store.runs.last_coverage(tx, integration.id, run.entity, run.id)
    if last is None:
        return []
    before = {name: count for name, count in last[0].items() if not name.startswith(_OF_SET)}
    lost = fallen(before, last[1], run.coverage, run.counts.read)
    for name in lost:
        detail = f"{run.entity.value}.{name} is no longer shown; check the key's permissions and the vendor's field"
        await store.attention.raise_issue(
            tx, integration.id, kind=ISSUE, subject=f"{run.entity.value}.{name}", detail=detail
        )
    for name in sorted(name for name in set(run.coverage) - set(lost) if not name.startswith(_OF_SET)):
        await store.attention.settle_issue(tx, integration.id, kind=ISSUE, subject=f"{run.entity.value}.{name}")
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
        prefix=_subject(run.entity, ""),
        keep=[_subject(run.entity, key) for key in unseen],
    )
    await store.attention.raise_issues(
        tx,
        integration.id,
        [Issue(UNSEEN, _subject(run.entity, key), _told(integration, run.entity, key)) for key in unseen],
    )


async def settle_unnamed(
    tx: Transaction, store: Store, integration_id: UUID, entity: EntityType, config: Mapping[str, JsonValue]
) -> None:
    """Close what is told of custom fields of *entity* that *config* does not name."""
    keep = [_subject(entity, key) for key in named_in(config, entity)]
    await store.attention.settle_others(tx, integration_id, kind=UNSEEN, prefix=_subject(entity, ""), keep=keep)


def _subject(entity: EntityType, key: str) -> str:
    return f"{entity.value}.{_OF_SET}{key}"


def _told(integration: IntegrationRow, entity: EntityType, key: str) -> str:
    return (
        f"integration {integration.id} ({integration.platform}): no {entity.value} shows the custom field {key}, which"
        f" config.mapping.{entity.value}.{CUSTOM_FIELDS} names; nothing of it is synced, all else is. Correct the key"
        f" (POST /api/integrations/{integration.id}/mapping/try lists those that are shown), take it out of the"
        " mapping, or give the credentials leave to see it"
    )
