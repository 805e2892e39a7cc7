"""Blobs of the storage account. Every outage of the service becomes Unavailable here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient

from shared.errors import Unavailable

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineResponse


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob as a listing shows it."""

    name: str
    age: timedelta
    """Since it was stored or marked. Both times are the service's: ours may be minutes off."""
    metadata: Mapping[str, str]


class _Page:
    """When a page of a listing was answered, by the service's clock."""

    at: datetime

    def answered(self, response: PipelineResponse[Any, Any]) -> None:
        """Hear of the answer."""
        self.at = parsedate_to_datetime(response.http_response.headers["Date"])


class Blobs:
    """
    Reads and writes blobs of the storage account; a missing container is made by the first write.

    It belongs to the event loop in which it is first used (`shared.composition` makes one for each).
    """

    def __init__(self, connection_string: str) -> None:
        self._connection_string = connection_string
        self._service: BlobServiceClient | None = None

    def _client(self) -> BlobServiceClient:
        if self._service is None:
            self._service = BlobServiceClient.from_connection_string(
                self._connection_string,
                retry_total=2,
                initial_backoff=0.2,
                increment_base=2,
                connection_timeout=3,
                read_timeout=20,
                use_env_settings=False,  # else every request reads proxies and netrc in a thread
            )
        return self._service

    async def put(self, container: str, name: str, content: bytes) -> None:
        """Store *content*, over what was there. Raises Unavailable."""
        client = self._client().get_blob_client(container, name)
        try:
            try:
                await client.upload_blob(content, overwrite=True)
            except ResourceNotFoundError:
                await self._ensure(container)
                await client.upload_blob(content, overwrite=True)
        except AzureError as error:
            raise Unavailable(f"container {container} can't be written") from error

    async def _ensure(self, container: str) -> None:
        try:
            await self._client().create_container(container)
        except ResourceExistsError:
            return

    async def find(self, container: str, name: str) -> bytes | None:
        """Return a blob's content; None if there is none. Raises Unavailable."""
        try:
            stream = await self._client().get_blob_client(container, name).download_blob()
            return await stream.readall()
        except ResourceNotFoundError:
            return None
        except AzureError as error:
            raise Unavailable(f"container {container} can't be read") from error

    async def mark(self, container: str, name: str, metadata: Mapping[str, str]) -> bool:
        """Put *metadata* in place of a blob's own, which makes it modified now; tell whether it is there."""
        try:
            await self._client().get_blob_client(container, name).set_blob_metadata(dict(metadata))
        except ResourceNotFoundError:
            return False
        except AzureError as error:
            raise Unavailable(f"container {container} can't be written") from error
        return True

    async def delete(self, container: str, name: str) -> None:
        """Delete a blob if it is there. Raises Unavailable."""
        try:
            await self._client().get_blob_client(container, name).delete_blob()
        except ResourceNotFoundError:
            return
        except AzureError as error:
            raise Unavailable(f"container {container} can't be written") from error

    async def every(self, container: str) -> AsyncIterator[StoredBlob]:
        """Yield every blob by name, page by page; nothing if there is no such container. Raises Unavailable."""
        page = _Page()
        client = self._client().get_container_client(container)
        try:
            async for properties in client.list_blobs(include=["metadata"], raw_response_hook=page.answered):
                yield StoredBlob(properties.name, page.at - properties.last_modified, properties.metadata or {})
        except ResourceNotFoundError:
            return
        except AzureError as error:
            raise Unavailable(f"container {container} can't be read") from error

    async def aclose(self) -> None:
        """Close the connections; the next use opens new ones."""
        if self._service is not None:
            await self._service.close()
            self._service = None
