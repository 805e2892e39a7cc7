"""Where events go, seen from outside: a child process, its output, and a stand-in of Application Insights."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from shared import telemetry
from shared.settings import load_settings

ROOT = Path(__file__).parents[3]
KEY = "0f0e0d0c-0b0a-0908-0706-050403020100"
CANARIES = ("Canary", "jane@", "555123", "canary-token", "canary-password", "%40")
ENVIRONMENT: Mapping[str, str] = {
    "PATH": os.defpath,
    "PYTHONPATH": str(ROOT),
    "DATABASE_URL": "postgresql://app:canary-password@localhost/liaison",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "ENCRYPTION_SECRET": "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=",
    "AUTH_JWT_SECRET": "a shared secret of thirty-two characters",
}

CHILD = """
import logging, sys
from shared import telemetry
from shared.settings import load_settings

telemetry.configure(load_settings(), role="liaison-test")
telemetry.configure(load_settings(), role="liaison-test")
log = telemetry.get_logger("shared.sync.workers.runner")
traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
with telemetry.bound(integration_id="i-1"), telemetry.continued(traceparent):
    log.info("job_finished", outcome="complete", attempts=2, full_name="Jane Canary", title="Jane Canary",
             contact="jane@canary.example", reason="call +49 30 555123 now", token="canary-token",
             url="https://x.example/?email=jane%40canary.example", dsn_used="canary-password")
    log.warning("rate_limited", cause="Bearer canary-token-value for jane@canary.example")
    try:
        raise LookupError("Jane Canary jane@canary.example canary-token")
    except LookupError:
        log.exception("job_crashed")
    for _ in range(3):
        telemetry.count("webhook_rejected", platform="greenhouse")
    telemetry.measure("page_ms", 31.5, entity="candidate")
    logging.getLogger("httpx").info("GET https://x.example/?email=jane@canary.example")
"""


class Collector(ThreadingHTTPServer):
    """Keeps the envelopes that `POST /v2.1/track` brings."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Track)
        self.raw: list[str] = []
        self.envelopes: list[dict[str, Any]] = []
        self.paths: set[str] = set()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [envelope for envelope in self.envelopes if envelope["data"]["baseType"] == kind]


class Track(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.raw.append(body.decode())
        self.server.paths.add(self.path)
        received = json.loads(body)
        self.server.envelopes += received
        answer = json.dumps({"itemsReceived": len(received), "itemsAccepted": len(received), "errors": []}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run_child(program: str = CHILD, **environment: str) -> subprocess.CompletedProcess[str]:
    child = subprocess.run(  # noqa: S603  # our own interpreter and text
        [sys.executable, "-W", "ignore", "-c", program],
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    return child


def connection(collector: Collector) -> str:
    # Untidy on purpose: opencensus' own parser refuses a final semicolon.
    return f"InstrumentationKey={KEY}; IngestionEndpoint=http://127.0.0.1:{collector.server_port}/;"


def without_canaries(text: str) -> None:
    for canary in CANARIES:
        assert canary not in text, canary


def test_here_events_are_json_lines_on_standard_output_and_nothing_leaks() -> None:
    child = run_child()
    lines = [json.loads(line) for line in child.stdout.splitlines()]
    assert [line["event"] for line in lines] == [
        "job_finished",
        "rate_limited",
        "job_crashed",
        "page_ms",
        "webhook_rejected",
    ]
    assert {line.get("integration_id") for line in lines[:3]} == {"i-1"}
    assert lines[2]["error_class"] == "LookupError"
    assert lines[4]["value"] == 3
    without_canaries(child.stdout + child.stderr)


def test_people_get_columns() -> None:
    child = run_child(LOG_FORMAT="console", LOG_LEVEL="WARNING")
    first, second = child.stdout.splitlines()
    assert " warning rate_limited " in first
    assert " error   job_crashed " in second
    without_canaries(child.stdout + child.stderr)


def test_application_insights_gets_everything_before_the_process_ends_and_no_canary(collector: Collector) -> None:
    child = run_child(APPLICATIONINSIGHTS_CONNECTION_STRING=connection(collector))
    assert len(child.stdout.splitlines()) == 5
    assert collector.paths == {"/v2.1/track"}
    without_canaries("".join(collector.raw) + child.stdout + child.stderr)

    events = {envelope["data"]["baseData"]["name"]: envelope for envelope in collector.of("EventData")}
    assert sorted(events) == ["job_crashed", "job_finished", "page_ms", "rate_limited", "webhook_rejected"]
    assert len(collector.of("EventData")) == len(events)
    finished = events["job_finished"]
    assert finished["iKey"] == KEY
    assert finished["tags"]["ai.cloud.role"] == "liaison-test"
    assert finished["tags"]["ai.operation.id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    data = finished["data"]["baseData"]
    assert data["properties"]["outcome"] == "complete"
    assert data["properties"]["integration_id"] == "i-1"
    assert data["measurements"] == {"attempts": 2.0}
    assert events["webhook_rejected"]["data"]["baseData"]["measurements"] == {"value": 3.0}

    (warning,) = collector.of("MessageData")
    assert warning["data"]["baseData"]["message"] == "rate_limited"
    assert warning["data"]["baseData"]["severityLevel"] == 2
    (crash,) = collector.of("ExceptionData")
    (told,) = crash["data"]["baseData"]["exceptions"]
    assert told["typeName"] == "LookupError"
    assert told["message"] == "job_crashed"
    assert told["parsedStack"][0]["line"] > 1


def test_in_azure_an_event_leaves_once(collector: Collector) -> None:
    root_on_stderr = "import logging; logging.basicConfig(level=20, format='HOST %(message)s')\n"
    with_exporter = run_child(
        root_on_stderr + CHILD,
        WEBSITE_SITE_NAME="liaison",
        APPLICATIONINSIGHTS_CONNECTION_STRING=connection(collector),
    )
    assert not with_exporter.stdout
    assert "HOST" not in with_exporter.stderr
    assert len(collector.of("EventData")) == 5

    without = run_child(root_on_stderr + CHILD, WEBSITE_SITE_NAME="liaison")
    assert not without.stdout
    told = [line for line in without.stderr.splitlines() if line.startswith("HOST")]
    assert len(told) == 5
    assert told[0].startswith("HOST job_finished integration_id=i-1 outcome=complete")
    without_canaries(without.stderr)


def test_the_exporter_is_imported_by_need_alone() -> None:
    program = """
import sys
from shared import telemetry
from shared.settings import load_settings
telemetry.configure(load_settings())
assert not [name for name in sys.modules if name.startswith(("opencensus", "requests"))]
"""
    run_child(program)


def test_a_collector_that_is_down_costs_nobody_anything(collector: Collector) -> None:
    gone = connection(collector)
    collector.server_close()
    child = run_child(CHILD + "telemetry.flush(1.0)\n", APPLICATIONINSIGHTS_CONNECTION_STRING=gone)
    assert len(child.stdout.splitlines()) == 5
    without_canaries(child.stderr)


def test_configuring_again_replaces_and_shutting_down_restores(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL"):
        monkeypatch.setenv(name, "")  # so that what the exporter is given does not outlive the test
    settings = load_settings({**ENVIRONMENT, "APPLICATIONINSIGHTS_CONNECTION_STRING": connection(collector)})
    log = telemetry.get_logger(__name__)
    telemetry.configure(settings)
    telemetry.configure(settings)
    try:
        log.warning("rate_limited", cause="password canary-password", changed=["stage", "phone"])
        log.error("job_crashed")
        telemetry.flush(5.0)
    finally:
        telemetry.shutdown()
    log.warning("job_retried")
    assert [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()] == [
        "rate_limited",
        "job_crashed",
    ]
    assert len(collector.of("EventData")) == len(collector.of("MessageData")) == 2
    assert {envelope["tags"]["ai.cloud.role"] for envelope in collector.envelopes} == {"liaison"}
    assert collector.envelopes[0]["data"]["baseData"]["properties"]["changed"] == "stage,phone"
    without_canaries("".join(collector.raw))


def test_a_flush_sends_what_is_held_back(collector: Collector) -> None:
    program = CHILD + "telemetry.flush(5.0)\nimport os; os._exit(0)\n"
    run_child(program, APPLICATIONINSIGHTS_CONNECTION_STRING=connection(collector))
    assert len(collector.of("EventData")) == 5
    assert len(collector.of("ExceptionData")) == 1
