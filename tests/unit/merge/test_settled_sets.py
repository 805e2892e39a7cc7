"""What an answer makes of a list's base, to the last entry."""

from __future__ import annotations

from dataclasses import replace

from pydantic import JsonValue

from shared.merge.details import landed_details, settled_details
from shared.merge.draft import Draft
from shared.merge.elements import elements_of, listed
from shared.merge.merge import merge
from shared.merge.sets import elements_now_and_then
from shared.merge.settle import dropped, is_apart, open_intents, settle, with_intents
from shared.merge.state import (
    EMPTY,
    NEVER,
    Elements,
    Fingerprint,
    Ours,
    Outcome,
    Rules,
    State,
    StoredBase,
    UnitBase,
    Writable,
)
from shared.model.fields import FIELDS, UNITS, Policy
from tests.unit.merge.lab import CANDIDATE, HASHER, TAGS, agreed, at, ours, rules, theirs

PHONES, WORK = "further_phones", "work_history"
POST: dict[str, JsonValue] = {"employer": "Acme", "start": "2018-09", "title": "Baker"}


def phones(*pairs: tuple[str, str | None]) -> list[JsonValue]:
    return [{"value": value, "type": kind} for value, kind in pairs]


def elements(name: str, value: JsonValue, *crowded: Fingerprint) -> dict[Fingerprint, Fingerprint]:
    return dict(elements_of(listed(FIELDS[CANDIDATE][name], value, HASHER, crowded=crowded)))


def sent(name: str, base: StoredBase, mine: JsonValue, shown: JsonValue, how: Rules) -> tuple[StoredBase, Outcome]:
    outcome = merge(base, ours({name: mine}, 5), theirs({name: shown}), how)
    return with_intents(outcome.base, outcome.intents), outcome


def answered(name: str, base: JsonValue, mine: JsonValue, answer: JsonValue, how: Rules | None = None) -> UnitBase:
    """The base of *name* once what was last agreed on, ours and the answer to its push are these."""
    known, outcome = sent(name, agreed({name: base}), mine, base, how or rules())
    return settle(known, outcome.intents, outcome.push, theirs({name: answer}, 70), how or rules())[name]


def test_details_that_were_sent_are_agreed_on_as_they_are_shown() -> None:
    new = elements(PHONES, phones(("1", "work")))
    made = elements(PHONES, phones(("1", "WORK")))
    assert answered(PHONES, phones(("1", "home")), phones(("1", "work")), phones(("1", "WORK"))) == UnitBase(
        new, made, at(70)
    )


def test_an_element_that_the_answer_hides_stays_as_last_seen() -> None:
    old, new = phones(("1", "home"), ("2", None)), phones(("1", "work"), ("2", None))
    seen = phones(("1", "work"))
    assert answered(PHONES, old, new, seen) == UnitBase(elements(PHONES, new), elements(PHONES, new), at(70))
    # Pending itself and hidden: what they showed last, which is not what we sent.
    hidden = answered(PHONES, old, new, phones(("2", None)))
    assert hidden == UnitBase(elements(PHONES, new), elements(PHONES, old), at(70))


def test_what_was_added_is_agreed_on_where_it_is_shown() -> None:
    three, two = phones(("1", "home"), ("2", "work"), ("3", None)), phones(("1", "home"), ("2", "WORK"))
    settled = answered(PHONES, phones(("1", "home")), three, two)
    assert settled == UnitBase(elements(PHONES, three), elements(PHONES, two), at(70))


def test_an_answer_ends_all_that_was_open() -> None:
    known, outcome = sent(TAGS, agreed({TAGS: ["a"]}), ["a", "b"], ["a"], rules())
    open_ = {TAGS: replace(known[TAGS], state=State.DIVERGED, intent_expects=EMPTY, extra={"new": 1})}
    settled = settle(open_, outcome.intents, outcome.push, theirs({TAGS: ["a", "b"]}, 50), rules())
    both = elements(TAGS, ["a", "b"])
    assert settled[TAGS] == UnitBase(both, both, at(60), extra={"new": 1})


def cutting(_name: str, value: JsonValue) -> JsonValue:
    return [str(each)[:5] for each in value] if isinstance(value, list) else value


def test_what_the_vendor_makes_of_an_element_is_remembered_under_our_name() -> None:
    how = rules(expected=cutting)
    known, outcome = sent(TAGS, agreed({TAGS: []}), ["long name", "other name", "b"], [], how)
    (long,), (cut,) = elements(TAGS, ["long name"]), elements(TAGS, ["long "])
    answer = theirs({TAGS: ["long ", "b"]}, 70)
    # Known from the base, from the values that were sent, or from both.
    for base, rules_now in [(known, how), (known, rules()), ({TAGS: replace(known[TAGS], aliases=None)}, how)]:
        settled = settle(base, outcome.intents, outcome.push, answer, rules_now)[TAGS]
        assert settled.aliases == {cut: long}
        assert settled.theirs == elements(TAGS, ["long name", "b"])
    plain = settle(known, outcome.intents, outcome.push, theirs({TAGS: ["b"]}, 70), how)[TAGS]
    assert plain.aliases is None


NAMESAKES: list[JsonValue] = [{"employer": "Acme", "title": "Baker"}, {"employer": "Acme", "title": "Chef"}]


def crowded(value: JsonValue) -> dict[Fingerprint, Fingerprint]:
    (identity,) = elements(WORK, NAMESAKES[:1])
    return elements(WORK, value, identity)


def test_a_namesake_in_the_answer_sets_all_of_them_apart() -> None:
    edited: JsonValue = {"employer": "Acme", "title": "Cook"}
    settled = answered(WORK, NAMESAKES[:1], [edited], [edited, NAMESAKES[1]])
    assert settled == UnitBase(crowded([edited]), crowded([edited]), at(70))


def test_whoever_has_namesakes_sets_them_apart() -> None:
    (plain,) = elements(WORK, NAMESAKES[:1]).items()
    one, both = crowded(NAMESAKES[:1]), crowded(NAMESAKES)
    values: dict[str, JsonValue] = {WORK: NAMESAKES[:1]}
    for intent, base in [
        (one, UnitBase(dict([plain]), dict([plain]), at(0))),
        (dict([plain]), UnitBase(both, both, at(0))),
        (one, UnitBase(both, both, at(0))),
    ]:
        settled = settle({WORK: base}, {WORK: intent}, values, theirs(values, 70), rules())[WORK]
        assert settled == UnitBase(one, one, at(70))


def test_an_entry_that_a_look_does_not_find_is_sent_once_more_and_no_more() -> None:
    known, outcome = sent(TAGS, agreed({TAGS: ["a"]}), ["b"], ["a"], rules())
    before, after = theirs({TAGS: ["a"]}, 70), theirs({TAGS: ["b"]}, 70)
    found = settle(known, outcome.intents, outcome.push, after, rules(), is_look=True)
    assert open_intents(found) == frozenset()
    looked = settle(known, outcome.intents, outcome.push, before, rules(), is_look=True)
    assert open_intents(looked) == {TAGS}
    again = settle(looked, outcome.intents, outcome.push, before, rules(), is_look=True, tried=looked)
    assert open_intents(again) == frozenset()


def test_a_look_that_sets_namesakes_apart_ends_what_was_sent_before_there_were_any() -> None:
    plain, both = elements(WORK, NAMESAKES[:1]), crowded(NAMESAKES)
    base = StoredBase({WORK: UnitBase(both, both, at(0), intent=plain)})
    seen = theirs({WORK: NAMESAKES[:1]}, 70)
    settled = settle(base, {WORK: plain}, {WORK: NAMESAKES[:1]}, seen, rules(), is_look=True)
    assert open_intents(settled) == frozenset()


def test_of_namesakes_that_were_added_the_one_that_is_shown_was_taken() -> None:
    known, outcome = sent(WORK, agreed({WORK: []}), NAMESAKES, [], rules())
    settled = settle(known, outcome.intents, outcome.push, theirs({WORK: NAMESAKES[:1]}, 70), rules())[WORK]
    assert settled == UnitBase(crowded(NAMESAKES), crowded(NAMESAKES[:1]), at(70))


def test_what_the_vendor_makes_of_one_of_several_namesakes_is_that_one() -> None:
    def shouting(_name: str, value: JsonValue) -> JsonValue:
        return (
            [{**each, "title": str(each["title"]).upper()} for each in value if isinstance(each, dict)]
            if isinstance(value, list)
            else value
        )

    how = rules(expected=shouting)
    shown = shouting(WORK, NAMESAKES)
    known, outcome = sent(WORK, agreed({WORK: []}), NAMESAKES, [], how)
    bare = {WORK: replace(known[WORK], aliases=None)}
    settled = settle(bare, outcome.intents, outcome.push, theirs({WORK: shown}, 70), how)[WORK]
    assert set(settled.theirs) == set(settled.ours) == set(crowded(NAMESAKES))
    assert settled.aliases == dict(zip(crowded(shown), crowded(NAMESAKES), strict=True))


def test_a_post_of_which_nothing_but_its_name_is_left() -> None:
    bare: JsonValue = [{"employer": "Acme", "start": "2018-09"}]
    settled = answered(WORK, [POST], bare, bare)
    assert settled == UnitBase(elements(WORK, bare), elements(WORK, bare), at(70))
    ((identity, whole),) = elements(WORK, [POST]).items()
    field = FIELDS[CANDIDATE][WORK]
    pending = Fingerprint(".".join([NEVER, *whole.split(".")[1:]]))
    assert landed_details(field, identity, (pending, whole), identity, identity) == (identity, identity)
    assert settled_details(field, identity, pending, whole, identity) == identity


def test_a_list_met_blindly_is_agreed_on_as_it_is_shown() -> None:
    blind = rules(writable={TAGS: Writable(value=True, add=True, blind=True)})
    first = merge({}, ours({TAGS: ["a"]}), theirs({}), blind)
    known = with_intents(first.base, first.intents)
    settled = settle(known, first.intents, first.push, theirs({TAGS: ["a", "b"]}, 70), blind)[TAGS]
    assert (settled.ours, settled.theirs) == (elements(TAGS, ["a"]), elements(TAGS, ["a", "b"]))


def test_a_list_that_is_written_unseen_is_agreed_on_by_any_answer() -> None:
    blind = rules(writable={TAGS: Writable(value=True, add=True, blind=True)})
    first = merge({}, ours({TAGS: ["a"]}), theirs({}), blind)
    settled = settle(with_intents(first.base, first.intents), first.intents, first.push, None, blind)
    assert (settled[TAGS].ours, settled[TAGS].theirs) == (elements(TAGS, ["a"]), EMPTY)
    assert dropped(settled, first.intents) == []


def test_a_list_that_was_kept_was_not_dropped() -> None:
    known, outcome = sent(TAGS, agreed({TAGS: ["a"]}), ["a", "b"], ["a"], rules())
    settled = settle(known, outcome.intents, outcome.push, theirs({TAGS: ["a", "b"]}, 70), rules())
    assert dropped(settled, outcome.intents) == []


def test_a_list_that_is_under_way_as_one_value_is_not_apart() -> None:
    how = rules(policies={TAGS: Policy.LWW})
    seen = theirs({TAGS: ["a", "t"]}, updated_at=at(30))
    pushed = merge(agreed({TAGS: ["a"]}, policies=how.policies), ours({TAGS: ["a", "o"]}, 40), seen, how).base[TAGS]
    assert pushed.ours == NEVER
    assert not is_apart(pushed)
    assert is_apart(replace(pushed, state=State.DIVERGED))


def test_a_list_now_and_as_it_was_agreed_on() -> None:
    mine, seen = Ours({TAGS: ["a", "c"]}, {}), theirs({TAGS: ["b"]})
    base = agreed({TAGS: ["a", "b"]})
    unit = UNITS[CANDIDATE][TAGS]
    draft = Draft(mine, seen, rules(), base)
    then: Elements = elements(TAGS, ["a", "b"])
    now = elements_now_and_then(draft, unit, base[TAGS])
    assert now == (elements(TAGS, ["a", "c"]), elements(TAGS, ["b"]), then, then)
    assert elements_now_and_then(draft, unit, None) == (elements(TAGS, ["a", "c"]), elements(TAGS, ["b"]), {}, {})


def test_who_takes_the_vendor_s_spelling_of_an_element_has_the_same_element() -> None:
    unit = UNITS[CANDIDATE][PHONES]
    for kind in ("home", None):
        ((long, whole),) = elements(PHONES, phones(("12345 x7", kind))).items()
        ((short, cut),) = elements(PHONES, phones(("12345", kind))).items()
        base = UnitBase({long: whole}, {long: cut}, at(0), aliases={short: long})
        draft = Draft(Ours({PHONES: phones(("12345", kind))}, {}), theirs({PHONES: []}), rules(), StoredBase({}))
        then = elements_now_and_then(draft, unit, base)[2:]
        assert then == ({short: short if kind is None else whole}, {short: cut})


def test_details_of_every_element_are_merged() -> None:
    numbers = [str(number) for number in range(20)]
    old = phones(*((number, "home") for number in numbers))
    new = phones(*((number, "work" if int(number) % 2 else "home") for number in numbers))
    outcome = merge(agreed({PHONES: old}), ours({PHONES: new}, 50), theirs({PHONES: old}), rules())
    assert outcome.push == {PHONES: new}
