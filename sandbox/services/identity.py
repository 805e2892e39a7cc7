"""Tell one process from another that later got the same number (Linux, `/proc`)."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class ProcessIdentity:
    """
    A process of this machine, for good: its number alone is reused.

    *started* counts clock ticks since boot, *boot* is the start of the boot's id.
    """

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return who has the number *pid* now; None if nobody has, or only a zombie."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The command's name stands in brackets and may hold spaces: count from its end.
        state, *fields = stat.rpartition(")")[2].split()
        if state in "ZX":
            return None
        return cls(pid, int(fields[18]), _boot())

    @classmethod
    def own(cls) -> Self:
        """Return the identity of this process."""
        own = cls.of(os.getpid())
        if own is None:
            raise RuntimeError("this process is not listed in /proc")
        return own

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str()` wrote; raises ValueError for anything else."""
        pid, started, boot = text.split("-")
        return cls(int(pid), int(started), boot)

    def __str__(self) -> str:
        return f"{self.pid}-{self.started}-{self.boot}"

    def alive(self) -> bool:
        """Tell whether this very process still runs."""
        return self.of(self.pid) == self

    def kill(self) -> None:
        """Send SIGKILL to this very process; nothing happens if it has ended."""
        try:
            # The descriptor pins the process, so that nobody else can take the number
            # between the comparison and the signal.
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive():
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        except ProcessLookupError:
            return
        finally:
            os.close(descriptor)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
