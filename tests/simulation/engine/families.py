"""
Who has become one with whom: people whom a vendor, or somebody in the portal, took for one and merged.

Values may travel among them from then on, also after a merge was taken back: what was written meanwhile stays where its
author put it.
"""

from __future__ import annotations


class Families:
    """Sets of people that only grow."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[int, ...]] = {}

    def members(self, person: int) -> tuple[int, ...]:
        """Return *person* and everybody who was ever merged with them."""
        return self._of.get(person) or (person,)

    def are_kin(self, one: int, other: int) -> bool:
        """Whether they are one person, or were for a while."""
        return one == other or other in self._of.get(one, ())

    def unite(self, one: int, other: int) -> None:
        """Let them be kin from now on."""
        if self.are_kin(one, other):
            return
        members = tuple(sorted({*self.members(one), *self.members(other)}))
        for each in members:
            self._of[each] = members
