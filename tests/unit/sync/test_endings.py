"""How the endings of several links of one record become the job's own."""

from __future__ import annotations

from uuid import UUID

from shared.store.ledger import Knock
from shared.sync.jobs.endings import Continue, Done, Ending, Hold, together


def knock(number: int) -> Knock:
    return Knock(UUID(int=0), UUID(int=number), 1, 5)


def test_the_knocks_of_all_are_sent_whichever_ending_is_the_jobs() -> None:
    several: list[Ending] = [Done("first", [knock(1)]), Hold("a", "", [knock(2)]), Continue(0.0, [knock(3)])]
    for size in (1, 2, 3):
        assert together(several[:size]).knocks == [knock(number) for number in range(1, size + 1)]


def test_what_can_go_on_is_not_held_by_what_waits() -> None:
    several: list[Ending] = [Done(), Hold("quarantine", ""), Continue(15.0), Continue(0.0)]
    assert together(several) == Continue(0.0, [])
    assert together(several[:3]) == Continue(15.0, [])
    assert together(several[:2]) == Hold("quarantine", "", [])
    assert together([Done("gone"), Done("reconciled")]) == Done("gone", [])
