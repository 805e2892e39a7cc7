"""The stored form of a base: compact, versioned, and kind to keys of other releases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
from pydantic import JsonValue

from shared.merge.base_codec import (
    decode_base,
    decode_print,
    encode_base,
    encode_print,
    encode_unit,
)
from shared.merge.merge import merge
from shared.merge.state import Fingerprint, State, StoredBase, UnitBase
from shared.merge.times import UNKNOWN_AT
from tests.unit.merge.lab import NOON, agreed, at, ours, rules, theirs

A, B, C = (Fingerprint(letter * 16) for letter in "abc")
PLAIN = UnitBase(A, A, NOON)
NOON_US = 1777896000000000


def test_the_common_unit_is_its_print_alone() -> None:
    tags = {A: A, B: C}
    stored = encode_base(
        {"email": PLAIN, "tags": UnitBase(tags, tags, NOON), "phone": replace(PLAIN, ours=B, theirs=B)}
    )
    assert stored == {
        "v": 1,
        "at": NOON_US,
        "u": {"email": A, "tags": [A, f"{B}:{C}"], "phone": B},
    }


def test_a_first_sync_is_small() -> None:
    values: dict[str, JsonValue] = {
        "first_name": "Ann", "last_name": "Lee", "email": "a@x.org", "phone": "1", "current_title": "Baker",
        "tags": ["a", "b"], "further_phones": [{"value": "2", "type": "home"}], "links": [], "time_zone": None,
    }  # fmt: skip
    assert len(orjson.dumps(encode_base(agreed(values)))) < 330


WHOLE = UnitBase(
    ours=A,
    theirs=B,
    seen_at=NOON + timedelta(microseconds=1),
    state=State.DIVERGED,
    norm=2,
    intent=C,
    blocked=A,
    blocked_reason="no",
    bounces=2,
    bounce=B,
    expects={A: B},
    intent_expects=A,
    aliases={A: B},
    decided=True,
    key_id=3,
    extra={"new": [1]},
)


@pytest.mark.parametrize(
    "unit",
    [
        PLAIN,
        WHOLE,
        *(
            replace(PLAIN, **{name: getattr(WHOLE, name)})
            for name in UnitBase.__slots__
            if name not in ("bounce", "bounces")
        ),
        replace(PLAIN, bounces=1, bounce=C),
        UnitBase({}, {A: A}, NOON),
        UnitBase(Fingerprint(""), Fingerprint("!"), NOON),
        UnitBase(Fingerprint("aaaa.?"), Fingerprint("aaaa.bbbb"), NOON, intent={A: B}),
    ],
)
def test_every_part_survives_a_round_trip(unit: UnitBase) -> None:
    base = {"one": PLAIN, "two": replace(PLAIN, ours=B), "email": unit}
    stored = orjson.loads(orjson.dumps(encode_base(base)))
    assert decode_base(stored) == base
    assert encode_base(decode_base(stored)) == stored
    if unit != PLAIN:
        assert isinstance(stored["u"]["email"], dict)


def test_times_that_differ_stand_with_their_unit() -> None:
    base = {"a": PLAIN, "b": PLAIN, "c": replace(PLAIN, seen_at=at(-1))}
    stored = encode_base(base)
    assert stored["at"] == NOON_US
    assert stored["u"] == {"a": A, "b": A, "c": {"o": A, "at": NOON_US - 60_000_000}}


def test_another_key_than_the_first_is_named_once() -> None:
    second = replace(PLAIN, key_id=2)
    stored = encode_base({"a": second})
    assert stored == {"v": 1, "at": NOON_US, "k": 2, "u": {"a": A}}
    assert decode_base(stored) == {"a": second}
    mixed = encode_base({"a": PLAIN, "b": second, "c": second})
    assert (mixed["k"], mixed["u"]) == (2, {"a": {"o": A, "k": 1}, "b": A, "c": A})


def test_a_unit_by_itself() -> None:
    assert encode_unit(PLAIN, NOON, 1) == A
    assert encode_unit(PLAIN, at(1), 2) == {"o": A, "at": NOON_US, "k": 1}


def test_a_base_without_a_time_was_never_seen() -> None:
    assert decode_base({"u": {"a": A}})["a"].seen_at == UNKNOWN_AT


def test_an_empty_base() -> None:
    assert encode_base({}) == {"v": 1, "at": 0, "u": {}}
    assert decode_base({}) == decode_base(encode_base({})) == {}


def test_keys_of_another_release_survive_a_merge() -> None:
    stored: dict[str, JsonValue] = {
        **encode_base(agreed({"phone": "1", "current_title": "Baker"})),
        "pins": {"phone": 1},
    }
    units = stored["u"]
    assert isinstance(units, dict)
    units["salary"] = {"o": A, "currency": "EUR"}
    units["phone"] = {"o": units["phone"], "since": 7}
    outcome = merge(decode_base(stored), ours({"phone": "1"}), theirs({"phone": "2", "current_title": "Cook"}), rules())
    again = encode_base(outcome.base)
    assert again["pins"] == {"phone": 1}
    kept = again["u"]
    assert isinstance(kept, dict)
    salary, phone = kept["salary"], kept["phone"]
    assert isinstance(salary, dict)
    assert isinstance(phone, dict)
    assert (salary["currency"], phone["since"]) == ("EUR", 7)


def test_a_base_copies_its_unknown_keys_unless_told_others() -> None:
    base = StoredBase({"a": PLAIN}, {"x": 1})
    assert (StoredBase(base).extra, StoredBase(base, {}).extra, StoredBase().extra) == ({"x": 1}, {}, {})
    assert StoredBase(base) is not base


@pytest.mark.parametrize("stored", [{"u": []}, {"u": {}, "at": "noon"}, {"u": {"a": 1}}, {"u": {"a": {"o": None}}}])
def test_anything_else_is_refused(stored: dict[str, JsonValue]) -> None:
    with pytest.raises(TypeError, match=r"^base: "):
        decode_base(stored)


def test_an_unknown_state_is_refused() -> None:
    with pytest.raises(ValueError, match="State"):
        decode_base({"u": {"a": {"o": A, "s": "at war"}}})


def test_a_print_is_what_it_was() -> None:
    assert encode_print({B: B, A: C}) == [f"{A}:{C}", B]
    assert decode_print(encode_print({A: C})) == {A: C}
