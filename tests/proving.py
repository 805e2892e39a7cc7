"""What the proofs on PostgreSQL, Azurite and simulators have in common: their ground, and seed after seed."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

from sandbox.services.azurite import running_azurite
from scripts.resuming import KeptSeeds, say
from tests.fixtures.postgres import Database, migrated_database, running_postgres

ACCOUNT = "proof"


class Verdict(Protocol):
    """What a seed came to."""

    @property
    def faults(self) -> Sequence[str]:
        """Nothing, if all was well."""
        ...

    def add(self, other: Self) -> None:
        """Count *other* in."""
        ...


V = TypeVar("V", bound=Verdict)


@dataclass(frozen=True)
class Progress:
    """How it went. *played* counts those of this run; what went well before is among the *good*."""

    good: int
    played: int
    failed: int
    each_s: float


@contextmanager
def ground(name: str) -> Iterator[tuple[Database, str]]:
    """Run PostgreSQL with a database *name*, and Azurite; yield the database and the account's connection string."""
    with (
        running_postgres() as server,
        migrated_database(server, name) as database,
        running_azurite(accounts=(ACCOUNT,)) as azurite,
    ):
        yield database, azurite.connection_string_of(ACCOUNT)


async def prove_each(kept: KeptSeeds, prove: Callable[[int], Awaitable[V]], whole: V) -> Progress:
    """
    Prove the seeds that are missing, each counted into *whole*; faults are said when they are found.

    An error of the proof itself ends it, and names its seed.
    """
    began, played, failed = time.monotonic(), 0, 0
    for seed in kept.missing:
        try:
            verdict = await prove(seed)
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
        played += 1
        whole.add(verdict)
        for fault in verdict.faults:
            say(fault)
        if verdict.faults:
            failed += 1
        else:
            kept.add([seed])
    good, _ = kept.how_far()
    return Progress(good, played, failed, (time.monotonic() - began) / max(played, 1))
