"""Field coverage: how many records of a pull showed each field. One that vanishes is reported, and blanks nothing."""

from __future__ import annotations

from collections.abc import Mapping

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
    lost = fallen(last[0], last[1], run.coverage, run.counts.read)
    for name in lost:
        detail = f"{run.entity.value}.{name} is no longer shown; check the key's permissions and the vendor's field"
        await store.attention.raise_issue(
            tx, integration.id, kind=ISSUE, subject=f"{run.entity.value}.{name}", detail=detail
        )
    for name in sorted(set(run.coverage) - set(lost)):
        await store.attention.settle_issue(tx, integration.id, kind=ISSUE, subject=f"{run.entity.value}.{name}")
    return lost
