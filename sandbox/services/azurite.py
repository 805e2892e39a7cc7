"""
A storage account of our own: Azurite from npm, pinned, in `sandbox/services/azurite/`.

Flags, and why: `--disableTelemetry`, because it sends usage data away otherwise;
`--skipApiVersionCheck`, because the SDKs speak newer versions than it lists. Never
`--loose`: it hides errors that the cloud would answer.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sandbox.services import folders
from sandbox.services.account import BARE_ENVIRONMENT
from sandbox.services.process import ServiceFailed, ServiceProcess, answers, free_ports
from sandbox.services.settings import ServiceSettings

PACKAGE = Path(__file__).with_name("azurite")
ACCOUNT = "devstoreaccount1"
# Azurite's documented key, the same on every machine in the world.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_SECONDS = 60
INSTALL_SECONDS = 300


@dataclass
class AzuriteServer:
    """Blobs, queues and tables on three loopback ports; `start` and `stop` may alternate."""

    folder: Path
    location: Path | None  # None: all in memory, gone with each stop
    ports: tuple[int, int, int]
    accounts: tuple[str, ...] = (ACCOUNT,)
    _process: ServiceProcess | None = None

    @classmethod
    def make(
        cls,
        *,
        location: Path | None = None,
        accounts: tuple[str, ...] = (ACCOUNT,),
        base: Path | None = None,
    ) -> Self:
        """
        Make storage *accounts*, not started, that keep their data in *location* or in memory.

        Installs Azurite on first use (npm, half a minute); raises `ServiceFailed` if it cannot.
        """
        install()
        folder = folders.make_service_folder("azurite", base or folders.reachable_base())
        blob, queue, table = free_ports(3)
        return cls(folder, location, (blob, queue, table), accounts)

    @property
    def connection_string(self) -> str:
        """The value for `AzureWebJobsStorage`, of the first account."""
        return self.connection_string_of(self.accounts[0])

    def connection_string_of(self, account: str) -> str:
        """Return the connection string of one of the accounts."""
        blob, queue, table = (f"http://127.0.0.1:{port}/{account}" for port in self.ports)
        return (
            f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={KEY};"
            f"BlobEndpoint={blob};QueueEndpoint={queue};TableEndpoint={table};"
        )

    def start(self) -> None:
        """Start and wait until all three ports accept connections; raises `ServiceFailed`."""
        blob, queue, table = self.ports
        process = ServiceProcess(
            "azurite",
            [
                *(node(), install() / "node_modules/azurite/dist/src/azurite.js"),
                *("--silent", "--disableTelemetry", "--skipApiVersionCheck"),
                *("--blobPort", str(blob), "--queuePort", str(queue), "--tablePort", str(table)),
                *(("--location", self.location) if self.location else ("--inMemoryPersistence",)),
            ],
            folder=self.folder,
            environment=BARE_ENVIRONMENT | {"AZURITE_ACCOUNTS": ";".join(f"{name}:{KEY}" for name in self.accounts)},
        )
        process.wait_healthy(self.healthy, within=START_SECONDS)
        self._process = process

    def healthy(self) -> bool:
        """Tell whether blobs, queues and tables all accept connections."""
        return all(answers(port) for port in self.ports)

    def stop(self) -> None:
        """Stop it; data in a location and the ports stay for the next `start`."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def suspend(self) -> None:
        """Let it answer nobody, as if it hung: connections are still accepted. `resume` ends it, and so does `stop`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on where it was suspended."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise ServiceFailed("azurite is not started")
        os.kill(self._process.pid, number)

    def remove(self) -> None:
        """Stop it and remove its folder; a location elsewhere stays."""
        self.stop()
        folders.remove_service_folder(self.folder)


@contextmanager
def chosen_storage(*, location: Path | None = None) -> Iterator[str]:
    """
    Give a connection string to the block: of `SANDBOX_STORAGE_CONNECTION`, or of our own.

    Our own keeps its data in *location*, or in memory.
    """
    if connection := ServiceSettings().storage_connection:
        yield connection
        return
    with running_azurite(location=location) as server:
        yield server.connection_string


@contextmanager
def running_azurite(
    *,
    location: Path | None = None,
    accounts: tuple[str, ...] = (ACCOUNT,),
    base: Path | None = None,
) -> Iterator[AzuriteServer]:
    """Run storage accounts for the block; see `AzuriteServer.make` for the arguments."""
    server = AzuriteServer.make(location=location, accounts=accounts, base=base)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def install(clone: Path = folders.CLONE) -> Path:
    """
    Return the folder in `.local/` that holds the pinned Azurite, installed if it is missing.

    The folder is named after the lock file and appears complete or not at all, so two
    that install at once do no harm.
    """
    lock = hashlib.sha256((PACKAGE / "package-lock.json").read_bytes()).hexdigest()[:12]
    local = clone / ".local"
    target = local / f"azurite-{lock}"
    if target.is_dir():
        return target
    node()
    local.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="azurite-new-", dir=local) as work:
        made = Path(work) / "package"
        made.mkdir()
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(PACKAGE / name, made)
        _npm_ci(made)
        try:
            made.rename(target)
        except OSError:
            if not target.is_dir():  # else somebody else was faster, with the same content
                raise
    return target


def node() -> str:
    """Return the path of Node.js; raises `ServiceFailed` with the remedy if there is none."""
    if (found := shutil.which("node")) is None:
        raise ServiceFailed(
            "no storage account: install Node.js 18 or later with npm, or set SANDBOX_STORAGE_CONNECTION"
        )
    return found


def _npm_ci(folder: Path) -> None:
    done = subprocess.run(
        ["npm", "ci", "--omit=dev", "--ignore-scripts"],  # noqa: S607 - the developer's npm
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise ServiceFailed(f"npm ci ended with {done.returncode}\n{done.stderr[-3000:]}")
