"""Timer functions with real blobs (docs/local-host.md, section 5)."""

from __future__ import annotations

import itertools
import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from sandbox.host import ncrontab
from tests.fixtures.storage import StorageAccount
from tests.fixtures.waiting import until, wait_until
from tests.integration.host.conftest import StartHost
from tests.integration.host.queues import TestQueues

EACH_SECOND = "* * * * * *"
EACH_MIDNIGHT = "0 0 0 * * *"
STATUS = "timers/test/Host.Functions.tick/status"


class Statuses:
    """The status blobs, as the host keeps them."""

    def __init__(self, connection_string: str) -> None:
        self._service = BlobServiceClient.from_connection_string(connection_string)
        self._container = self._service.get_container_client("azure-webjobs-hosts")

    def read(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self._container.download_blob(STATUS).readall())
        except ResourceNotFoundError:
            return None
        return found

    def write(self, *, last: datetime, following: datetime) -> None:
        self._container.create_container()
        status = {
            "Last": last.isoformat(),
            "Next": following.isoformat(),
            "LastUpdated": last.isoformat(),
        }
        self._container.upload_blob(STATUS, json.dumps(status))

    def close(self) -> None:
        self._service.close()


@pytest.fixture
def statuses(storage: StorageAccount) -> Iterator[Statuses]:
    made = Statuses(storage.connection_string)
    yield made
    made.close()


async def test_a_timer_follows_its_schedule(start_host: StartHost, queues: TestQueues) -> None:
    start_host(TICK_SCHEDULE=EACH_SECOND)
    wait_until(lambda: queues.count("ticks") >= 3)
    assert not any(tick["past_due"] for tick in queues.reports("ticks"))


async def test_a_new_timer_writes_when_it_is_due_and_waits(
    start_host: StartHost, queues: TestQueues, statuses: Statuses
) -> None:
    start_host(TICK_SCHEDULE=EACH_MIDNIGHT)
    wait_until(lambda: statuses.read() is not None)
    status = statuses.read()
    assert status is not None
    assert status["Last"].startswith("0001-01-01T00:00:00")
    due = ncrontab.parse(EACH_MIDNIGHT).after(datetime.fromisoformat(status["LastUpdated"]))
    assert datetime.fromisoformat(status["Next"]) == due
    assert queues.count("ticks") == 0


async def test_occurrences_missed_while_down_are_made_up_for_once(
    start_host: StartHost, queues: TestQueues, statuses: Statuses
) -> None:
    last = datetime.now(UTC) - timedelta(days=3)
    statuses.write(last=last, following=ncrontab.parse(EACH_MIDNIGHT).after(last))
    first = start_host(TICK_SCHEDULE=EACH_MIDNIGHT)
    wait_until(queues.holds("ticks", 1))
    assert queues.reports("ticks")[0]["past_due"] is True

    def recorded() -> bool:
        status = statuses.read()
        return status is not None and datetime.fromisoformat(status["Last"]) > last

    wait_until(recorded)
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    second = start_host(TICK_SCHEDULE=EACH_MIDNIGHT)
    await second.client.post("/admin/functions/tick", json={"input": ""}, headers=second.master)
    wait_until(queues.holds("ticks", 2))
    assert sorted(tick["past_due"] for tick in queues.reports("ticks")) == [False, True]


async def test_a_changed_schedule_is_not_past_due(
    start_host: StartHost, queues: TestQueues, statuses: Statuses
) -> None:
    last = datetime.now(UTC) - timedelta(days=3)
    statuses.write(last=last, following=last + timedelta(minutes=17))
    start_host(TICK_SCHEDULE=EACH_MIDNIGHT)

    def recomputed() -> bool:
        status = statuses.read()
        return status is not None and datetime.fromisoformat(status["Next"]) > datetime.now(UTC)

    wait_until(recomputed)
    assert queues.count("ticks") == 0


async def test_a_timer_is_run_by_hand_with_the_master_key(start_host: StartHost, queues: TestQueues) -> None:
    host = start_host()
    body = {"input": ""}
    refused = await host.client.post("/admin/functions/tick", json=body)
    assert refused.status_code == 401
    unknown = await host.client.post("/admin/functions/tock", json=body, headers=host.master)
    assert unknown.status_code == 404
    unread = await host.client.post("/admin/functions/tick", content=b"x", headers=host.master)
    assert unread.status_code == 400
    accepted = await host.client.post("/admin/functions/TICK", json=body, headers=host.master)
    assert accepted.status_code == 202
    wait_until(queues.holds("ticks", 1))


async def test_a_retry_policy_runs_the_timer_again(start_host: StartHost, queues: TestQueues) -> None:
    host = start_host()
    await host.client.post("/admin/functions/retried", json={"input": ""}, headers=host.master)
    wait_until(queues.holds("retried", 1))
    assert queues.reports("retried") == [{"retry_count": 2}]


async def test_one_host_alone_runs_timers_and_another_takes_over(start_host: StartHost, queues: TestQueues) -> None:
    first = start_host(TICK_SCHEDULE=EACH_SECOND)

    def ticks_of(pid: int) -> int:
        return sum(tick["pid"] == pid for tick in queues.taken("ticks"))

    wait_until(lambda: ticks_of(first.announced["worker_pid"]) >= 1)
    second = start_host(TICK_SCHEDULE=EACH_SECOND)

    before = ticks_of(first.announced["worker_pid"])
    wait_until(lambda: ticks_of(first.announced["worker_pid"]) >= before + 3)
    assert ticks_of(second.announced["worker_pid"]) == 0
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    wait_until(lambda: ticks_of(second.announced["worker_pid"]) >= 1)


async def test_a_restarted_worker_keeps_the_host_lock(start_host: StartHost, queues: TestQueues) -> None:
    host = start_host(
        TICK_SCHEDULE=EACH_SECOND,
        AzureFunctionsJobHost__functionTimeout="00:00:01",
        SANDBOX_HOST_TIMEOUT_GRACE_SECONDS="0.1",
        SANDBOX_HOST_LOCK_RETRY_SECONDS="60",
    )
    first = host.announced["worker_pid"]
    assert (await host.get("/hang")).status_code == 500

    async def ticks_again() -> bool:
        return any(tick["pid"] != first for tick in queues.taken("ticks"))

    await until(ticks_again)


async def test_a_run_on_startup_is_not_past_due(start_host: StartHost, queues: TestQueues) -> None:
    start_host()
    wait_until(queues.holds("starts", 1))
    assert queues.reports("starts")[0]["past_due"] is False


async def test_a_run_that_outlasts_its_interval_delays_the_next(start_host: StartHost, queues: TestQueues) -> None:
    start_host(TICK_SCHEDULE=EACH_SECOND, TICK_SECONDS="1.2")
    wait_until(lambda: queues.count("ticks") >= 3)
    began = sorted(tick["began"] for tick in queues.reports("ticks"))
    assert all(later - earlier >= 1.2 for earlier, later in itertools.pairwise(began))
