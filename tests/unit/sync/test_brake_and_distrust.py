"""How many may disappear, and what a repair's job says of rows that were altered."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from shared.security.keys import Keys
from shared.sync.identity.suppression import external_marks, identity_marks
from shared.sync.merging.distrust import Distrust
from shared.sync.merging.examining import Finding, Kind
from shared.sync.removing.brake import Threshold
from tests.unit.documents.pages import DOCS


@pytest.mark.parametrize(
    ("config", "records", "allowed"),
    [
        ({}, 0, 20),
        ({}, 1_000, 20),
        ({}, 1_049, 20),
        ({}, 1_050, 21),
        ({}, 100_000, 2_000),
        ({"delete_brake": None}, 100_000, 2_000),
        ({"delete_brake": {"count": 5, "share": 0}}, 100_000, 5),
        ({"delete_brake": {"count": 0, "share": 1}}, 7, 7),
        ({"delete_brake": {"count": 3}}, 1_000, 20),
    ],
)
def test_pain_07_twenty_or_two_percent_may_disappear_within_a_day(
    config: dict[str, object], records: int, allowed: int
) -> None:
    assert Threshold.of(config).allowed(records) == allowed  # type: ignore[arg-type]  # JSON of several kinds


def test_distrust_travels_as_parameters_of_a_job() -> None:
    distrust = Distrust(3, 4, frozenset({"name", "tags"}), frozenset({"email"}), is_base_unreadable=True)
    assert Distrust.read(json.loads(json.dumps(distrust.payload()))) == distrust
    assert Distrust.read({}) is None
    assert Distrust.read({"distrust": {"version": "3"}}) is None


def test_the_most_serious_kind_names_a_finding_and_history_vouches_for_units() -> None:
    finding = Finding("7", units={"name": Kind.OURS_CHANGED, "tags": Kind.DIVERGED}, untrusted={"name"})
    finding.settle(changed_here={"name"})
    assert finding.kind is Kind.OURS_CHANGED
    assert finding.distrust() is None
    altered = Finding("7", units={"name": Kind.OURS_CHANGED, "tags": Kind.DIVERGED}, untrusted={"name"})
    altered.settle()
    assert altered.kind is Kind.OURS_ALTERED
    distrust = altered.distrust()
    assert distrust is not None
    assert distrust.ours == {"name"}


def test_where_the_sides_differed_knowingly_nothing_is_restored() -> None:
    finding = Finding("7", units={"name": Kind.OURS_CHANGED}, untrusted={"name"}, unrestorable={"name"})
    finding.settle()
    assert finding.kind is Kind.OURS_ALTERED
    assert finding.distrust() is None


def test_pain_32_marks_know_a_person_by_any_spelling_and_by_no_other_use_of_the_key() -> None:
    keys = Keys(b"k" * 32)
    one = identity_marks(keys, {"email": " Jo@Example.ORG ", "phone": "+44 (0)20 7946 0018"}, None)
    other = identity_marks(keys, {"email": "jo@example.org", "further_phones": [{"value": "+442079460018"}]}, None)
    assert one == other
    assert [mark.kind for mark in one] == ["email", "phone"]
    assert identity_marks(keys, {"email": "", "phone": None, "further_emails": []}, None) == []
    assert b"jo@example.org" not in b"".join(mark.hash for mark in one)
    integration = uuid4()
    assert external_marks(keys, integration, ["7"]) != external_marks(keys, uuid4(), ["7"])


@pytest.mark.parametrize(
    ("erased", "region_then", "returns", "region_now"),
    [
        ("0171 2345678", "DE", "+49 171 2345678", "DE"),
        ("+49 171 2345678", "DE", "0171/2345678", "DE"),
        ("0171 2345678", None, "+49 171 2345678", "DE"),
        ("+49 171 2345678", None, "(0171) 2345678", "DE"),
        ("0171 2345678", "DE", "0171 2345678", None),
        ("+49 171 2345678", "DE", "0171 2345678", "GB"),
        ("030 123456 x7", "DE", "+49 30 123456 ext. 7", "DE"),
    ],
)
def test_pain_32_a_number_is_known_with_its_country_and_without(
    erased: str, region_then: str | None, returns: str, region_now: str | None
) -> None:
    keys = Keys(b"k" * 32)
    suppressed = identity_marks(keys, {"phone": erased}, region_then)
    assert set(suppressed) & set(identity_marks(keys, {"phone": returns}, region_now))
    assert not set(suppressed) & set(identity_marks(keys, {"phone": "+44 171 2345678"}, region_now))


def test_a_new_key_knows_those_whom_the_old_one_suppressed() -> None:
    before, after = Keys(b"k" * 32), Keys(b"n" * 32, [b"k" * 32])
    (mark,) = identity_marks(before, {"email": "jo@example.org"}, None)
    assert mark in identity_marks(after, {"email": "jo@example.org"}, None)
    assert identity_marks(after, {"email": "jo@example.org"}, None)[0] != mark


def test_every_kind_of_difference_is_told_in_the_docs() -> None:
    page = (DOCS / "parity.md").read_text("utf-8")
    assert [kind.value for kind in Kind if f"`{kind.value}`" not in page] == []
