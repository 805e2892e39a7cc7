"""
Everything that Liaison needs, on this machine: PostgreSQL, a storage account, the Functions host, a simulator.

    with running_stack(people=200) as stack:
        httpx.get(stack.host.url + "/health")

It uses what any user of Liaison has: the command line, HTTP, settings. All of it belongs to this process and goes with
it, however it ends: the services by their guardians, what they leave on disk by the next start's sweep.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.database import SandboxDatabase, give_passwords, made_database
from sandbox.programs import HostProgram, SimulatorProgram, cli
from sandbox.services import folders
from sandbox.services.azurite import chosen_storage
from sandbox.services.identity import ProcessIdentity
from sandbox.services.postgres import PostgresServer, chosen_postgres

COMPANY = "Acme"
ROLE_OF_TOKEN = {"portal": "recruiter", "admin": "admin", "data_manager": "data_manager", "ops": "ops"}
DESCRIPTION = "stack.json"


@dataclass
class Stack:
    """A running stack. *settings* are those of the app; *greenhouse* has the simulator's addresses and keys."""

    folder: Path
    database: SandboxDatabase
    storage: str
    settings: Mapping[str, str]
    host: HostProgram
    greenhouse: SimulatorProgram
    fault_file: Path
    """A job that this file names, by id or record key, raises while it exists."""
    company_id: str = ""
    tokens: dict[str, str] = field(default_factory=dict)
    postgres_pid: int | None = None

    def cli(self, *arguments: str) -> Mapping[str, Any]:
        """Run `python -m shared.cli` against this stack; return its last line of JSON. Raises CommandFailed."""
        return cli(arguments, self.settings)

    def describe(self) -> dict[str, Any]:
        """Return what `python -m sandbox up --json` prints (docs/demo.md)."""
        return {
            "api": self.host.url,
            "company_id": self.company_id,
            "tokens": self.tokens,
            "greenhouse": dict(self.greenhouse.addresses),
            "postgres": {
                "owner": self.database.owner,
                "app": self.database.app,
                "operator": self.database.operator,
                "admin": self.database.admin,
            },
            "storage": self.storage,
            "host_master_key": self.host.master_key,
            "host_log": str(self.host.log),
            "fault_file": str(self.fault_file),
            "settings": dict(self.settings),
            "pids": {
                "sandbox": os.getpid(),
                "host": self.host.pid,
                "greenhouse": self.greenhouse.pid,
                "postgres": self.postgres_pid,
            },
        }

    def write_description(self) -> None:
        """Write it where `find_running` looks; for the owner of this process alone."""
        draft = self.folder / f"{DESCRIPTION}.draft"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(self.describe()), encoding="utf-8")
        draft.replace(self.folder / DESCRIPTION)  # whoever reads meanwhile reads the one before


@contextmanager
def running_stack(
    *,
    people: int = 0,
    port: int = 0,
    host_settings: Mapping[str, str] | None = None,
    simulator_options: Sequence[str] = (),
    durable: bool = True,
    storage: str | None = None,
) -> Iterator[Stack]:
    """
    Run a fresh stack with one company for the block.

    *host_settings* are laid over the app's settings; *simulator_options* are those of the simulator's command line;
    without *durable* PostgreSQL may lose commits when the machine crashes, and is faster; *storage* is the connection
    string of an account that somebody else runs. Raises `ServiceFailed`, CommandFailed.
    """
    base = folders.reachable_base()
    with ExitStack() as parts:
        folder = folders.make_service_folder("stack", base)
        parts.callback(folders.remove_service_folder, folder)
        with ThreadPoolExecutor() as pool:  # its end waits for those that have begun, so that they can be stopped
            storing = chosen_storage() if storage is None else nullcontext(storage)
            account = pool.submit(parts.enter_context, storing)
            simulator = pool.submit(_start_simulator, parts, folder, [f"--people={people}", *simulator_options])
            server = parts.enter_context(chosen_postgres(durable=durable))
            database = parts.enter_context(made_database(server))
            fault_file = folder / "faults"
            settings = {**app_settings(database, account.result(), fault_file), **(host_settings or {})}
            cli(["migrate"], settings | {"DATABASE_OWNER_URL": database.owner})
            give_passwords(database)
            host = HostProgram(folder, settings, port=port)
            stack = Stack(folder, database, account.result(), settings, host, simulator.result(), fault_file)
            stack.postgres_pid = server.pid if isinstance(server, PostgresServer) else None
            starting = pool.submit(_start_host, parts, host)
            stack.company_id = str(stack.cli("company", "create", COMPANY)["company_id"])
            tokens = {name: pool.submit(_token, stack, role) for name, role in ROLE_OF_TOKEN.items()}
            stack.tokens = {name: token.result() for name, token in tokens.items()}
            starting.result()
        stack.write_description()
        yield stack


def app_settings(database: SandboxDatabase, storage: str, fault_file: Path) -> dict[str, str]:
    """
    Return the app's settings for this stack, docs/settings.md.

    Whatever else local.settings.json of the clone may set is blank here: it is the developer's, not the sandbox's.
    """
    sample = json.loads((folders.CLONE / "local.settings.sample.json").read_text(encoding="utf-8"))
    return dict.fromkeys(sample["Values"], "") | {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "DATABASE_URL": database.app,
        "AzureWebJobsStorage": storage,
        "ENCRYPTION_SECRET": base64.b64encode(secrets.token_bytes(32)).decode(),
        "AUTH_JWT_SECRET": secrets.token_urlsafe(40),
        "OUTGOING_ALLOW_LOOPBACK": "true",
        "OUTBOUND_NEEDS_PREVIEW": "false",
        "SANDBOX_FAULT_FILE": str(fault_file),
        "LOG_FORMAT": "json",
    }


def find_running() -> dict[str, Any] | None:
    """Return the description of the newest stack of this clone whose process lives; None if there is none."""
    files = folders.reachable_base().glob(f"stack.*/{DESCRIPTION}")
    alive = [each for each in files if ProcessIdentity.parse(each.parent.name.split(".")[1]).alive()]
    if not alive:
        return None
    newest = max(alive, key=lambda each: each.stat().st_mtime)
    found: dict[str, Any] = json.loads(newest.read_text(encoding="utf-8"))
    return found


def _start_simulator(parts: ExitStack, folder: Path, options: Sequence[str]) -> SimulatorProgram:
    simulator = SimulatorProgram("greenhouse", folder, options)
    parts.callback(simulator.stop)
    return simulator


def _start_host(parts: ExitStack, host: HostProgram) -> None:
    host.start()
    parts.callback(host.stop)
    host.become_healthy()


def _token(stack: Stack, role: str) -> str:
    made = stack.cli("token", "create", "--company", stack.company_id, "--role", role, "--subject", f"sandbox {role}")
    return str(made["token"])
