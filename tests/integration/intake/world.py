"""A company with a Greenhouse integration, its intake on real parts, and a vendor that signs."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from azure.storage.queue import TextBase64DecodePolicy
from azure.storage.queue.aio import QueueClient
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from shared import telemetry
from shared.intake import events
from shared.intake.accept import Verdict
from shared.intake.events import CONTAINER
from shared.intake.publish import publish
from shared.intake.secrets import WebhookSecrets
from shared.intake.waking import wake_batches
from shared.intake.wiring import Intake
from shared.security.keys import Keys, Purpose
from shared.security.sealing import Sealer
from shared.security.webhook_url import mac_for
from shared.settings import Settings, load_settings
from shared.store.database import Database
from shared.store.queues import Knocker, Queues
from tests.fixtures.waiting import wait_in_loop

SECRET = "the-vendor-signs-with-this"


def signed(body: bytes, secret: str = SECRET, event_id: str | None = None) -> dict[str, str]:
    """Return the headers of Greenhouse's request (docs/vendors/greenhouse.md, Webhooks)."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"content-type": "application/json", "signature": f"sha256 {digest}"}
    return headers if event_id is None else {**headers, "greenhouse-event-id": event_id}


def candidate_event(external_id: int = 4711, **more: Any) -> bytes:
    """Return the body of `update_candidate`."""
    candidate = {"id": external_id, "first_name": "Aurelia", "last_name": "Quicksilver", **more}
    return json.dumps({"action": "update_candidate", "payload": {"candidate": candidate}}).encode()


BODY = candidate_event()


@dataclass
class World:
    """Everything a test of the intake needs. `intake` is this process's; another one may be built beside it."""

    settings: Settings
    keys: Keys
    database: Database
    queues: Queues
    knocker: Knocker
    admin_dsn: str
    company_id: UUID = field(default_factory=uuid4)

    _intakes: list[Intake] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.intake = self.restarted()

    @classmethod
    def make(cls, *, database_dsn: str, admin_dsn: str, storage: str, **settings: str) -> World:
        found = load_settings(
            {
                "DATABASE_URL": database_dsn,
                "AzureWebJobsStorage": storage,
                "ENCRYPTION_SECRET": "bGlhaXNvbi1pbnRha2UtdGVzdHMtMzItYnl0ZXMtLS0=",
                "AUTH_JWT_SECRET": "not-used-by-the-intake-0123456789abcdef",
                **settings,
            }
        )
        queues = Queues(storage)
        world = cls(
            settings=found,
            keys=Keys.from_settings(found),
            database=Database(database_dsn),
            queues=queues,
            knocker=Knocker(queues, telemetry.get_logger("tests")),
            admin_dsn=admin_dsn,
        )
        world.run("INSERT INTO companies (id, name) VALUES (%s, 'Aspect')", world.company_id)
        return world

    def run(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        """Run one statement as the superuser, whom no policy binds."""
        with psycopg.connect(self.admin_dsn, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def integration(self, secrets: WebhookSecrets | None = None) -> UUID:
        """Add an integration as the API does; its row is not published yet."""
        integration_id = uuid4()
        self.run(
            "INSERT INTO integrations (id, company_id, platform, webhook_url, config, rank, webhook_secret_sealed)"
            " VALUES (%s, %s, 'greenhouse', '', %s, (SELECT coalesce(max(rank), 0) + 1 FROM integrations), %s)",
            integration_id,
            self.company_id,
            Jsonb({}),
            self.sealed(integration_id, secrets or WebhookSecrets(SECRET)),
        )
        return integration_id

    def sealed(self, integration_id: UUID, secrets: WebhookSecrets) -> str:
        return Sealer(self.keys).seal(secrets.to_json(), integration_id=integration_id)

    def rotate(self, integration_id: UUID, secrets: WebhookSecrets) -> None:
        """Save other secrets, as a rotation does; nothing is published."""
        self.run(
            "UPDATE integrations SET webhook_secret_sealed = %s, webhook_secrets_version = webhook_secrets_version + 1"
            " WHERE id = %s",
            self.sealed(integration_id, secrets),
            integration_id,
        )

    async def published(self, secrets: WebhookSecrets | None = None) -> UUID:
        """Add an integration that the intake knows."""
        integration_id = self.integration(secrets)
        await publish(self.intake.publishing, self.company_id, integration_id)
        return integration_id

    def mac(self, integration_id: UUID) -> str:
        return mac_for(integration_id, self.keys.derive(Purpose.WEBHOOK_MAC))

    async def send(
        self,
        integration_id: UUID,
        body: bytes,
        *,
        secret: str = SECRET,
        event_id: str | None = None,
        mac: str | None = "its own",
        intake: Intake | None = None,
    ) -> Verdict:
        """Deliver *body* as the vendor would, signed with *secret*."""
        mark = self.mac(integration_id) if mac == "its own" else mac
        acceptor = (intake or self.intake).acceptor
        return await acceptor.accept(str(integration_id), mark, signed(body, secret, event_id), body)

    def restarted(self) -> Intake:
        """Return the intake of a process that remembers nothing."""
        self._intakes.append(Intake(self))
        return self._intakes[-1]

    async def messages(self, queue: str = events.QUEUE) -> list[str]:
        """Take every visible message off *queue* and return their bodies."""
        client = QueueClient.from_connection_string(
            self.settings.storage_connection.get_secret_value(),
            queue,
            message_decode_policy=TextBase64DecodePolicy(),
        )
        await self.queues.ensure(queue)
        found = []
        async with client:
            async for message in client.receive_messages(messages_per_page=32):
                found.append(message.content)
                await client.delete_message(message)
        return found

    async def batches(self) -> dict[str, bytes]:
        """Return every batch of events that is stored, by name, once the knocks of all have been sent."""
        await wait_in_loop(lambda: not any(intake.acceptor._outbox._sending for intake in self._intakes))
        blobs = self.intake.blobs
        found = {blob.name: await blobs.find(CONTAINER, blob.name) async for blob in blobs.every(CONTAINER)}
        return {name: content for name, content in found.items() if content is not None}

    async def notices(self) -> list[events.Notice]:
        """Return every event that is stored and not processed."""
        return [notice for content in (await self.batches()).values() for notice in events.read_batch(content)]

    async def work(self) -> int:
        """Process every batch that a visible message names; return how many messages there were."""
        await self.batches()
        messages = await self.messages()
        for message in messages:
            await self.intake.worker.work(message.encode())
        return len(messages)

    async def sweep(self) -> int:
        """Knock again for what lies there too long, as if a minute had passed; return for how many batches."""
        return await wake_batches(self.intake.blobs, self.queues, stale=timedelta(0))

    def jobs(self, integration_id: UUID) -> dict[str, int]:
        """Return how often each record's job was asked for, by `entity record_key`."""
        rows = self.run(
            "SELECT entity_type, record_key, requested_seq FROM sync_queue WHERE integration_id = %s", integration_id
        )
        return {f"{row['entity_type']} {row['record_key']}": row["requested_seq"] for row in rows}

    def recorded(self, integration_id: UUID) -> list[dict[str, Any]]:
        """Return the rows of `webhook_events`, oldest first."""
        return self.run(
            "SELECT * FROM webhook_events WHERE integration_id = %s ORDER BY received_at, id", integration_id
        )

    def column(self, integration_id: UUID, name: str) -> Any:
        """Return one column of the integration."""
        return self.run("SELECT * FROM integrations WHERE id = %s", integration_id)[0][name]

    async def aclose(self) -> None:
        for intake in self._intakes:
            await intake.aclose()
        await self.queues.aclose()
        await self.database.aclose()


def now() -> datetime:
    """Return the moment."""
    return datetime.now(UTC)


async def only_message(world: World) -> bytes:
    """Take the one message that there is off the queue."""
    await world.batches()
    [message] = await world.messages()
    return message.encode()


def issues(world: World, integration_id: UUID) -> list[dict[str, Any]]:
    return world.run("SELECT * FROM issues WHERE integration_id = %s", integration_id)
