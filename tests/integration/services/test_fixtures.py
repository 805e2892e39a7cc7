"""The fixtures give each test parts of its own, and no way out of the machine."""

from __future__ import annotations

import socket

import psycopg
import pytest
from azure.storage.queue import QueueServiceClient

from sandbox.services.pgbouncer import PgBouncer
from tests.fixtures.network import OutsideAddressError
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount


@pytest.mark.parametrize("_turn", [1, 2])
def test_a_database_is_empty_and_its_owner_is_no_superuser(empty_database: Database, _turn: int) -> None:
    with psycopg.connect(empty_database.owner_dsn) as connection:
        connection.execute("CREATE TABLE mark ()")  # fails in the second turn if it is not new
        row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        assert row.fetchone() == (False,)


@pytest.mark.parametrize("_turn", [1, 2])
def test_a_storage_account_is_empty_and_carries_messages(storage: StorageAccount, _turn: int) -> None:
    with QueueServiceClient.from_connection_string(storage.connection_string) as service:
        assert list(service.list_queues()) == []
        queue = service.create_queue("sync-urgent")
        queue.send_message("knock", time_to_live=-1)
        received = queue.receive_message()
        assert received is not None
        assert received.content == "knock"


def test_pgbouncer_shares_a_server_connection_between_transactions(
    pgbouncer: PgBouncer, empty_database: Database
) -> None:
    dsn = pgbouncer.through(empty_database.owner_dsn)
    with (
        psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as one,
        psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as other,
    ):
        backends = {connection.execute("SELECT pg_backend_pid()").fetchone() for connection in (one, other)}
    assert len(backends) == 1, "in session mode each client would have a backend of its own"


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.invalid", 80)])
def test_other_machines_cannot_be_reached(address: tuple[str, int]) -> None:
    with pytest.raises(OutsideAddressError):
        socket.create_connection(address, timeout=1)
