"""Fingerprints: keyed by link, equal for equal normal forms, and short."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode

import pytest

from shared.merge.elements import elements_of, listed
from shared.merge.fingerprints import (
    alike,
    link_hasher,
    mark_of,
    norm_of,
    print_of,
)
from shared.merge.state import EMPTY, NEVER, Fingerprint
from shared.model import JsonObject, JsonValue
from shared.model.fields import FIELDS, UNITS
from tests.unit.merge.lab import CANDIDATE, HASHER, PHONE, TAGS, rules

PHONES = FIELDS[CANDIDATE]["further_phones"]


def test_a_fingerprint_is_a_keyed_hash_of_name_and_form() -> None:
    key = hmac.new(b"app", b"link", "sha256").digest()
    plain = hashlib.blake2b("phone\0+1 \u00e9".encode(), key=key, digest_size=12).digest()
    assert link_hasher(b"app", "link")("phone", "+1 \u00e9") == urlsafe_b64encode(plain).decode()


def test_the_same_number_is_another_fingerprint_on_another_link_field_or_key() -> None:
    prints = {
        link_hasher(key, link)(name, "+14155550100")
        for key in (b"one", b"two")
        for link in ("a", "b")
        for name in ("phone", "email")
    }
    assert len(prints) == 8
    assert all(re.fullmatch(r"[\w-]{16}", each) for each in prints)


def test_many_fingerprints_of_one_hasher_do_not_depend_on_each_other() -> None:
    first = HASHER("phone", "1")
    assert [HASHER("phone", "2"), HASHER("phone", "1")][1] == first
    assert "-" in "".join(HASHER("f", str(each)) for each in range(50))
    assert not set("+/=\n") & set("".join(HASHER("f", str(each)) for each in range(50)))
    assert HASHER("f", "half a pair \ud800") != HASHER("f", "half a pair \ud801")


@pytest.mark.parametrize("value", [None, "", "  "])
def test_nothing_has_the_empty_print(value: str | None) -> None:
    assert print_of(rules(), UNITS[CANDIDATE][PHONE], {PHONE: value}, (PHONE,)) == EMPTY
    assert print_of(rules(), UNITS[CANDIDATE][PHONE], {}, (PHONE,)) == EMPTY


def test_a_group_prints_its_members_in_order() -> None:
    unit = UNITS[CANDIDATE]["name"]
    values = {"last_name": "Lee", "first_name": "Ann"}
    first, last = HASHER("first_name", "Ann"), HASHER("last_name", "Lee")
    assert print_of(rules(), unit, values, unit.members) == f"{first}.{last}"
    assert print_of(rules(), unit, values, ("last_name",)) == f"?.{last}"
    assert print_of(rules(), unit, {"first_name": "Ann"}, unit.members) == f"{first}."
    assert print_of(rules(), unit, {}, unit.members) == EMPTY
    assert print_of(rules(), unit, {}, ("first_name",)) == ".?"


def test_a_set_prints_identity_and_whole() -> None:
    plain = listed(FIELDS[CANDIDATE][TAGS], ["a", None, "", " b "], HASHER)
    assert elements_of(plain) == {HASHER("tags", "a"): HASHER("tags", "a"), HASHER("tags", "b"): HASHER("tags", "b")}
    assert [element for _, element in plain.values()] == ["a", " b "]
    typed = elements_of(listed(PHONES, [{"value": "1", "type": "home"}], HASHER))
    bare = elements_of(listed(PHONES, [{"value": "1", "type": None}], HASHER))
    ((identity, whole),) = typed.items()
    assert bare == {identity: identity}
    assert whole not in (identity, HASHER("further_phones", "1"))
    assert elements_of(listed(PHONES, [{"value": "2", "type": "home"}], HASHER)).values() != typed.values()


@pytest.mark.parametrize("detail", [True, 7, ["work"], {"kind": "work"}, "work"])
def test_a_single_detail_of_any_type_is_part_of_the_whole(detail: JsonValue) -> None:
    plain: JsonObject = {"value": "+441632960960"}
    detailed: JsonObject = {**plain, "detail": detail}
    (alone,), (more,) = (elements_of(listed(PHONES, [each], HASHER)).values() for each in (plain, detailed))
    assert alone != more
    assert elements_of(listed(PHONES, [{**detailed, "empty": None}], HASHER)) == elements_of(
        listed(PHONES, [detailed], HASHER)
    )


def test_several_details_are_part_of_the_whole_in_any_order() -> None:
    one = elements_of(listed(PHONES, [{"value": "1", "type": "home", "extension": "7"}], HASHER))
    turned = elements_of(listed(PHONES, [{"extension": "7", "type": "home", "value": "1"}], HASHER))
    other = elements_of(listed(PHONES, [{"value": "1", "type": "home", "extension": "8"}], HASHER))
    assert one == turned
    assert one.keys() == other.keys()
    assert [*one.values()] != [*other.values()]


def test_an_element_without_its_identity_is_none() -> None:
    assert listed(PHONES, [{"type": "home"}, {"value": " "}, {}], HASHER) == {}
    assert listed(PHONES, "not a list", HASHER) == {}
    assert len(listed(PHONES, ["1"], HASHER)) == 1


def test_of_two_elements_with_one_identity_the_same_is_kept_in_any_order() -> None:
    home: JsonObject = {"value": "1", "type": "home"}
    work: JsonObject = {"value": " 1", "type": "work"}
    one, other = listed(PHONES, [home, work], HASHER), listed(PHONES, [work, home], HASHER)
    assert one == other
    assert [element for _, element in one.values()] == [home]
    assert [element for _, element in listed(PHONES, [home, dict(home, value="1 ")], HASHER).values()] == [home]


def test_a_mark_is_one_text_for_any_print() -> None:
    a, b = Fingerprint("a"), Fingerprint("b")
    assert mark_of(a) == a
    assert mark_of({a: b, b: a}) == mark_of({b: a, a: b}) != mark_of({a: a, b: b})
    assert len(mark_of({a: b})) == 16


def test_the_version_of_a_unit_is_its_forms() -> None:
    assert norm_of(rules(), UNITS[CANDIDATE]["name"]) == 1


def test_a_mark_holds_nothing_that_an_address_would_have_to_escape() -> None:
    marks = [mark_of({Fingerprint(str(number)): Fingerprint("x")}) for number in range(20)]
    assert "".join(marks).replace("-", "").replace("_", "").isalnum()
    assert len({*marks}) == 20


def test_a_print_is_like_itself_whatever_it_covers() -> None:
    unit = UNITS[CANDIDATE]["name"]
    for each in (NEVER, EMPTY, Fingerprint("?.?"), Fingerprint("a.?")):
        assert alike(each, each, unit)
    assert not alike(NEVER, EMPTY, unit)


def test_many_texts_have_the_prints_of_each() -> None:
    assert HASHER.many(["phone\0a", "phone\0b"]) == [HASHER("phone", "a"), HASHER("phone", "b")]
