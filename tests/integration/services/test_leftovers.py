"""Nothing of a sandbox stays: not after Ctrl-C, not after kill -9, not after worse."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from sandbox.services import folders
from sandbox.services.azurite import install
from sandbox.services.identity import ProcessIdentity
from tests.fixtures.waiting import GENEROUS_S, wait_until

SANDBOX = """
import json, time
from sandbox.services.azurite import running_azurite
from sandbox.services.postgres import running_postgres
with running_postgres() as postgres, running_azurite() as azurite:
    made = [str(postgres.folder), str(azurite.folder)]
    print(json.dumps(made), flush=True)
    # In short naps: one that has an interruption just before it would sleep on.
    while True:
        time.sleep(0.1)
"""


NEXT_START = """
from sandbox.services import folders
folders.remove_service_folder(folders.make_service_folder("next", folders.reachable_base()))
"""


class Sandbox:
    """A process like `python -m sandbox up` of *clone*, with the folders and processes it started."""

    def __init__(self, clone: Path) -> None:
        self.clone = clone
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", SANDBOX],
            cwd=clone,
            stdout=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        output: IO[str] | None = self.process.stdout
        assert output is not None
        self.folders = [Path(name) for name in json.loads(output.readline())]
        # For each service: its guardian, then the service itself.
        self.processes = [
            ProcessIdentity.parse(line)
            for folder in self.folders
            for line in (folder / "processes").read_text(encoding="ascii").split()
        ]
        output.close()

    def is_gone(self) -> bool:
        """Tell whether no process and no folder of it is left."""
        return not self.living() and not any(folder.exists() for folder in self.folders)

    def living(self) -> list[ProcessIdentity]:
        """Return its service processes and guardians that still run."""
        return [identity for identity in self.processes if identity.alive()]

    def start_next(self) -> None:
        """Do what every start of a service in this clone does: sweep, then make a folder."""
        command = [sys.executable, "-c", NEXT_START]
        subprocess.run(command, cwd=self.clone, check=True, timeout=GENEROUS_S)  # noqa: S603 - our own program


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of its own: whatever starts in ours at the same time sweeps too, and would be first."""
    made = tmp_path / "clone"
    shutil.copytree(folders.CLONE / "sandbox" / "services", made / "sandbox" / "services")
    (made / "sandbox" / "__init__.py").touch()
    (made / ".local").mkdir()
    installed = install()
    (made / ".local" / installed.name).symlink_to(installed)
    return made


@pytest.fixture
def sandbox(clone: Path) -> Iterator[Sandbox]:
    """A running sandbox with PostgreSQL and Azurite."""
    started = Sandbox(clone)
    assert len(started.living()) == 4
    yield started
    if started.process.poll() is None:
        os.killpg(started.process.pid, signal.SIGKILL)
    started.process.wait(timeout=GENEROUS_S)
    wait_until(started.is_gone)
    folders.sweep(clone)  # the folders' bases, which nobody else of this clone will come for


def test_ctrl_c_leaves_nothing(sandbox: Sandbox) -> None:
    os.killpg(sandbox.process.pid, signal.SIGINT)
    sandbox.process.wait(timeout=GENEROUS_S)
    assert sandbox.is_gone()


def test_a_killed_sandbox_takes_its_services_along(sandbox: Sandbox) -> None:
    sandbox.process.kill()
    sandbox.process.wait(timeout=GENEROUS_S)
    wait_until(sandbox.is_gone)


def test_services_die_with_a_killed_guardian_and_the_next_start_removes_their_folders(
    sandbox: Sandbox,
) -> None:
    segment = (sandbox.folders[0] / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()[6].split()
    assert segment in shared_memory_segments()
    for guardian in sandbox.processes[::2]:
        guardian.kill()
    sandbox.process.kill()
    sandbox.process.wait(timeout=GENEROUS_S)
    wait_until(lambda: not sandbox.living())
    assert all(folder.exists() for folder in sandbox.folders)
    sandbox.start_next()
    assert sandbox.is_gone()
    assert segment not in shared_memory_segments()


def shared_memory_segments() -> list[list[str]]:
    """Return key and number of every System V segment of this machine."""
    lines = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]
    return [line.split()[:2] for line in lines]


def test_a_sweep_leaves_the_living_alone(sandbox: Sandbox) -> None:
    assert folders.sweep(sandbox.clone) == []
    assert len(sandbox.living()) == 4
    assert all(folder.exists() for folder in sandbox.folders)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that a dead owner might have started."""
    with subprocess.Popen(["/bin/sleep", "600"]) as process:
        yield process
        process.kill()


def abandoned_folder(clone: Path, record: str) -> Path:
    """Make a service folder whose owner has ended, with *record* as its only process."""
    with subprocess.Popen(["/bin/sleep", "600"]) as owner:
        identity = ProcessIdentity.of(owner.pid)
        owner.kill()
    folder = clone / ".local" / "services" / f"postgres.{identity}.abcd"
    folder.mkdir(parents=True)
    (folder / "processes").write_text(record, encoding="ascii")
    return folder


def test_a_sweep_ends_what_a_dead_owner_left_running(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    folder = abandoned_folder(tmp_path, f"{ProcessIdentity.of(sleeper.pid)}\n")
    assert folders.sweep(tmp_path) == [folder.name]
    assert sleeper.wait(timeout=GENEROUS_S) == -signal.SIGKILL
    assert not folder.exists()


def test_a_sweep_spares_a_stranger_with_the_same_number(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    identity = ProcessIdentity.of(sleeper.pid)
    assert identity is not None
    earlier = ProcessIdentity(identity.pid, identity.started - 1, identity.boot)
    folder = abandoned_folder(tmp_path, f"{earlier}\n")
    assert folders.sweep(tmp_path) == [folder.name]
    assert identity.alive()
