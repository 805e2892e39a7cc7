"""Joining and parting: nothing is invented, nothing is lost, and what did not change comes back to the byte."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from shared.merge.joining import Keep, join, part
from shared.merge.state import Ours, Stamp
from shared.model import UNITS, EntityType

CANDIDATE = EntityType.CANDIDATE
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
NOW = Stamp(NOON + timedelta(days=9), 0, "portal", "merge:jo")

_contacts = st.lists(
    st.fixed_dictionaries(
        {"value": st.sampled_from(["a@x.org", "B@x.org", "b@x.org", "+49301", "+49 302", "Berlin"])},
        optional={"type": st.sampled_from(["home", "work", None])},
    ),
    min_size=1,
    max_size=3,
)
_VALUES = {
    "first_name": st.sampled_from(["Ann", "Bob", "Zo\u00eb", " Ann"]),
    "last_name": st.sampled_from(["Lee", "Ray"]),
    "email": st.sampled_from(["a@x.org", "A@x.org", "b@x.org"]),
    "phone": st.sampled_from(["+49 301", "+49301", "+49302", "0301"]),
    "further_emails": _contacts,
    "further_phones": _contacts,
    "addresses": _contacts,
    "current_company": st.sampled_from(["Acme", "Initech"]),
    "current_title": st.sampled_from(["Dev", "Lead"]),
    "tags": st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, unique=True),
    "restricted": st.booleans(),
    "of_tomorrow": st.integers(0, 9),
}
_stamps = st.builds(
    Stamp,
    st.integers(0, 9).map(lambda n: NOON + timedelta(seconds=n / 2)),
    st.integers(0, 2),
    st.sampled_from(["portal", "one", "two"]),
    resolution=st.sampled_from([timedelta(microseconds=1), timedelta(seconds=1)]),
)


@st.composite
def records(draw: st.DrawFn) -> Ours:
    """A record as it may be stored: any fields, stamps of any origin."""
    values: Any = draw(st.fixed_dictionaries({}, optional=_VALUES))
    units = [unit.name for unit in UNITS[CANDIDATE].values() if any(member in values for member in unit.members)]
    return Ours(values, {unit: draw(_stamps) for unit in units})


_choices = st.dictionaries(st.sampled_from(sorted(UNITS[CANDIDATE])), st.sampled_from(Keep), max_size=4)


def as_bytes(record: Ours) -> bytes:
    """A record as its row holds it, keys in order as PostgreSQL keeps them."""
    stamps = {unit: [str(stamp.at), stamp.rank, stamp.source, stamp.rule] for unit, stamp in record.stamps.items()}
    return orjson.dumps([record.values, stamps], option=orjson.OPT_SORT_KEYS)


@given(records(), records(), _choices)
def test_joined_and_parted_both_are_what_they_were(mine: Ours, theirs: Ours, choices: dict[str, Keep]) -> None:
    one = join(CANDIDATE, mine, theirs, choices, decided=NOW)
    now = Ours(one.values, one.stamps)
    two = part(CANDIDATE, survivor=mine, other=theirs, joined=now, now=now, owners={"one": Keep.OTHER})
    assert (as_bytes(two.survivor), as_bytes(two.other)) == (as_bytes(mine), as_bytes(theirs))
    assert two.changed == {Keep.SURVIVOR: (), Keep.OTHER: ()}


@given(records(), records())
def test_joining_invents_nothing_and_loses_no_address(mine: Ours, theirs: Ours) -> None:
    one = join(CANDIDATE, mine, theirs, {}, decided=NOW)
    for name, value in one.values.items():
        if name not in ("further_emails", "further_phones", "addresses", "tags"):
            assert value in (mine.values.get(name), theirs.values.get(name))
    shown = orjson.dumps(one.values).decode().lower().replace(" ", "")
    for side in (mine, theirs):
        for name in ("email", "phone"):
            assert str(side.values.get(name, "")).lower().replace(" ", "") in shown
        assert set(side.values.get("tags", [])) <= set(one.values.get("tags", []))  # type: ignore[arg-type]


@given(records())
def test_a_record_joined_with_itself_stays_as_it_is(mine: Ours) -> None:
    one = join(CANDIDATE, mine, mine, {}, decided=NOW)
    assert (one.values, one.stamps, one.kept) == (dict(mine.values), dict(mine.stamps), {})


@given(records(), records(), records(), st.sampled_from(["one", "two", "portal"]))
def test_each_later_change_is_on_one_side(mine: Ours, theirs: Ours, later: Ours, source: str) -> None:
    one = join(CANDIDATE, mine, theirs, {}, decided=NOW)
    stamp = Stamp(NOW.at, 1, source)
    now = Ours({**one.values, **later.values}, {**one.stamps, **dict.fromkeys(later.stamps, stamp)})
    owners = {"one": Keep.SURVIVOR, "two": Keep.OTHER}
    two = part(CANDIDATE, survivor=mine, other=theirs, joined=Ours(one.values, one.stamps), now=now, owners=owners)
    untouched = Keep.SURVIVOR if source == "two" else Keep.OTHER
    sides = {Keep.SURVIVOR: (two.survivor, mine), Keep.OTHER: (two.other, theirs)}
    after, before = sides[untouched]
    stampless = {"of_tomorrow"} & set(later.values)
    if untouched is Keep.OTHER or not stampless:
        assert as_bytes(after) == as_bytes(before)
    assert set(two.stayed) <= set(two.changed[Keep.SURVIVOR])


def test_a_list_that_one_of_the_two_held_already_keeps_its_writer() -> None:
    ada, byron = (Stamp(NOON, 1, source, "union") for source in ("one", "two"))
    fewer, more = Ours({"skills": ["Verse"]}, {"skills": ada}), Ours({"skills": ["Sums", "Verse"]}, {"skills": byron})
    other = Ours({"skills": ["Looms"]}, {"skills": byron})
    signed = [join(CANDIDATE, *two, {}, decided=NOW).stamps["skills"] for two in ((fewer, more), (more, fewer))]
    assert signed == [byron, byron]
    assert join(CANDIDATE, fewer, other, {}, decided=NOW).stamps["skills"] == NOW
