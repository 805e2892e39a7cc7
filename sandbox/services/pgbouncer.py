"""
PgBouncer in transaction mode in front of a PostgreSQL, as Azure's flexible server has it.

Debian's package `pgbouncer` (`scripts/install_system_packages` installs it). It refuses to
run as root, so it runs as the services' account.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sandbox.services import folders
from sandbox.services.account import unprivileged
from sandbox.services.process import ServiceFailed, ServiceProcess, answers, free_ports

START_SECONDS = 15

CONFIGURATION = """\
[databases]
* = host={host} port={server_port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 500
server_idle_timeout = 5
log_connections = 0
log_disconnections = 0
"""


@dataclass
class PgBouncer:
    """A pooler for every database of one server, and the roles it was given."""

    folder: Path
    port: int
    process: ServiceProcess

    @classmethod
    def started(cls, dsn: str, passwords: Mapping[str, str], *, pool_size: int = 20) -> Self:
        """
        Start a pooler before the server of *dsn* for the roles of *passwords*, and wait for it.

        *pool_size* is server connections per database and role. Raises `ServiceFailed`
        where PgBouncer is not installed or does not start.
        """
        program = find_program()
        account = unprivileged()
        folder = folders.make_service_folder("pgbouncer", folders.reachable_base(account=account))
        target = conninfo_to_dict(dsn)
        (port,) = free_ports(1)
        users = folder / "users.txt"
        configuration = folder / "pgbouncer.ini"
        files = {
            users: "".join(f'"{role}" "{word}"\n' for role, word in passwords.items()),
            configuration: CONFIGURATION.format(
                host=target["host"],
                server_port=target["port"],
                port=port,
                users=users,
                pool_size=pool_size,
            ),
        }
        for path, text in files.items():
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")
            if account:
                account.own(path)
        command: list[str | Path] = [program, "--quiet", configuration]
        process = ServiceProcess("pgbouncer", command, folder=folder, account=account)
        pooler = cls(folder, port, process)
        try:
            process.wait_healthy(lambda: answers(port), within=START_SECONDS)
        except ServiceFailed:
            pooler.remove()
            raise
        return pooler

    def through(self, dsn: str) -> str:
        """Return *dsn* with this pooler in place of the server."""
        return make_conninfo(dsn, host="127.0.0.1", port=self.port)

    def remove(self) -> None:
        """Stop it and remove its folder."""
        self.process.stop()
        folders.remove_service_folder(self.folder)


@contextmanager
def running_pgbouncer(dsn: str, passwords: Mapping[str, str], *, pool_size: int = 20) -> Iterator[PgBouncer]:
    """Run a pooler for the block; see `PgBouncer.started` for the arguments."""
    pooler = PgBouncer.started(dsn, passwords, pool_size=pool_size)
    try:
        yield pooler
    finally:
        pooler.remove()


def find_program() -> str:
    """Return the path of PgBouncer; raises `ServiceFailed` with the remedy if there is none."""
    # Debian puts it in a folder that ordinary users do not search.
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if found is None:
        raise ServiceFailed("PgBouncer is not installed: run scripts/install_system_packages")
    return found
