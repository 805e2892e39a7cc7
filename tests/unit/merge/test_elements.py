"""What an element is made of, sign by sign: prints of it are stored."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from hashlib import blake2b

import pytest
from pydantic import JsonValue

from shared.merge.elements import listed, spread, spread_base, told_apart, whole_name, with_left_out
from shared.merge.state import NEVER, Fingerprint, UnitBase
from shared.model.fields import FIELDS
from tests.unit.merge.lab import CANDIDATE, HASHER, NOON

PHONES, WORK = (FIELDS[CANDIDATE][name] for name in ("further_phones", "work_history"))


@pytest.mark.parametrize(
    ("element", "rest"),
    [
        ("1", ""),
        ({"value": "1"}, ""),
        ({"value": "1", "type": None}, ""),
        ({"value": "1", "type": ""}, ""),
        ({"value": "1", "type": "home"}, '{"type":"home"}'),
        ({"value": "1", "type": 0}, '{"type":0}'),
        ({"value": "1", "type": "half \ud800"}, '{"type":"half \ud800"}'),
        ({"value": "1", "type": "half \ud800", "id": 7}, '{"id":7,"type":"half \ud800"}'),
    ],
)
def test_all_beside_the_identity_is_the_rest(element: JsonValue, rest: str) -> None:
    assert told_apart(PHONES, [element]) == {"1": (rest, element)}
    ((identity, (whole, shown)),) = listed(PHONES, [element], HASHER).items()
    assert identity == HASHER("further_phones", "1")
    assert whole == (HASHER("further_phones*", f"1\0{rest}") if rest else identity)
    assert shown == element


def test_a_whole_element_has_a_name_of_its_own() -> None:
    assert whole_name("tags") == "tags*"


def test_objects_are_told_apart_as_they_stand() -> None:
    post: JsonValue = {"employer": "Acme", "start": "2018-09", "title": "Baker"}
    assert [element for _, element in told_apart(WORK, [post, {**post, "title": " Baker"}]).values()] == [post]  # type: ignore[dict-item]


@pytest.mark.parametrize("tell", [told_apart, lambda field, value, version: listed(field, value, HASHER, version)])
def test_objects_of_a_form_that_is_gone_are_not_told_apart(tell: object) -> None:
    assert callable(tell)
    with pytest.raises(LookupError):
        tell(WORK, [{"employer": "Acme"}], 7)


def test_an_object_is_known_by_its_identity_and_a_short_print_of_each_member() -> None:
    shown = listed(WORK, [{}, {"employer": "Acme", "title": "Baker"}, {"employer": "Bolt"}], HASHER)
    acme, bolt = (HASHER("work_history", f"{name}\0") for name in ("acme", "bolt"))
    short = b64encode(blake2b(HASHER("work_history*title", "Baker").encode(), digest_size=6).digest(), b"-_").decode()
    places = [name for name in WORK.members if name not in WORK.identity]
    whole = ".".join(short if name == "title" else "" for name in places)
    assert {identity: print_ for identity, (print_, _) in shown.items()} == {acme: whole, bolt: bolt}


def test_elements_that_are_left_out_are_not_told_apart() -> None:
    some = replace(WORK, only=frozenset({"acme"}))
    assert list(told_apart(some, [{"employer": "Bolt"}, {"employer": "ACME"}])) == ["acme\0"]


def test_what_is_left_out_stays_where_nothing_else_is_a_list() -> None:
    some = replace(WORK, only=frozenset({"acme"}))
    assert with_left_out(some, None, [{"employer": "Bolt"}]) == [{"employer": "Bolt"}]
    assert with_left_out(some, [{"employer": "Acme"}], None) == [{"employer": "Acme"}]


MANY, ONE = Fingerprint("many"), Fingerprint("one")
BAKER, CHEF, BREAD = (Fingerprint(each) for each in ("baker.x", "chef.x", "bread.x"))


def test_only_elements_of_a_crowded_identity_are_told_apart() -> None:
    apart = spread({MANY: BAKER, ONE: BREAD}, {MANY})
    ((key, whole),) = ((key, whole) for key, whole in apart.items() if key != ONE)
    assert (key, apart[ONE]) == (whole, BREAD)
    assert key.startswith(MANY)


def test_each_half_of_a_base_is_told_apart_by_what_it_says_itself() -> None:
    ours, theirs, intent = spread_base(UnitBase({MANY: BAKER}, {MANY: CHEF}, NOON, intent={MANY: BREAD}), {MANY})
    assert (ours, theirs, intent) == tuple(spread({MANY: each}, {MANY}) for each in (BAKER, CHEF, BREAD))


def test_what_is_pending_is_told_apart_by_what_they_show_of_it() -> None:
    pending = Fingerprint(f"{NEVER}.x")
    ours, _, _ = spread_base(UnitBase({MANY: pending}, {MANY: CHEF}, NOON), {MANY})
    assert ours == spread({MANY: CHEF}, {MANY})
    alone, _, _ = spread_base(UnitBase({MANY: pending}, {}, NOON), {MANY})
    assert alone == spread({MANY: pending}, {MANY})


def test_prints_of_details_hold_nothing_that_an_address_would_have_to_escape() -> None:
    posts: list[JsonValue] = [{"employer": f"Acme {number}", "title": f"Baker {number}"} for number in range(30)]
    wholes = [whole for whole, _ in listed(WORK, posts, HASHER).values()]
    signs = set("".join(wholes))
    assert {"-", "_"} <= signs
    assert not {"+", "/"} & signs
