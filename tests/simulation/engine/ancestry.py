"""Which edit descends from which: by what their authors had before their eyes, never by clocks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

NOBODY: Collection[int] = frozenset()


@dataclass(slots=True)
class Edit:
    """One value's origin."""

    number: int
    person: int
    name: str
    place: str
    is_linked: bool = True
    """Its place was linked by then. Where two meet for the first time, a value beats an empty field."""
    is_over_unsettled: bool = False
    """It replaced a write of ours that was not settled: if its worker died, nobody can tell that it knew of it."""
    is_over_unseen: bool = False
    """We have not seen its place empty: who fills what was cleared there meanwhile knows of no clearing here."""


@dataclass
class Ancestry:
    """Edits by their numbers; 0 is the value that nobody wrote, and precedes every edit."""

    _parents: dict[int, dict[int, frozenset[int] | None]] = field(default_factory=dict)
    """By edit: those that its author, or who chose it later, saw, and of whom that is sure: None of everybody."""

    def is_known(self, number: int) -> bool:
        """Whether it is said already what the author of *number* saw."""
        return number in self._parents

    def descend(self, number: int, parent: int, *, surely_of: Collection[int] | None = None) -> None:
        """
        Say that the author of *number* saw *parent*.

        *surely_of*: people at whom the one shall never be replaced by the other again; None is everybody. Of all others
        it may have been so: it excuses what happens there, and accuses nobody.
        """
        if number == parent:
            return
        parents = self._parents.setdefault(number, {})
        if surely_of is None and number in (opposite := self._parents.get(parent, {})):
            opposite[number] = frozenset()  # chosen the other way round since: that is no longer sure of anybody
        known = parents.get(parent, frozenset())
        parents[parent] = None if surely_of is None or known is None else known.union(surely_of)

    def is_ancestor(self, one: int, of: int, *, surely_of: int | None = None) -> bool:
        """Whether *of* descends from *one*; *surely_of*: only by what is sure of this person."""
        if one == 0:
            return of != 0
        seen, ahead = {of}, [of]
        while ahead:
            for parent, people in self._parents.get(ahead.pop(), {}).items():
                if surely_of is not None and people is not None and surely_of not in people:
                    continue
                if parent == one:
                    return True
                if parent not in seen:
                    seen.add(parent)
                    ahead.append(parent)
        return False
