"""The link of a record that a vendor has just made for us."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from pydantic import JsonValue

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.adapters.protocol import Written
from shared.merge.base_codec import decode_base
from shared.merge.merge import merge
from shared.merge.normal_forms import phone_version
from shared.merge.settle import open_intents
from shared.merge.state import Ours, Outcome, Stamp
from shared.model import Application, Candidate, EntityType, JsonObject, Reference
from shared.security.keys import Keys
from shared.store.links import LinkWrite, Ticket
from shared.store.records import StoredRecord
from shared.sync.creating.birth import born_link, found_link
from shared.sync.merging.observations import RuleBook, observe
from tests.unit.sync.parts import APPLICATION, CANDIDATE, JOB, NOON, RECORD, integration


def test_a_born_link_knows_the_company_s_form_of_phones() -> None:
    """A base that says another form than its prints have would find a change on both sides."""
    book = RuleBook(GreenhouseAdapter, integration(default_region="GB"), CANDIDATE, Keys(b"k" * 32))
    data: JsonObject = {"first_name": "Ann", "phone": "020 7946 0018"}
    record = StoredRecord(RECORD, CANDIDATE, data, {}, 1, NOON, NOON, None, None)
    answer = Candidate(external_id="7", first_name="Ann", phone="+44 20 7946 0018")
    link = born_link(record, Written("7", answer), book, Ticket(5, NOON))
    base = decode_base(link.base)
    assert base["phone"].norm == phone_version("GB")
    (seen,) = observe([answer], Ticket(6, NOON), context=book.context, is_fresh_fetch=True)
    outcome = merge(base, Ours(data, {}), book.theirs(seen, seen.values), book.for_link(link.id))
    assert (outcome.is_quiet, outcome.decisions) == (True, ())


@pytest.mark.parametrize(("made", "is_kept"), [("ANALYST", True), ("Engineer", False)])
def test_what_the_vendor_makes_of_a_create_seconds_later_is_no_change_of_its_own(
    monkeypatch: pytest.MonkeyPatch, made: str, *, is_kept: bool
) -> None:
    """Else it would beat what was edited here between the create and our next look."""

    def expected(_: type[GreenhouseAdapter], _entity: EntityType, name: str, value: JsonValue) -> JsonValue:
        return value.upper() if name == "current_title" and isinstance(value, str) else value

    monkeypatch.setattr(GreenhouseAdapter, "expected", classmethod(expected))
    book = RuleBook(GreenhouseAdapter, integration(), CANDIDATE, Keys(b"k" * 32))
    record = StoredRecord(RECORD, CANDIDATE, {"current_title": "Analyst"}, {}, 1, NOON, NOON, None, None)
    answer = Candidate(external_id="7", current_title="Analyst")
    link = born_link(record, Written("7", answer), book, Ticket(5, NOON))
    later = NOON + timedelta(seconds=5)
    shown = Candidate(external_id="7", current_title=made, updated_at=later)
    (seen,) = observe([shown], Ticket(6, later), context=book.context, is_fresh_fetch=True)
    edited = Ours({"current_title": "Countess"}, {"current_title": Stamp(NOON, 0, "portal")})
    outcome = merge(decode_base(link.base), edited, book.theirs(seen, seen.values), book.for_link(link.id))
    assert bool(outcome.push) is is_kept


@pytest.mark.parametrize("shows_it_at_once", [True, False])
def test_an_application_that_the_vendor_has_given_to_another_one_since_is_theirs(*, shows_it_at_once: bool) -> None:
    """Within one tick of the create: with nothing agreed of whose it is ours would stay; found by the simulation."""
    ours, other, job = (str(UUID(int=number)) for number in (11, 12, 13))
    book = RuleBook(GreenhouseAdapter, integration(), APPLICATION, Keys(b"k" * 32))
    data: JsonObject = {"candidate_id": ours, "job_id": job}
    stamps = {name: Stamp(NOON, 0, "portal") for name in data}
    record = StoredRecord(RECORD, APPLICATION, data, {}, 1, NOON, NOON, None, None)
    references = {"candidate_id": Reference(CANDIDATE, "7"), "job_id": Reference(JOB, "9")}
    moved = Application(external_id="8", references=references, updated_at=NOON)
    link = born_link(record, Written("8", moved if shows_it_at_once else None), book, Ticket(5, NOON))
    (seen,) = observe([moved], Ticket(6, NOON), context=book.context, is_fresh_fetch=True)
    theirs = book.theirs(seen, {**seen.values, "candidate_id": other, "job_id": job})
    outcome = merge(decode_base(link.base), Ours(data, stamps), theirs, book.for_link(link.id))
    assert (dict(outcome.take), dict(outcome.push)) == ({"candidate_id": other}, {})


LATER = NOON + timedelta(seconds=5)
BOOK = RuleBook(GreenhouseAdapter, integration(), CANDIDATE, Keys(b"k" * 32))


def sent(**data: JsonValue) -> StoredRecord:
    return StoredRecord(RECORD, CANDIDATE, data, {}, 1, NOON, NOON, None, None)


def born(record: StoredRecord, answer: Candidate | None = None) -> LinkWrite:
    return born_link(record, Written("7", answer), BOOK, Ticket(5, NOON))


def first_look(link: LinkWrite, ours: JsonObject, shown: Candidate, *, edited_at: datetime = NOON) -> Outcome:
    """Merge what a fresh fetch shows; what is here was edited at *edited_at*, before the vendor dates its record."""
    (seen,) = observe([shown], Ticket(6, LATER), context=BOOK.context, is_fresh_fetch=True)
    stamps = dict.fromkeys(ours, Stamp(edited_at, 0, "portal"))
    return merge(
        decode_base(link.base), Ours(ours, stamps), BOOK.theirs(seen, seen.values), BOOK.for_link(link.id, shown)
    )


@pytest.mark.parametrize("edited", ["Countess", None])
def test_what_an_answer_does_not_show_is_our_own_write_where_the_first_look_finds_it(edited: str | None) -> None:
    """Its record is younger than an edit that was made here while the call was under way (seed 1965)."""
    link = born(sent(current_title="Analyst"))
    outcome = first_look(
        link, {"current_title": edited}, Candidate(external_id="7", current_title="Analyst", updated_at=LATER)
    )
    assert (outcome.take, outcome.push) == ({}, {"current_title": edited})
    assert not open_intents(outcome.base)


def test_a_page_does_not_tell_what_became_of_a_create() -> None:
    link = born(sent(current_title="Analyst"))
    shown = Candidate(external_id="7", current_title="Analyst", updated_at=LATER)
    (seen,) = observe([shown], Ticket(6, LATER), context=BOOK.context)
    outcome = merge(
        decode_base(link.base),
        Ours({"current_title": "Countess"}, {}),
        BOOK.theirs(seen, seen.values),
        BOOK.for_link(link.id),
    )
    assert (outcome.is_quiet, outcome.wants_fetch) == (True, True)


@pytest.mark.parametrize(("updated_at", "is_theirs"), [(LATER, True), (NOON - timedelta(days=1), False)])
def test_what_a_first_look_finds_otherwise_than_sent_meets_for_the_first_time(
    updated_at: datetime, *, is_theirs: bool
) -> None:
    """The create did not carry it, or somebody has changed it: nobody knows, so the later one stays."""
    link = born(sent(current_title="Analyst"))
    outcome = first_look(
        link,
        {"current_title": "Countess"},
        Candidate(external_id="7", current_title="Engineer", updated_at=updated_at),
    )
    assert [each.rule for each in outcome.decisions] == ["first_meeting"]
    assert bool(outcome.take) is is_theirs
    assert bool(outcome.push) is not is_theirs


def test_what_is_known_to_be_made_of_a_create_is_our_own_write(monkeypatch: pytest.MonkeyPatch) -> None:
    def expected(_: type[GreenhouseAdapter], _entity: EntityType, name: str, value: JsonValue) -> JsonValue:
        return value.upper() if name == "current_title" and isinstance(value, str) else value

    monkeypatch.setattr(GreenhouseAdapter, "expected", classmethod(expected))
    book = RuleBook(GreenhouseAdapter, integration(), CANDIDATE, Keys(b"k" * 32))
    link = born_link(sent(current_title="Analyst"), Written("7"), book, Ticket(5, NOON))
    shown = Candidate(external_id="7", current_title="ANALYST", updated_at=LATER)
    (seen,) = observe([shown], Ticket(6, LATER), context=book.context, is_fresh_fetch=True)
    edited = Ours({"current_title": "Countess"}, {"current_title": Stamp(NOON, 0, "portal")})
    outcome = merge(decode_base(link.base), edited, book.theirs(seen, seen.values), book.for_link(link.id))
    assert (outcome.take, outcome.push) == ({}, {"current_title": "Countess"})


@pytest.mark.parametrize("answer", [None, Candidate(external_id="7", first_name="Ann")])
def test_a_name_that_an_answer_shows_in_part_or_not_at_all_is_our_own_write(answer: Candidate | None) -> None:
    link = born(sent(first_name="Ann", last_name="Lee"), answer)
    shown = Candidate(external_id="7", first_name="Ann", last_name="Lee", updated_at=LATER)
    outcome = first_look(link, {"first_name": "Ann", "last_name": "Byron"}, shown)
    assert (outcome.take, outcome.held) == ({}, ())
    assert outcome.push["last_name"] == "Byron"


@pytest.mark.parametrize("is_shown", [True, False])
def test_what_was_removed_and_added_while_a_create_was_under_way_travels(*, is_shown: bool) -> None:
    """A list that the call has carried is agreed on, element by element (seed 2186)."""
    there = Candidate(external_id="7", tags=["Ada", "Lisp", "theirs"], updated_at=LATER)
    link = born(sent(tags=["Ada", "Lisp"]), there if is_shown else None)
    outcome = first_look(link, {"tags": ["Lisp", "Perl"]}, there)
    assert outcome.push["tags"] == ["Lisp", "theirs", "Perl"]
    assert outcome.take["tags"] == ["Lisp", "Perl", "theirs"]


def test_an_element_that_a_create_did_not_carry_is_sent_after_it() -> None:
    answer = Candidate(external_id="7", tags=["Ada"])
    link = born(sent(tags=["Ada", "Lisp"]), answer)
    outcome = first_look(link, {"tags": ["Ada", "Lisp"]}, answer)
    assert (outcome.take, outcome.push) == ({}, {"tags": ["Ada", "Lisp"]})


def test_what_a_search_does_not_show_or_shows_as_made_of_what_was_sent_is_our_own_write() -> None:
    record = sent(current_title="Analyst", tags=["Ada", "Lisp"])
    link = found_link(record, Candidate(external_id="7", tags=["Ada", "Lisp", "theirs"]), BOOK, Ticket(5, NOON))
    shown = Candidate(external_id="7", current_title="Analyst", tags=["Ada", "Lisp", "theirs"], updated_at=LATER)
    outcome = first_look(link, {"current_title": "Countess", "tags": ["Lisp"]}, shown)
    assert outcome.push == {"current_title": "Countess", "tags": ["Lisp", "theirs"]}
    assert outcome.take == {"tags": ["Lisp", "theirs"]}
