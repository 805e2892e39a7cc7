"""
The end of a comparison: what was not listed, whose links are wrong, what it all comes to, and the certificate.

Both sides are summed up in ranges of their external ids; only ranges whose sums differ are compared row by row for what
the vendor did not list. Nothing is taken for deleted here: what is missing is fetched by its id by a job of its own,
and a mass of it pulls the brake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import JsonValue

from shared.adapters.protocol import Adapter
from shared.errors import NotFound
from shared.model import Direction, EntityType
from shared.store.comparison import RANGES, Comparison, RangeSums
from shared.store.connections import IntegrationRow
from shared.store.database import Database, Transaction
from shared.store.ledger import Job, JobRequest, Knock
from shared.store.parity import DifferenceRow, Parity, ParityRun
from shared.store.store import Store
from shared.sync.jobs.priorities import FULL_COMPARISON, RECONCILE
from shared.sync.merging.examining import Kind
from shared.sync.pulling.webhook_silence import listen
from shared.sync.removing.brake import DeleteBrake, Threshold

MOST_MISSING = 50_000
"""So many missing records are looked at in one comparison; more would be a mass disappearance anyhow."""
PROBES = 5
"""Of a mass of missing records so many are fetched, to tell a list that lies from a mass of deletes."""
EXAMPLES = 100
"""Differences that stand in the certificate itself; the others are listed beside it."""
KEPT_RUNS = 30
PARITY_FELL, LIST_NOT_WHOLE = "parity_fell", "list_not_whole"


@dataclass(frozen=True, slots=True)
class _Missing:
    """What the vendor did not list."""

    sums: RangeSums
    rows: Sequence[tuple[UUID, UUID, str]]
    """Link, record, external id."""
    kept: frozenset[UUID]
    """Links of which a person has said that they stay."""
    allowed: int
    disappeared: int
    """With what has gone within a day."""
    is_braked: bool
    """A brake is pulled already."""

    @property
    def open(self) -> list[tuple[UUID, UUID, str]]:
        """Those that nobody has decided about."""
        return [row for row in self.rows if row[0] not in self.kept]

    @property
    def is_mass(self) -> bool:
        return bool(self.open) and (self.is_braked or self.disappeared > self.allowed)


class Closing:
    """Ends comparisons."""

    def __init__(self, database: Database, store: Store) -> None:
        self._database = database
        self._store = store
        self._parity = Parity()
        self._comparison = Comparison()
        self._brake = DeleteBrake(store)

    async def close(self, job: Job, run: ParityRun, integration: IntegrationRow, adapter: Adapter) -> list[Knock]:
        """End *run*, whose last page has been seen."""
        async with self._database.company(job.company_id) as tx:
            await self._store.ledger.guard(tx, job)
            if await self._parity.running(tx, integration.id, run.entity) is None:
                return []  # somebody has ended it meanwhile
            await self._comparison.seen_again(tx, integration.id, run.entity, run.id)
            missing = await self._missing(tx, run, integration, adapter)
        alive = await _alive(adapter, run.entity, missing) if missing.is_mass else None
        async with self._database.company(job.company_id) as tx:
            await self._store.ledger.guard(tx, job)
            if alive is not None:
                await self._refuse(tx, run, alive, len(missing.open))
                return []
            # Records and links are locked before the brake, as whoever settles a single delete does.
            requests = await self._put_links_right(tx, run)
            requests += await self._note_missing(tx, run, integration, missing)
            await self._certify(tx, run, integration, missing.sums)
            await listen(tx, self._store, integration, type(adapter))
            return await self._store.ledger.enqueue(tx, requests)

    async def _missing(
        self, tx: Transaction, run: ParityRun, integration: IntegrationRow, adapter: Adapter
    ) -> _Missing:
        sums = await self._comparison.sums(tx, run)
        lag = type(adapter).capabilities.entities[run.entity].list_lag
        rows = await self._comparison.missing_there(
            tx, run, sums.differing, before=run.started_at - lag, limit=MOST_MISSING
        )
        kept = await self._store.delete_brakes.kept(tx, [link_id for link_id, _, _ in rows])
        live, gone = await self._store.delete_brakes.figures(tx, integration.id, run.entity)
        brake = await self._store.delete_brakes.open_one(tx, integration.id)
        return _Missing(
            sums=sums,
            rows=rows,
            kept=frozenset(kept),
            allowed=Threshold.of(integration.config).allowed(live + gone),
            disappeared=len(rows) - len(kept) + gone,
            is_braked=brake is not None,
        )

    async def _refuse(self, tx: Transaction, run: ParityRun, alive: str, missing: int) -> None:
        """The list lies: nothing follows from what it lacks, and there is no certificate."""
        detail = (
            f"{missing} records of {run.entity.value} are not in the vendor's list, and {alive} is there when it is"
            " asked for: nothing was taken for deleted; check the key's permissions and the vendor's state"
        )
        await self._store.attention.raise_issue(
            tx, run.integration_id, kind=LIST_NOT_WHOLE, subject=run.entity.value, detail=detail
        )
        await self._parity.end(tx, run, "partial", error=detail)

    async def _note_missing(
        self, tx: Transaction, run: ParityRun, integration: IntegrationRow, missing: _Missing
    ) -> list[JobRequest]:
        """Write down what is missing there; ask for each by its id, or hold them all."""
        around = await self._comparison.circumstances(
            tx, integration.id, run.entity, {external_id: record_id for _, record_id, external_id in missing.rows}
        )
        rows, requests = [], []
        if missing.is_mass:
            await self._store.delete_brakes.lock(tx, integration.id)
            records = {link_id: record_id for link_id, record_id, _ in missing.open}
            await self._brake.pull(
                tx, integration, run.entity, records, disappeared=missing.disappeared, allowed=missing.allowed
            )
        for link_id, record_id, external_id in missing.rows:
            cause = None
            if link_id in missing.kept:
                cause = "kept"
            elif missing.is_mass:
                cause = "delete_brake"
            elif around[external_id].has_job:
                cause = "in_flight"
            asks = cause is None and run.repairs
            if asks:
                requests.append(_fetch(run, record_id))
            rows.append(
                DifferenceRow(
                    external_id, Kind.MISSING_THERE, record_id, link_id, (), cause, "reconcile" if asks else None
                )
            )
        await self._parity.note(tx, run.id, rows)
        return requests

    async def _put_links_right(self, tx: Transaction, run: ParityRun) -> list[JobRequest]:
        """Let links point at the records that theirs really are; look again at suspicions that did not hold."""
        true = await self._comparison.confirm_wrong_records(tx, run)
        if not run.repairs:
            return []
        requests = []
        if true:
            # Whoever applies what was seen reads a link and locks its record after that: nobody may be in between.
            await self._store.record_merges.alone(tx)
            merged = await self._store.record_merges.survivors(tx, list(true.values()))
            true = {link_id: record_id for link_id, record_id in true.items() if record_id not in merged}
            await self._store.records.lock(tx, run.entity, list(true.values()))
            await self._store.links.lock(tx, list(true))
            await self._comparison.repoint(tx, true)
            requests = [_fetch(run, record_id) for record_id in true.values()]
        for row in await self._comparison.suspected(tx, run.id):
            # A merge would push what was altered here, so that is left to people.
            if row.kind == Kind.THEIRS_CHANGED and row.cause is None and row.record_id is not None:
                requests.append(_fetch(run, row.record_id))
        return requests

    async def _certify(self, tx: Transaction, run: ParityRun, integration: IntegrationRow, sums: RangeSums) -> None:
        found = await self._parity.get(tx, run.id)
        if found is None:
            raise NotFound(f"there is no comparison {run.id}")
        records, at = await self._parity.size(tx, found)
        tally = await self._parity.tally(tx, run.id)
        drift = sum(count for _, cause, count in tally if cause is None)
        explained = sum(count for _, cause, count in tally if cause is not None)
        if found.unnamed:
            detail = (
                f"{found.unnamed} rows of the vendor's list can't be read and have no id: nothing tells whether they"
                " are here; the quarantine of the last pull tells the cause"
            )
            records, drift = records + found.unnamed, drift + found.unnamed
            await self._parity.end(
                tx, found, "partial", records=records, drift=drift, explained=explained, error=detail
            )
            await self._parity.drop_old(tx, run.integration_id, run.entity, keep=KEPT_RUNS)
            return
        examples = await self._parity.differences(tx, run.id, limit=EXAMPLES)
        certificate: dict[str, JsonValue] = {
            "version": 1,
            "parity_id": str(run.id),
            "integration_id": str(integration.id),
            "platform": integration.platform,
            "entity": run.entity.value,
            "began_at": run.started_at.isoformat(),
            "at": at.isoformat(),
            "records": records,
            "fields": found.fields_compared,
            "fields_not_visible": found.fields_hidden,
            "differences": drift + explained,
            "explained": explained,
            "drift": drift,
            "parity": (records - drift) / records if records else 1.0,
            "by_kind": [{"kind": kind, "cause": cause, "count": count} for kind, cause, count in tally],
            "ranges": {"count": RANGES, "differing": len(sums.differing), "theirs": sums.theirs, "ours": sums.ours},
            "evidence": {
                "last_page_seen": True,
                "pages": found.pages,
                "requests": found.requests,
                "records_read": found.records_read,
            },
            "examples": [
                {**each, "record_id": None if each["record_id"] is None else str(each["record_id"])}
                for each in examples
            ],
        }
        await self._parity.end(
            tx, found, "complete", records=records, drift=drift, explained=explained, certificate=certificate
        )
        await self._tell(tx, found)
        await self._parity.drop_old(tx, run.integration_id, run.entity, keep=KEPT_RUNS)

    async def _tell(self, tx: Transaction, run: ParityRun) -> None:
        """Tell people of what the comparison before found, too, and did not heal."""
        attention, subject = self._store.attention, run.entity.value
        await attention.settle_issue(tx, run.integration_id, kind=LIST_NOT_WHOLE, subject=subject)
        recurring = await self._parity.recurring(tx, run)
        if recurring:
            detail = f"{recurring} records of {subject} differ without a cause, as they did in the comparison before"
            await attention.raise_issue(tx, run.integration_id, kind=PARITY_FELL, subject=subject, detail=detail)
        else:
            await attention.settle_issue(tx, run.integration_id, kind=PARITY_FELL, subject=subject)


async def _alive(adapter: Adapter, entity: EntityType, missing: _Missing) -> str | None:
    """Return one of the missing records that the vendor has after all; None if it knows none of those asked for."""
    rows = missing.open
    for link_id, _, external_id in rows[:: max(1, len(rows) // PROBES)][:PROBES]:
        try:
            await adapter.fetch(entity, external_id)
        except NotFound:
            continue
        return str(link_id)
    return None


def _fetch(run: ParityRun, record_id: UUID) -> JobRequest:
    return JobRequest(
        run.integration_id,
        RECONCILE,
        run.entity,
        str(record_id),
        Direction.INBOUND,
        FULL_COMPARISON,
        payload={"reason": "parity"},
    )
