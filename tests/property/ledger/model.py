"""What the ledger's rows ought to be, kept beside them call by call."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID


@dataclass
class ModelJob:
    """What a row ought to be."""

    key: str
    state: str = "pending"
    token: int | None = None
    is_live: bool = False
    is_held: bool = False
    is_waiting: bool = False
    epoch: int = 0
    crashes: int = 0
    attempts: int = 0
    asked: int = 1
    claimed: int = 0

    @property
    def is_open(self) -> bool:
        return self.state in ("pending", "processing")


@dataclass
class Model:
    """Jobs by id, and open letters by id."""

    jobs: dict[UUID, ModelJob] = field(default_factory=dict)
    letters: dict[UUID, UUID] = field(default_factory=dict)

    def open_job(self, key: str) -> tuple[UUID, ModelJob] | None:
        return next(((i, job) for i, job in self.jobs.items() if job.key == key and job.is_open), None)

    def running(self) -> int:
        return sum(job.state == "processing" and job.is_live for job in self.jobs.values())
