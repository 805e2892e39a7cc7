"""Who a vendor's record is: by a verified e-mail, never by a guess."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from shared.merge.matching import (
    Ambiguous,
    Arrival,
    Match,
    Matched,
    New,
    NewButPossibleDuplicate,
    Person,
    contradict,
    identity_keys,
    match,
    match_page,
    valid_email,
)

ANN: dict[str, JsonValue] = {"first_name": "Ann", "last_name": "Lee", "email": "Ann@Example.org"}


@pytest.mark.parametrize(
    "value",
    ["a@x.org", "ann.lee+jobs@mail.example.co.uk", " a@x.org ", "o'neil@x.org", "j\u00f6rg@b\u00fccher.de", "a@x-1.io"],
)
def test_a_well_formed_address(value: str) -> None:
    assert valid_email(value)


@pytest.mark.parametrize(
    "value",
    [
        None, 7, "", "unknown", "a@x", "a@@x.org", "@x.org", "a@.org", "a@x..org", "a..b@x.org", "a b@x.org",
        "Ann <a@x.org>", "a@x.org, b@x.org", "a@x.org;b@x.org", "a@-x.org", "a@x-.org", "a@x.1", "mailto:a@x.org",
        "a@" + "x" * 250 + ".org", "l" * 65 + "@x.org", "a@x.org/", "a@x.org.",
    ],
)  # fmt: skip
def test_no_well_formed_address(value: JsonValue) -> None:
    assert not valid_email(value)


def test_the_longest_addresses() -> None:
    domain = ".".join(["d" * 61] * 3)
    assert valid_email("l" * 64 + "@" + domain + ".ab")
    assert not valid_email("l" * 64 + "@" + domain + ".abcd")


def test_only_a_well_formed_primary_address_identifies() -> None:
    assert identity_keys({"email": " Ann@Example.ORG"}) == [("email", "ann@example.org")]
    assert identity_keys({"email": "unknown"}) == identity_keys({"email": None}) == identity_keys({}) == []


def person(
    record_id: str = "p1", first: str | None = "Ann", last: str | None = "Lee", *, linked: bool = False
) -> Person:
    return Person(record_id, first, last, linked)


CASES = [
    ([], New()),
    ([person()], Matched("p1")),
    ([person(first=" ann ", last="LEE")], Matched("p1")),
    ([person(first="Anne")], Matched("p1")),
    ([person(last="Smith")], Matched("p1")),
    ([person(first=None, last=None)], Matched("p1")),
    ([person(first="Lee", last="Ann")], Matched("p1")),
    ([person(first="Bob", last="Ray")], Ambiguous(("p1",), "name_differs")),
    ([person(first="Bob", last=None)], Ambiguous(("p1",), "name_differs")),
    ([person(linked=True)], NewButPossibleDuplicate(("p1",))),
    ([person(first="Bob", last="Ray", linked=True)], NewButPossibleDuplicate(("p1",))),
    ([person("p2"), person("p1")], Ambiguous(("p1", "p2"), "several_records")),
    ([person("p2", linked=True), person("p1")], Ambiguous(("p1", "p2"), "several_records")),
    ([person("p1"), person("p1")], Matched("p1")),
]


@pytest.mark.parametrize(("people", "expected"), CASES)
def test_whom_an_address_finds(people: list[Person], expected: Match) -> None:
    assert match(ANN, people) == expected


def test_a_name_that_the_vendor_does_not_give_contradicts_nobody() -> None:
    assert match({"email": "a@x.org"}, [person()]) == Matched("p1")


def test_without_an_address_everybody_is_new() -> None:
    assert match({"first_name": "Ann", "last_name": "Lee"}, [person()]) == New()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (("Ann", "Lee"), ("Ann", "Lee"), False),
        (("Ann", None), (None, "Lee"), True),
        (("", ""), ("Ann", "Lee"), False),
        (("Ann", "Lee"), (None, " "), False),
        (("Zo\u00eb", "X"), ("ZOE\u0308", "Y"), False),
        (("", "Lee"), ("", "Ray"), True),
    ],
)
def test_names_that_contradict(
    one: tuple[str | None, str | None], other: tuple[str | None, str | None], *, expected: bool
) -> None:
    names = [{"first_name": first, "last_name": last} for first, last in (one, other)]
    assert contradict(names[0], names[1]) is expected
    assert contradict(names[1], names[0]) is expected


def test_pain_19_one_address_twice_on_a_page_is_one_person_and_a_possible_duplicate() -> None:
    arrivals = [
        Arrival("10", ANN),
        Arrival("9", ANN),
        Arrival("11", {"email": "b@x.org"}),
        Arrival("12", {"email": None}),
    ]
    expected = {
        "9": New(),
        "10": NewButPossibleDuplicate((), ("9",)),
        "11": New(),
        "12": New(),
    }
    assert match_page(arrivals) == match_page(arrivals[::-1]) == expected


def test_only_the_first_of_a_page_takes_the_record_that_is_found() -> None:
    found = match_page([Arrival("1", ANN, [person()]), Arrival("2", ANN, [person()])])
    assert found == {"1": Matched("p1"), "2": NewButPossibleDuplicate(("p1",), ("1",))}


def test_an_ambiguous_one_stays_ambiguous_on_any_place_of_the_page() -> None:
    two = [person("p1"), person("p2")]
    assert set(match_page([Arrival("1", ANN, two), Arrival("2", ANN, two)]).values()) == {
        Ambiguous(("p1", "p2"), "several_records")
    }
