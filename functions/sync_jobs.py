"""Queue-triggered functions that run sync jobs, and those that record what poisoned their queues."""

from __future__ import annotations

import azure.functions as func

from shared import composition

bp = func.Blueprint()

STORAGE = "AzureWebJobsStorage"  # app setting, read by the host


@bp.function_name("sync_urgent")
@bp.queue_trigger(arg_name="message", queue_name="sync-urgent", connection=STORAGE)
async def sync_urgent(message: func.QueueMessage) -> None:
    """Run jobs of priority 1 to 3: somebody waits for them."""
    await _answer(message, "sync-urgent")


@bp.function_name("sync_normal")
@bp.queue_trigger(arg_name="message", queue_name="sync-normal", connection=STORAGE)
async def sync_normal(message: func.QueueMessage) -> None:
    """Run jobs of priority 4 to 7: other edits and incremental pulls."""
    await _answer(message, "sync-normal")


@bp.function_name("sync_bulk")
@bp.queue_trigger(arg_name="message", queue_name="sync-bulk", connection=STORAGE)
async def sync_bulk(message: func.QueueMessage) -> None:
    """Run jobs of priority 8 to 10: first syncs and full comparisons."""
    await _answer(message, "sync-bulk")


@bp.function_name("poison_sync_urgent")
@bp.queue_trigger(arg_name="message", queue_name="sync-urgent-poison", connection=STORAGE)
async def poison_sync_urgent(message: func.QueueMessage) -> None:
    """Dead-letter what failed five times on `sync-urgent`."""
    await _record(message, "sync-urgent")


@bp.function_name("poison_sync_normal")
@bp.queue_trigger(arg_name="message", queue_name="sync-normal-poison", connection=STORAGE)
async def poison_sync_normal(message: func.QueueMessage) -> None:
    """Dead-letter what failed five times on `sync-normal`."""
    await _record(message, "sync-normal")


@bp.function_name("poison_sync_bulk")
@bp.queue_trigger(arg_name="message", queue_name="sync-bulk-poison", connection=STORAGE)
async def poison_sync_bulk(message: func.QueueMessage) -> None:
    """Dead-letter what failed five times on `sync-bulk`."""
    await _record(message, "sync-bulk")


async def _answer(message: func.QueueMessage, queue: str) -> None:
    """Answer a knock of *queue*, and count it once it is answered: what is raised comes again."""
    services = composition.services()
    await services.runner.answer(message.get_body(), queue)
    await services.traffic.was_answered(queue)


async def _record(message: func.QueueMessage, queue: str) -> None:
    """Record what poisoned *queue*; the host took it off there, so it counts as answered."""
    services = composition.services()
    await services.poison.record(message.get_body(), queue)
    await services.traffic.was_answered(queue)
