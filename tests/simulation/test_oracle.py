"""What the oracle takes for an edit that was undone, and what for two who did not know of each other."""

from __future__ import annotations

from typing import Any

import pytest

from shared.model import UNITS, EntityType
from tests.simulation.engine.ancestry import NOBODY, Ancestry, Edit
from tests.simulation.engine.oracle import PORTAL, Oracle, Violation
from tests.simulation.engine.traits import plain
from tests.simulation.engine.values import SCALARS, value_of
from tests.simulation.engine.vendor import VendorRecord, Write

TITLE = "current_title"
FIRST, LAST = UNITS[EntityType.CANDIDATE]["name"].members


def test_what_is_sure_of_one_person_accuses_at_nobody_else() -> None:
    ancestry = Ancestry()
    ancestry.descend(2, 1, surely_of=[7])
    assert ancestry.is_ancestor(1, 2)
    assert ancestry.is_ancestor(1, 2, surely_of=7)
    assert not ancestry.is_ancestor(1, 2, surely_of=8)


def test_what_is_sure_stays_sure_whatever_is_presumed() -> None:
    ancestry = Ancestry()
    ancestry.descend(2, 1, surely_of=NOBODY)
    assert not ancestry.is_ancestor(1, 2, surely_of=7)
    ancestry.descend(2, 1)
    ancestry.descend(2, 1, surely_of=NOBODY)
    assert ancestry.is_ancestor(1, 2, surely_of=7)


def test_what_an_edit_has_replaced_may_not_come_back() -> None:
    oracle = _oracle()
    oracle.edited(Edit(3, 1, TITLE, "A"), value_of(TITLE, 1), clears=False)
    with pytest.raises(Violation, match="#3 had replaced #1, and was undone"):
        oracle.vendor_wrote(_write(3, 1))


def test_of_two_whom_a_vendor_merges_the_later_value_may_win() -> None:
    """The vendor kept its survivor's title by its own rule; ours, which keeps the later one, kept the other's."""
    oracle = _oracle()
    shown = [dict.fromkeys(SCALARS) | {TITLE: value_of(TITLE, number)} for number in (1, 2)]
    oracle.merged_there("A", (2, shown[1]), shown[0], 1)
    oracle.vendor_wrote(_write(1, 2))


def test_what_a_vendor_cannot_take_may_be_the_merged_one_s() -> None:
    """Of two values of before the merge none is newer; what replaced ours at the vendor is."""
    oracle = _oracle()
    shown = [dict.fromkeys(SCALARS) | {TITLE: value_of(TITLE, number)} for number in (1, 2)]
    oracle.merged_there("A", (2, shown[1]), shown[0], 1)
    oracle.known_divergence(TITLE, (1, shown[1][TITLE]), (1, shown[0][TITLE]), "A")
    oracle.edited(Edit(3, 1, TITLE, "A"), value_of(TITLE, 2), clears=False)
    with pytest.raises(Violation, match="A has the newer #3"):
        oracle.known_divergence(TITLE, (1, shown[1][TITLE]), (1, value_of(TITLE, 3)), "A")


def test_what_fills_one_of_two_records_of_a_person_fills_no_other_one() -> None:
    """The vendor can't take that the one was emptied. What was entered there afterwards is newer all the same."""
    oracle = _oracle()
    oracle.edited(Edit(3, 1, TITLE, PORTAL), value_of(TITLE, 1), clears=True)
    oracle.person_of |= {"emptied": 1, "other": 1}
    oracle.emptied.pop((PORTAL, 1, TITLE))  # what a value does that comes in with the other one
    oracle.known_divergence(TITLE, (1, None), (1, value_of(TITLE, 1)), "A")
    oracle.edited(Edit(4, 1, TITLE, "A"), value_of(TITLE, 1), clears=False)
    oracle.ancestry.descend(4, 3)
    with pytest.raises(Violation, match="A has the newer #4"):
        oracle.known_divergence(TITLE, (1, None), (1, value_of(TITLE, 4)), "A")


def test_what_a_parting_gave_back_is_nothing_to_the_other_one() -> None:
    """Person 1 got their own title back; person 2, who shows it since they were one, has another by now."""
    oracle = _oracle()
    oracle.families.unite(1, 2)
    oracle.person_of = {"one": 1, "two": 2}
    merged, one, two = ({"id": each, "data": {TITLE: value_of(TITLE, n)}} for each, n in _RECORDS)
    oracle.parted_here((merged, one), (two, two))
    oracle.vendor_wrote(_write(1, 2, person=2))
    with pytest.raises(Violation, match="#1 had replaced #2, and was undone"):
        oracle.vendor_wrote(_write(1, 2, person=1))


def test_a_parting_undoes_also_what_the_merge_had_chosen_first() -> None:
    """One vendor shows it still, though the merged one shows something else by now."""
    oracle = _oracle()
    oracle.families.unite(1, 2)
    oracle.person_of = {"one": 1, "two": 2}
    oracle.edited(Edit(3, 1, TITLE, "A"), None, clears=False)
    one, two, later = (
        {"id": each, "data": {TITLE: value_of(TITLE, n)}} for each, n in (("one", 1), ("two", 2), ("one", 3))
    )
    oracle.merged_here((one, one), (two, two))
    oracle.parted_here((later, one), (two, two))
    oracle.vendor_wrote(_write(1, 2, person=2))


@pytest.mark.parametrize("was_here", [True, False])
def test_a_parting_undoes_what_the_merged_one_has_shown_and_nothing_that_has_not_come_in(*, was_here: bool) -> None:
    """Of two edits that knew nothing of each other the later one won here; a vendor shows the other one still."""
    oracle = _oracle()
    oracle.person_of = {"one": 1, "two": 2}
    one, two, joined, late, later = (_row(each, n) for each, n in (*_PAIR, ("one", 2), ("one", 3), ("one", 4)))
    oracle.merged_here((one, joined), (two, two))
    for number in (3, 4):
        oracle.edited(Edit(number, 2, TITLE, "A"), value_of(TITLE, 2), clears=False)
    if was_here:
        oracle.portal_changed(joined, late, {TITLE})
    oracle.portal_changed(late if was_here else joined, later, {TITLE})
    oracle.parted_here((later, one), (two, two))
    if was_here:
        oracle.vendor_wrote(_write(3, 1))
    else:
        with pytest.raises(Violation, match="#3 had replaced #1, and was undone"):
            oracle.vendor_wrote(_write(3, 1))


@pytest.mark.parametrize(
    ("shown", "remade", "is_excused"),
    [("UPPER", [TITLE], True), ("as sent", [TITLE], False), ("UPPER", [], False)],
)
def test_what_a_vendor_made_of_a_create_may_look_newer_than_an_edit(
    shown: str, remade: list[str], *, is_excused: bool
) -> None:
    """Nobody knows it for what was sent. As it was sent it is an echo, and what is declared is known, too."""
    oracle = _oracle()
    oracle.person_of = {"one": 1}
    oracle.edited(Edit(3, 1, TITLE, "A"), value_of(TITLE, 1), clears=False)
    edited, met = _row("one", 3), _row("one", 1)
    if shown == "UPPER":
        met["data"][TITLE] = met["data"][TITLE].upper()
    if is_excused:
        oracle.portal_changed(edited, met, {TITLE}, remade=remade)
        oracle.vendor_wrote(_write(3, 1))
    else:
        with pytest.raises(Violation, match="#3 had replaced #1, and was undone"):
            oracle.portal_changed(edited, met, {TITLE}, remade=remade)


@pytest.mark.parametrize("is_over_unseen", [True, False])
def test_who_fills_what_both_sides_cleared_knows_of_both_once_we_have_seen_it(is_over_unseen: bool) -> None:
    """Before that the two sides moved beside each other, and the clearing here may be the later one."""
    oracle = _oracle()
    oracle.edited(Edit(3, 1, TITLE, "A"), value_of(TITLE, 1), clears=True)
    oracle.edited(Edit(4, 1, TITLE, PORTAL), value_of(TITLE, 1), clears=True)
    oracle.edited(Edit(5, 1, TITLE, "A", is_over_unseen=is_over_unseen), None, clears=False)
    shown, wanted = {TITLE: value_of(TITLE, 5)}, {TITLE: None}
    clearing = Write(plain("A"), VendorRecord("A-1", 1), TITLE, shown, wanted, in_gap=False)
    if is_over_unseen:
        oracle.vendor_wrote(clearing)
    else:
        with pytest.raises(Violation, match="#5 had replaced #4, and was undone"):
            oracle.vendor_wrote(clearing)


@pytest.mark.parametrize("rule", ["edit:e3", "their_change"])
def test_who_edits_half_a_name_has_made_a_combination_also_where_the_other_half_is_empty(rule: str) -> None:
    """A record of ours keeps nothing of a first name that is empty. What automation puts together is invented."""
    oracle = _oracle()
    oracle.person_of = {"one": 1}
    oracle.edited(Edit(2, 1, LAST, PORTAL), None, clears=False)
    oracle.edited(Edit(3, 1, LAST, PORTAL), value_of(LAST, 2), clears=False)
    before, after = (_row("one", 1) | {"data": {LAST: value_of(LAST, number)}} for number in (2, 3))
    after["stamps"] = {"s": [("", 0, "", rule, None, None, ["name"])]}
    oracle.portal_changed(before, after, {"name"})
    shown, sent = ({FIRST: None, LAST: value_of(LAST, number)} for number in (2, 3))
    write = Write(plain("A"), VendorRecord("A-1", 1), "name", shown, sent, in_gap=False)
    if rule == "edit:e3":
        oracle.vendor_wrote(write)
    else:
        with pytest.raises(Violation, match=r"no side ever had \(0, 3\)"):
            oracle.vendor_wrote(write)


_PAIR = (("one", 1), ("two", 2))
_RECORDS = (("one", 2), ("one", 1), ("two", 2))


def _oracle() -> Oracle:
    """Return one that knows two people of vendor A, each with the title that goes by their number."""
    oracle = Oracle()
    for person in (1, 2):
        oracle.edited(Edit(person, person, TITLE, "A"), None, clears=False)
    return oracle


def _row(record_id: str, number: int) -> dict[str, Any]:
    """Return a record of ours with the title *number*."""
    return {"id": record_id, "entity_type": "candidate", "stamps": {}, "data": {TITLE: value_of(TITLE, number)}}


def _write(before: int, sent: int, *, person: int = 1) -> Write:
    """Return a write of ours that puts the title *sent* in the place of *before*."""
    shown, wanted = ({TITLE: value_of(TITLE, number)} for number in (before, sent))
    return Write(plain("A"), VendorRecord(f"A-{person}", person), TITLE, shown, wanted, in_gap=False)
