"""The unprivileged account that services run as, because PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Account:
    """A user of this machine, as numbers."""

    name: str
    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Make *path*, alone, this account's."""
        os.chown(path, self.uid, self.gid)


def unprivileged() -> Account | None:
    """
    Return the account to run services as; None if we may run them as ourselves.

    `nobody` exists on every Debian, and owns nothing there but what we give it.
    """
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def run_as(
    account: Account | None,
    command: Sequence[str | Path],
    *,
    cwd: Path | str = "/",
    within: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run *command* as *account*, with a bare environment, for at most *within* seconds."""
    return subprocess.run(  # noqa: S603 - commands of this package
        [str(part) for part in command],
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        env=BARE_ENVIRONMENT,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )


def may_enter(account: Account | None, folder: Path) -> bool:
    """Tell, by trying it, whether *account* reaches *folder* through all folders above it."""
    command = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
    return run_as(account, command).returncode == 0


def may_run(account: Account | None, program: Path) -> bool:
    """Tell, by trying it, whether *account* can start *program*."""
    try:
        return run_as(account, [program, "--version"]).returncode == 0
    except PermissionError:
        return False


BARE_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
}
