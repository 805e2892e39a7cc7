"""
A fault to order, for the sandbox alone: jobs that a file names raise until the file is gone.

The file holds one marker a line, the id of a job or its record key. It shows the poison path on a running system.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shared.store.ledger import Job


class OrderedFault(Exception):
    """The sandbox asked for this job to fail."""


def fault_from(path: str | None) -> Callable[[Job], None] | None:
    """Return what raises OrderedFault for the jobs that the file at *path* names; None without a path."""
    if path is None:
        return None
    file = Path(path)

    def raise_if_named(job: Job) -> None:
        if not file.is_file():
            return
        markers = file.read_text(encoding="utf-8").split()
        if str(job.id) in markers or job.record_key in markers:
            raise OrderedFault("the sandbox asked for it")

    return raise_if_named
