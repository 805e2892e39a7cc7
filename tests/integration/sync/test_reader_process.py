"""First pulls whose pages another process reads: the same rows, the same errors, and nobody left behind."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared.cli.reader_process import ReaderProcess
from shared.cli.remote_reader import RemoteReader
from shared.composition import Services
from shared.errors import AuthFailed, BreakerOpen, CursorExpired, InvalidInput, LiaisonError, RateLimited
from shared.merge.first import Newcomer
from shared.model import EntityType
from shared.store.links import encoded_link
from shared.store.records import encoded_record
from shared.sync.applying.outcome_log import row_of
from shared.sync.merging.one_record import Merged
from shared.sync.merging.work import Work
from shared.sync.pulling.page_frames import pack, pack_error, unpack, unpack_error
from shared.sync.pulling.reading import Opened, PageReader, Source
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.world import World, connect_with, settings_for

ROOT = Path(__file__).parents[3]
WITHIN_S = 60.0
PEOPLE, PAGES = 1100, 3
WRITTEN = """
SELECT l.entity_type, l.external_id, r.data - 'candidate_id' - 'job_id' AS data, encode(l.digest, 'hex') AS digest,
    l.state, l.is_primary, l.fence, l.vendor_version, r.version, r.archived_at IS NOT NULL AS archived, r.submission,
    ARRAY(SELECT jsonb_object_keys(r.stamps) ORDER BY 1) AS stamps,
    ARRAY(SELECT jsonb_object_keys(l.base) ORDER BY 1) AS base,
    (SELECT jsonb_agg(jsonb_build_array(g.action, g.status, g.details) ORDER BY g.action) FROM sync_logs g
        WHERE g.entity_id = r.id) AS log
FROM external_entity_map l JOIN records r ON r.id = l.internal_id AND r.entity_type = l.entity_type
WHERE r.company_id = %(company)s ORDER BY 1, 2
"""


class Dying(RemoteReader):
    """Reads through a process that is killed after its first page, once."""

    was_killed: bool = False

    async def pages(self, source: Source) -> AsyncGenerator[Opened, None]:
        """Yield pages as long as there is somebody to read them."""
        async for read in RemoteReader.pages(self, source):
            if not self.was_killed:
                self.was_killed = True
                assert self.process.process_id is not None
                os.kill(self.process.process_id, signal.SIGKILL)
            yield read


@pytest.fixture
def environment(database: Database, storage: StorageAccount, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """What a process needs to work on this test's parts; this one has it as well."""
    found = {
        "DATABASE_URL": database.app_dsn,
        "AzureWebJobsStorage": storage.connection_string,
        "ENCRYPTION_SECRET": base64.b64encode(b"k" * 32).decode(),
        "AUTH_JWT_SECRET": "s" * 40,
        "OUTGOING_ALLOW_LOOPBACK": "true",
        "OUTBOUND_NEEDS_PREVIEW": "false",
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
async def simulator() -> AsyncIterator[GreenhouseSimulator]:
    """A Greenhouse with three pages of people."""
    async with GreenhouseSimulator(SimulatorSettings(people=PEOPLE, limiter=False)) as running:
        yield running


@pytest.fixture
async def reader() -> AsyncIterator[Dying]:
    """A reader whose process dies only if a test says so."""
    made = Dying(ReaderProcess(limiter_off=True))
    made.was_killed = True
    yield made
    await made.process.end()


@pytest.fixture
async def world(
    database: Database,
    storage: StorageAccount,
    simulator: GreenhouseSimulator,
    reader: Dying,
    environment: Mapping[str, str],
) -> AsyncIterator[World]:
    """A connected company whose first pulls are read by a process of their own."""
    settings = settings_for(database.app_dsn, storage.connection_string)
    made = await connect_with(Services(settings, first_reader=reader), simulator, database.admin_dsn)
    try:
        yield made
    finally:
        await made.control.aclose()
        await made.services.aclose()


async def test_what_another_process_reads_comes_to_the_same_rows(
    world: World, reader: Dying, simulator: GreenhouseSimulator
) -> None:
    run = await world.run_of(await world.pull())
    assert run["status"] == "complete"
    assert reader.peak_rss_bytes is not None
    services = Services(world.services.settings)
    alone = await connect_with(services, simulator, world.admin_dsn)
    own = await alone.run_of(await alone.pull())
    counted = [name for name in run if name.startswith("records_") or name in ("pages", "requests", "coverage")]
    assert {name: run[name] for name in counted} == {name: own[name] for name in counted}
    there, here = [await world.rows(WRITTEN, company=each.company_id) for each in (world, alone)]
    assert there == here
    assert len(here) > PEOPLE
    again = await world.run_of(await world.pull(mode="full"))
    assert (again["records_created"], again["records_updated"]) == (0, 0), "its digests and prints are our own"
    await alone.control.aclose()
    await services.aclose()


async def test_a_page_is_the_same_on_both_sides_of_the_pipe(world: World) -> None:
    services = world.services
    async with services.database.company(world.company_id) as tx:
        integration = await services.store.connections.get(tx, world.integration_id)
    async with services.adapters.connected(integration) as adapter:
        for entity in (EntityType.JOB, EntityType.CANDIDATE, EntityType.APPLICATION):
            work = Work(integration, type(adapter), entity)
            source = Source(work=work, book=services.applier.book(work), adapter=adapter, is_first=True)
            pages = PageReader(services.database, services.store, services.applier).pages(source)
            sent = (await anext(pages))()
            await pages.aclose()
            got = unpack(pack(sent), source)
            assert got.page == sent.page
            assert [_of_observation(each) for each in got.observations] == [
                _of_observation(each) for each in sent.observations
            ]
            new = {name: each for name, each in sent.foreseen.items() if isinstance(each.decided, Newcomer)}
            assert set(got.foreseen) == set(new), "who was erased is merged again"
            assert bool(new) == (entity is not EntityType.APPLICATION)
            for external_id, merged in new.items():
                other = got.foreseen[external_id]
                assert _rows(other) == _rows(merged)
                assert row_of(work, other) == row_of(work, merged)
                assert (other.is_new, other.taken_units) == (merged.is_new, merged.taken_units)
                with pytest.raises(LookupError):
                    _ = other.outcome


def _rows(merged: Merged) -> tuple[bytes, bytes]:
    assert merged.record_write is not None
    assert merged.link_write is not None
    return encoded_record(merged.record_write), encoded_link(merged.link_write)


def _of_observation(observation: Any) -> tuple[Any, ...]:
    record = observation.record
    return (
        *(observation.external_id, dict(observation.values), observation.digest, observation.version),
        *(observation.ticket, observation.is_fresh_fetch, type(record), record.about()),
        *(record.references, record.left_out, record.anonymized, record.updated_at, record.field_times),
    )


@pytest.mark.parametrize(
    "error",
    [
        AuthFailed("it refuses", remedy="a new key", status=401, request_id="r-1"),
        RateLimited("later", wait_s=17.5),
        BreakerOpen("much later", wait_s=60),
        CursorExpired("forgotten"),
        InvalidInput("not so", field="config.user_id"),
    ],
)
def test_an_error_travels_with_its_fields(error: LiaisonError) -> None:
    got = unpack_error(pack_error(error))
    assert (type(got), str(got), got.args, vars(got)) == (type(error), str(error), error.args, vars(error))


async def test_credentials_that_the_vendor_refuses_fail_the_run_and_pause_the_integration(world: World) -> None:
    fault = {"kind": "error", "method": "GET", "path": "/v3/candidates", "status": 403, "times": 9}
    (await world.control.post("/faults", json=fault)).raise_for_status()
    run = await world.run_of(await world.pull(EntityType.CANDIDATE))
    assert run["status"] == "failed"
    assert run["error"].startswith("auth_failed: ")
    integration = await world.row("SELECT attention FROM integrations")
    assert integration["attention"] == "auth_failed"


async def test_a_reader_that_is_killed_is_started_again_and_nothing_comes_twice(world: World, reader: Dying) -> None:
    reader.was_killed = False
    run_id = await world.pull(EntityType.CANDIDATE)
    assert reader.was_killed
    job = await world.row("SELECT error_code, retry_count FROM sync_queue WHERE action = 'pull'")
    assert job == {"error_code": "unavailable", "retry_count": 1}
    before = await world.run_of(run_id)
    assert (before["status"], before["pages"]) == ("running", 1)
    await world.execute("UPDATE sync_queue SET scheduled_at = now() WHERE action = 'pull'")
    await world.drain()
    run = await world.run_of(run_id)
    assert (run["status"], run["pages"]) == ("complete", PAGES)
    people = len((await world.vendor_state())["candidates"])
    counted = await world.row("SELECT count(*) AS n FROM records WHERE entity_type = 'candidate'")
    assert (run["records_created"], counted["n"]) == (people, people)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="tells children by /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
async def test_a_command_that_is_ended_leaves_no_process_behind(
    world: World, environment: Mapping[str, str], how: signal.Signals
) -> None:
    fault = {"kind": "latency", "method": "GET", "path": "/v3/candidates", "seconds": 30, "times": 9}
    (await world.control.post("/faults", json=fault)).raise_for_status()
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.cli", "pull", "--integration", str(world.integration_id)),
        *("--entity", "candidate", "--mode", "full", "--no-limiter"),
        cwd=ROOT,
        env={"PATH": "", **environment},
        stderr=asyncio.subprocess.DEVNULL,
    )
    await _until(world, lambda rules: rules[0]["applied"] > 0)
    (child,) = _children(command.pid)
    command.send_signal(how)
    await command.wait()
    await _until(world, lambda _: not _is_alive(child))


async def _until(world: World, holds: Callable[[Any], bool]) -> None:
    """Wait until *holds* of the faults that are in force."""
    async with asyncio.timeout(WITHIN_S):
        while not holds((await world.control.get("/faults")).json()):
            pass


def _children(process: int) -> list[str]:
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


def _is_alive(process: str) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
