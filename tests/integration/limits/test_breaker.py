"""Breakers that processes share through an Azure Table, and what people see of them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from sandbox.vendors.greenhouse import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared.adapters.breaker import MOST_FAILURES, OPEN_S, PROBE_LASTS_S, Circuit
from shared.composition import Services
from shared.errors import BreakerOpen
from shared.integrations.lifecycle import Integrations
from shared.model import Direction, EntityType
from shared.store.ledger import JobRequest
from shared.store.tables import Tables
from shared.sync.jobs.priorities import RECONCILE
from shared.sync.vendors.breakers import FRESH_S, ROW, TABLE, BreakerNotices, BreakerWatch, SharedBreaker
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.world import World, connect, settings_for

START = 1_800_000_000.0


@dataclass
class Told:
    """What people were told."""

    opened_until: list[float] = field(default_factory=list)
    times_closed: int = 0

    async def opened(self, company_id: UUID, integration_id: UUID, circuit: Circuit) -> None:  # noqa: ARG002
        self.opened_until.append(circuit.open_until)

    async def closed(self, company_id: UUID, integration_id: UUID) -> None:  # noqa: ARG002
        self.times_closed += 1


@dataclass
class Street:
    """Two processes that call one vendor, and their clock."""

    tables: Tables
    now: float = START
    told: Told = field(default_factory=Told)
    integration_id: UUID = field(default_factory=uuid4)

    def process(self) -> SharedBreaker:
        return SharedBreaker(uuid4(), self.integration_id, self.tables, self.told, clock=lambda: self.now)


@pytest.fixture
async def street(storage: StorageAccount) -> AsyncIterator[Street]:
    tables = Tables(storage.connection_string)
    yield Street(tables)
    await tables.aclose()


async def test_failures_in_a_row_of_all_processes_open_it_for_all(street: Street) -> None:
    one, other = street.process(), street.process()
    for number in range(MOST_FAILURES):
        await (one, other)[number % 2].failed(await one.enter())
    assert street.told.opened_until == [START + OPEN_S[0]]
    street.now += FRESH_S
    for process in (one, other, street.process()):
        with pytest.raises(BreakerOpen) as refused:
            await process.enter()
        assert refused.value.wait_s == OPEN_S[0] - FRESH_S


async def test_an_answer_in_between_starts_the_count_anew(street: Street) -> None:
    one, other = street.process(), street.process()
    for _ in range(3):
        for _ in range(MOST_FAILURES - 1):
            await one.failed(await one.enter())
        street.now += 3
        await other.answered(await other.enter())
        street.now += 3
    assert street.told.opened_until == []


async def test_one_call_of_all_processes_probes_and_its_answer_closes_it(street: Street) -> None:
    one, other = street.process(), street.process()
    for _ in range(MOST_FAILURES):
        await one.failed("")
    street.now += OPEN_S[0]
    probe = await one.enter()
    assert probe
    for process in (one, other):
        with pytest.raises(BreakerOpen):
            await process.enter()
    await one.answered(probe)
    assert street.told.times_closed == 1
    assert await other.enter() == ""
    assert await one.enter() == ""


async def test_a_probe_that_fails_opens_it_for_longer_and_longer(street: Street) -> None:
    process = street.process()
    for _ in range(MOST_FAILURES):
        await process.failed("")
    for span in (*OPEN_S, OPEN_S[-1]):
        with pytest.raises(BreakerOpen) as refused:
            await process.enter()
        assert refused.value.wait_s == span
        street.now += span
        await process.failed(await process.enter())


async def test_a_probe_whose_process_died_is_followed_by_another(street: Street) -> None:
    dead, living = street.process(), street.process()
    for _ in range(MOST_FAILURES):
        await dead.failed("")
    street.now += OPEN_S[0]
    assert await dead.enter()
    street.now += PROBE_LASTS_S
    assert await living.enter()


async def test_without_the_table_a_process_goes_by_what_it_saw_itself() -> None:
    told = Told()
    breaker = SharedBreaker(uuid4(), uuid4(), None, told, clock=lambda: START)
    for _ in range(MOST_FAILURES):
        await breaker.failed(await breaker.enter())
    with pytest.raises(BreakerOpen):
        await breaker.enter()
    assert len(told.opened_until) == 1


@pytest.fixture
async def world(database: Database, storage: StorageAccount) -> AsyncIterator[World]:
    async with GreenhouseSimulator(SimulatorSettings(people=6, limiter=False)) as simulator:
        made = await connect(settings_for(database.app_dsn, storage.connection_string), simulator, database.admin_dsn)
        yield made
        await made.control.aclose()
        await made.services.aclose()


async def standing(world: World) -> dict[str, Any]:
    return await world.row("SELECT blocked_until > clock_timestamp() AS waits, blocked_reason FROM integrations")


async def look_at(world: World, external_ids: list[str]) -> None:
    """Ask for a reconcile of each, as webhooks would."""
    requests = [
        JobRequest(world.integration_id, RECONCILE, EntityType.CANDIDATE, f"ext:{each}", Direction.INBOUND, 3)
        for each in external_ids
    ]
    async with world.services.database.company(world.company_id) as tx:
        await world.services.store.ledger.enqueue(tx, requests)


async def time_passes(world: World) -> None:
    """Let every wait be over: the database's, and the breaker's in its table."""
    await world.rows("UPDATE integrations SET blocked_until = now() - interval '1 s' RETURNING 1")
    await world.rows("UPDATE sync_queue SET scheduled_at = now() WHERE status = 'pending' RETURNING 1")
    tables, key = world.services.limit_tables, str(world.integration_id)
    entity = await tables.find(TABLE, key, ROW)
    assert entity is not None
    state = {**orjson.loads(entity["state"]), "open_until": 1.0}
    await tables.merge(TABLE, key, ROW, {"state": orjson.dumps(state).decode()})


async def test_pain_30_a_vendor_that_is_down_is_left_alone_and_costs_few_attempts(world: World) -> None:
    """Jobs behind an open breaker keep their attempts, people see why they wait, and it closes by itself."""
    await world.pull()
    external_ids = [str(row["id"]) for row in (await world.vendor_state())["candidates"]]
    assert len(external_ids) > MOST_FAILURES
    await world.control.post("/faults", json={"kind": "error", "status": 503, "path": "/v3/.*", "times": None})
    await look_at(world, external_ids)
    await world.drain()
    (issue,) = await world.rows("SELECT kind FROM issues WHERE ended_at IS NULL")
    assert issue["kind"] == "vendor_unreachable"
    assert await standing(world) == {"waits": True, "blocked_reason": "breaker_open"}
    shown = await Integrations.of(world.services).get(world.company_id, world.integration_id)
    assert (shown["blocked_reason"], shown["open_issues"]) == ("breaker_open", 1)
    assert await attempts(world) <= MOST_FAILURES

    await time_passes(world)
    asked = len(await world.requests())
    await world.drain()
    assert len(await world.requests()) == asked + 1, "more than the one probe went out"
    assert await attempts(world) <= MOST_FAILURES, "the probe cost its job an attempt"

    await world.control.delete("/faults")
    await time_passes(world)
    await world.drain()
    assert await world.rows("SELECT 1 FROM sync_queue WHERE status = 'pending'") == []
    assert await world.rows("SELECT 1 FROM issues WHERE ended_at IS NULL") == []
    assert await standing(world) == {"waits": None, "blocked_reason": None}


async def test_the_word_that_it_closed_may_be_lost_with_its_process(world: World) -> None:
    """Another process closed it and died before it told anyone; whoever is answered next takes the issue back."""
    await world.pull()
    external_ids = [str(row["id"]) for row in (await world.vendor_state())["candidates"]]
    await world.control.post("/faults", json={"kind": "error", "status": 503, "path": "/v3/.*", "times": None})
    await look_at(world, external_ids)
    await world.drain()
    assert len(await world.rows("SELECT 1 FROM issues WHERE kind = 'vendor_unreachable' AND ended_at IS NULL")) == 1

    await world.control.delete("/faults")
    await time_passes(world)
    state = {"state": orjson.dumps(asdict(Circuit())).decode()}
    await world.services.limit_tables.merge(TABLE, str(world.integration_id), ROW, state)
    bystander = Services(world.services.settings)
    try:
        await replace(world, services=bystander).drain()
    finally:
        await bystander.aclose()
    assert await world.rows("SELECT 1 FROM issues WHERE ended_at IS NULL") == []
    assert await standing(world) == {"waits": None, "blocked_reason": None}


async def test_the_sweep_takes_back_that_a_vendor_is_out_of_reach_once_its_breaker_is_closed(world: World) -> None:
    """Whoever closed it died before it told anyone, and nobody calls the vendor: no answer would ever come."""
    await world.pull()
    external_ids = [str(row["id"]) for row in (await world.vendor_state())["candidates"]]
    await world.control.post("/faults", json={"kind": "error", "status": 503, "path": "/v3/.*", "times": None})
    await look_at(world, external_ids)
    await world.drain()

    await world.services.sweep.sweep()
    assert await standing(world) == {"waits": True, "blocked_reason": "breaker_open"}
    assert len(await world.rows("SELECT 1 FROM issues WHERE kind = 'vendor_unreachable' AND ended_at IS NULL")) == 1

    state = {"state": orjson.dumps(asdict(Circuit())).decode()}
    await world.services.limit_tables.merge(TABLE, str(world.integration_id), ROW, state)
    asked = len(await world.requests())
    await world.services.sweep.sweep()
    assert await world.rows("SELECT 1 FROM issues WHERE ended_at IS NULL") == []
    assert await standing(world) == {"waits": None, "blocked_reason": None}
    assert len(await world.requests()) == asked, "the vendor was not asked for that"


async def test_what_is_told_anew_while_the_sweep_looks_stands(world: World) -> None:
    """The breaker was closed when the sweep saw it, and opens before the sweep takes back what is told of it."""
    notices = BreakerNotices(world.services.database, world.services.store)
    opened = replace(Circuit(), failures=MOST_FAILURES, opened=1, open_until=time.time() + OPEN_S[0])
    await notices.opened(world.company_id, world.integration_id, opened)

    class OpensBehindUs:
        """A table whose breaker opens right after it was read as closed."""

        async def find(self, table: str, partition: str, row: str) -> Mapping[str, Any] | None:  # noqa: ARG002 - one row
            await notices.opened(world.company_id, world.integration_id, opened)
            return None

        async def replace(self, *_: object, **__: object) -> bool:
            raise AssertionError("nobody may write")

    assert await BreakerWatch(world.services.database, world.services.store, OpensBehindUs()).look() == 0
    assert await standing(world) == {"waits": True, "blocked_reason": "breaker_open"}
    assert len(await world.rows("SELECT 1 FROM issues WHERE kind = 'vendor_unreachable' AND ended_at IS NULL")) == 1


async def attempts(world: World) -> int:
    """Return how many attempts all jobs together have spent."""
    row = await world.row("SELECT coalesce(sum(retry_count), 0) AS spent FROM sync_queue WHERE status <> 'completed'")
    return int(row["spent"])


async def test_what_a_vendor_refuses_never_opens_it(world: World) -> None:
    """Neither a record that it does not know nor one that it does not like says anything of the vendor's health."""
    await world.pull()
    await look_at(world, [str(900_000_000 + number) for number in range(3 * MOST_FAILURES)])
    await world.drain()
    assert await world.rows("SELECT 1 FROM issues WHERE kind = 'vendor_unreachable'") == []
    assert await standing(world) == {"waits": None, "blocked_reason": None}
