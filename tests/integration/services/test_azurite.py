"""Azurite keeps what it should over a restart, and answers all three services."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from sandbox.services import azurite
from sandbox.services.azurite import AzuriteServer, running_azurite
from tests.fixtures.storage import StorageAccount


def test_queue_blob_and_table_answer(storage: StorageAccount) -> None:
    connection = storage.connection_string
    with BlobServiceClient.from_connection_string(connection) as blobs:
        container = blobs.create_container("documents")
        container.upload_blob("letter", b"Dear")
        assert container.download_blob("letter").readall() == b"Dear"
    with TableServiceClient.from_connection_string(connection) as tables:
        table = tables.create_table("runs")
        table.create_entity({"PartitionKey": "a", "RowKey": "b", "state": "running"})
        assert table.get_entity("a", "b")["state"] == "running"


def messages(server: AzuriteServer) -> list[str]:
    """Return what waits in the queue `kept`, without taking it."""
    with QueueServiceClient.from_connection_string(server.connection_string) as service:
        return [message.content for message in service.get_queue_client("kept").peek_messages()]


def test_a_restart_on_the_same_location_keeps_the_messages(tmp_path: Path) -> None:
    with running_azurite(location=tmp_path / "storage") as server:
        with QueueServiceClient.from_connection_string(server.connection_string) as service:
            service.create_queue("kept").send_message("knock", time_to_live=-1)
        server.stop()
        assert not server.healthy()
        server.start()
        assert messages(server) == ["knock"]


def test_an_install_appears_once_and_is_the_pinned_one() -> None:
    installed = azurite.install()
    assert azurite.install() == installed
    package = installed / "node_modules" / "azurite" / "package.json"
    assert '"version": "3.35.0"' in package.read_text(encoding="utf-8")


def test_the_lock_file_names_no_registry() -> None:
    lock = (azurite.PACKAGE / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    assert '"integrity"' in lock


def test_two_accounts_see_nothing_of_each_other(storage: StorageAccount, azurite: AzuriteServer) -> None:
    other = azurite.connection_string_of("devstoreaccount1")
    with pytest.raises(Exception, match=r"InvalidOperation|AuthenticationFailed|ResourceNotFound"):
        QueueServiceClient.from_connection_string(other).get_service_properties()
    with QueueServiceClient.from_connection_string(storage.connection_string) as service:
        assert list(service.list_queues()) == []
