"""
Who has become one with whom: people whom a vendor, or somebody in the portal, took for one and merged.

Values may travel among them from then on, also after a merge was taken back: what was written meanwhile stays where its
author put it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

Data = Mapping[str, JsonValue]


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


class Joined:
    """What records of ours have shown since others became part of them."""

    def __init__(self) -> None:
        self._shown: dict[str, dict[str, list[Data]]] = {}
        """By record and by the one that is part of it."""

    def begin(self, survivor_id: str, other_id: str) -> None:
        """Let *other_id* be part of *survivor_id* from now on."""
        self._shown.setdefault(survivor_id, {})[other_id] = []

    def show(self, record_id: str, data: Data) -> None:
        """Note what a record shows from now on."""
        for shown in self._shown.get(record_id, {}).values():
            shown.append(data)

    def end(self, survivor_id: str, other_id: str) -> Sequence[Data]:
        """Return all that *survivor_id* has shown with *other_id* a part of it, the oldest first; it ends here."""
        return self._shown.get(survivor_id, {}).pop(other_id, ())
