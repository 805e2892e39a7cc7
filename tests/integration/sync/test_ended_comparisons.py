"""Comparisons that end otherwise than with a certificate: switched off, deleted, or of a list with nameless rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from shared.integrations.lifecycle import Integrations
from shared.integrations.requests import PatchIntegration
from shared.model import EntityType
from tests.fixtures.waiting import until
from tests.integration.sync.comparing import compare
from tests.integration.sync.locks import waiting
from tests.integration.sync.vendor import a_candidate
from tests.integration.sync.working import claimed
from tests.integration.sync.world import World

CANDIDATE = EntityType.CANDIDATE
RUN = "SELECT status, error, records_read FROM parity_runs"


async def begin(world: World) -> None:
    await world.services.comparisons.request(world.company_id, world.integration_id, entity=CANDIDATE, repairs=True)


async def switch_off(world: World) -> None:
    request = PatchIntegration.model_validate({"sync_candidates": False})
    await Integrations.of(world.services).change(world.company_id, world.integration_id, request, expected_version=None)


async def has_seen_one(world: World) -> None:
    """Let the comparison under way have seen a record, as if it were between two pages."""
    await world.execute(
        "INSERT INTO parity_seen (parity_id, company_id, external_id, digest) SELECT id, company_id, '1', '' FROM"
        " parity_runs WHERE status = 'running'"
    )


@asynccontextmanager
async def nobody_seals(world: World) -> AsyncIterator[None]:
    """Keep a comparison waiting that writes down what it found in step."""
    async with await psycopg.AsyncConnection.connect(world.admin_dsn) as connection:
        await connection.execute("LOCK TABLE parity_seals IN SHARE MODE")
        yield


async def test_a_comparison_ends_when_its_entity_is_switched_off(world: World) -> None:
    """Nobody was left to go on with it, and it stayed `running` with all that it had seen."""
    await world.pull()
    await begin(world)
    await has_seen_one(world)
    await switch_off(world)
    run = await world.row(RUN)
    assert run["status"] == "failed"
    assert run["error"]
    assert await world.rows("SELECT 1 FROM parity_seen") == []


async def test_a_comparison_ends_with_its_integration(world: World) -> None:
    await world.pull()
    await begin(world)
    await has_seen_one(world)
    await Integrations.of(world.services).delete(world.company_id, world.integration_id, archive_records=False)
    assert (await world.row(RUN))["status"] == "failed"
    assert await world.rows("SELECT 1 FROM parity_seen") == []


async def test_a_page_that_is_compared_when_the_comparison_ends_leaves_nothing(world: World) -> None:
    await world.pull()
    await begin(world)
    claim = await claimed(world, "compare")
    async with nobody_seals(world):
        comparing = asyncio.create_task(world.services.runner.run(claim))
        await until(lambda: waiting(world, 1))
        await switch_off(world)
    await comparing
    run = await world.row(RUN)
    assert (run["status"], run["records_read"]) == ("failed", 0)
    assert run["error"]
    for table in ("parity_seen", "parity_seals"):
        assert await world.rows(f"SELECT 1 FROM {table}") == []  # noqa: S608 - one of these two
    assert await world.rows("SELECT 1 FROM sync_queue WHERE status IN ('pending', 'processing')") == []
    assert await world.rows("SELECT 1 FROM dead_letters") == []


async def test_a_row_without_an_id_is_no_parity(world: World) -> None:
    """It was dropped before it was counted, and the certificate said that everything was in step."""
    await world.pull()
    person = await a_candidate(world)
    fault = {"kind": "garble", "path": "/v3/candidates", "old": f'"id":{person["id"]},', "new": '"id":null,'}
    await world.control.post("/faults", json=fault | {"times": None})
    run = await compare(world)
    assert (run["status"], run["unnamed"], run["certificate"]) == ("partial", 1, None)
    assert run["drift"] > 0
    assert "1 rows" in run["error"]
    assert "no id" in run["error"]
    assert run["records_read"] == len((await world.vendor_state())["candidates"])
    await world.control.delete("/faults")
    healed = await compare(world)
    assert (healed["status"], healed["unnamed"], healed["drift"]) == ("complete", 0, 0)


async def test_pain_32_an_erased_person_who_cannot_be_read_is_no_difference(world: World) -> None:
    """They were drift without end: found by each comparison, under the id that was to be forgotten."""
    await world.pull(EntityType.JOB)
    person: dict[str, Any] = await a_candidate(world)
    suppression, address = world.services.suppression, person["email_addresses"][0]["value"]
    async with world.services.database.company(world.company_id) as tx:
        await suppression.suppress_identity(tx, {"email": address}, reason="erasure")
    await world.pull(CANDIDATE)
    await world.edit_at_vendor("candidates", person["id"], {"title": {"no": "text"}})
    run = await compare(world)
    assert (run["status"], run["drift"]) == ("complete", 0)
    assert str(person["id"]) not in run["differences"]
    assert str(person["id"]) not in str(run["certificate"])
    assert await world.rows("SELECT 1 FROM quarantine WHERE external_id = %(id)s", id=str(person["id"])) == []
