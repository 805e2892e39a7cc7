"""Which edit descends from which: by what their authors had before their eyes, never by clocks."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Ancestry:
    """Edits by their numbers; 0 is the value that nobody wrote, and precedes every edit."""

    _parents: dict[int, set[int]] = field(default_factory=dict)
    """The edits that its author, or who chose it later, had before their eyes."""
    _presumed: set[tuple[int, int]] = field(default_factory=set)
    """Pairs of which nobody can tell whether the first knew of the second."""

    def is_known(self, number: int) -> bool:
        """Whether it is said already what the author of *number* saw."""
        return number in self._parents

    def descend(self, number: int, parent: int, *, presumed: bool = False) -> None:
        """Say that the author of *number* saw *parent*, or (*presumed*) may have."""
        if number != parent:
            self._parents.setdefault(number, set()).add(parent)
            if presumed:
                self._presumed.add((number, parent))

    def is_ancestor(self, one: int, of: int, *, surely: bool = False) -> bool:
        """Whether *of* descends from *one*; *surely*: without anything that is presumed."""
        if one == 0:
            return of != 0
        seen, ahead = {of}, [of]
        while ahead:
            number = ahead.pop()
            for parent in self._parents.get(number, ()):
                if surely and (number, parent) in self._presumed:
                    continue
                if parent == one:
                    return True
                if parent not in seen:
                    seen.add(parent)
                    ahead.append(parent)
        return False
