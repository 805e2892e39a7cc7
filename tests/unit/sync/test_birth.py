"""The link of a record that a vendor has just made for us."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import JsonValue

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.adapters.protocol import Written
from shared.merge.base_codec import decode_base
from shared.merge.merge import merge
from shared.merge.normal_forms import phone_version
from shared.merge.state import Ours, Stamp
from shared.model import Application, Candidate, EntityType, JsonObject, Reference
from shared.security.keys import Keys
from shared.store.links import Ticket
from shared.store.records import StoredRecord
from shared.sync.birth import born_link
from shared.sync.observations import RuleBook, observe
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
