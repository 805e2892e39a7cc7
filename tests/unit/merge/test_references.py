"""Whose a record is: agreed to be what ours says, so that a vendor's other word is its change."""

from __future__ import annotations

import pytest

from shared.merge.fingerprints import norm_of, print_of
from shared.merge.merge import merge
from shared.merge.references import REFERENCES, as_named, named
from shared.merge.state import EMPTY, Ours, StoredBase
from shared.model.enums import EntityType
from shared.model.fields import Unit
from tests.unit.merge.lab import NOON, at, rules, theirs

APPLICATION = EntityType.APPLICATION
SURVIVOR, OTHER, OPENING = "1f", "2f", "3f"
RULES = rules(entity=APPLICATION, writable={})
"""No vendor lets an application be given to somebody else."""


def base_of(candidate: str) -> StoredBase:
    """Both sides agree that the application is *candidate*'s, and somebody keeps a key of tomorrow in the row."""
    values = {"candidate_id": candidate, "job_id": OPENING}
    units = {unit.name: named(values, unit, RULES, NOON) for unit in REFERENCES[APPLICATION]}
    return StoredBase(units, {"of_tomorrow": 1})


def ours_of(candidate: str) -> Ours:
    """Our record, moved to *candidate* by no person's edit."""
    return Ours({"candidate_id": candidate, "job_id": OPENING}, {})


def test_what_is_named_is_agreed_by_both_sides_as_it_stands_here() -> None:
    unit = _unit("candidate_id")
    keyed = rules(entity=APPLICATION, writable={}, key_id=7)
    values = {"candidate_id": OTHER, "job_id": OPENING}
    known = named(values, unit, keyed, at(3))
    assert known.ours == known.theirs == print_of(keyed, unit, values, unit.members) != EMPTY
    assert (known.seen_at, known.norm, known.key_id) == (at(3), norm_of(keyed, unit), 7)


@pytest.mark.parametrize("shown", [SURVIVOR, OTHER])
def test_what_moved_here_by_a_parting_is_no_edit_against_the_vendor(shown: str) -> None:
    """Agreed as the survivor's, given back here; the vendor alone knows whether it has moved there as well."""
    base, ours = base_of(SURVIVOR), ours_of(OTHER)
    outcome = merge(as_named(base, ours, RULES), ours, theirs({"candidate_id": shown, "job_id": OPENING}), RULES)
    assert (dict(outcome.take), dict(outcome.push)) == ({} if shown == OTHER else {"candidate_id": SURVIVOR}, {})
    assert not outcome.held


def test_only_what_has_moved_is_agreed_anew_as_it_was_last_seen() -> None:
    base = base_of(SURVIVOR)
    moved = as_named(base, ours_of(OTHER), RULES)
    assert moved == {**base, "candidate_id": named({"candidate_id": OTHER}, _unit("candidate_id"), RULES, NOON)}
    assert moved.extra == base.extra
    assert moved["candidate_id"].seen_at == NOON != at(1)


def test_what_is_as_agreed_stays_the_very_base() -> None:
    base = base_of(OTHER)
    assert as_named(base, ours_of(OTHER), RULES) is base


def test_a_reference_that_the_two_have_never_met_in_is_not_agreed_on() -> None:
    """A vendor that has not shown it yet is asked first."""
    assert as_named(StoredBase(), ours_of(OTHER), RULES) == {}


def test_applications_alone_belong_to_others() -> None:
    assert {unit.name for unit in REFERENCES[APPLICATION]} == {"candidate_id", "job_id"}
    assert REFERENCES[EntityType.CANDIDATE] == REFERENCES[EntityType.JOB] == ()


def _unit(name: str) -> Unit:
    return next(unit for unit in REFERENCES[APPLICATION] if unit.name == name)
