"""A base says under which map it was agreed on; under another one it is believed only where nobody here said more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from pydantic import JsonValue

from shared.merge.base_codec import decode_base, encode_base
from shared.merge.fingerprints import mark_of
from shared.merge.marks import marks_of_units, signed, under
from shared.merge.merge import merge
from shared.merge.state import NEVER, State, StoredBase, UnitBase
from shared.model.enums import EntityType
from tests.unit.merge.lab import agreed, ours, rules, theirs

NEW = {"current_title": "current_title:2"}
REMAPPED = replace(rules(), marks=NEW)


def known(**values: JsonValue) -> StoredBase:
    """A stored base of *values*, agreed on under the map 1 of the title."""
    return decode_base(signed(encode_base(agreed(values)), {"current_title": "current_title:1"}))


def test_units_have_the_marks_of_their_fields() -> None:
    found = marks_of_units(EntityType.CANDIDATE, {"last_name": "b", "first_name": "a", "tags": "c"})
    assert found == {"name": "first_name:a+last_name:b", "tags": "tags:c"}
    assert marks_of_units(EntityType.CANDIDATE, {}) == {}


def test_a_stored_base_without_maps_is_as_it_was() -> None:
    stored = encode_base(agreed({"current_title": "Dev"}))
    assert signed(stored, {}) is stored
    assert signed(signed(stored, NEW), {}) == stored
    base = decode_base(stored)
    assert under(base, ours({}), rules()) is base


def test_under_the_same_marks_all_of_it_is_believed() -> None:
    base = known(current_title="Dev", phone="1")
    assert under(base, ours({}), replace(rules(), marks={"current_title": "current_title:1"})) is base


def test_what_nobody_here_has_edited_is_taken_as_it_now_reads() -> None:
    mine = ours({"current_title": "Dev", "email": "a@x.org"})
    asked = replace(rules(), marks=NEW)
    base = under(known(current_title="Dev", email="a@x.org"), mine, asked)
    outcome = merge(base, mine, theirs({"current_title": "Developer", "email": "a@x.org"}), asked)
    assert (outcome.take, outcome.push, outcome.held) == ({"current_title": "Developer"}, {}, ())
    gone = merge(base, mine, theirs({"current_title": None}), asked)
    assert (gone.take, gone.push) == ({"current_title": None}, {})


def test_a_map_that_is_the_same_leaves_its_unit_as_it_was() -> None:
    both = {"current_title": "current_title:1", "phone": "phone:1"}
    base = decode_base(signed(encode_base(agreed({"current_title": "Dev", "phone": "1"})), both))
    met = under(base, ours({"current_title": "Lead", "phone": "2"}), replace(rules(), marks={**both, **NEW}))
    assert met == {"phone": base["phone"]}
    assert met.extra == base.extra


def test_of_what_the_vendor_showed_under_the_old_map_nothing_is_believed() -> None:
    base = known(current_title="Dev")
    title = replace(base["current_title"], expects=mark_of(base["current_title"].ours))
    met = under(StoredBase({"current_title": title}, base.extra), ours({"current_title": "Dev"}), REMAPPED)
    assert met == {"current_title": replace(title, theirs=NEVER, expects=None)}
    assert met.extra == base.extra


@pytest.mark.parametrize(
    "change",
    [
        lambda title: replace(title, state=State.DIVERGED),
        lambda title: replace(title, intent=title.ours),
        lambda title: replace(title, norm=title.norm + 1),
    ],
    ids=["apart", "being written", "of another form"],
)
def test_only_what_was_agreed_on_and_is_not_being_written_is_as_agreed(change: Callable[[UnitBase], UnitBase]) -> None:
    base = known(current_title="Dev")
    changed = StoredBase({"current_title": change(base["current_title"])}, base.extra)
    assert under(changed, ours({"current_title": "Dev"}), REMAPPED) == {}


def test_of_a_name_each_part_is_as_agreed() -> None:
    name: dict[str, JsonValue] = {"first_name": "Ann", "last_name": "Lee"}
    base, asked = agreed(name), replace(rules(), marks={"name": "first_name:2"})
    assert under(base, ours(name), asked).keys() == {"name"}
    assert under(base, ours({**name, "last_name": "Ray"}), asked) == {}


def test_what_was_edited_here_since_meets_as_at_a_first_link() -> None:
    mine = ours({"current_title": "Lead"})
    asked = replace(rules(), marks=NEW)
    base = under(known(current_title="Dev", tags=["a"]), mine, asked)
    assert base.keys() == {"tags"}
    met = merge(base, mine, theirs({"current_title": "Developer"}), asked)
    assert met == merge({"tags": base["tags"]}, mine, theirs({"current_title": "Developer"}), asked)


def test_a_base_of_another_key_can_not_say_whether_ours_is_as_agreed() -> None:
    mine = ours({"current_title": "Dev"})
    asked = replace(rules(), marks=NEW)
    stored = known(current_title="Dev")
    assert under(stored, mine, asked).keys() == {"current_title"}
    title = stored["current_title"]
    older = StoredBase({"current_title": replace(title, key_id=title.key_id + 1)}, stored.extra)
    assert under(older, mine, asked) == {}


def test_a_list_under_another_map_meets_as_at_a_first_link() -> None:
    mine = ours({"tags": ["heiß"]})
    asked = replace(rules(), marks={"tags": "tags:1"})
    base = under(known(tags=["heiß"]), mine, asked)
    assert base.keys() == set()
    outcome = merge(base, mine, theirs({"tags": ["hot"]}), asked)
    assert sorted(map(str, outcome.take["tags"] or [])) == ["heiß", "hot"]  # type: ignore[arg-type]
