"""Another clock for a process: libfaketime, Debian's package `faketime`, installed where root may."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")
INSTALL_S = 300
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where libfaketime keeps its own, named by process


class NoFaketime(Exception):
    """Clocks can't be set wrong here; the text says what to install."""


def library() -> Path:
    """Return the library to preload, installed if it is missing. Raises NoFaketime."""
    found = _found()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for command in (["apt-get", "update"], ["apt-get", "install", "--yes", "--no-install-recommends", "faketime"]):
            subprocess.run(command, capture_output=True, timeout=INSTALL_S, check=False)  # noqa: S603 - as written here
        found = _found()
    if found is None:
        raise NoFaketime("NO FAKETIME: wrong clocks can't be tried. Install Debian's package `faketime` (needs root)")
    return found


def running_off(offset_s: int) -> Mapping[str, str]:
    """Return the variables that make a process's wall clock *offset_s* wrong; what counts spans stays right."""
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME": f"{offset_s:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def release() -> None:
    """Remove the shared memory of processes that had another clock and are gone: one that is killed leaves it."""
    for path in SHARED_MEMORY.glob("*faketime_s*_*"):
        pid = path.name.rpartition("_")[2]
        if pid.isdigit() and not Path("/proc", pid).exists():
            path.unlink(missing_ok=True)


def _found() -> Path | None:
    places = (Path("/").glob(pattern.removeprefix("/")) for pattern in LIBRARIES)
    return next((path for found in places for path in sorted(found)), None)
