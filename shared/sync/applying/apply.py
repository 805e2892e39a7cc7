"""
Applying what was observed: a page of 500 or a single record, in one transaction and a fixed number of statements.

Equal digests end first and touch no row. The rest is locked (records, then links, each by id), merged, and written
set by set. Pushes become jobs of their own: a page never writes at a vendor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from uuid import UUID

from pydantic import JsonValue

from shared.errors import Conflict
from shared.model import Direction, EntityType, LogAction, LogStatus, Reference
from shared.model.custom_fields import named_in
from shared.security.keys import Keys
from shared.store.database import Transaction
from shared.store.ledger import JobRequest, Knock
from shared.store.links import EXTERNAL_KEY, Link
from shared.store.records import RecordWrite
from shared.store.store import Store
from shared.sync.applying.absent_parents import AbsentParents, less
from shared.sync.applying.counting import counts_of, coverage_of
from shared.sync.applying.follow_ups import fetches, pushes, reasons, review_items, waits
from shared.sync.applying.left_out import LeftOut
from shared.sync.applying.outcome_log import log_row, parked_reasons, row_of
from shared.sync.identity.identify import identify, settled
from shared.sync.identity.suppression import Suppression
from shared.sync.jobs import waiting
from shared.sync.jobs.priorities import RECONCILE, priority_of
from shared.sync.keeping.chronicle import Chronicle
from shared.sync.keeping.conflict_items import ConflictItems
from shared.sync.keeping.held_values import Vault
from shared.sync.keeping.pinning import Pinner
from shared.sync.merging.differences import REFUSED, ended_by, issues_of
from shared.sync.merging.distrust import Distrust
from shared.sync.merging.observations import (
    Observation,
    RuleBook,
    is_admitted,
    is_below_gone,
    may_lag,
    references_of,
    resolved,
)
from shared.sync.merging.one_record import Merged, merge_observation
from shared.sync.merging.work import Applied, Digests, Shown, Sorted, Work
from shared.sync.submissions.owed_submissions import closed, tell

SLICE = 8
"""Records that are merged between two turns of the event loop, under 1 ms. A page at once would starve heartbeats; 25
at a time kept PostgreSQL waiting for the next statement of the page before twice as long."""


class Applier:
    """Applies observations. Holds what does not change from job to job."""

    def __init__(self, store: Store, keys: Keys, vault: Vault) -> None:
        self._store = store
        self._pinner = Pinner(store.pins, keys)
        self.suppression = Suppression(store, keys)
        self.left_out = LeftOut(store.left_out)
        self.absent_parents = AbsentParents(self.left_out, self.suppression)
        self._keys = keys
        self._conflicts = ConflictItems(store.conflicts, vault)
        self._chronicle = Chronicle(store.history, vault)

    def book(self, work: Work) -> RuleBook:
        """Return the rules under which *work* merges."""
        return RuleBook(work.adapter, work.integration, work.entity, self._keys)

    async def apply(
        self,
        tx: Transaction,
        work: Work,
        observations: Sequence[Observation],
        book: RuleBook,
        *,
        is_forced: bool = False,
        with_pushes: bool = False,
        foreseen: Mapping[str, Merged] = MappingProxyType({}),
        distrust: Distrust | None = None,
        others: Collection[UUID] | None = None,
    ) -> Applied:
        """
        Bring *observations* into the records of the transaction's company.

        *is_forced* merges even what looks known: our own side may have changed. *with_pushes*: the caller writes at
        the vendor right after the commit. *foreseen*: what `foresee` made of these observations. *distrust*: what was
        altered of the one record that is observed. *others*: creates under way that did not make it; where nobody has
        looked yet (None), what one may have made is looked at by a job of its own. Raises Conflict when another worker
        changed one of the rows meanwhile: roll back and apply again.
        """
        found = await self._sort(tx, work, observations, is_forced=is_forced, others=others)
        merged = await self._merge(found, book, work, foreseen, with_pushes=with_pushes, distrust=distrust)
        doubtful = await self._write(tx, work, found, merged, with_pushes=with_pushes)
        knocks = await self._ask(tx, work, found, merged, doubtful)
        await self._log(tx, work, found, merged)
        return Applied(
            counts=counts_of(observations, found, merged),
            coverage=coverage_of(observations, named_in(work.integration.config, work.entity)),
            merged=merged,
            knocks=knocks,
            is_stale=bool(found.stale),
            waits=reasons(work, found),
            left_out=found.left_out,
            suppressed=found.suppressed,
        )

    async def part(self, tx: Transaction, link: Link) -> None:
        """Let go of what waits for people because of *link*, whose record is gone at the vendor."""
        await self._conflicts.leave(tx, link.internal_id, link.id)

    async def foresee(self, work: Work, observations: Sequence[Observation], book: RuleBook) -> dict[str, Merged]:
        """
        Return what each observation comes to if it is new here, by external id; for use outside any transaction.

        In a first sync that is nearly all of them, and this is most of the work: it can be done while the page before
        is written. Records that refer to others have to wait until these have ids.
        """
        found: dict[str, Merged] = {}
        for index, each in enumerate(observations, 1):
            if not each.record.references and not each.record.left_out:
                found[each.external_id] = merge_observation(
                    each, each.values, book=book, record=None, link=None, job_id=work.job_id
                )
            if index % SLICE == 0:
                await asyncio.sleep(0)
        return found

    async def _sort(
        self,
        tx: Transaction,
        work: Work,
        observations: Sequence[Observation],
        *,
        is_forced: bool,
        others: Collection[UUID] | None,
    ) -> Sorted:
        found, integration_id = Sorted(), work.integration.id
        external_ids = list(dict.fromkeys(each.external_id for each in observations))
        known = await self._store.links.digests(tx, integration_id, work.entity, external_ids)
        changed = await self._wanted(tx, work, found, observations, known, is_forced=is_forced)
        if not changed:
            return found
        await self._store.record_merges.hold_still(tx)
        linked, arrivals = await self._resolve(tx, work, found, changed, known)
        identified = await identify(tx, self._store, self._keys, integration_id, work.entity, arrivals)
        await self._load(tx, work, found, linked, settled(found, arrivals, identified, others))
        return found

    async def _wanted(
        self,
        tx: Transaction,
        work: Work,
        found: Sorted,
        observations: Sequence[Observation],
        known: Digests,
        *,
        is_forced: bool,
    ) -> list[Observation]:
        """Return what has changed and may come in; *found* gets what is unchanged, of erased people, or filtered."""
        changed = [
            each
            for each in observations
            if is_forced or known.get(each.external_id, (None, None, ""))[1:] != (each.digest, "live")
        ]
        found.unchanged = len(observations) - len(changed)
        unknown = [each for each in changed if each.external_id not in known]
        # Before the filter: of what is left out the vendor's id is kept, of erased people nothing.
        found.suppressed = await self.suppression.shut_out(tx, work.integration.id, work.entity, unknown)
        found.left_out = {
            each.external_id for each in unknown if each.record.left_out and each.external_id not in found.suppressed
        }
        stays_out = found.left_out | found.suppressed
        return [each for each in changed if each.external_id not in stays_out] if stays_out else changed

    async def _resolve(
        self, tx: Transaction, work: Work, found: Sorted, changed: Sequence[Observation], known: Digests
    ) -> tuple[list[Shown], list[Shown]]:
        """Return those with a link and those without, references resolved; *found* gets what lacks its parent."""
        parents = {
            entity: await self._store.links.digests(tx, work.integration.id, entity, sorted(external_ids))
            for entity, external_ids in references_of(changed).items()
        }
        ids = {entity: {name: row[0] for name, row in rows.items()} for entity, rows in parents.items()}
        linked: list[Shown] = []
        arrivals: list[Shown] = []
        lacking: dict[str, Sequence[Reference]] = {}
        for each in changed:
            values, missing = resolved(each, ids)
            if missing:
                lacking[each.external_id] = missing
            if each.external_id in known:
                linked.append((less(each, missing), values))
            elif missing:
                continue
            elif is_below_gone(each, parents):
                found.again.append(each.external_id)
            else:
                arrivals.append((each, values))
        without = await self.absent_parents.sort(tx, work.integration, lacking, known)
        found.parked, found.children = without.parked, without.children
        found.left_out |= without.left_out
        linked = [(each, values) for each, values in linked if each.external_id not in found.parked]
        return linked, arrivals

    async def _load(
        self,
        tx: Transaction,
        work: Work,
        found: Sorted,
        linked: Sequence[Shown],
        arrivals: Sequence[tuple[Observation, Mapping[str, JsonValue], UUID | None]],
    ) -> None:
        """Lock what is to be merged: records by id, then links by id."""
        store = self._store
        links = await store.links.by_external(
            tx, work.integration.id, work.entity, [each.external_id for each, _ in linked]
        )
        record_ids = [link.internal_id for link in links.values()] + [each for _, _, each in arrivals if each]
        records = await store.records.lock(tx, work.entity, record_ids)
        found.pins = await self._pinner.of_records(tx, records.keys())
        locked = {
            link.external_id: link
            for link in (await store.links.lock(tx, [link.id for link in links.values()])).values()
        }
        taken: set[UUID] = set()
        lag = work.adapter.capabilities.entities[work.entity].list_lag
        for each, values in linked:
            link = locked[each.external_id]
            _require_own(work, link)
            # Of two links of one record (people were merged) each has to see what the other made of it.
            if link.internal_id not in taken and is_admitted(each, link) and not may_lag(each, link, lag):
                taken.add(link.internal_id)
                found.ready.append((each, values, records.get(link.internal_id), link))
            else:
                found.stale.append(link)
        for each, values, match in arrivals:
            if match in taken:
                found.again.append(each.external_id)
                continue
            found.ready.append((each, values, records.get(match) if match else None, None))
            taken.update([match] if match else [])

    async def _merge(
        self,
        found: Sorted,
        book: RuleBook,
        work: Work,
        foreseen: Mapping[str, Merged],
        *,
        with_pushes: bool,
        distrust: Distrust | None,
    ) -> list[Merged]:
        merged: list[Merged] = []
        for index, (each, values, record, link) in enumerate(found.ready, 1):
            known = foreseen.get(each.external_id) if record is None and link is None else None
            if known is None:
                known = merge_observation(
                    each,
                    values,
                    book=book,
                    record=record,
                    link=link,
                    pins=found.pins.get(record.id, {}) if record is not None else {},
                    job_id=work.job_id,
                    with_pushes=with_pushes,
                    distrust=distrust,
                )
                if index % SLICE == 0:
                    await asyncio.sleep(0)
            merged.append(known)
        return merged

    async def _write(
        self, tx: Transaction, work: Work, found: Sorted, merged: Sequence[Merged], *, with_pushes: bool
    ) -> frozenset[UUID]:
        """Write the rows; return the records whose open item only a fetch may close."""
        store = self._store
        writes = [each.record_write for each in merged if each.record_write is not None]
        await store.records.insert(tx, work.entity, [each for each in writes if each.based_on == 0])
        await store.records.update(tx, work.entity, [each for each in writes if each.based_on > 0])
        await self._chronicle.after_merge(tx, work, merged, with_pushes=with_pushes)
        links = [each.link_write for each in merged if each.link_write is not None]
        await store.links.insert(tx, work.integration.id, work.entity, [each for each in links if each.based_on == 0])
        await store.links.update(tx, [each for each in links if each.based_on > 0])
        await self._settle_submissions(tx, work, merged)
        doubtful = await self._conflicts.bring_up_to_date(tx, work.integration.id, merged)
        await self._forget(tx, work, [each.record_id for each in merged if each.observation.record.anonymized])
        await self.left_out.note(tx, work.integration, work.entity, found.left_out, found.children)
        over = [*(each.observation.external_id for each in merged), *found.left_out, *found.suppressed]
        await store.attention.recover(tx, work.integration.id, work.entity, over)
        await self._tell(tx, work, merged)
        return doubtful

    async def _settle_submissions(self, tx: Transaction, work: Work, merged: Sequence[Merged]) -> None:
        """An application of ours that is seen at the vendor for the first time is submitted, whoever saw it first."""
        if work.entity is not EntityType.APPLICATION:
            return
        seen = {
            each.record_id: each.observation
            for each in merged
            if not each.is_new and each.link_write is not None and each.link_write.based_on == 0
        }
        if seen:
            await self._store.records.submissions_arrived(
                tx,
                work.integration.id,
                {record_id: each.external_id for record_id, each in seen.items()},
                at=max(each.ticket.at for each in seen.values()),
            )
            if closed(work.integration):
                await tell(tx, self._store, work.integration.id)

    async def _forget(self, tx: Transaction, work: Work, record_ids: Sequence[UUID]) -> None:
        """Let nothing sealed of erased people open again, nor anything of those who were merged into them."""
        parts = await self._store.record_merges.merged_into(tx, record_ids)
        records = await self._store.records.lock(tx, work.entity, sorted(chain.from_iterable(parts.values())))
        empty = [RecordWrite(each.id, each.entity, {}, {}, each.version, is_archived=True) for each in records.values()]
        await self._store.records.update(tx, work.entity, empty)
        await self._store.history.forget(tx, [*record_ids, *records])
        await self._store.pins.clear(tx, [*record_ids, *records])

    async def _tell(self, tx: Transaction, work: Work, merged: Sequence[Merged]) -> None:
        """Raise an issue for each unit of which people must know; end those of units that agree again."""
        attention, integration_id = self._store.attention, work.integration.id
        await attention.raise_issues(tx, integration_id, issues_of(work.entity, merged))
        await attention.settle_issues(tx, integration_id, kind=REFUSED, subjects=ended_by(work.entity, merged))

    async def _ask(
        self, tx: Transaction, work: Work, found: Sorted, merged: Sequence[Merged], doubtful: frozenset[UUID]
    ) -> list[Knock]:
        """Enqueue what follows: pushes, other links of what changed, fetches, missing parents; wake who waited."""
        requests = [*pushes(work, merged), *fetches(work, found, merged, doubtful), *waits(work, found)]
        requests.extend(await self._other_links(tx, work, merged))
        new = [each for each in merged if each.link_write is not None and each.link_write.based_on == 0]
        requests.extend(
            await self.left_out.come_along(
                tx, work.integration, work.entity, [each.observation.external_id for each in new]
            )
        )
        knocks = await self._store.ledger.enqueue(tx, requests)
        arrived = waiting.ended_by_links(
            work.integration.id, work.entity, ((each.observation.external_id, each.record_id) for each in new)
        )
        # What waits for one of these waits in vain: it looks again and stays out too.
        stays_out = sorted(found.left_out | found.suppressed)
        arrived += [waiting.parent(work.integration.id, work.entity, each) for each in stays_out]
        knocks.extend(await self._store.ledger.release_held(tx, work.integration.id, arrived))
        await self._store.conflicts.put_matches(tx, review_items(work, found, merged))
        return knocks

    async def _other_links(self, tx: Transaction, work: Work, merged: Sequence[Merged]) -> list[JobRequest]:
        """A value that was taken concerns every other link of the record, a second one of the same account too."""
        taken = {each.record_id: each for each in merged if each.before is not None and each.taken_units}
        links = await self._store.links.of_records(tx, list(taken))
        return [
            JobRequest(
                link.integration_id,
                RECONCILE,
                work.entity,
                str(record_id),
                Direction.OUTBOUND,
                priority_of(work.entity, taken[record_id].taken_units),
            )
            for record_id, record_links in links.items()
            for link in record_links
            if link.state == "live" and link.id != taken[record_id].link_id
        ]

    async def _log(self, tx: Transaction, work: Work, found: Sorted, merged: Sequence[Merged]) -> None:
        rows = [row for each in merged if (row := row_of(work, each)) is not None]
        quiet = found.unchanged + len(merged) - len(rows)
        if found.suppressed:
            rows.append(
                log_row(work, LogAction.SKIPPED, LogStatus.SUCCESS, details={"suppressed": len(found.suppressed)})
            )
        if found.left_out:
            rows.append(log_row(work, LogAction.SKIPPED, LogStatus.SUCCESS, details={"left_out": len(found.left_out)}))
        for external_id, reason in parked_reasons(found).items():
            rows.append(log_row(work, LogAction.SKIPPED, LogStatus.PENDING, external_id=external_id, message=reason))
        if quiet and work.run_id is not None:
            rows.append(log_row(work, LogAction.SKIPPED, LogStatus.SUCCESS, details={"unchanged": quiet}))
        elif quiet:
            rows.append(log_row(work, LogAction.SKIPPED, LogStatus.SUCCESS, details={"rule": "no_difference"}))
        await self._store.logs.write(tx, rows)


def _require_own(work: Work, link: Link) -> None:
    """Raise Conflict if a record's job looks at a link that has moved on: the other record's job writes there now."""
    job = work.job
    if job is None or job.action != RECONCILE or job.record_key.startswith(EXTERNAL_KEY):
        return
    if job.record_key != str(link.internal_id):
        raise Conflict("the link belongs to another record by now")
