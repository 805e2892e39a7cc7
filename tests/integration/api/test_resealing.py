"""The root secret changed: everything sealed anew, the old secret dropped, and all still opens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest

from shared import composition, resealing
from shared.composition import Services
from shared.intake.events import Event, open_kept, seal_kept
from shared.intake.secrets import WebhookSecrets
from shared.resealing import Resealing
from shared.security.aead import DataSealer
from shared.security.keys import Keys, Purpose
from shared.security.webhook_url import check_mac
from shared.settings import load_settings
from shared.store import sealed
from shared.store.database import Transaction
from shared.store.sealed import SealedRows
from tests.integration.api.calling import Caller
from tests.integration.api.commands import Cli
from tests.integration.api.conftest import ENCRYPTION_SECRET, Company, Query, drain

NEWEST = "bmV3ZXN0IHNlY3JldCBvZiB0aGlydHktdHdvIGJ5dGVzISE="
ROTATING = {"ENCRYPTION_SECRET": NEWEST, "ENCRYPTION_SECRET_PREVIOUS": ENCRYPTION_SECRET}
KIND = {"credentials", "webhook_secrets", "access_tokens", "events", "person_keys"}


@pytest.fixture
async def rotated(services: Services, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give services under other root secrets."""

    @asynccontextmanager
    async def under(secrets: dict[str, str]) -> AsyncIterator[Services]:
        settings = load_settings({**cli.environment, **secrets})
        built = Services(settings, limiter_off=True)
        with monkeypatch.context() as patch:
            patch.setattr(composition, "_current", (asyncio.get_running_loop(), built))
            yield built
        await built.aclose()

    return under


async def keep_event(services: Services, integration_id: str, company_id: UUID) -> Event:
    """Keep an event of a webhook, sealed as the intake of *services* seals it."""
    event = Event(
        id=uuid4(), integration_id=UUID(integration_id), received_at=datetime.now(UTC), is_verified=True,
        headers={"signature": "sha256 0"}, body=b'{"action": "update_candidate"}', traceparent=None,
    )  # fmt: skip
    headers, body = seal_kept(event, event.id, DataSealer(services.keys, Purpose.EVENTS))
    async with services.database.company(company_id) as tx:
        await tx.run(
            "INSERT INTO webhook_events (id, company_id, integration_id, state, received_at, headers_sealed,"
            " body_sealed) VALUES (%(id)s, %(company)s, %(integration)s, 'kept', %(at)s, %(headers)s, %(body)s)",
            id=event.id, company=company_id, integration=event.integration_id, at=event.received_at,
            headers=headers, body=body,
        )  # fmt: skip
    return event


async def edited(admin: Caller, services: Services) -> tuple[str, Any]:
    """Edit a candidate, so that there is a history; return its path and the history."""
    person = (await admin("GET", "/api/candidates?limit=1")).body["data"][0]
    path = f"/api/candidates/{person['id']}"
    assert (await admin("PATCH", path, {"current_title": "Lead"})).status == 200
    await drain(services)
    history = (await admin("GET", f"{path}/history")).body["data"]
    assert history
    return path, history


async def test_after_a_change_of_the_root_secret_everything_is_sealed_anew_and_the_old_one_can_go(
    services: Services, admin: Caller, company: Company, synced: dict[str, Any], cli: Cli, rotated: Any, query: Query
) -> None:
    path, history = await edited(admin, services)
    event = await keep_event(services, synced["id"], company.id)
    ((version, secret),) = query("SELECT version, webhook_secret_sealed FROM integrations")
    people = query("SELECT count(*) FROM person_keys")[0][0]
    assert people > 0

    rotating = replace(cli, environment={**cli.environment, **ROTATING})
    done = await rotating("reseal")
    assert done.code == 0, done.faults
    *lines, whole = done.lines
    assert [line["company_id"] for line in lines] == [str(company.id)]
    assert whole["sealed"] == {
        "access_tokens": 1, "credentials": 1, "events": 1, "person_keys": people, "webhook_secrets": 1,
    }  # fmt: skip
    assert set(whole["sealed"]) == KIND
    assert whole["unreadable"] == {}
    links = query("SELECT count(*) FROM external_entity_map WHERE base -> 'u' <> '{}'")[0][0]
    assert whole["stays"] == {"links": links, "webhook_urls": 1}
    assert (whole["is_clear"], whole["intake_copies"]) == (False, 1)
    assert query("SELECT version FROM integrations") == [(version,)], "nothing has changed for anybody"
    assert query("SELECT webhook_secret_sealed FROM integrations") != [(secret,)]

    # The values behind the prints are the vendor's to show: its next full pull makes them anew.
    async with rotated(ROTATING) as both:
        await admin("POST", f"/api/integrations/{synced['id']}/sync", {"direction": "inbound", "mode": "full"})
        await drain(both)
    again = (await rotating("reseal")).lines[-1]
    assert (again["sealed"], again["stays"]) == ({}, {"webhook_urls": 1})

    ended = await rotating("reseal", "--webhook-urls")
    (url,) = (line["webhook_url"] for line in ended.lines if "webhook_url" in line)
    assert (ended.lines[-1]["stays"], ended.lines[-1]["is_clear"]) == ({}, True)
    shown = await admin("GET", f"/api/integrations/{synced['id']}")
    assert (shown.body["webhook_url"], shown.body["version"]) == (url, version + 1)
    assert (await rotating("reseal", "--webhook-urls")).lines[-1]["is_clear"] is True

    async with rotated({"ENCRYPTION_SECRET": NEWEST}) as alone:
        marked, given = (parse_qs(urlsplit(each).query)["mac"][0] for each in (url, synced["webhook_url"]))
        newest_marks = alone.keys.every(Purpose.WEBHOOK_MAC).values()
        assert check_mac(synced["id"], marked, newest_marks)
        assert not check_mac(synced["id"], given, newest_marks), "what the vendor has to be told"
        assert (await admin("POST", f"/api/integrations/{synced['id']}/test")).body["ok"] is True
        assert (await admin("GET", f"{path}/history")).body["data"] == history
        newest = DataSealer(alone.keys, Purpose.EVENTS)
        ((headers, body),) = query("SELECT headers_sealed, body_sealed FROM webhook_events WHERE id = %s", event.id)
        assert open_kept(event.integration_id, event.id, event.received_at, (headers, body), newest) == event
        ((kept,),) = query("SELECT webhook_secret_sealed FROM integrations")
        opened = WebhookSecrets.from_json(alone.sealer.open(kept, integration_id=synced["id"]))
        assert opened.current == synced["webhook_secret"]
        ((token,),) = query("SELECT sealed FROM oauth_tokens")
        assert alone.sealer.open(token, integration_id=synced["id"])
        edit = await admin("PATCH", path, {"current_title": "Head"})
        assert (edit.status, edit.body["current_title"]) == (200, "Head")
        await drain(alone)
        assert len((await admin("GET", f"{path}/history")).body["data"]) > len(history)


async def test_what_no_known_secret_opens_is_counted_and_left_as_it_is(
    admin: Caller, synced: dict[str, Any], cli: Cli, query: Query
) -> None:
    before = query("SELECT api_key_encrypted, webhook_secret_sealed FROM integrations")
    stranger = replace(cli, environment={**cli.environment, "ENCRYPTION_SECRET": NEWEST})
    done = await stranger("reseal")
    assert done.code == 1
    assert "seal_broken" in done.faults
    unreadable = done.lines[-1]["unreadable"]
    assert (unreadable["credentials"], unreadable["webhook_secrets"], unreadable["access_tokens"]) == (1, 1, 1)
    assert done.lines[-1]["is_clear"] is False
    assert query("SELECT api_key_encrypted, webhook_secret_sealed FROM integrations") == before


async def test_it_goes_on_where_it_was_stopped(
    services: Services, company: Company, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    for module in (sealed, resealing):
        monkeypatch.setattr(module, "BATCH", 2)
    ids = [uuid4() for _ in range(5)]
    async with services.database.company(company.id) as tx:
        await services.vault.keys(tx, ids)

    class Stopped(SealedRows):
        """Ends at the second batch of people's keys."""

        batches = 0

        async def person_keys(self, tx: Transaction, after: UUID, *, kid: str) -> list[dict[str, Any]]:
            self.batches += 1
            if self.batches == 2:
                raise asyncio.CancelledError
            return await super().person_keys(tx, after, kid=kid)

    old = services.settings.encryption_secret.get_secret_value()
    keys = Keys(b"n" * 32, [old])
    with pytest.raises(asyncio.CancelledError):
        await Resealing(services.database, keys, Stopped()).run(company.id)
    assert query("SELECT count(*) FROM person_keys WHERE kid = %s", keys.kid) == [(2,)]
    told = await Resealing(services.database, keys).run(company.id)
    assert told.sealed["person_keys"] == 3
    assert told.is_clear
    assert query("SELECT count(*) FROM person_keys WHERE kid = %s", keys.kid) == [(5,)]


async def test_a_writer_of_before_and_a_reader_of_after_agree(
    services: Services, company: Company, rotated: Any
) -> None:
    """A value that is sealed under what was read before the rewrapping opens under what stands there since."""
    person = uuid4()
    async with rotated(ROTATING) as both, both.database.company(company.id) as tx:
        (early,) = (await services.vault.keys(tx, [person])).values()
    content = {"email": "ada@example.org"}
    async with rotated(ROTATING) as both:
        await Resealing(both.database, both.keys).run(company.id)
        late_writing = both.vault.seal(company.id, early, "conflicts", "7", content)
        async with both.database.company(company.id) as tx:
            (now,) = (await both.vault.keys(tx, [person])).values()
        assert now.kid != early.kid
        assert both.vault.open(company.id, now, "conflicts", "7", late_writing) == content
    async with rotated({"ENCRYPTION_SECRET": NEWEST}) as alone:
        assert alone.vault.open(company.id, now, "conflicts", "7", late_writing) == content
