"""Whose a record is: agreed to be what ours says, so that a vendor's other word is its change."""

from __future__ import annotations

from uuid import UUID

import pytest

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.merge.merge import merge
from shared.merge.references import REFERENCES, as_named, named
from shared.merge.state import Ours, StoredBase
from shared.model import Application, EntityType, Reference
from shared.security.keys import Keys
from shared.store.links import Ticket
from shared.sync.observations import RuleBook, observe
from tests.unit.sync.parts import APPLICATION, CANDIDATE, JOB, NOON, RECORD, integration

SURVIVOR, OTHER, OPENING = (str(UUID(int=number)) for number in (11, 12, 13))


@pytest.mark.parametrize("shown", [SURVIVOR, OTHER])
def test_what_moved_here_by_a_parting_is_no_edit_against_the_vendor(shown: str) -> None:
    """Agreed as the survivor's, given back here; the vendor alone knows whether it has moved there as well."""
    rules = RuleBook(GreenhouseAdapter, integration(), APPLICATION, Keys(b"k" * 32))
    link_rules = rules.for_link(RECORD)
    agreed = {"candidate_id": SURVIVOR, "job_id": OPENING}
    base = StoredBase({unit.name: named(agreed, unit, link_rules, NOON) for unit in REFERENCES[APPLICATION]})
    ours = Ours({"candidate_id": OTHER, "job_id": OPENING}, {})
    references = {"candidate_id": Reference(CANDIDATE, "7"), "job_id": Reference(JOB, "9")}
    record = Application(external_id="8", references=references, updated_at=NOON)
    (seen,) = observe([record], Ticket(6, NOON), context=rules.context, is_fresh_fetch=True)
    theirs = rules.theirs(seen, {**seen.values, "candidate_id": shown, "job_id": OPENING})
    outcome = merge(as_named(base, ours, link_rules), ours, theirs, link_rules)
    assert (dict(outcome.take), dict(outcome.push)) == ({} if shown == OTHER else {"candidate_id": SURVIVOR}, {})


def test_what_is_as_agreed_stays_the_very_base_and_candidates_have_no_reference() -> None:
    rules = RuleBook(GreenhouseAdapter, integration(), APPLICATION, Keys(b"k" * 32)).for_link(RECORD)
    ours = Ours({"candidate_id": OTHER, "job_id": OPENING}, {})
    base = StoredBase({unit.name: named(ours.values, unit, rules, NOON) for unit in REFERENCES[APPLICATION]})
    assert as_named(base, ours, rules) is base
    assert REFERENCES[EntityType.CANDIDATE] == ()
