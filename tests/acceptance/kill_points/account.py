"""One company with a Greenhouse of its own on a running stack, reached as its users reach it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from sandbox import seed
from sandbox.programs import SimulatorProgram
from sandbox.seed import call
from sandbox.stack import Stack

SIMULATOR_OPTIONS = ("--window-limit=600",)
"""Pace is another test's subject: here no job may wait for a window."""

_folders = itertools.count(1)


@dataclass
class Account:
    """A company, its integration, its simulator."""

    stack: Stack
    company_id: str
    integration_id: str
    api: httpx.Client
    control: httpx.Client
    addresses: Mapping[str, Any]
    vendor_pid: int
    """Number of the simulator's process."""

    def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        """Read the database past every policy; `%(integration)s` and `%(company)s` are this account's."""
        bound = {"integration": self.integration_id, "company": self.company_id, **parameters}
        with psycopg.connect(self.stack.database.admin, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), bound).fetchall()

    def number(self, query: str, **parameters: Any) -> int:
        """Return the only number that *query* yields."""
        ((value,),) = (row.values() for row in self.rows(query, **parameters))
        return int(value)

    def state(self, table: str) -> Sequence[Mapping[str, Any]]:
        """Return the simulator's rows of *table*."""
        found: Sequence[Mapping[str, Any]] = call(self.control, "GET", f"/state/{table}")
        return found

    def requests(self) -> Sequence[Mapping[str, Any]]:
        """Return the simulator's log."""
        found: Sequence[Mapping[str, Any]] = call(self.control, "GET", "/requests")
        return found

    def add_fault(self, **rule: Any) -> int:
        """Put a rule of the simulator's weather in force; return its id."""
        return int(call(self.control, "POST", "/faults", rule)["id"])

    def fault_applied(self, fault_id: int) -> int:
        """Return how often a rule was applied."""
        return next(int(each["applied"]) for each in call(self.control, "GET", "/faults") if each["id"] == fault_id)

    def start_sync(self, **body: Any) -> str:
        """Ask for an inbound sync; return the run's id."""
        path = f"/api/integrations/{self.integration_id}/sync"
        return str(call(self.api, "POST", path, {"direction": "inbound", **body})["run_id"])

    def record_id(self, entity: str, external_id: object) -> str:
        """Return our id of what the vendor calls *external_id*."""
        (row,) = self.rows(
            "SELECT internal_id FROM external_entity_map"
            " WHERE integration_id = %(integration)s AND entity_type = %(entity)s AND external_id = %(external)s",
            entity=entity,
            external=str(external_id),
        )
        return str(row["internal_id"])

    def at_work(self) -> str | None:
        """Return what jobs and runs are left, None if none are. A job that is held for an event is not."""
        jobs = self.number(
            "SELECT count(*) FROM sync_queue WHERE integration_id = %(integration)s AND (status = 'processing'"
            " OR status = 'pending' AND scheduled_at < now() + interval '10 min')"
        )
        if jobs:
            return f"{jobs} jobs"
        running = self.number("SELECT count(*) FROM runs WHERE integration_id = %(integration)s AND status = 'running'")
        return f"{running} runs" if running else None

    def open_job(self) -> Mapping[str, Any]:
        """Return an open job of the vendor."""
        return next(job for job in self.state("jobs") if job["status"] == "open" and not job["is_template"])


@contextmanager
def opened_account(stack: Stack, *, people: int, seed_number: int) -> Iterator[Account]:
    """Make a company with a connected simulator of *people* for the block."""
    with ExitStack() as parts:
        folder = Path(stack.folder) / f"account-{next(_folders)}"
        folder.mkdir()
        options = (f"--people={people}", f"--seed={seed_number}", *SIMULATOR_OPTIONS)
        simulator = SimulatorProgram("greenhouse", folder, options)
        parts.callback(simulator.stop)
        company_id = str(stack.cli("company", "create", folder.name)["company_id"])
        token = stack.cli("token", "create", "--company", company_id, "--role", "admin", "--subject", "acceptance")
        api = parts.enter_context(seed.client(stack.host.url, str(token["token"])))
        addresses = simulator.addresses
        control = parts.enter_context(seed.client(str(addresses["admin_url"]), str(addresses["admin_token"])))
        made = seed.connect(api, company_id, control, addresses, directions="both")
        yield Account(stack, company_id, str(made["id"]), api, control, addresses, simulator.pid)
