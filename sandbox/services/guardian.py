"""
Run one service and end it with its owner. A program of its own, standard library only.

    owner ──pipe on stdin──► guardian ──► service

The owner (a sandbox, a test run) holds the writing end of our standard input and never
writes. When the owner ends, however it ends, the pipe closes: we stop the service the
polite way, then the hard way, and remove its folder. SIGTERM is an ordered stop: the
folder stays, the owner wants it. If we are killed ourselves, the kernel kills the service
(PR_SET_PDEATHSIG), and what is left on disk is the next start's to sweep.

One argument: a JSON object, see `Spec`.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

PR_SET_PDEATHSIG = 1


class Spec(TypedDict):
    """What to run: the JSON of the only argument."""

    command: list[str]
    environment: dict[str, str]
    uid: int | None
    gid: int | None
    cwd: str
    log: str
    folder: str  # removed when the owner is gone
    stop_signal: int
    grace_seconds: float


def main() -> int:
    """Serve until the service or its owner ends; return the service's exit code."""
    spec: Spec = json.loads(sys.argv[1])
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGTERM, _noted)
    signal.signal(signal.SIGINT, _noted)
    service = _start(spec)
    descriptor = os.pidfd_open(service.pid)
    # The first line of output tells the owner the service's number.
    sys.stdout.write(f"{service.pid}\n")
    sys.stdout.flush()
    ready, _, _ = select.select([0, wake_read, descriptor], [], [])
    if descriptor not in ready:
        _stop(service, spec)
    code = service.wait()
    if 0 in ready:
        shutil.rmtree(spec["folder"], ignore_errors=True)
    return code if code >= 0 else 128 - code


def _noted(_signal: int, _frame: object) -> None:
    """Do nothing here: the wake-up descriptor has told the loop."""


def _start(spec: Spec) -> subprocess.Popen[bytes]:
    guardian = os.getpid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def die_with_guardian() -> None:
        # After the change of user, which clears it; we have one thread, so this is safe.
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guardian:
            os._exit(1)

    with Path(spec["log"]).open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - the owner's own command
            spec["command"],
            env=spec["environment"],
            user=spec["uid"],
            group=spec["gid"],
            extra_groups=None if spec["uid"] is None else [],
            cwd=spec["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_guardian,  # noqa: PLW1509 - single-threaded, see above
        )


def _stop(service: subprocess.Popen[bytes], spec: Spec) -> None:
    service.send_signal(spec["stop_signal"])
    try:
        service.wait(timeout=spec["grace_seconds"])
    except subprocess.TimeoutExpired:
        service.kill()


if __name__ == "__main__":
    sys.exit(main())
