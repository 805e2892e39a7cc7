"""
Batches of events that nobody works at: the worker is knocked for again.

A knock may be lost, or asleep for ten minutes with the host that died with it. The batch is a blob and lies there until
it is processed, so its age tells. How often it was knocked for stands with it: a batch that ends every worker must not
do so for ever.
"""

from __future__ import annotations

from datetime import timedelta

from shared import telemetry
from shared.intake import events
from shared.intake.events import EventKnock
from shared.store.blobs import Blobs
from shared.store.queues import MOST_SEEN, Queues

STALE = timedelta(seconds=30)
"""Since it was stored, or knocked for again. A worker takes a batch within a second or two of its knock."""
MOST_TRIES = 5
"""Knocks of the sweep; from then on the batch is taken for poisoned, and its events are tried one by one."""
TRIES = "tries"

log = telemetry.get_logger(__name__)


async def wake_batches(blobs: Blobs, queues: Queues, *, stale: timedelta = STALE) -> int:
    """
    Knock for batches that lie there for *stale* or longer, the oldest first; return for how many.

    Never more than a listener sees at a time, less what it sees already: in a backlog every batch is old and has its
    knock. Raises Unavailable.
    """
    room, woken = MOST_SEEN - await queues.visible(events.QUEUE), 0
    if room <= 0:
        return 0
    async for blob in blobs.every(events.CONTAINER):
        if blob.age < stale:
            continue
        tries = int(blob.metadata.get(TRIES, "0")) + 1
        # Writing it moves the blob's age, so that the next knock comes no sooner than this one can have failed.
        if not await blobs.mark(events.CONTAINER, blob.name, {TRIES: str(tries)}):
            continue  # processed at this moment
        queue = events.QUEUE if tries <= MOST_TRIES else events.POISON_QUEUE
        await queues.send(queue, EventKnock(blob.name, tries).message())
        log.warning("webhook_batch_woken", batch=blob.name, tries=tries, queue=queue)
        woken += 1
        if woken == room:
            break
    return woken
