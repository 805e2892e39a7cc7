"""
An examination says of a record what the next merge of it does: nothing where it does nothing.

Whose an application is was agreed on under the candidate who had it then; a merge of two candidates or its end moves
it here alone (docs/identity.md).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.model import Application, JsonObject, Reference
from shared.security.keys import Keys
from shared.store.comparison import Sides
from shared.store.links import Link, Ticket
from shared.store.records import StoredRecord
from shared.sync.merging.distrust import Distrust
from shared.sync.merging.examining import Finding, Kind, examine
from shared.sync.merging.observations import Observation, RuleBook, observe
from shared.sync.merging.one_record import Merged, merge_observation
from tests.unit.sync.parts import APPLICATION, CANDIDATE, INTEGRATION, JOB, NOON, RECORD, integration

SURVIVOR, OTHER, OPENING = (str(UUID(int=number)) for number in (11, 12, 13))
BOOK = RuleBook(GreenhouseAdapter, integration(), APPLICATION, Keys(b"k" * 32))
LATER = NOON + timedelta(hours=1)


def listed(number: int, **fields: Any) -> Observation:
    """What a list shows of the application."""
    references = {"candidate_id": Reference(CANDIDATE, "5"), "job_id": Reference(JOB, "6")}
    shown = Application(external_id="7", updated_at=NOON, references=references, **fields)
    return observe([shown], Ticket(number, LATER), context=BOOK.context)[0]


SEEN = listed(6)


def values_of(seen: Observation, candidate: str) -> JsonObject:
    """*seen*, whose candidate stands for *candidate* here by now."""
    return {**seen.values, "candidate_id": candidate, "job_id": OPENING}


def sides_of(*, agreed: str, ours: str) -> Sides:
    """The application as it stands here, *ours*, and its link, which was agreed on when it was *agreed*'s."""
    first = merge_observation(listed(5), values_of(SEEN, agreed), book=BOOK, record=None, link=None, job_id=None)
    record, link = first.record_write, first.link_write
    assert record is not None
    assert link is not None
    return Sides(
        Link(link.id, INTEGRATION, APPLICATION, RECORD, "7", "live", True, 1, 5, None, NOON, link.digest, link.base),
        StoredRecord(
            RECORD, APPLICATION, {**record.data, "candidate_id": ours}, dict(record.stamps), 2, NOON, NOON, None, None
        ),
        NOON,
    )


def examined(sides: Sides, shown: str, seen: Observation = SEEN) -> Finding:
    """What a comparison finds before it asks history."""
    return examine(seen, values_of(seen, shown), sides, BOOK, APPLICATION, {})


def merged(sides: Sides, shown: str, seen: Observation = SEEN, distrust: Distrust | None = None) -> Merged:
    """What the sync does with it."""
    return merge_observation(
        seen,
        values_of(seen, shown),
        book=BOOK,
        record=sides.record,
        link=sides.link,
        job_id=None,
        with_pushes=True,
        distrust=distrust,
    )


@pytest.mark.parametrize("moved", [(OTHER, SURVIVOR), (SURVIVOR, OTHER)], ids=["merged", "parted"])
def test_what_moved_along_with_its_candidate_is_in_step(moved: tuple[str, str]) -> None:
    """The vendor's id of the candidate stands for the other one of the two here by now, on both sides."""
    agreed, now = moved
    sides = sides_of(agreed=agreed, ours=now)
    does = merged(sides, now)
    assert (does.record_write, does.link_write, dict(does.push)) == (None, None, {})
    found = examined(sides, now)
    found.settle()
    assert (found.kind, found.units, found.distrust()) == (None, {}, None)


@pytest.mark.parametrize("is_new", [False, True], ids=["seen_before", "first_seen"])
def test_what_the_vendor_has_given_to_somebody_else_is_its_change(*, is_new: bool) -> None:
    """Parted here, and the vendor had merged the two: nothing here goes out, and nothing counts as altered."""
    sides, seen = sides_of(agreed=SURVIVOR, ours=OTHER), listed(6, source="Fair") if is_new else SEEN
    found = examined(sides, SURVIVOR, seen)
    found.settle(changed_here=["candidate_id"])
    does = merged(sides, SURVIVOR, seen)
    assert (does.take["candidate_id"], dict(does.push)) == (SURVIVOR, {})
    assert found.kind is found.units["candidate_id"] is Kind.THEIRS_CHANGED
    assert found.distrust() is None


def test_what_moved_here_and_nobody_has_moved_was_altered() -> None:
    """No history tells of it; its repair does what any merge of it would do."""
    sides = sides_of(agreed=SURVIVOR, ours=OTHER)
    found = examined(sides, SURVIVOR)
    found.settle()
    assert found.kind is Kind.OURS_ALTERED
    distrust = found.distrust()
    assert distrust is not None
    repaired = merged(sides, SURVIVOR, distrust=replace(distrust, version=2, sync_version=1))
    assert repaired.take["candidate_id"] == merged(sides, SURVIVOR).take["candidate_id"] == SURVIVOR


def test_a_repair_of_another_field_does_not_ask_whose_it_is() -> None:
    """Of what is altered there and of what has moved here, only the first is mended."""
    sides = sides_of(agreed=OTHER, ours=SURVIVOR)
    repaired = merged(sides, SURVIVOR, distrust=Distrust(2, 1, base=frozenset({"source"})))
    assert (dict(repaired.take), dict(repaired.push)) == ({}, {})
    assert not any(each.unit == "candidate_id" for each in repaired.outcome.decisions)
