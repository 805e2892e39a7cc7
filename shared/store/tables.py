"""Azure Tables: small state that may be lost. Every outage of the service becomes Unavailable here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from shared.errors import Unavailable

Entity = Mapping[str, Any]


class Tables:
    """
    Reads and writes entities of the storage account's tables; a missing table is made by the first write.

    It belongs to the event loop in which it is first used (`shared.composition` makes one for each).
    """

    def __init__(self, connection_string: str, *, timeout_s: float = 3.0, retries: int = 1) -> None:
        self._connection_string = connection_string
        self._timeout_s = timeout_s
        self._retries = retries
        self._service: TableServiceClient | None = None
        self._clients: dict[str, TableClient] = {}

    def _client(self, table: str) -> TableClient:
        if self._service is None:
            self._service = TableServiceClient.from_connection_string(
                self._connection_string,
                retry_total=self._retries,
                retry_backoff_factor=0.1,
                connection_timeout=self._timeout_s,
                read_timeout=self._timeout_s,
                use_env_settings=False,  # else every request reads proxies and netrc in a thread
            )
        client = self._clients.get(table)
        if client is None:
            client = self._clients[table] = self._service.get_table_client(table)
        return client

    async def find(self, table: str, partition: str, row: str) -> Entity | None:
        """Return an entity; None if there is none, or no such table. Raises Unavailable."""
        try:
            return await self._client(table).get_entity(partition, row)
        except ResourceNotFoundError:
            return None
        except AzureError as error:
            raise Unavailable(f"table {table} can't be read") from error

    async def merge(self, table: str, partition: str, row: str, properties: Entity) -> None:
        """Set *properties* of an entity, made if missing; its other properties stay. Raises Unavailable."""
        entity = {**properties, "PartitionKey": partition, "RowKey": row}
        client = self._client(table)

        async def write() -> None:
            await client.upsert_entity(entity, mode=UpdateMode.MERGE)

        await self._written(table, write)

    async def replace(
        self, table: str, partition: str, row: str, properties: Entity, *, instead_of: Entity | None
    ) -> bool:
        """
        Make *properties* all that an entity holds, in place of what `find` returned; None: there was none.

        Returns False, and writes nothing, if somebody wrote the entity meanwhile. Raises Unavailable.
        """
        entity = {**properties, "PartitionKey": partition, "RowKey": row}
        client = self._client(table)

        async def write() -> None:
            if instead_of is None:
                await client.create_entity(entity)
                return
            await client.update_entity(
                entity,
                mode=UpdateMode.REPLACE,
                etag=instead_of.metadata["etag"],  # type: ignore[attr-defined]  # `find` returns a TableEntity
                match_condition=MatchConditions.IfNotModified,
            )

        try:
            await self._written(table, write)
        except (ResourceExistsError, ResourceModifiedError):
            return False
        except ResourceNotFoundError:  # deleted since it was read
            return False
        return True

    async def _written(self, table: str, write: Callable[[], Awaitable[None]]) -> None:
        """Run *write*, after making the table if it is missing. Outages become Unavailable, conflicts pass."""
        try:
            try:
                await write()
            except ResourceNotFoundError:  # the table or the entity: the client does not always tell which
                await self.ensure(table)
                await write()
        except (ResourceExistsError, ResourceModifiedError, ResourceNotFoundError):
            raise
        except AzureError as error:
            raise Unavailable(f"table {table} can't be written") from error

    async def ensure(self, table: str) -> None:
        """Make *table* unless it exists."""
        try:
            await self._client(table).create_table()
        except ResourceExistsError:
            return

    async def delete(self, table: str, partition: str, row: str) -> None:
        """Delete an entity if it is there. Raises Unavailable."""
        try:
            await self._client(table).delete_entity(partition, row)
        except ResourceNotFoundError:
            return
        except AzureError as error:
            raise Unavailable(f"table {table} can't be written") from error

    async def every(self, table: str) -> AsyncIterator[Entity]:
        """Yield every entity of *table*, page by page; nothing if there is no such table. Raises Unavailable."""
        try:
            async for entity in self._client(table).list_entities():
                yield entity
        except ResourceNotFoundError:
            return
        except AzureError as error:
            raise Unavailable(f"table {table} can't be read") from error

    async def aclose(self) -> None:
        """Close the connections; the next use opens new ones."""
        if self._service is not None:
            for client in self._clients.values():
                await client.close()
            await self._service.close()
            self._service = None
            self._clients = {}
