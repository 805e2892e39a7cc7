"""One planted bug: which name of production code is replaced by what, and by whose pain it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import shared.merge
import shared.sync


@dataclass(frozen=True, slots=True)
class Mutant:
    """Take *place* (`module:name` or `module:Class.name`) and put what *make* makes of it there."""

    name: str
    pain: str
    """Number in docs/pains.md; `-` for a wound that only this engine's own rules know."""
    place: str
    make: Callable[[Any], Any]
    seed: int
    """A world that notices it."""
    words: str
    """Part of what the oracle then says: a patch that no longer fits its place fails otherwise."""

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Have the bug while the block runs."""
        _import_whole_engine()
        owner, attribute = self._place()
        original = vars(owner)[attribute]
        setattr(owner, attribute, self.make(original))
        try:
            yield
        finally:
            setattr(owner, attribute, original)

    def planted_name(self) -> object:
        """Return what stands at *place* now."""
        owner, attribute = self._place()
        return vars(owner)[attribute]

    def _place(self) -> tuple[Any, str]:
        module, _, path = self.place.partition(":")
        owner: Any = import_module(module)
        *classes, attribute = path.split(".")
        for each in classes:
            owner = getattr(owner, each)
        return owner, attribute


@cache
def _import_whole_engine() -> None:
    """What is first imported while a bug is planted would keep the bug by the name that it imports."""
    for package in (shared.merge, shared.sync):
        for each in walk_packages(package.__path__, f"{package.__name__}."):
            import_module(each.name)
