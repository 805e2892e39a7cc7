"""A webhook that is disabled at the vendor: no API tells of it, so it is noticed by its silence, and by its return."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from azure.storage.queue import TextBase64DecodePolicy
from azure.storage.queue.aio import QueueClient
from starlette.requests import Request
from starlette.responses import Response

from shared.intake import events
from shared.intake.waking import wake_batches
from shared.integrations.lifecycle import Integrations
from shared.integrations.requests import PatchIntegration
from shared.model import EntityType
from shared.sync.pulling.webhook_silence import ENOUGH_CHANGES
from tests.fixtures.waiting import until
from tests.integration.sync.comparing import compare, ground_of
from tests.integration.sync.world import World
from tests.parity_proof.planting import in_step

SILENT = "SELECT detail FROM issues WHERE kind = 'webhook_silent' AND ended_at IS NULL"


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def listening(world: World) -> AsyncIterator[str]:
    """Let the world's intake answer on a free port; yield the address that the vendor is to call."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        verdict = await world.services.intake.acceptor.accept(
            str(world.integration_id), request.query_params.get("mac"), dict(request.headers), await request.body()
        )
        await Response(status_code=verdict.status)(scope, receive, send)

    row = await world.row("SELECT webhook_url FROM integrations")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = _Server(uvicorn.Config(app, lifespan="off", log_level="critical"))
        serving = asyncio.create_task(server.serve([taken]))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/webhook?{row['webhook_url'].partition('?')[2]}"
        server.should_exit = True
        await serving


async def new_secret(world: World) -> str:
    """Rotate the webhook's secret and let the intake know it; return it."""
    change = PatchIntegration.model_validate({"rotate_webhook_secret": True})
    changed = await Integrations.of(world.services).change(
        world.company_id, world.integration_id, change, expected_version=None
    )
    assert changed.webhook_secret is not None
    await world.drain()
    return changed.webhook_secret


async def take_in(world: World) -> None:
    """Wait until the vendor has sent what it has to say, and process what came."""

    async def is_quiet() -> bool:
        return bool((await world.control.get("/counters")).json()["webhooks_pending"] == 0)

    await until(is_quiet)
    intake, services = world.services.intake, world.services
    await services.queues.ensure(events.QUEUE)
    await wake_batches(intake.blobs, services.queues, stale=timedelta(0))
    client = QueueClient.from_connection_string(
        services.settings.storage_connection.get_secret_value(),
        events.QUEUE,
        message_decode_policy=TextBase64DecodePolicy(),
    )
    async with client:
        async for message in client.receive_messages(messages_per_page=32):
            await intake.worker.work(message.content.encode())
            await client.delete_message(message)
    await world.drain()


async def edit_many(world: World, title: str) -> None:
    """Let recruiters change as many candidates at the vendor as tell silence from chance."""
    for each in (await in_step(ground_of(world)))[:ENOUGH_CHANGES]:
        await ground_of(world).at_vendor("PATCH", f"/candidates/{each.external_id}", {"title": title})


@pytest.mark.parametrize("how", ["switched off", "failed ping"])
async def test_a_webhook_that_the_vendor_has_disabled_is_noticed_and_forgiven(world: World, how: str) -> None:
    await world.pull()
    secret = await new_secret(world)
    async with listening(world) as url:
        hook = (await world.control.post("/webhooks", json={"url": url, "secret": secret})).json()
        assert hook["enabled"]
        await edit_many(world, "Announced")
        await take_in(world)
        assert await world.rows("SELECT 1 FROM webhook_events WHERE state = 'processed'")
        await compare(world)
        assert await world.rows(SILENT) == []
        await world.execute("UPDATE webhook_events SET received_at = received_at - interval '2 days'")
        if how == "switched off":
            (await world.control.post(f"/webhooks/{hook['id']}/disable")).raise_for_status()
        else:
            (await world.control.post("/webhooks", json={"url": url, "secret": "another"})).raise_for_status()
            (await world.control.delete(f"/webhooks/{hook['id']}")).raise_for_status()
        (hook,) = (await world.control.get("/webhooks")).json()
        assert hook["enabled"] is False
        await edit_many(world, "Announced by nobody")
        await take_in(world)
        await world.pull(EntityType.CANDIDATE)
        await compare(world)
        detail = (await world.row(SILENT))["detail"]
        assert "the last came" in detail
        assert "enabled at the vendor" in detail
        if how == "failed ping":
            (await world.control.delete(f"/webhooks/{hook['id']}")).raise_for_status()
            hook = (await world.control.post("/webhooks", json={"url": url, "secret": secret})).json()
        assert (await world.control.post(f"/webhooks/{hook['id']}/ping")).json() == {"enabled": True}
        await edit_many(world, "Announced again")
        await take_in(world)
        await compare(world)
        assert await world.rows(SILENT) == []
