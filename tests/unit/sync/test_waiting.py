"""Names of the events that held jobs wait for: what ends a wait must be what began it, and nothing else."""

from __future__ import annotations

from itertools import combinations
from uuid import UUID

from shared.sync.jobs import waiting
from tests.unit.sync.parts import APPLICATION, CANDIDATE, INTEGRATION, RECORD

OTHER = UUID(int=77)


def test_a_new_link_ends_both_waits_for_it() -> None:
    ended = waiting.ended_by_link(INTEGRATION, CANDIDATE, "7", RECORD)
    assert set(ended) == {
        waiting.parent(INTEGRATION, CANDIDATE, "7"),
        waiting.link(INTEGRATION, CANDIDATE, RECORD),
    }
    assert waiting.link(INTEGRATION, CANDIDATE, str(RECORD)) in ended


def test_new_links_end_what_each_of_them_ends() -> None:
    links = [("7", RECORD), ("8", OTHER)]
    assert waiting.ended_by_links(INTEGRATION, CANDIDATE, links) == [
        name for link in links for name in waiting.ended_by_link(INTEGRATION, CANDIDATE, *link)
    ]


def test_no_two_events_share_a_name() -> None:
    names = [
        make(integration_id, entity, "7")
        for make in (waiting.parent, waiting.link, waiting.review, waiting.quarantine)
        for integration_id in (INTEGRATION, OTHER)
        for entity in (CANDIDATE, APPLICATION)
    ]
    names += [waiting.creation(i, e) for i in (INTEGRATION, OTHER) for e in (CANDIDATE, APPLICATION)]
    names.append(waiting.parent(INTEGRATION, CANDIDATE, "8"))
    assert all(one != other for one, other in combinations(names, 2))


def test_a_name_says_what_is_waited_for() -> None:
    assert waiting.parent(INTEGRATION, CANDIDATE, "7") == f"parent:{INTEGRATION}:candidate:7"
    assert waiting.creation(INTEGRATION, CANDIDATE) == f"creation:{INTEGRATION}:candidate"
