"""On whose behalf observations are applied, how they are sorted, and what applying came to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from pydantic import JsonValue

from shared.adapters.protocol import Adapter
from shared.merge.matching import Ambiguous, NewButPossibleDuplicate
from shared.merge.state import Pin
from shared.model import EntityType, Reference
from shared.store.connections import IntegrationRow
from shared.store.database import Transaction
from shared.store.ledger import Job, Knock, Ledger
from shared.store.left_out import Child
from shared.store.links import Link
from shared.store.records import StoredRecord
from shared.store.runs import Counts
from shared.sync.merging.observations import Observation
from shared.sync.merging.one_record import Merged

Digests = Mapping[str, tuple[UUID, bytes | None, str]]
"""Record id, digest and state of links, by external id."""
Shown = tuple[Observation, Mapping[str, JsonValue]]
"""An observation and its values, with our ids in place of the vendor's."""


@dataclass(frozen=True, slots=True)
class Work:
    """For whom and on whose behalf observations are applied."""

    integration: IntegrationRow
    adapter: type[Adapter]
    entity: EntityType
    job: Job | None = None
    run_id: UUID | None = None

    @property
    def job_id(self) -> UUID | None:
        """The job at work, if it is one."""
        return self.job.id if self.job is not None else None

    async def guard(self, tx: Transaction, ledger: Ledger) -> None:
        """Check in *tx* that the job at work, if it is one, still has its lease. Raises as `Ledger.guard` does."""
        if self.job is not None:
            await ledger.guard(tx, self.job)


@dataclass(slots=True)
class Applied:
    """What applying came to. Knocks are sent after the commit."""

    counts: Counts = field(default_factory=Counts)
    coverage: Mapping[str, int] = field(default_factory=dict)
    merged: Sequence[Merged] = ()
    knocks: list[Knock] = field(default_factory=list)
    is_stale: bool = False
    """Something newer is known of a record than what was shown of it."""
    waits: Mapping[str, str] = field(default_factory=dict)
    """By external id of a record that could not come in: the event (`shared.sync.jobs.waiting`) that it waits for."""
    left_out: Collection[str] = ()
    """External ids of what the mapping does not want brought in and is not here yet."""
    suppressed: Collection[str] = ()
    """External ids of what is of people who were erased, and stays away."""


@dataclass(slots=True)
class Sorted:
    """Observations by what has to happen to them."""

    unchanged: int = 0
    suppressed: frozenset[str] = frozenset()
    """External ids of what is of people who were erased, and stays away."""
    left_out: set[str] = field(default_factory=set)
    """External ids of what is not here and the mapping does not want brought in."""
    children: Collection[Child] = ()
    """What refers to a parent that is left out: it stays out as well, or, if it is here, goes on without it."""
    parked: Mapping[str, Reference] = field(default_factory=dict)
    """By external id: the parent that is missing."""
    unclear: dict[str, Ambiguous] = field(default_factory=dict)
    stale: list[Link] = field(default_factory=list)
    """Links of which only a new fetch tells what holds."""
    again: list[str] = field(default_factory=list)
    """
    Looked at by a job of their own: new here, and of a record that another one on the page belongs to as well, or
    perhaps made by a create of ours whose end nobody knows, or of a candidate whom the vendor does not have any more,
    so that the list may be older than that.
    """
    being_created: list[str] = field(default_factory=list)
    duplicates: dict[str, NewButPossibleDuplicate] = field(default_factory=dict)
    pins: Mapping[UUID, Mapping[str, Pin]] = field(default_factory=dict)
    """People's decisions, by record and unit."""
    ready: list[tuple[Observation, Mapping[str, JsonValue], StoredRecord | None, Link | None]] = field(
        default_factory=list
    )
