"""What observations ask for next: each wish once, under the right key, with the right urgency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from shared.merge.matching import Ambiguous, NewButPossibleDuplicate
from shared.merge.merge import merge
from shared.merge.settle import with_intents
from shared.merge.state import Ours, Outcome, Stamp
from shared.model import Direction, Reference
from shared.store.ledger import JobRequest
from shared.sync.applying.follow_ups import fetches, pushes, reasons, review_items, waits
from shared.sync.jobs import waiting
from shared.sync.jobs.priorities import OTHER_EDIT, PARENT_FETCH, PULL, RECONCILE, WEBHOOK_SIGNAL
from shared.sync.merging.one_record import Merged
from shared.sync.merging.work import Sorted
from tests.unit.merge import lab
from tests.unit.sync.parts import APPLICATION, CANDIDATE, INTEGRATION, JOB, RECORD, job, link, person, seen, work

RULES = lab.rules()


def outcome(ours: dict[str, Any], theirs: dict[str, Any], base: dict[str, Any]) -> Outcome:
    """Return what a merge of the two sides comes to, after both held *base*."""
    mine = Ours(ours, dict.fromkeys(ours, Stamp(lab.at(30), 0, "portal")))
    return merge(lab.agreed(base), mine, lab.theirs(theirs), RULES)


def merged(result: Outcome, record_id: UUID = RECORD, *, is_fresh_fetch: bool = False) -> Merged:
    return Merged(
        observation=seen(person(), is_fresh_fetch=is_fresh_fetch),
        record_id=record_id,
        link_id=UUID(int=4),
        decided=result,
        rules=RULES,
        before=None,
        base={},
        record_write=None,
        link_write=None,
    )


def keys(requests: Sequence[JobRequest]) -> list[tuple[str, str, Direction, int]]:
    return [(each.action, each.record_key, each.direction, each.priority) for each in requests]


EDITED_PHONE = outcome({"phone": "+14155550123"}, {"phone": "+14155550100"}, {"phone": "+14155550100"})
EDITED_TITLE = outcome({"current_title": "b"}, {"current_title": "a"}, {"current_title": "a"})
NOTHING = outcome({"current_title": "a"}, {"current_title": "a"}, {"current_title": "a"})


def test_the_worlds_of_these_tests_are_what_they_say() -> None:
    assert EDITED_PHONE.push
    assert EDITED_TITLE.push
    assert not NOTHING.push


def test_what_has_to_be_written_becomes_a_job_as_urgent_as_what_changed() -> None:
    other = UUID(int=30)
    found = pushes(work(), [merged(EDITED_PHONE), merged(EDITED_TITLE, other), merged(NOTHING, UUID(int=31))])
    assert keys(found) == [
        (RECONCILE, str(RECORD), Direction.OUTBOUND, 3),
        (RECONCILE, str(other), Direction.OUTBOUND, OTHER_EDIT),
    ]
    assert {each.entity for each in found} == {CANDIDATE}
    assert {each.integration_id for each in found} == {INTEGRATION}


def test_a_records_own_job_writes_itself() -> None:
    assert pushes(work(of=job()), [merged(EDITED_PHONE)]) == []


def test_a_job_under_the_vendors_id_hands_the_write_to_the_records_own() -> None:
    """Else two jobs of one link would run side by side."""
    found = pushes(work(of=job(record_key="ext:7")), [merged(EDITED_PHONE)])
    assert keys(found) == [(RECONCILE, str(RECORD), Direction.OUTBOUND, 3)]


def test_a_pulls_page_never_pushes_itself() -> None:
    assert len(pushes(work(of=job(action=PULL, record_key="all")), [merged(EDITED_PHONE)])) == 1


def test_what_only_a_fetch_can_tell_is_fetched_once_a_record() -> None:
    open_intent = outcome_with_open_intent()
    other = UUID(int=30)
    found = fetches(
        work(),
        Sorted(stale=[link(), link(internal_id=other)]),
        [merged(open_intent), merged(NOTHING, UUID(int=31))],
        frozenset({other}),
    )
    assert keys(found) == [
        (RECONCILE, str(RECORD), Direction.INBOUND, PARENT_FETCH),
        (RECONCILE, str(other), Direction.INBOUND, PARENT_FETCH),
    ]


def outcome_with_open_intent() -> Outcome:
    """A write that was cut off: the intent stands, and a page can't say what became of it."""
    base = with_intents(EDITED_PHONE.base, EDITED_PHONE.intents)
    mine = Ours({"phone": "+14155550123"}, {"phone": Stamp(lab.at(30), 0, "portal")})
    shown = lab.theirs({"phone": "+14155550100"}, 61, is_fresh_fetch=False)
    return merge(base, mine, shown, RULES)


def test_a_page_wants_a_fetch_where_an_intent_is_open() -> None:
    assert merged(outcome_with_open_intent()).wants_fetch
    assert keys(fetches(work(), Sorted(), [merged(outcome_with_open_intent())], frozenset())) != []
    fresh = merged(outcome_with_open_intent(), is_fresh_fetch=True)
    assert fetches(work(), Sorted(), [fresh], frozenset()) == []


def test_a_records_own_job_looks_again_itself() -> None:
    assert fetches(work(of=job()), Sorted(stale=[link()]), [merged(NOTHING)], frozenset({RECORD})) == []


def test_children_wait_for_their_parent_which_is_fetched_once() -> None:
    parked = {"70": Reference(CANDIDATE, "7"), "71": Reference(CANDIDATE, "7"), "72": Reference(JOB, "1")}
    found = waits(work(APPLICATION), Sorted(parked=parked))
    assert [(each.entity, each.record_key, each.hold_reason) for each in found] == [
        (CANDIDATE, "ext:7", None),
        (JOB, "ext:1", None),
        (APPLICATION, "ext:70", waiting.parent(INTEGRATION, CANDIDATE, "7")),
        (APPLICATION, "ext:71", waiting.parent(INTEGRATION, CANDIDATE, "7")),
        (APPLICATION, "ext:72", waiting.parent(INTEGRATION, JOB, "1")),
    ]
    assert {each.priority for each in found[:2]} == {PARENT_FETCH}
    assert {each.priority for each in found[2:]} == {WEBHOOK_SIGNAL}


def test_a_records_own_job_waits_itself() -> None:
    found = waits(
        work(APPLICATION, job(entity=APPLICATION, record_key="ext:70")), Sorted(parked={"70": Reference(JOB, "1")})
    )
    assert [(each.entity, each.record_key, each.hold_reason) for each in found] == [(JOB, "ext:1", None)]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Sorted(), {}),
        (Sorted(parked={"70": Reference(JOB, "1")}), {"70": waiting.parent(INTEGRATION, JOB, "1")}),
        (
            Sorted(unclear={"7": Ambiguous((str(RECORD),), "name_differs")}),
            {"7": waiting.review(INTEGRATION, CANDIDATE, "7")},
        ),
        (Sorted(being_created=["7"]), {"7": waiting.creation(INTEGRATION, CANDIDATE)}),
    ],
)
def test_a_wait_is_named_for_what_ends_it(found: Sorted, expected: dict[str, str]) -> None:
    assert reasons(work(), found) == expected
    held = [each.hold_reason for each in waits(work(), found) if each.hold_reason is not None]
    assert held == list(expected.values())


def test_a_review_names_the_records_that_it_might_be() -> None:
    found = Sorted(unclear={"7": Ambiguous((str(RECORD),), "name_differs")})
    (item,) = review_items(work(), found, [])
    assert (item.kind, item.entity, item.integration_id, item.external_id) == (
        "ambiguous_match", CANDIDATE, INTEGRATION, "7",
    )  # fmt: skip
    assert (item.matches, item.record_id) == ([RECORD], None)


def test_a_possible_duplicate_names_ours_and_those_of_its_own_page() -> None:
    other = UUID(int=9)
    one = merged(outcome({}, {"email": "a@example.org"}, {}), other)
    found = Sorted(duplicates={"8": NewButPossibleDuplicate((str(RECORD),), (one.observation.external_id, "unseen"))})
    (item,) = review_items(work(), found, [one])
    assert (item.kind, item.external_id) == ("possible_duplicate", "8")
    assert item.matches == [RECORD, other]
