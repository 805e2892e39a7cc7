"""The host's blobs: the lock that lets one host alone run timers, and timers' status (§5)."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import Any, Self

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobClient, BlobLeaseClient, BlobServiceClient

from sandbox.host.settings import HostSettings

log = logging.getLogger(__name__)

CONTAINER = "azure-webjobs-hosts"
NEVER = datetime(1, 1, 1, tzinfo=UTC)


class HostBlobs:
    """The container that a host keeps in its `AzureWebJobsStorage`. An async context manager."""

    def __init__(self, settings: HostSettings) -> None:
        self.host_id = settings.host_id
        self._service = BlobServiceClient.from_connection_string(
            settings.connection_string("AzureWebJobsStorage"),
            retry_total=2,
            initial_backoff=1,
            read_timeout=30,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._service.close()

    def blob(self, path: str) -> BlobClient:
        """Return a client of the blob at *path*."""
        return self._service.get_blob_client(CONTAINER, path)

    async def ensure_container(self) -> None:
        """Make the container unless it is there."""
        try:
            await self._service.create_container(CONTAINER)
        except ResourceExistsError:
            return

    async def read_json(self, path: str) -> dict[str, Any] | None:
        """Return the object in the blob at *path*, or None when there is no such blob."""
        try:
            stream = await self.blob(path).download_blob()
        except ResourceNotFoundError:
            return None
        found: dict[str, Any] = json.loads(await stream.readall())
        return found

    async def write_json(self, path: str, value: dict[str, Any]) -> None:
        """Replace the blob at *path*."""
        await self.blob(path).upload_blob(json.dumps(value), overwrite=True)


class HostLock:
    """A lease on `locks/<host id>/host`; whoever holds it runs the timers."""

    def __init__(self, blobs: HostBlobs, lease_id: str, seconds: int) -> None:
        self._blobs = blobs
        self._seconds = seconds
        self._blob = blobs.blob(f"locks/{blobs.host_id}/host")
        # A worker that replaces a timed-out one comes with the same id and so keeps the lock.
        self._lease = BlobLeaseClient(self._blob, lease_id)

    async def acquire(self) -> bool:
        """Take the lock, or tell that another host holds it or that storage cannot be asked."""
        try:
            await self._blobs.ensure_container()
            await self._ensure_blob()
            await self._lease.acquire(self._seconds)
        except ResourceExistsError:
            return False
        except AzureError as exc:
            log.warning("the host lock cannot be taken: %s", exc)
            return False
        return True

    async def keep(self, until: asyncio.Event) -> None:
        """Renew at half time; return when *until* is set or the lock is lost."""
        while True:
            try:
                async with asyncio.timeout(self._seconds / 2):
                    await until.wait()
            except TimeoutError:
                try:
                    await self._lease.renew()
                except AzureError as exc:
                    log.warning("the host lock is lost: %s", exc)
                    return
            else:
                return

    async def release(self) -> None:
        """Give the lock back, so that the next host need not wait for the lease to end."""
        try:
            await self._lease.release()
        except AzureError as exc:
            log.warning("the host lock could not be released: %s", exc)

    async def _ensure_blob(self) -> None:
        if not await self._blob.exists():
            try:
                await self._blob.upload_blob(b"", overwrite=False)
            except ResourceExistsError:
                return
