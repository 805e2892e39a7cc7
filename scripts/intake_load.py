"""
`make intake`: signed webhooks at a constant rate while PostgreSQL is stopped; then it comes back, and none may be lost.

Starts PostgreSQL, Azurite and the local host with this repository's app, makes an integration of every kind that the
intake answers differently (docs/webhooks.md), stops PostgreSQL, sends from another process, starts PostgreSQL and
waits until every event that was accepted is in the database. Ends non-zero beyond a p99 of 250 ms, at a wrong answer or
a lost event.

A machine that had no time for the host says nothing about the intake. The kernel is the witness: it counts how long the
host's threads stood ready to run and did not. A round beyond the p99 is sent once more if they waited for more than a
third of the time that they ran, up to `--rounds`, and the best is judged. Answers and events of every round count.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sandbox.services.azurite import running_azurite
from sandbox.services.postgres import PostgresServer, running_postgres
from scripts.intake_sender import Target
from shared import telemetry
from shared.intake.publish import announce_rotation, publish
from shared.intake.secrets import WebhookSecrets
from shared.intake.wiring import Intake
from shared.security.keys import Keys, Purpose
from shared.security.sealing import Sealer
from shared.security.webhook_url import mac_for
from shared.settings import Settings, load_settings
from shared.store.database import Database
from shared.store.migrate import migrate
from shared.store.queues import Knocker, Queues

REPOSITORY = Path(__file__).resolve().parents[1]
P99_MS = 250.0
STARVED_SHARE = 1 / 3
"""Of the time that the host ran: alone on two cores it waits for about a tenth of that."""
READY_WITHIN_S = 60.0
DRAIN_AT_LEAST = 40.0
"""Events a second that are taken from the queue at the very least before the wait is given up."""
WARM_UP_RATE, WARM_UP_S = 20.0, 3.0
"""Requests before the measurement: a cold start is the platform's subject, not this one's."""
LOG_CHARACTERS = 5_000
OWNER, APP = "liaison_owner", "liaison_app"


class Parts:
    """What the intake is built from; made here because the app's own composition lives in the host's process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.keys = Keys.from_settings(settings)
        self.database = Database(settings.database_url.get_secret_value())
        self.queues = Queues(settings.storage_connection.get_secret_value())
        self.knocker = Knocker(self.queues, telemetry.get_logger(__name__))


def main(arguments: list[str] | None = None) -> int:
    """Run the load; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--duration", "--seconds", dest="duration", type=float, default=600.0, help="seconds")
    parser.add_argument("--rounds", type=int, default=1, help="at most; the next only when the machine was starved")
    parser.add_argument("--app", type=Path, default=REPOSITORY, help="folder of function_app.py")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres())
        azurite = stack.enter_context(running_azurite())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="intake-")))
        environment = _environment(_prepared(postgres), azurite.connection_string)
        targets = asyncio.run(_integrations(environment, postgres))
        host = stack.enter_context(_host(options.app, environment, folder))
        _send(folder, host["url"], targets, WARM_UP_RATE, WARM_UP_S, "warm-up")
        postgres.stop()
        print(f"PostgreSQL is stopped; {options.rate:g} webhooks/s for {options.duration:g} s", flush=True)
        reports: list[dict[str, Any]] = []
        while not reports or (_is_worth_another(reports[-1]) and len(reports) < options.rounds):
            name = f"round-{len(reports) + 1}"
            ran_s, waited_s = _processor_time(host["worker_pid"])
            report = _send(folder, host["url"], targets, options.rate, options.duration, name)
            after = _processor_time(host["worker_pid"])
            report["waited_share"] = (after[1] - waited_s) / max(after[0] - ran_s, 0.001)
            _show(name, report)
            reports.append(report)
        faults = _judged(reports)
        postgres.start()
        print("PostgreSQL is back", flush=True)
        faults += _waited_for(postgres, [event_id for report in reports for event_id in report["arriving"]])
        if faults:
            print((folder / "host.log").read_text(encoding="utf-8", errors="replace")[-LOG_CHARACTERS:])
    for fault in faults:
        print(f"FAULT: {fault}", flush=True)
    print("intake: " + ("failed" if faults else "passed"), flush=True)
    return 1 if faults else 0


def _prepared(postgres: PostgresServer) -> str:
    """Migrate a new database; return the app's connection string."""
    passwords = {role: secrets.token_urlsafe(24) for role in (OWNER, APP)}
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        _login(connection, "CREATE", OWNER, passwords[OWNER], "CREATEROLE")
        connection.execute(sql.SQL("CREATE DATABASE liaison OWNER {}").format(sql.Identifier(OWNER)))
        asyncio.run(migrate(postgres.dsn("liaison", user=OWNER, password=passwords[OWNER])))
        _login(connection, "ALTER", APP, passwords[APP])
    return postgres.dsn("liaison", user=APP, password=passwords[APP])


def _login(connection: psycopg.Connection[Any], verb: str, role: str, password: str, attributes: str = "") -> None:
    statement = "{} ROLE {} LOGIN PASSWORD {} {}"
    parts = (sql.SQL(verb), sql.Identifier(role), sql.Literal(password), sql.SQL(attributes))
    connection.execute(sql.SQL(statement).format(*parts))


def _environment(database_dsn: str, storage: str) -> dict[str, str]:
    return {
        "DATABASE_URL": make_conninfo(database_dsn),
        "AzureWebJobsStorage": storage,
        "ENCRYPTION_SECRET": base64.b64encode(secrets.token_bytes(32)).decode(),
        "AUTH_JWT_SECRET": secrets.token_urlsafe(32),
        "OUTGOING_ALLOW_LOOPBACK": "true",
        "OUTBOUND_NEEDS_PREVIEW": "false",
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": str(REPOSITORY),
    }


async def _integrations(environment: dict[str, str], postgres: PostgresServer) -> list[Target]:
    """Make an integration of each kind as the API would leave it, and publish what the intake is to know."""
    parts = Parts(load_settings(environment))
    intake, company_id = Intake(parts), uuid4()
    with psycopg.connect(postgres.dsn("liaison"), autocommit=True) as connection:
        connection.execute("INSERT INTO companies (id, name) VALUES (%s, 'Load')", [company_id])
        ids = {kind: _integration(connection, parts.keys, company_id, kind) for kind in KINDS}
        for integration_id in ids.values():
            await publish(intake.publishing, company_id, integration_id)
        await announce_rotation(intake.tables, ids["rotating"], 2, datetime.now(UTC))
        sealed = _sealed(parts.keys, ids["rotating"], WebhookSecrets("rotated", previous="rotating"))
        connection.execute(
            "UPDATE integrations SET webhook_secret_sealed = %s, webhook_secrets_version = 2 WHERE id = %s",
            [sealed, ids["rotating"]],
        )
    await intake.aclose()
    await parts.queues.aclose()
    await parts.database.aclose()
    return list(_targets(ids, parts.keys))


KINDS = {
    "active": "UPDATE integrations SET attention = 'auth_failed' WHERE id = %s",  # jobs wait: there is no vendor
    "paused": "UPDATE integrations SET sync_enabled = false WHERE id = %s",
    "rotating": "UPDATE integrations SET attention = 'auth_failed' WHERE id = %s",
    "deleted": "UPDATE integrations SET sync_enabled = false, deleted_at = now() WHERE id = %s",
}


def _integration(connection: psycopg.Connection[Any], keys: Keys, company_id: UUID, kind: str) -> UUID:
    integration_id = uuid4()
    connection.execute(
        "INSERT INTO integrations (id, company_id, platform, webhook_url, rank, webhook_secret_sealed)"
        " SELECT %s, %s, 'greenhouse', '', count(*) + 1, %s FROM integrations",
        [integration_id, company_id, _sealed(keys, integration_id, WebhookSecrets(kind))],
    )
    connection.execute(KINDS[kind].encode(), [integration_id])
    return integration_id


def _sealed(keys: Keys, integration_id: UUID, content: WebhookSecrets) -> str:
    return Sealer(keys).seal(content.to_json(), integration_id=integration_id)


def _targets(ids: dict[str, UUID], keys: Keys) -> Iterator[Target]:
    key = keys.derive(Purpose.WEBHOOK_MAC)

    def path(kind: str) -> str:
        return f"/api/integrations/{ids[kind]}/webhook?mac={mac_for(ids[kind], key)}"

    yield Target("genuine", 0.82, path("active"), "active", 200, arrives=True)
    yield Target("paused", 0.02, path("paused"), "paused", 200, arrives=True)
    yield Target("rotating", 0.02, path("rotating"), "rotated", 200, arrives=True)
    yield Target("deleted", 0.01, path("deleted"), "deleted", 200, arrives=True)
    yield Target("forged", 0.08, path("active"), "forged", 401, arrives=False)
    wrong_mac = f"/api/integrations/{ids['active']}/webhook?mac={mac_for(ids['paused'], key)}"
    yield Target("wrong-mac", 0.04, wrong_mac, "active", 401, arrives=False)
    yield Target("never-existed", 0.01, f"/api/integrations/{uuid4()}/webhook", "active", 200, arrives=False)


@contextmanager
def _host(app: Path, environment: dict[str, str], folder: Path) -> Iterator[dict[str, Any]]:
    """Serve *app* until the block ends."""
    command = [sys.executable, "-m", "sandbox.host", "--root", str(app), "--port", "0", "--json"]
    log = folder / "host.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=output
        ) as host,
    ):
        assert host.stdout is not None  # noqa: S101 - it is a pipe
        try:
            line = host.stdout.readline()
            if not line:
                raise SystemExit(f"the host did not start:\n{log.read_text(encoding='utf-8')[-3000:]}")
            yield json.loads(line)
        finally:
            host.terminate()
            try:
                host.wait(90)
            except subprocess.TimeoutExpired:
                host.kill()


def _send(
    folder: Path, base: str, targets: list[Target], rate: float, duration_s: float, prefix: str
) -> dict[str, Any]:
    """Run the sender in its own process; return its report."""
    plan = folder / f"{prefix}.json"
    content = {"base": base, "targets": [asdict(target) for target in targets], "prefix": prefix}
    plan.write_text(json.dumps({**content, "rate": rate, "duration_s": duration_s}), encoding="utf-8")
    subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "scripts.intake_sender", str(plan)], cwd=REPOSITORY, check=True
    )
    report: dict[str, Any] = json.loads(plan.with_suffix(".report").read_text(encoding="utf-8"))
    return report


def _quantile_ms(ordered_s: list[float], share: float) -> float:
    return 1000 * ordered_s[min(len(ordered_s) - 1, int(len(ordered_s) * share))]


def _show(name: str, report: dict[str, Any]) -> None:
    """Print latencies and answers of a round."""
    latencies = report["latencies_s"]
    p50, p95, p99 = (_quantile_ms(latencies, share) for share in (0.5, 0.95, 0.99))
    print(
        f"{name}: p50 {p50:.1f} ms · p95 {p95:.1f} ms · p99 {p99:.1f} ms · slowest {1000 * latencies[-1]:.0f} ms"
        f" · the host waited for a processor {report['waited_share']:.0%} of the time it ran",
        flush=True,
    )
    for answer, count in sorted(report["answers"].items()):
        print(f"  {answer}: {count}")


def _is_worth_another(report: dict[str, Any]) -> bool:
    """Whether a round was too slow on a machine that had too little time for the host."""
    return report["waited_share"] > STARVED_SHARE and _quantile_ms(report["latencies_s"], 0.99) > P99_MS


def _processor_time(pid: int) -> tuple[float, float]:
    """Return seconds that a process has run, and that it waited for a processor; zeros where nobody counts them."""
    ran_ns = waited_ns = 0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            ran, waited, _ = file.read_text(encoding="ascii").split()
        except OSError:  # a thread that has ended meanwhile
            continue
        ran_ns, waited_ns = ran_ns + int(ran), waited_ns + int(waited)
    return ran_ns / 1e9, waited_ns / 1e9


def _judged(reports: list[dict[str, Any]]) -> list[str]:
    """Return what is wrong: every wrong answer, and the p99 of the best round if it is too high."""
    faults = [f"{count} answers {answer}" for report in reports for answer, count in report["wrong"].items()]
    p99 = min(_quantile_ms(report["latencies_s"], 0.99) for report in reports)
    return faults if p99 <= P99_MS else [*faults, f"p99 {p99:.0f} ms, at most {P99_MS:.0f} ms is right"]


def _waited_for(postgres: PostgresServer, event_ids: list[str]) -> list[str]:
    """Wait until every event is recorded, with jobs for what it named; return what is missing as faults."""
    began, missing = time.monotonic(), set(event_ids)
    deadline = began + READY_WITHIN_S + len(event_ids) / DRAIN_AT_LEAST
    while missing and time.monotonic() < deadline:
        time.sleep(1.0)  # noqa: TID251 - a look each second, with the deadline above
        with psycopg.connect(postgres.dsn("liaison")) as connection:
            missing -= {row[0] for row in connection.execute(_ARRIVED)}
    seconds = time.monotonic() - began
    print(f"{len(event_ids) - len(missing)} of {len(event_ids)} events arrived within {seconds:.0f} s", flush=True)
    if missing:
        return [f"{len(missing)} accepted events are lost, {min(missing)} for one"]
    with psycopg.connect(postgres.dsn("liaison")) as connection:
        return [f"integration {row[0]} has events and no job" for row in connection.execute(_WITHOUT_JOBS)]


# A kept event's id carries what its body was (shared/intake/process.py).
_ARRIVED = """
SELECT split_part(event_id, ' sha256:', 1) FROM webhook_events
WHERE state IN ('processed', 'kept') AND event_id IS NOT NULL
"""
_WITHOUT_JOBS = """
SELECT DISTINCT e.integration_id FROM webhook_events e WHERE e.state = 'processed' AND e.records > 0
    AND NOT EXISTS (SELECT FROM sync_queue q WHERE q.integration_id = e.integration_id)
"""


if __name__ == "__main__":
    sys.exit(main())
