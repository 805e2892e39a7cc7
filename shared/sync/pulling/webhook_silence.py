"""A webhook that is silent, or was switched off at the vendor, is noticed: changes came, and no event announced one."""

from __future__ import annotations

from shared.adapters.protocol import Adapter
from shared.store.connections import IntegrationRow
from shared.store.database import Transaction
from shared.store.store import Store
from shared.store.webhook_silence import WebhookSilence

ISSUE = "webhook_silent"
ENOUGH_CHANGES = 10
"""So many changes that pulls found within a day, and not one event: that is no chance."""


async def listen(tx: Transaction, store: Store, integration: IntegrationRow, adapter: type[Adapter]) -> None:
    """Open the issue of silent webhooks, or close it when events come again."""
    if not any(entity.webhooks for entity in adapter.capabilities.entities.values()):
        return
    hearing = await WebhookSilence().hearing(tx, integration.id)
    if hearing.events:
        await store.attention.settle_issue(tx, integration.id, kind=ISSUE, subject="webhooks")
    elif hearing.changes >= ENOUGH_CHANGES:
        last = (
            "none has ever come"
            if hearing.last_event_at is None
            else f"the last came {hearing.last_event_at:%F %R} UTC"
        )
        detail = (
            f"pulls found {hearing.changes} changes within a day, and no event announced one ({last}): changes come"
            " minutes late; see whether the webhook is set up and enabled at the vendor"
        )
        await store.attention.raise_issue(tx, integration.id, kind=ISSUE, subject="webhooks", detail=detail)
