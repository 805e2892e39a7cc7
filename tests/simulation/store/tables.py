"""
Tables as dicts: a slot for each row, with the version that is committed and the one that a transaction has written.

A row is never changed in place: a version is a dict that nobody writes to once it stands in a slot.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import orjson
from psycopg.errors import CheckViolation, NotNullViolation

from tests.simulation.store.locks import Lock

if TYPE_CHECKING:
    from tests.simulation.store.sessions import Session

Row = Mapping[str, Any]
Condition = Callable[[Row], Any]
"""Whether a row is meant, as truth."""

INFINITY: Final = datetime.max.replace(tzinfo=UTC)
"""Stands for the moment 'infinity'."""


@dataclass(frozen=True)
class Default:
    """What a column holds that an insert does not name; None allows a null."""

    name: str


REQUIRED: Final = Default("required")
NOW: Final = Default("now()")
CLOCK: Final = Default("clock_timestamp()")
RANDOM_ID: Final = Default("gen_random_uuid()")


@dataclass(frozen=True)
class Next(Default):
    """The next number of a sequence."""

    sequence: str

    @classmethod
    def of(cls, sequence: str) -> Next:
        """Return the default that PostgreSQL shows for it."""
        return cls(f"nextval('{sequence}'::regclass)", sequence)


@dataclass(eq=False)
class Slot:
    """One row: its committed version (None: none), and what *owner* has written since (None: deleted)."""

    committed: Row | None = None
    pending: Row | None = None
    owner: Session | None = None
    lock: Lock = field(default_factory=Lock)

    def seen_by(self, session: Session) -> Row | None:
        """Return the version that a statement of *session* reads."""
        return self.pending if self.owner is session else self.committed

    def versions(self) -> tuple[Row | None, Row | None]:
        """Return the committed version and the one under way."""
        return self.committed, None if self.owner is None else self.pending


@dataclass(eq=False)
class Index:
    """
    Slots by what a version of theirs has in *columns*; none that *where* leaves out.

    Nor with a null there, which equals no other.
    """

    name: str
    columns: tuple[str, ...]
    where: Condition | None = None
    is_unique: bool = False
    entries: dict[Hashable, dict[Slot, None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._take: Callable[[Row], Any] = itemgetter(*self.columns)
        self._is_single = len(self.columns) == 1

    def key(self, row: Row | None) -> Hashable:
        """Return the row's place in the index, or None."""
        if row is None or (self.where is not None and not self.where(row)):
            return None
        key = self._take(row)
        if self._is_single:
            return key  # type: ignore[no-any-return]  # ids and texts
        return None if None in key else key

    def find(self, key: Hashable) -> Iterable[Slot]:
        """Return the slots with a version, visible or not, at *key*."""
        return tuple(self.entries.get(key, ()))

    def move(self, slot: Slot, before: Sequence[Row | None], after: Sequence[Row | None]) -> None:
        """Bring the entries of *slot* from its versions *before* to those *after*."""
        old = {self.key(version) for version in before}
        new = {self.key(version) for version in after}
        for key in old - new:
            if key is not None:
                places = self.entries[key]
                places.pop(slot, None)
                if not places:
                    del self.entries[key]
        for key in new - old:
            if key is not None:
                self.entries.setdefault(key, {})[slot] = None


@dataclass(eq=False)
class Table:
    """
    The columns with their defaults, the indexes, and the rows.

    *company* names the column that row-level security compares; None: everybody's. *references* are foreign keys.
    """

    name: str
    columns: Mapping[str, Any]
    key: tuple[str, ...]
    unique: tuple[Index, ...] = ()
    lookups: tuple[Index, ...] = ()
    company: str | None = "company_id"
    json: frozenset[str] = frozenset()
    references: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[str, Condition] = field(default_factory=dict)
    generated: Callable[[Row], Row] | None = None

    def __post_init__(self) -> None:
        self.primary = Index(f"{self.name}_pkey", self.key, is_unique=True)
        for index in self.unique:
            index.is_unique = True
        self.indexes = {index.name: index for index in (self.primary, *self.unique, *self.lookups)}
        self.slots: dict[Slot, None] = {}
        self._constraints = (self.primary, *self.unique)
        self._needed = tuple(name for name, default in self.columns.items() if default is not None)

    @property
    def constraints(self) -> tuple[Index, ...]:
        """The unique indexes."""
        return self._constraints

    def complete(self, given: Row, session: Session) -> Row:
        """Return *given* with the defaults of what it leaves out. Raises what the table refuses."""
        row: dict[str, Any] = {}
        for name, default in self.columns.items():
            if name in given:
                row[name] = given[name]
            elif default is CLOCK:
                row[name] = session.clock()
            elif default is NOW:
                row[name] = session.began_at
            elif default is RANDOM_ID:
                row[name] = session.memory.numbers.uuid()
            elif isinstance(default, Next):
                row[name] = session.memory.numbers.next(default.sequence)
            elif default is REQUIRED:
                row[name] = None
            else:
                row[name] = default
        return self.checked(row)

    def checked(self, row: Row) -> Row:
        """Return *row* with its generated columns. Raises NotNullViolation and CheckViolation."""
        for name in self._needed:
            if row[name] is None:
                raise NotNullViolation(f'null value in column "{name}" of relation "{self.name}"')
        for name, holds in self.checks.items():
            if not holds(row):
                raise CheckViolation(f'new row for relation "{self.name}" violates check constraint "{name}"')
        return row if self.generated is None else {**row, **self.generated(row)}

    def show(self, slot: Slot, owner: Session | None, pending: Row | None) -> None:
        """Let *pending* be what *owner* has written; without an owner, nothing is under way."""
        before = slot.versions()
        slot.owner, slot.pending = owner, pending
        self._moved(slot, before)

    def settle(self, slot: Slot) -> None:
        """Commit what is under way."""
        before = slot.versions()
        slot.committed, slot.owner, slot.pending = slot.pending, None, None
        self._moved(slot, before)

    def _moved(self, slot: Slot, before: Sequence[Row | None]) -> None:
        after = slot.versions()
        for index in self.indexes.values():
            index.move(slot, before, after)
        if after == (None, None) and slot.owner is None:
            self.slots.pop(slot, None)
        else:
            self.slots[slot] = None

    def fresh(self, row: Row) -> dict[str, Any]:
        """Return a copy of *row* that its reader may change."""
        copy = dict(row)
        for name in self.json:
            if copy[name] is not None:
                copy[name] = orjson.loads(orjson.dumps(copy[name]))
        return copy
