"""A stack comes up, serves, and leaves nothing, however it ends."""

from __future__ import annotations

import json
import os
import signal
from urllib.parse import urlsplit

import httpx

from sandbox.services.identity import ProcessIdentity
from sandbox.services.process import answers
from sandbox.stack import find_running
from tests.acceptance.stack.running import Up, up
from tests.fixtures.waiting import GENEROUS_S, wait_until


def ports_of(stack: Up) -> list[int]:
    endpoints = dict(part.split("=", 1) for part in stack.told["storage"].split(";") if part)
    storage = [endpoints[name] for name in ("BlobEndpoint", "QueueEndpoint", "TableEndpoint")]
    addresses = [stack.told["api"], stack.told["greenhouse"]["api_base_url"], stack.told["postgres"]["admin"], *storage]
    return [urlsplit(address).port or 0 for address in addresses]


def test_a_stack_that_is_told_to_stop_leaves_nothing_and_a_second_one_works() -> None:
    for _ in range(2):
        with up() as stack:
            health = httpx.get(f"{stack.told['api']}/health", trust_env=False)
            ports, processes = ports_of(stack), stack.processes()
            assert stack.stop() == 0
        assert health.status_code == 200
        assert health.json()["healthy"] is True
        assert len(ports) == len(processes) // 2 + 2  # guardian and service of each; Azurite has three ports
        assert [port for port in ports if answers(port)] == []
        assert [each for each in processes if each.alive()] == []
        assert stack.folders() == []


def test_a_killed_stack_takes_its_services_along_and_the_next_one_starts() -> None:
    with up() as stack:
        ports, processes = ports_of(stack), stack.processes()
        os.kill(stack.process.pid, signal.SIGKILL)
        stack.process.wait(GENEROUS_S)
        wait_until(lambda: not any(each.alive() for each in processes))
        assert [port for port in ports if answers(port)] == []
    with up() as following:
        found = find_running()
        assert found is not None
        assert found["pids"]["sandbox"] != stack.process.pid
        assert httpx.get(f"{following.told['api']}/health", trust_env=False).status_code == 200
        assert stack.folders() == []


def test_a_killed_host_is_replaced_at_the_same_address() -> None:
    with up() as stack:
        host = ProcessIdentity.of(stack.told["pids"]["host"])
        assert host is not None
        host.kill()

        def is_back() -> bool:
            return bool(json.loads(stack.described().read_text())["pids"]["host"] != host.pid)

        wait_until(is_back)
        token = stack.told["tokens"]["portal"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.get(f"{stack.told['api']}/api/platforms", headers=headers, trust_env=False)
        assert answer.status_code == 200
