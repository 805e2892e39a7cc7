"""Worlds of the rules come to rest in agreement; without one of the rules some do not, which the oracle sees."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.simulation.rules.__main__ import play
from tests.simulation.rules.model import SETTINGS, Broken, World, setting_of

WORLDS, STEPS = 400, 80
ABLATION_STEPS = 100

WITHOUT = [
    ("two fingerprints", "normalising at once", 0, "not at rest"),
    ("serialising", "plain two", 1, "which never saw it"),
    ("fences", "plain two", 0, "which never saw it"),
    ("version fence", "plain two", 442, "which never saw it"),
    ("own answers", "plain two", 0, "has links"),
    ("intent", "silent answers", 0, "is not Value"),
    ("expected", "normalising late", 7, "we have tags"),
    ("diverged", "unwritable and refusing", 0, "vendor"),
    ("observation time", "plain two", 27, "is not Value"),
    ("pins", "stubborn", 36, "a decision was undone"),
    ("row 8", "stubborn", 36, "not at rest"),
    ("authority", "plain two", 0, "which never saw it"),
    ("append", "plain two", 0, "an element was removed"),
]
"""A rule, a setting, and a seed whose world breaks without the rule, with words of what breaks."""


def test_every_world_comes_to_rest_in_agreement() -> None:
    for seed in range(WORLDS):
        World(setting_of(seed), seed, STEPS).run()


@pytest.mark.parametrize(("rule", "name", "seed", "words"), WITHOUT, ids=str)
def test_without_a_rule_its_world_breaks(rule: str, name: str, seed: int, words: str) -> None:
    setting = next(each for each in SETTINGS if each.name == name)
    with pytest.raises(Broken, match=words):
        World(replace(setting, without=rule), seed, ABLATION_STEPS).run()
    World(setting, seed, ABLATION_STEPS).run()


def test_a_seed_tells_the_same_story_twice() -> None:
    setting = SETTINGS[-1]
    stories = []
    for _ in range(2):
        world = World(setting, 7, ABLATION_STEPS)
        world.run()
        stories.append(world.story)
    assert stories[0] == stories[1]


def test_the_command_plays_each_setting() -> None:
    assert play([*range(len(SETTINGS))], 20) == {}
