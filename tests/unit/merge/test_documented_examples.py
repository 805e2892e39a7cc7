"""docs/merge.md says what the rules do: its examples are run and its names are all of them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue

from shared.merge.fingerprints import link_hasher, print_of
from shared.merge.merge import merge
from shared.merge.normal_forms import form_of
from shared.merge.pins import pinned
from shared.merge.rows import Row
from shared.merge.state import Rules
from shared.model.fields import UNITS, NormalForm, Party, Policy
from tests.unit.merge.lab import CANDIDATE, NOON, PHONE, TAGS, TITLE, agreed, at, ours, rows, rules, theirs

WORK = "work_history"

PAGE = Path(__file__).parents[3] / "docs" / "merge.md"
TEXT = PAGE.read_text("utf-8")


def table(header: str, after: str = "") -> list[list[str]]:
    """The cells of the first table behind *after* whose first line starts with *header*."""
    lines = TEXT[TEXT.index(f"| {header}", TEXT.index(after)) :].splitlines()
    found = []
    for line in lines[2:]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


EXAMPLES = table("unit | base | ours | ours at |")
POLICIES = table("policy | base | ours |")
PINS = table("base | theirs | take |")
SETS = table("base | ours | theirs | ours then |")
APPENDED = table("base | ours | theirs | ours then |", "Under `append`")
POSTS = table("base | ours | theirs | both then |")
FORMS = table("form | two spellings |")


def told(cells: list[str]) -> str:
    """The id of an example, in letters that any session of pytest writes alike (tests/fixtures/mutants.py)."""
    return "/".join(cells).replace("\u2205", "nothing").replace("\u2013", "hidden")


def value(cell: str) -> JsonValue:
    return None if cell == "\u2205" else cell


@pytest.mark.parametrize("cells", EXAMPLES, ids=told)
def test_an_example_of_the_page(cells: list[str]) -> None:
    unit, base, mine, edited_at, their, take, push, held, row = cells
    hours, minutes = map(int, edited_at.split(":"))
    minute = timedelta(hours=hours - NOON.hour, minutes=minutes) / timedelta(minutes=1)
    outcome = merge(
        {} if base == "never" else agreed({unit: value(base)}),
        ours({unit: value(mine)}, minute),
        theirs({} if their == "\u2013" else {unit: value(their)}, 60),
        rules(),
    )
    assert outcome.take == ({unit: value(take)} if take else {})
    assert outcome.push == ({unit: value(push)} if push else {})
    assert bool(outcome.held) is (held == "yes")
    assert rows(outcome) == ({unit: row} if row else {})


def governed(policy: str) -> Rules:
    """Rules as the first cell of an example of policies says them."""
    name, *more = policy.split(", ")
    settings = dict(each.split(": ") for each in (name, *more) if ": " in each)
    authority, first_link = (settings.get(each) for each in ("authority", "first_link"))
    return rules(
        policies={TITLE: Policy(name.partition(":")[0])},
        authorities={} if authority is None else {TITLE: Party(authority)},
        first_link=None if first_link is None else Party(first_link),
        **({"writable": {}} if "read only" in more else {}),
    )


@pytest.mark.parametrize("cells", POLICIES, ids=told)
def test_an_example_of_a_policy(cells: list[str]) -> None:
    policy, base, mine, their, take, push, held, row = cells
    known = {} if base == "never" else agreed({TITLE: base})
    outcome = merge(known, ours({TITLE: mine}, -60), theirs({TITLE: their}), governed(policy))
    assert outcome.take == ({TITLE: take} if take else {})
    assert outcome.push == ({TITLE: push} if push else {})
    assert bool(outcome.held) is (held == "yes")
    assert rows(outcome) == {TITLE: row}


@pytest.mark.parametrize("cells", PINS, ids=told)
def test_an_example_of_a_pin(cells: list[str]) -> None:
    base, their, take, push, held, row = cells
    mine, own = ours({PHONE: "020 2"}, 30), link_hasher(b"a key", "record/1")
    unit = UNITS[CANDIDATE][PHONE]
    pin = pinned(rules(), unit, mine.values, [{PHONE: "020 1"}], hasher=own, key_id="k", decided_at=at(30))
    outcome = merge(agreed({PHONE: base}), replace(mine, pins={PHONE: pin}), theirs({PHONE: their}), rules())
    assert outcome.take == ({PHONE: take} if take else {})
    assert outcome.push == ({PHONE: push} if push else {})
    assert bool(outcome.held) is (held == "yes")
    assert rows(outcome) == {PHONE: row}


def posts(cell: str) -> list[JsonValue]:
    members = ("employer", "start", "title", "description")
    listed = () if cell == "\u2013" else cell.split("; ")
    return [dict(zip(members, map(value, post.split()), strict=True)) for post in listed]


@pytest.mark.parametrize("cells", POSTS, ids=told)
def test_an_example_of_a_work_history(cells: list[str]) -> None:
    base, mine, their, then = cells
    known = {} if base == "never" else agreed({WORK: posts(base)})
    outcome = merge(known, ours({WORK: posts(mine)}), theirs({WORK: posts(their)}), rules())
    after = outcome.take.get(WORK, posts(mine))
    assert after == posts(then)
    held = [{WORK: each} for each in (after, outcome.push.get(WORK, posts(their)))]
    one, other = (print_of(rules(), UNITS[CANDIDATE][WORK], each, [WORK]) for each in held)
    assert one == other


@pytest.mark.parametrize("cells", APPENDED, ids=told)
def test_an_example_of_a_set_that_is_appended_to(cells: list[str]) -> None:
    check_set(cells, rules(policies={TAGS: Policy.APPEND}))


@pytest.mark.parametrize("cells", SETS, ids=told)
def test_an_example_of_a_set(cells: list[str]) -> None:
    check_set(cells, rules())


def check_set(cells: list[str], how: Rules) -> None:
    base, mine, their, then, theirs_then = (each.split() for each in cells)
    known = {} if base == ["never"] else agreed({TAGS: [*base]})
    outcome = merge(known, ours({TAGS: [*mine]}), theirs({TAGS: [*their]}), how)
    taken, pushed = outcome.take.get(TAGS, [*mine]), outcome.push.get(TAGS, [*their])
    assert isinstance(taken, list)
    assert isinstance(pushed, list)
    assert (set(taken), set(pushed)) == (set(then), set(theirs_then))


@pytest.mark.parametrize("cells", FORMS, ids=told)
def test_an_example_of_a_normal_form(cells: list[str]) -> None:
    names, spelling, form = cells
    for name in names.split(", "):
        assert form_of(NormalForm(name))(spelling.strip("`")) == form.strip("`")


def test_the_page_has_its_examples() -> None:
    assert (len(EXAMPLES), len(SETS), len(FORMS)) == (16, 5, 9)
    assert (len(POLICIES), len(PINS), len(APPENDED), len(POSTS)) == (9, 4, 3, 3)


def test_every_row_is_named_on_the_page() -> None:
    named = set(re.findall(r"`(\w+)`", TEXT))
    assert {str(row) for row in Row} <= named
