"""
Where services keep their files, and the sweep of what a killed owner left.

Everything lies in `.local/services/` of the clone, or, where the services' account cannot
reach that (a clone in a root-only folder), in a folder of the system's temporary folder.
Databases that may be lost, those of tests, lie in memory where there is room.
A service's folder is named after its owner, `postgres.<pid>-<start>-<boot>.<random>`, so
that whoever comes next can tell a living owner's folder from a dead one's.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from sandbox.services.account import Account, may_enter, unprivileged
from sandbox.services.identity import ProcessIdentity

CLONE = Path(__file__).resolve().parents[2]
MEMORY = Path("/dev/shm")  # noqa: S108 - our folder in it is checked to be ours
MEMORY_NEEDED = 2 * 1024**3


def reachable_base(clone: Path = CLONE, account: Account | None = None) -> Path:
    """Return the folder for service folders that *account* can reach, made if missing."""
    inside = clone / ".local" / "services"
    account = account or unprivileged()
    while True:
        inside.mkdir(parents=True, exist_ok=True)
        if may_enter(account, inside):
            return inside
        if inside.is_dir():  # else a sweep found it empty, this very moment
            return _made(_outside(clone))


def memory_base(clone: Path = CLONE) -> Path | None:
    """Return a folder in memory for data that may be lost; None where there is no room."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < MEMORY_NEEDED:
        return None
    return _made(_outside(clone, MEMORY))


def make_service_folder(service: str, base: Path) -> Path:
    """
    Make an empty folder for one *service* of this process, below *base*.

    Each start sweeps first, so nobody has to remember it.
    """
    sweep()
    prefix = f"{service}.{ProcessIdentity.own()}."
    while True:
        try:
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_made(base)))
            break
        except FileNotFoundError:  # a sweep found the base empty, this very moment
            continue
    folder.chmod(0o711)  # the account passes through, to files that are its own
    return folder


def remove_service_folder(folder: Path) -> None:
    """Remove *folder* and all that lies in it, and its base if that was the last one there."""
    shutil.rmtree(folder)
    _remove_if_empty(folder.parent)


def record_process(folder: Path, pid: int) -> None:
    """Write down that process *pid* works for *folder*, so that a sweep can end it."""
    if identity := ProcessIdentity.of(pid):
        with (folder / "processes").open("a", encoding="ascii") as record:
            record.write(f"{identity}\n")


def sweep(clone: Path = CLONE) -> list[str]:
    """
    End the processes and remove the folders of owners that are gone; return their names.

    Folders of living owners, other sandboxes and test runs of this clone, are left alone.
    """
    removed = []
    bases = (clone / ".local" / "services", _outside(clone), _outside(clone, MEMORY))
    for base in bases:
        for folder in sorted(base.glob("*.*-*-*.*")) if base.is_dir() else ():
            owner = ProcessIdentity.parse(folder.name.split(".")[1])
            if not owner.alive():
                _end_processes(folder)
                release_shared_memory(folder / "data")
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder.name)
        _remove_if_empty(base)
    return removed


def release_shared_memory(data: Path) -> None:
    """Remove the System V segment of a PostgreSQL that was killed; its data folder names it."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    if len(lines) > SHARED_MEMORY_LINE and (named := lines[SHARED_MEMORY_LINE].split()):
        segments = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]
        for key, identifier, *others in map(str.split, segments):
            # Numbers are reused: key and number must match, and nobody may be attached.
            if [key, identifier] == named and others[4] == "0":
                command = ["/usr/bin/ipcrm", "--shmem-id", identifier]
                subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - a number


SHARED_MEMORY_LINE = 6  # "key id", counted from 0; PostgreSQL's miscadmin.h


def _end_processes(folder: Path) -> None:
    record = folder / "processes"
    if record.exists():
        # The newest first: the service before its guardian would remove the folder itself.
        for line in reversed(record.read_text(encoding="ascii").split()):
            ProcessIdentity.parse(line).kill()


def _made(base: Path) -> Path:
    base.mkdir(exist_ok=True)
    base.chmod(0o711)  # whatever the umask: accounts pass through, nobody lists
    return base


def _remove_if_empty(base: Path) -> None:
    with contextlib.suppress(OSError):  # not empty, or not there
        base.rmdir()


def _outside(clone: Path, parent: Path | None = None) -> Path:
    """Return this clone's place in *parent*, the temporary folder; refuse one others made."""
    mark = hashlib.sha256(str(clone).encode()).hexdigest()[:12]
    folder = (parent or Path(tempfile.gettempdir())) / f"liaison-{os.geteuid()}-{mark}"
    if folder.exists():
        status = folder.lstat()
        if status.st_uid != os.geteuid() or not stat.S_ISDIR(status.st_mode):
            raise PermissionError(f"{folder} is not ours: remove it, or set TMPDIR to another folder")
    return folder
