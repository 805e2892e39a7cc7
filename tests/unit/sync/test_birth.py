"""The link of a record that a vendor has just made for us."""

from __future__ import annotations

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.adapters.protocol import Written
from shared.merge.base_codec import decode_base
from shared.merge.merge import merge
from shared.merge.normal_forms import phone_version
from shared.merge.state import Ours
from shared.model import Candidate, JsonObject
from shared.security.keys import Keys
from shared.store.links import Ticket
from shared.store.records import StoredRecord
from shared.sync.birth import born_link
from shared.sync.observations import RuleBook, observe
from tests.unit.sync.parts import CANDIDATE, NOON, RECORD, integration


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
