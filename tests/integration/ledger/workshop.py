"""Workers without a host: the runner, the sweep and the poison recorder over real queues."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from uuid import UUID

import orjson
from azure.storage.queue import TextBase64DecodePolicy
from azure.storage.queue.aio import QueueClient

from shared import telemetry
from shared.errors import Conflict, Unavailable
from shared.store.database import Database, Transaction
from shared.store.ledger import Job, Knock
from shared.store.queues import Knocker, Queues, knock_body
from shared.sync.comparing.parity import Comparisons
from shared.sync.jobs.endings import Done, Ending
from shared.sync.runs.requests import Syncs
from shared.sync.workers.poison import PoisonRecorder
from shared.sync.workers.runner import Handler, Limits, Runner
from shared.sync.workers.sweep import Sweep
from shared.sync.workers.traffic import Traffic
from shared.sync.workers.vanishing import Watch
from tests.integration.ledger.ground import Ground

URGENT, NORMAL, BULK = "sync-urgent", "sync-normal", "sync-bulk"
LIMITS = Limits(lease_s=60, at_once=10, per_integration=5)


class Switchable(Database):
    """The database, and switches: one takes it away, with the other it loses against somebody."""

    away = False
    loses = False

    @asynccontextmanager
    async def company(self, company_id: UUID) -> AsyncIterator[Transaction]:
        self._look()
        async with super().company(company_id) as tx:
            yield tx

    @asynccontextmanager
    async def dispatch(self) -> AsyncIterator[Transaction]:
        self._look()
        async with super().dispatch() as tx:
            yield tx

    def _look(self) -> None:
        if self.away:
            raise Unavailable("the test took the database away")
        if self.loses:
            raise Conflict("lost against another transaction")


@dataclass
class Workshop:
    """Everything that works on one ledger."""

    ground: Ground
    connection_string: str
    database: Switchable
    queues: Queues
    handlers: dict[str, Handler] = field(default_factory=dict)
    limits: Limits = LIMITS
    ran: list[Job] = field(default_factory=list)

    @classmethod
    def of(cls, ground: Ground, connection_string: str) -> Workshop:
        made = cls(
            ground, connection_string, Switchable(ground.database._conninfo, pool_max=8), Queues(connection_string)
        )
        made.handlers["reconcile"] = made.done
        return made

    async def aclose(self) -> None:
        await self.queues.aclose()
        await self.database.aclose()

    async def done(self, job: Job) -> Ending:
        """A handler that has nothing to do."""
        self.ran.append(job)
        return Done()

    def handle(self, handler: Handler) -> None:
        """Let *handler* do the reconciles."""
        self.handlers["reconcile"] = handler

    @property
    def knocker(self) -> Knocker:
        return Knocker(self.queues, telemetry.get_logger("test.knocker"), was_sent=self.traffic.was_sent)

    @cached_property
    def traffic(self) -> Traffic:
        """Knocks counted at once."""
        return Traffic(self.database, clock=itertools.count(0, 60).__next__)

    def runner(self, **limits: Any) -> Runner:
        """Another worker process."""
        return Runner(self.database, self.ground.store, self.knocker, self.handlers, replace(self.limits, **limits))

    @property
    def poison(self) -> PoisonRecorder:
        return PoisonRecorder(self.database, self.ground.store, self.queues)

    @property
    def sweep(self) -> Sweep:
        syncs = Syncs(self.database, self.ground.store, self.knocker)
        comparisons = Comparisons(self.database, self.ground.store, self.knocker)
        watch = Watch(self.database, self.ground.store, self.queues, self.traffic)
        return Sweep(self.database, self.queues, self.knocker, syncs, comparisons, per_integration=5, watch=watch)

    def client(self, queue: str) -> QueueClient:
        return QueueClient.from_connection_string(
            self.connection_string, queue, message_decode_policy=TextBase64DecodePolicy()
        )

    async def take(self, queue: str, *, hidden_s: int = 600) -> list[Mapping[str, Any]]:
        """Take every message that can be seen, as a host does: for ten minutes nobody else sees them."""
        async with self.client(queue) as client:
            if not [each async for each in _existing(client)]:
                return []
            messages = client.receive_messages(messages_per_page=32, visibility_timeout=hidden_s)
            return [orjson.loads(each.content) async for each in messages]

    async def count(self, queue: str) -> int:
        return await self.queues.count(queue)


async def _existing(client: QueueClient) -> AsyncIterator[str]:
    from azure.core.exceptions import ResourceNotFoundError

    try:
        await client.get_queue_properties()
    except ResourceNotFoundError:
        return
    yield client.queue_name


def message_for(job: Job | UUID, company_id: UUID | None = None, *, epoch: int = 0) -> bytes:
    """Return the body of a knock."""
    if isinstance(job, Job):
        return knock_body(Knock(job.company_id, job.id, job.epoch, job.priority), None)
    assert company_id is not None
    return knock_body(Knock(company_id, job, epoch, 5), None)
