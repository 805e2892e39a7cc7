"""What a long check remembers: what went well on these sources, and nothing else."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts import sources
from scripts.resuming import KeptResults, KeptSeeds, add_seeds, kept_seeds


@dataclass(frozen=True)
class Result:
    """Of a thing that was tried."""

    name: str
    wrong: Sequence[str] = field(default_factory=list)


@given(good=st.sets(st.integers(1, 60)))
def test_seeds_that_went_well_are_not_missing_after_a_restart(
    tmp_path_factory: pytest.TempPathFactory, good: set[int]
) -> None:
    file = tmp_path_factory.mktemp("kept") / "seeds.json"
    KeptSeeds(range(1, 61), file, "abc").add(good)
    again = KeptSeeds(range(10, 51), file, "abc")
    assert again.missing == [seed for seed in range(10, 51) if seed not in good]
    assert again.how_far() == (41 - len(again.missing), 41)


def test_other_sources_forget_everything(tmp_path: Path) -> None:
    KeptSeeds(range(1, 10), tmp_path / "seeds.json", "abc").add([1, 2])
    assert KeptSeeds(range(1, 10), tmp_path / "seeds.json", "abd").missing == [*range(1, 10)]


def test_without_a_file_what_went_well_is_known_until_the_end_alone() -> None:
    kept = KeptSeeds(range(1, 4), None, "abc")
    kept.add([2])
    assert kept.missing == [1, 3]


@pytest.mark.parametrize(("given_", "expected"), [("7", range(7, 8)), ("3-5", range(3, 6))])
def test_seeds_are_asked_for_by_first_and_last(given_: str, expected: range) -> None:
    parser = ArgumentParser()
    add_seeds(parser, "1-300")
    assert kept_seeds(parser.parse_args(["--seeds", given_]), sources.WORLDS).asked == expected


def test_results_are_found_again_while_nothing_was_wrong(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "results.json"
    kept = KeptResults(file, "abc", Result)
    kept.keep("first", [Result("a"), Result("b")])
    kept.keep("second", [Result("c"), Result("d", ["lost an edit"])])
    again = KeptResults(file, "abc", Result)
    assert again.find("first") == [Result("a"), Result("b")]
    assert again.find("second") is None
    assert again.find("third") is None
    assert KeptResults(file, "abd", Result).find("first") is None
