"""What observations ask for next: pushes, fetches, missing parents, and items for people."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from shared.model import Direction
from shared.store.conflicts import MatchConflict
from shared.store.ledger import JobRequest
from shared.store.links import EXTERNAL_KEY
from shared.sync.jobs import waiting
from shared.sync.jobs.priorities import PARENT_FETCH, RECONCILE, WEBHOOK_SIGNAL, priority_of
from shared.sync.merging.one_record import Merged
from shared.sync.merging.work import Sorted, Work


def pushes(work: Work, merged: Sequence[Merged]) -> list[JobRequest]:
    """Return a job for each record of which something has to be written at the vendor."""
    if work.job is not None and _is_single(work) and not work.job.record_key.startswith(EXTERNAL_KEY):
        return []  # the job at hand makes them itself
    return [
        _request(work, str(each.record_id), Direction.OUTBOUND, priority_of(work.entity, each.outcome.intents))
        for each in merged
        if each.push
    ]


def fetches(work: Work, found: Sorted, merged: Sequence[Merged], doubtful: frozenset[UUID]) -> list[JobRequest]:
    """Return a job for each record that has to be fetched anew; a record's own job looks again itself."""
    if _is_single(work):
        return []
    unfinished = {*doubtful, *(link.internal_id for link in found.stale)}
    unfinished.update(each.record_id for each in merged if each.wants_fetch and not each.observation.is_fresh_fetch)
    keys = [*(str(each) for each in sorted(unfinished)), *(EXTERNAL_KEY + each for each in found.again)]
    return [_request(work, key, Direction.INBOUND, PARENT_FETCH) for key in keys]


def waits(work: Work, found: Sorted) -> list[JobRequest]:
    """Return fetches of missing parents, and a held job for each record of a page that has to wait."""
    integration_id = work.integration.id
    parents = {(parent.entity, parent.external_id) for parent in found.parked.values()}
    requests = [
        JobRequest(integration_id, RECONCILE, entity, EXTERNAL_KEY + external_id, Direction.INBOUND, PARENT_FETCH)
        for entity, external_id in sorted(parents)
    ]
    if not _is_single(work):
        requests.extend(_held_job(work, external_id, reason) for external_id, reason in reasons(work, found).items())
    return requests


def reasons(work: Work, found: Sorted) -> dict[str, str]:
    """Return what each record that could not come in waits for, by external id."""
    integration_id = work.integration.id
    return {
        **{
            external_id: waiting.parent(integration_id, parent.entity, parent.external_id)
            for external_id, parent in found.parked.items()
        },
        **{external_id: waiting.review(integration_id, work.entity, external_id) for external_id in found.unclear},
        **{external_id: waiting.creation(integration_id, work.entity) for external_id in found.being_created},
    }


def _is_single(work: Work) -> bool:
    """Whether the job at hand is about this one record: it waits itself then."""
    return work.job is not None and work.job.action == RECONCILE


def _held_job(work: Work, external_id: str, reason: str) -> JobRequest:
    return JobRequest(
        work.integration.id,
        RECONCILE,
        work.entity,
        EXTERNAL_KEY + external_id,
        Direction.INBOUND,
        WEBHOOK_SIGNAL,
        hold_reason=reason,
    )


def _request(work: Work, key: str, direction: Direction, priority: int) -> JobRequest:
    return JobRequest(work.integration.id, RECONCILE, work.entity, key, direction, priority)


def review_items(work: Work, found: Sorted, merged: Sequence[Merged]) -> list[MatchConflict]:
    """Return the items that ask people who a vendor's record is, or whether two are one."""
    items = [
        _review_item(work, external_id, "ambiguous_match", match.record_ids, None)
        for external_id, match in found.unclear.items()
    ]
    made = {each.observation.external_id: each.record_id for each in merged}
    for external_id, duplicate in found.duplicates.items():
        others = [*duplicate.record_ids, *(str(made[each]) for each in duplicate.external_ids if each in made)]
        if others:  # one of its page may not have come in itself
            items.append(_review_item(work, external_id, "possible_duplicate", others, made.get(external_id)))
    return items


def _review_item(
    work: Work, external_id: str, kind: str, record_ids: Sequence[str], record_id: UUID | None
) -> MatchConflict:
    return MatchConflict(
        kind=kind,
        entity=work.entity,
        integration_id=work.integration.id,
        external_id=external_id,
        matches=[UUID(each) for each in record_ids],
        record_id=record_id,
    )
