"""The worker process: timeouts, crashes, ends (docs/local-host.md, section 8)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.fixtures.storage import StorageAccount
from tests.fixtures.waiting import GENEROUS_S, until, wait_until
from tests.integration.host.conftest import StartHost
from tests.integration.host.hosting import REPOSITORY, HostProcess
from tests.integration.host.queues import TestQueues

EAGER = {"AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.100"}
APP_WITH = "import azure.functions as func\napp = func.FunctionApp()\n"
IMPATIENT = {
    "AzureFunctionsJobHost__functionTimeout": "00:00:02",
    "SANDBOX_HOST_TIMEOUT_GRACE_SECONDS": "0.3",
}


async def _another_worker_serves(host: HostProcess, first: int) -> None:
    async def so() -> bool:
        return await host.worker_pid() not in {None, first}

    await until(so)


async def test_a_timeout_fails_the_call_and_restarts_the_worker(start_host: StartHost) -> None:
    host = start_host(**IMPATIENT)
    first = host.announced["worker_pid"]
    assert await host.worker_pid() == first
    response = await host.get("/hang")
    assert (response.status_code, response.content) == (500, b"")
    await _another_worker_serves(host, first)


async def test_a_blocked_event_loop_is_ended_as_well(start_host: StartHost) -> None:
    host = start_host(**IMPATIENT)
    with pytest.raises(httpx.TransportError):
        await host.get("/hang-blocking")
    await _another_worker_serves(host, host.announced["worker_pid"])


async def test_a_message_whose_run_timed_out_is_delivered_again(start_host: StartHost, queues: TestQueues) -> None:
    queues.send("hanging", "x")
    host = start_host(**EAGER, **IMPATIENT)
    await _another_worker_serves(host, host.announced["worker_pid"])
    wait_until(lambda: queues.count("seen") > 0)
    # Twice on most machines; a starved one may let the second run, too, take longer than its two seconds.
    assert queues.reports()[0]["dequeue_count"] >= 2
    wait_until(queues.holds("hanging", 0))


async def test_a_timeout_fails_the_other_invocations_of_the_worker(
    start_host: StartHost, queues: TestQueues, tmp_path: Path
) -> None:
    settings = {**IMPATIENT, "AzureFunctionsJobHost__functionTimeout": "00:00:08"}
    host = start_host(**EAGER, **settings)

    async def hang() -> httpx.Response:
        return await host.get("/hang")

    import asyncio

    hanging = asyncio.create_task(hang())

    async def a_quarter_over() -> bool:
        return loop.time() - began > 2

    loop = asyncio.get_running_loop()
    began = loop.time()
    await until(a_quarter_over)
    gate = tmp_path / "gate"
    queues.send("gated", str(gate))  # it has six seconds to begin before the other is overdue
    assert (await hanging).status_code == 500
    # The message began later and was not overdue; it failed with its worker and is run again.
    await _another_worker_serves(host, host.announced["worker_pid"])

    async def run_again() -> bool:
        return await host.started() == [2]

    await until(run_again)
    gate.touch()
    wait_until(queues.holds("seen", 1))


async def test_a_worker_that_dies_is_replaced_on_the_same_port(start_host: StartHost) -> None:
    host = start_host()
    first = host.announced["worker_pid"]
    os.kill(first, signal.SIGKILL)
    await _another_worker_serves(host, first)
    response = await host.get("/guarded", headers=host.master)
    assert response.status_code == 200  # nor did the keys change


async def test_a_second_signal_ends_a_drain_that_does_not_end(start_host: StartHost) -> None:
    import asyncio

    host = start_host()
    hanging = asyncio.create_task(host.get("/hang"))

    async def runs() -> bool:
        status = await host.get("/admin/host/drain/status", headers=host.master)
        return bool(status.json()["outstandingInvocations"] == 1)

    await until(runs)
    host.signal(signal.SIGINT)

    async def refuses() -> bool:
        return await host.worker_pid() is None

    await until(refuses)
    assert not host.ended
    host.signal(signal.SIGINT)
    assert host.wait() == 1
    with pytest.raises(httpx.TransportError):
        await hanging


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise ImportError('no such driver')", "no such driver"),
        ("x = 1", "0 top-level FunctionApps"),
        (
            APP_WITH + "@app.route(route='admin/x')\ndef f(req): return ''",
            "belongs to the host",
        ),
        (
            APP_WITH + "@app.timer_trigger(arg_name='t', schedule='every day')\ndef f(t): pass",
            "fields instead of six",
        ),
    ],
)
def test_an_app_that_cannot_be_served_ends_the_host_with_the_reason(
    tmp_path: Path, storage: StorageAccount, source: str, said: str
) -> None:
    (tmp_path / "function_app.py").write_text(source)
    host_json = {"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}
    (tmp_path / "host.json").write_text(json.dumps(host_json))
    values = {"AzureWebJobsStorage": storage.connection_string}
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": values}))
    ended = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "sandbox.host", "--root", str(tmp_path), "--port", "0", "--json"],
        cwd=REPOSITORY,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=GENEROUS_S,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert said in ended.stderr


async def test_a_storage_account_that_refuses_the_key_ends_the_worker(
    storage: StorageAccount,
) -> None:
    wrong = ";".join(
        "AccountKey=d3Jvbmc=" if part.startswith("AccountKey=") else part
        for part in storage.connection_string.split(";")
    )
    host = HostProcess(wrong)
    try:
        await _another_worker_serves(host, host.announced["worker_pid"])
    finally:
        await host.close()
