"""Queue functions against a real queue service (docs/local-host.md, section 4)."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from tests.fixtures.waiting import until, wait_until
from tests.integration.host.conftest import StartHost
from tests.integration.host.hosting import HostProcess
from tests.integration.host.queues import TestQueues

EAGER = {"AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.100"}


async def _started(host: HostProcess, counts: list[int]) -> None:
    async def so() -> bool:
        return await host.started() == counts

    await until(so)


async def test_a_message_is_handed_over_with_its_metadata_and_then_deleted(
    start_host: StartHost, queues: TestQueues
) -> None:
    start_host(**EAGER)  # before the queue exists, which the host puts up with
    queues.send("inbox", "grüß")
    wait_until(queues.holds("seen", 1))
    wait_until(queues.holds("inbox", 0))
    (seen,) = queues.reports()
    assert (seen["body"], seen["dequeue_count"]) == ("grüß", 1)
    assert seen["id"]
    assert seen["pop_receipt"]
    inserted, expires, visible = seen["moments"]
    assert inserted < visible < expires
    assert all(moment.endswith("+00:00") for moment in seen["moments"])


async def test_an_output_is_written_only_after_success_and_wakes_the_listener(
    start_host: StartHost, queues: TestQueues
) -> None:
    hour = {
        "SANDBOX_HOST_POLLING_START_SECONDS": "3600",
        "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "01:00:00",
    }
    host = start_host(**hour)
    failed = await host.client.post("/enqueue/lost", params={"fail": "1"})
    assert failed.status_code == 500
    done = await host.client.post("/enqueue/kept")
    assert done.status_code == 200
    wait_until(queues.holds("seen", 1))  # the next poll would be in an hour
    assert [report["body"] for report in queues.reports()] == ["kept"]


async def test_the_fifth_failure_moves_the_body_to_the_poison_queue(start_host: StartHost, queues: TestQueues) -> None:
    queues.send("inbox", "fail")
    start_host(**EAGER)
    wait_until(queues.holds("inbox-poison", 1))
    wait_until(queues.holds("inbox", 0))
    (poison,) = queues.receive("inbox-poison")
    assert poison.dequeue_count == 1  # ours is the first
    assert poison.content == "ZmFpbA=="
    assert poison.expires_on is not None
    assert poison.inserted_on is not None
    assert (poison.expires_on - poison.inserted_on).days == 7
    assert queues.count("seen") == 0


async def test_a_value_returned_without_return_binding_is_a_failure(start_host: StartHost, queues: TestQueues) -> None:
    queues.send("returns", "x")
    start_host(**EAGER)
    wait_until(queues.holds("returns-poison", 1))


async def test_a_failed_message_waits_for_the_visibility_timeout(start_host: StartHost, queues: TestQueues) -> None:
    start_host(**EAGER, AzureFunctionsJobHost__extensions__queues__visibilityTimeout="01:00:00")
    queues.send("inbox", "fail")
    wait_until(lambda: queues.count("inbox") == 1 and not queues.bodies("inbox"))
    assert queues.count("inbox-poison") == 0


async def test_a_body_that_is_not_base64_goes_to_poison_without_a_run(
    start_host: StartHost, queues: TestQueues
) -> None:
    queues.send("gated", "{not base64}", raw=True)
    host = start_host(**EAGER)
    wait_until(queues.holds("gated-poison", 1))
    wait_until(queues.holds("gated", 0))
    assert queues.receive("gated-poison")[0].content == "{not base64}"
    assert await host.started() == []


async def test_without_encoding_bodies_travel_as_they_are(start_host: StartHost, queues: TestQueues) -> None:
    queues.send("inbox", "{as it is}", raw=True)
    start_host(**EAGER, AzureFunctionsJobHost__extensions__queues__messageEncoding="none")
    wait_until(queues.holds("seen", 1))
    assert json.loads(queues.receive("seen")[0].content)["body"] == "{as it is}"


async def test_a_message_that_was_taken_too_often_is_not_run_again(
    start_host: StartHost, queues: TestQueues, tmp_path: Path
) -> None:
    queues.send("gated", str(tmp_path))  # exists: the gate is open
    for _ in range(5):
        wait_until(lambda: bool(queues.receive("gated", visibility_timeout=1)))
    host = start_host(**EAGER)
    wait_until(queues.holds("gated-poison", 1))
    assert await host.started() == []


async def test_a_poison_queue_has_no_poison_queue(start_host: StartHost, queues: TestQueues) -> None:
    queues.send("parked-poison", "x")
    for _ in range(5):
        wait_until(lambda: bool(queues.receive("parked-poison", visibility_timeout=1)))
    host = start_host(**EAGER)
    # The sixth delivery is run all the same, and the message then waits for its lease to end.
    await _started(host, [6])
    assert (queues.count("parked-poison"), queues.bodies("parked-poison")) == (1, [])
    assert queues.count("parked-poison-poison") == 0


async def test_a_string_parameter_gets_the_body_and_a_list_sends_one_message_each(
    start_host: StartHost, queues: TestQueues
) -> None:
    queues.send("texts", "hello")
    start_host(**EAGER)
    wait_until(queues.holds("seen", 2))
    assert sorted(queues.bodies("seen")) == ["HELLO", "hello"]


async def test_one_at_a_time_is_one_at_a_time(start_host: StartHost, queues: TestQueues, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    for _ in range(3):
        queues.send("gated", str(gate))
    host = start_host(
        **EAGER,
        AzureFunctionsJobHost__extensions__queues__batchSize="1",
        AzureFunctionsJobHost__extensions__queues__newBatchThreshold="0",
    )
    await _started(host, [1])
    assert len(queues.bodies("gated")) == 2  # the others were not even taken
    gate.touch()
    wait_until(queues.holds("seen", 3))


async def test_new_messages_are_taken_while_no_more_than_the_threshold_run(
    start_host: StartHost, queues: TestQueues, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    for _ in range(8):
        queues.send("gated", str(gate))
    host = start_host(
        **EAGER,
        AzureFunctionsJobHost__extensions__queues__batchSize="2",
        AzureFunctionsJobHost__extensions__queues__newBatchThreshold="3",
    )
    await _started(host, [1] * 4)  # two batches; at four running there is no third
    assert len(queues.bodies("gated")) == 4
    gate.touch()
    wait_until(queues.holds("seen", 8))


async def test_a_long_run_keeps_its_lease(start_host: StartHost, queues: TestQueues, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    queues.send("gated", str(gate))
    host = start_host(**EAGER, SANDBOX_HOST_LEASE_SECONDS="6")
    await _started(host, [1])
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 7)  # more than a lease, whose renewal may be three seconds late
    gate.touch()
    wait_until(queues.holds("seen", 1))
    wait_until(queues.holds("gated", 0))
    assert await host.started() == [1]


async def test_a_run_whose_host_is_killed_comes_back_when_the_lease_ends(
    start_host: StartHost, queues: TestQueues
) -> None:
    queues.send("hanging", "x")
    first = start_host(**EAGER, SANDBOX_HOST_LEASE_SECONDS="6")
    await _started(first, [1])
    first.signal(signal.SIGKILL)
    first.wait()

    async def nobody_serves() -> bool:
        return await first.worker_pid() is None

    await until(nobody_serves)
    assert (queues.count("hanging"), queues.bodies("hanging")) == (1, [])  # still leased by the dead
    start_host(**EAGER, SANDBOX_HOST_LEASE_SECONDS="6")
    wait_until(queues.holds("seen", 1))
    assert queues.reports()[0]["dequeue_count"] == 2


async def test_a_drain_takes_nothing_new_and_finishes_what_runs(
    start_host: StartHost, queues: TestQueues, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    queues.send("gated", str(gate))
    host = start_host(**EAGER)
    await _started(host, [1])
    host.signal(signal.SIGTERM)

    async def refuses() -> bool:
        return await host.worker_pid() is None

    await until(refuses)
    assert not host.ended
    queues.send("gated", str(gate))
    gate.touch()
    assert host.wait() == 0
    assert queues.count("seen") == 1
    assert len(queues.bodies("gated")) == 1  # the second is there, untouched and visible


async def test_a_drain_by_request_keeps_answering_http(
    start_host: StartHost, queues: TestQueues, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    queues.send("gated", str(gate))
    host = start_host(**EAGER)
    await _started(host, [1])

    async def state() -> str:
        status = await host.get("/admin/host/drain/status", headers=host.master)
        return str(status.json()["state"])

    assert await state() == "Disabled"
    accepted = await host.client.post("/admin/host/drain", headers=host.master)
    assert accepted.status_code == 202
    assert await state() == "InProgress"
    gate.touch()

    async def completed() -> bool:
        return await state() == "Completed"

    await until(completed)
    queues.send("inbox", "too late")
    assert (await host.client.post("/enqueue/later")).status_code == 200
    assert await host.worker_pid() == host.announced["worker_pid"]
    assert sorted(queues.bodies("inbox")) == ["later", "too late"]
