"""The intake put together from what the composition root holds."""

from __future__ import annotations

from http import HTTPStatus
from typing import Protocol
from uuid import UUID

from shared import telemetry
from shared.intake.accept import Acceptor, Verdict
from shared.intake.keeping import Keeping
from shared.intake.known import Directory, Known
from shared.intake.outbox import Outbox
from shared.intake.process import Bounds, Outcome, Processor, Store
from shared.intake.publish import Publishing, find_in_database
from shared.intake.waking import wake_batches
from shared.intake.work import Worker
from shared.security.aead import DataSealer
from shared.security.keys import Keys, Purpose
from shared.security.sealing import Sealer
from shared.settings import Settings
from shared.store.attention import Attention
from shared.store.blobs import Blobs
from shared.store.database import Database
from shared.store.ledger import Ledger
from shared.store.links import Links
from shared.store.queues import Knocker, Queues
from shared.store.tables import Tables
from shared.store.webhook_events import WebhookEvents


class Services(Protocol):
    """What the intake takes from the composition root."""

    @property
    def settings(self) -> Settings: ...  # noqa: D102
    @property
    def keys(self) -> Keys: ...  # noqa: D102
    @property
    def database(self) -> Database: ...  # noqa: D102
    @property
    def queues(self) -> Queues: ...  # noqa: D102
    @property
    def knocker(self) -> Knocker: ...  # noqa: D102


class Intake:
    """Everything of the intake, for one process: build one and keep it."""

    def __init__(self, services: Services) -> None:
        settings, keys = services.settings, services.keys
        connection = settings.storage_connection.get_secret_value()
        sealer, credentials = DataSealer(keys, Purpose.EVENTS), Sealer(keys)
        copies, events = Sealer(keys, purpose=Purpose.WEBHOOK_SECRETS), WebhookEvents()
        self.tables, self.blobs = Tables(connection), Blobs(connection)
        self.publishing = Publishing(services.database, self.tables, credentials, copies, events)
        self.acceptor = Acceptor(
            Directory(self.tables, copies, self._ask_database),
            Outbox(self.blobs, services.queues),
            sealer,
            keys.every(Purpose.WEBHOOK_MAC).values(),
            count_verdict,
        )
        self.processor = Processor(
            services.database,
            Store(events, Ledger(), Links(), Attention()),
            queues=services.queues,
            knocker=services.knocker,
            credentials=credentials,
            sealer=sealer,
            bounds=Bounds(settings.webhook_kept_events, settings.webhook_kept_bytes),
            count=count_outcome,
        )
        self.worker = Worker(self.processor, self.blobs, services.queues, telemetry.get_logger(__name__))
        self.keeping = Keeping(services.database, events, self.processor, services.knocker, sealer)
        self._queues = services.queues

    async def wake(self) -> int:
        """Knock for batches of events that nobody works at; return for how many. Raises Unavailable."""
        return await wake_batches(self.blobs, self._queues)

    async def _ask_database(self, integration_id: UUID) -> Known | None:
        return await find_in_database(self.publishing, integration_id)

    async def aclose(self) -> None:
        """Close the connections that are the intake's own."""
        await self.tables.aclose()
        await self.blobs.aclose()


def count_verdict(verdict: Verdict, platform: str) -> None:
    """Count a request by what became of it: `webhook_received` for 200, `webhook_rejected` for all else."""
    name = "webhook_received" if verdict.status == HTTPStatus.OK else "webhook_rejected"
    telemetry.count(name, outcome=verdict.word, platform=platform)


def count_outcome(outcome: Outcome, platform: str) -> None:
    """Count an event by what the worker made of it."""
    telemetry.count("webhook_processed", outcome=outcome.value, platform=platform)
