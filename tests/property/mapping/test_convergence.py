"""Both sides come to rest under a map, whoever edits what and however often the map is changed in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.adapters.mapped import mapped
from shared.mapping.reading import mapping_of
from shared.mapping.rules import EntityMapping
from shared.merge.base_codec import decode_base, encode_base
from shared.merge.marks import marks_of_units, signed, under
from shared.merge.state import Outcome, StoredBase, Theirs
from shared.model import EntityType
from tests.unit.merge.lab import TAGS, TITLE, Pair, rules, theirs

CANDIDATE = EntityType.CANDIDATE
THEIR_WORDS, OUR_WORDS = ("eins", "zwei", "drei"), ("one", "two", "three")
FREE = ("other", "more")
MAPS = st.dictionaries(st.sampled_from(THEIR_WORDS), st.sampled_from(OUR_WORDS)).filter(
    lambda words: len(set(words.values())) == len(words)
)


@dataclass
class MappedPair(Pair):
    """A pair whose vendor is seen through a mapping."""

    mapping: EntityMapping = field(default_factory=EntityMapping)

    def map_as(self, words: Mapping[str, JsonValue]) -> None:
        self.mapping = mapping_of(CANDIDATE, {"values": {TITLE: dict(words), TAGS: dict(words)}} if words else {}, "x")
        adapter = mapped(GreenhouseAdapter, {CANDIDATE: self.mapping})
        marks = marks_of_units(CANDIDATE, self.mapping.marks())
        self.rules = rules(marks=marks, expected=lambda name, value: adapter.expected(CANDIDATE, name, value))

    def shown(self, *, is_fresh: bool = True) -> Theirs:
        self.minute += 1
        seen = theirs(self.mapping.inbound(self.theirs), self.minute, updated_at=self.changed_at)
        return replace(seen, is_fresh_fetch=is_fresh)

    def begin(self, seen: Theirs | None = None) -> Outcome:
        # As a link's row keeps it.
        kept = decode_base(encode_base(self.base))
        self.base = under(StoredBase(kept, self.base.extra), self.ours, self.rules)  # type: ignore[attr-defined]
        outcome = super().begin(seen)
        self._sign()
        return outcome

    def sync(self) -> Outcome:
        outcome = super().sync()
        self._sign()
        return outcome

    def call(self, outcome: Outcome) -> Theirs:
        self.minute += 1
        self.writes.append(dict(outcome.push))
        sent = self.mapping.outbound(outcome.push, self.theirs)
        self.theirs.update({name: GreenhouseAdapter.expected(CANDIDATE, name, value) for name, value in sent.items()})
        return self.shown()

    def _sign(self) -> None:
        self.base = decode_base(signed(encode_base(self.base), self.rules.marks))


EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("map"), MAPS),
        st.tuples(st.just("ours"), st.sampled_from(OUR_WORDS + FREE)),
        st.tuples(st.just("theirs"), st.sampled_from(THEIR_WORDS + FREE)),
        st.tuples(st.just("our tag"), st.sampled_from(OUR_WORDS + FREE)),
        st.tuples(st.just("their tag"), st.sampled_from(THEIR_WORDS + FREE)),
        st.tuples(st.just("sync"), st.none()),
    ),
    max_size=14,
)


@given(EDITS)
@settings(max_examples=200)
def test_both_sides_come_to_rest_in_agreement(edits: list[tuple[str, object]]) -> None:
    pair = MappedPair(theirs={TITLE: None, TAGS: []})
    pair.map_as({})
    for what, value in edits:
        match what, value:
            case "map", dict():
                pair.map_as(value)
            case "ours", str():
                pair.edit_ours(**{TITLE: value})
            case "theirs", str():
                pair.edit_theirs(**{TITLE: value})
            case "our tag", str():
                pair.edit_ours(**{TAGS: _with(pair.ours.values.get(TAGS), value)})
            case "their tag", str():
                pair.edit_theirs(**{TAGS: _with(pair.theirs.get(TAGS), value)})
            case _:
                pair.sync()
    for _ in range(3):
        pair.sync()
    written = len(pair.writes)
    last = pair.sync()
    assert (last.take, last.push, last.held) == ({}, {}, ())
    assert len(pair.writes) == written
    assert _title(pair, pair.ours.values.get(TITLE)) == _title(pair, pair.mapping.inbound(pair.theirs).get(TITLE))
    assert _tags(pair, pair.ours.values.get(TAGS)) == _tags(pair, pair.mapping.inbound(pair.theirs).get(TAGS))


@given(MAPS, st.lists(st.sampled_from(THEIR_WORDS + FREE), min_size=1), MAPS)
def test_nothing_is_written_there_because_a_map_has_changed(
    before: dict[str, JsonValue], titles: list[str], after: dict[str, JsonValue]
) -> None:
    pair = MappedPair(theirs={TITLE: None, TAGS: []})
    pair.map_as(before)
    for title in titles:
        pair.edit_theirs(**{TITLE: title})
        pair.sync()
    pair.map_as(after)
    pair.sync()
    pair.sync()
    assert pair.writes == []
    assert pair.ours.values[TITLE] == pair.mapping.inbound(pair.theirs)[TITLE]


def _with(tags: JsonValue, tag: str) -> list[JsonValue]:
    return [*(tags if isinstance(tags, list) else []), tag]


def _title(pair: MappedPair, value: JsonValue) -> JsonValue:
    """What both sides show of a title, untranslated words of theirs being ours by another name."""
    return pair.mapping.translated(TITLE, value)


def _tags(pair: MappedPair, value: JsonValue) -> set[str]:
    shown = pair.mapping.translated(TAGS, value)
    return {str(each) for each in shown} if isinstance(shown, list) else set()
