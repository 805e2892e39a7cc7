"""A person's decision on a conflict (S-196)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import JsonValue

from shared.errors import InvalidInput
from shared.merge.base_codec import encode_base
from shared.merge.merge import merge
from shared.merge.normal_forms import phone_version
from shared.merge.resolve import OURS, Resolution, Side, resolve, version_of
from shared.merge.settle import refuse, settle, with_intents
from shared.merge.state import NEVER, Fingerprint, Ours, Stamp
from shared.model.fields import NormalForm, Policy
from tests.unit.merge.lab import PHONE, TITLE, agreed, at, ours, rules, theirs

MINE = ours({PHONE: "2", TITLE: "Baker"}, 5)


def side(value: JsonValue, minutes: float = 70) -> Side:
    return Side(agreed({PHONE: "1"}), theirs({PHONE: value, TITLE: "Cook"}, minutes, updated_at=at(30)), rules())


def decided(decision: str | dict[str, JsonValue], **sides: Side) -> tuple[Resolution, Ours]:
    made = resolve(PHONE, decision, ours=MINE, sides=sides, decided_at=at(75))
    return made, Ours({**MINE.values, **made.values}, {**MINE.stamps, PHONE: made.stamp})


def test_the_chosen_vendor_has_agreed_and_the_others_are_pushed_to() -> None:
    made, now = decided("a", a=side("3"), b=side("4"))
    assert made.values == {PHONE: "3"}
    assert made.stamp == Stamp(at(75), 0, "portal", "decided")
    assert made.bases["a"][PHONE].ours == made.bases["a"][PHONE].theirs
    assert (made.bases["a"][PHONE].decided, made.bases["b"][PHONE].decided) == (False, True)
    assert (made.bases["b"][PHONE].ours, made.bases["b"][PHONE].seen_at) == (NEVER, at(70))
    quiet = merge(made.bases["a"], now, theirs({PHONE: "3"}, 80), rules())
    assert quiet.is_quiet
    pushed = merge(made.bases["b"], now, theirs({PHONE: "4"}, 80), rules())
    assert (pushed.push, pushed.held, pushed.base[PHONE].decided) == ({PHONE: "3"}, (), True)
    known = settle(
        with_intents(pushed.base, pushed.intents), pushed.intents, pushed.push, theirs({PHONE: "3"}, 85), rules()
    )
    assert known[PHONE].decided is False


def test_a_link_owes_a_decision_until_the_two_agree_and_no_other_change_is_one() -> None:
    made, now = decided("a", a=side("3"), b=side("4"))
    agrees = merge(made.bases["b"], now, theirs({PHONE: "3"}, 80), rules())
    assert agrees.base[PHONE].decided is False
    lenient = rules(policies={PHONE: Policy.LWW})
    pushed = merge(agreed({PHONE: "1"}), ours({PHONE: "2"}, 75), theirs({PHONE: "3"}, 80), lenient)
    assert (pushed.push, pushed.base[PHONE].ours, pushed.base[PHONE].decided) == ({PHONE: "2"}, NEVER, False)


def test_ours_or_a_typed_value_is_pushed_everywhere_it_differs() -> None:
    made, _ = decided(OURS, a=side("3"), b=side("2"))
    assert made.values == {PHONE: "2"}
    assert (made.bases["a"][PHONE].ours == NEVER, made.bases["b"][PHONE].ours == NEVER) == (True, False)
    made, now = decided({PHONE: "9"}, a=side("3"))
    assert made.values == {PHONE: "9"}
    assert merge(made.bases["a"], now, theirs({PHONE: "3"}, 80), rules()).push == {PHONE: "9"}


def test_a_decision_may_clear() -> None:
    made, now = decided({PHONE: None}, a=side("3"))
    assert merge(made.bases["a"], now, theirs({PHONE: "3"}, 80), rules()).push == {PHONE: None}


def test_a_vendor_that_moves_after_the_decision_is_held_again() -> None:
    made, now = decided(OURS, a=side("3"))
    again = merge(made.bases["a"], now, theirs({PHONE: "5"}, 90), rules())
    assert [held.unit for held in again.held] == [PHONE]


def test_only_the_unit_is_touched_and_a_side_that_hides_it_not_at_all() -> None:
    hiding = Side(agreed({PHONE: "1"}), theirs({TITLE: "Cook"}, 70), rules())
    made, _ = decided("a", a=side("3"), hiding=hiding)
    assert made.bases["hiding"] == hiding.base
    known = Side({**agreed({PHONE: "1", TITLE: "Baker"})}, side("3").theirs, rules())
    made, _ = decided("a", a=known)
    assert made.bases["a"][TITLE] == known.base[TITLE]


def test_another_value_stays_refused_and_unknown_keys_survive() -> None:
    base = refuse(agreed({PHONE: "1"}), [PHONE], {PHONE: Fingerprint("x" * 16)}, "no")
    made, _ = decided(OURS, a=Side(base, side("3").theirs, rules()))
    assert (made.bases["a"][PHONE].blocked, made.bases["a"][PHONE].blocked_reason) == ("x" * 16, "no")
    made, _ = decided(OURS, a=Side({PHONE: replace(base[PHONE], extra={"new": 1})}, side("3").theirs, rules()))
    assert made.bases["a"][PHONE].extra == {"new": 1}
    made, _ = decided(OURS, a=Side({}, side("3").theirs, rules()))
    assert made.bases["a"][PHONE].blocked is None


def test_a_person_who_decides_for_what_was_refused_has_it_sent_once_more() -> None:
    """What the vendor refused it for may have been mended there: whoever decides for it asks anew."""
    pushed = merge(agreed({PHONE: "1"}), MINE, theirs({PHONE: "1"}, 70), rules())
    refused = refuse(with_intents(pushed.base, pushed.intents), [PHONE], pushed.intents, "no")
    shown = theirs({PHONE: "1"}, 80)
    assert merge(refused, MINE, shown, rules()).push == {}
    made, now = decided(OURS, a=Side(refused, shown, rules()))
    assert (made.bases["a"][PHONE].blocked, made.bases["a"][PHONE].blocked_reason) == (None, None)
    assert merge(made.bases["a"], now, theirs({PHONE: "1"}, 85), rules()).push == {PHONE: "2"}


def test_a_decided_base_knows_the_form_and_the_key_of_its_prints() -> None:
    forms = {NormalForm.PHONE: phone_version("DE")}
    made, _ = decided(OURS, a=replace(side("3"), rules=rules(forms=forms, key_id=7)))
    assert (made.bases["a"][PHONE].norm, made.bases["a"][PHONE].key_id) == (phone_version("DE"), 7)


def test_a_name_is_decided_by_parts() -> None:
    mine = ours({"first_name": "Ann", "last_name": "Lee"}, 5)
    shown = Side({}, theirs({"first_name": "Anna"}, 70), rules())
    made = resolve("name", "a", ours=mine, sides={"a": shown}, decided_at=at(75))
    assert made.values == {"first_name": "Anna"}
    both = resolve("name", OURS, ours=mine, sides={"a": shown}, decided_at=at(75))
    assert both.values == {"first_name": "Ann", "last_name": "Lee"}


@pytest.mark.parametrize(
    ("unit", "decision", "named", "message"),
    [
        ("nothing", OURS, "nothing", "No conflict is open in this field"),
        (PHONE, "somebody", "side", "Choose one of the listed sides, or give a value"),
        (PHONE, "hiding", "side", "This side does not show the field any more"),
        (PHONE, {"email": "a@x.org"}, "email", "Give values for phone"),
        (PHONE, {}, PHONE, "Give values for phone"),
    ],
)
def test_what_can_not_be_decided_is_refused_by_name(unit: str, decision: str, named: str, message: str) -> None:
    sides = {"a": side("3"), "hiding": Side({}, theirs({TITLE: "Cook"}), rules())}
    with pytest.raises(InvalidInput) as refused:
        resolve(unit, decision, ours=MINE, sides=sides, decided_at=at(75))
    assert (refused.value.field, str(refused.value)) == (named, message)


def test_without_a_side_nothing_is_open() -> None:
    with pytest.raises(InvalidInput, match="No conflict is open"):
        resolve(PHONE, OURS, ours=MINE, sides={}, decided_at=at(75))


def test_the_message_names_the_fields_to_give() -> None:
    with pytest.raises(InvalidInput, match="Give values for first_name, last_name"):
        resolve("name", {"phone": "1"}, ours=MINE, sides={"a": side("3")}, decided_at=at(75))


def test_a_conflict_has_another_version_as_soon_as_a_side_moved() -> None:
    a, b, c = (Fingerprint(each) for each in "abc")
    version = version_of({"x": (a, b), "y": (a, c)})
    assert version == version_of({"y": (a, c), "x": (a, b)})
    assert (
        len(
            {
                version,
                version_of({"x": (a, b)}),
                version_of({"x": (a, b), "y": (b, c)}),
                version_of({"x": (b, a), "y": (a, c)}),
            }
        )
        == 4
    )
    assert version_of({"x": ({a: b}, {a: a, b: c})}) == version_of({"x": ({a: b}, {b: c, a: a})})
    assert len(version) == 24
    assert encode_base({})
