"""
Transactions of the stand-in: READ COMMITTED, each statement sees what was committed at its start and its own writes.

A statement reads first and waits afterwards. Whatever it had to wait for is read again and held against its condition
once more, as PostgreSQL does; rows that appeared meanwhile are not seen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from psycopg.errors import (
    CardinalityViolation,
    ForeignKeyViolation,
    InFailedSqlTransaction,
    InsufficientPrivilege,
    UniqueViolation,
)

from tests.simulation.store.locks import Lock, Strength, Waiter
from tests.simulation.store.tables import Condition, Index, Row, Slot, Table

if TYPE_CHECKING:
    from tests.simulation.store.memory import Memory

Change = Callable[[Row], Row]


def _any(_: Row) -> bool:
    return True


class Session:
    """One transaction under way; *company_id* is None in one that sees no company's rows."""

    def __init__(self, memory: Memory, company_id: UUID | None) -> None:
        self.memory = memory
        self.company_id = company_id
        self.began_at = memory.clock()
        self.is_failed = False
        self.patience_s: float | None = None
        """`lock_timeout`, by the event loop's time."""
        self.locks: list[tuple[Lock, Strength | None]] = []
        self.waits: tuple[Lock, Waiter] | None = None
        self.end = Lock()
        self._written: list[tuple[Table, Slot, Session | None, Row | None]] = []
        self._touched: set[Slot] = set()
        self._savepoints: list[tuple[int, int]] = []
        self.end.holders[self] = Strength.FOR_UPDATE

    def clock(self) -> datetime:
        """`clock_timestamp()`."""
        return self.memory.clock()

    # -- a statement --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a statement. Raises InFailedSqlTransaction after an error."""
        if self.is_failed:
            raise InFailedSqlTransaction("current transaction is aborted, commands ignored until end of transaction")
        self._touched.clear()

    def slots(self, table: Table, where: Condition = _any, *, everybody: bool = False) -> list[Slot]:
        """Return the rows that this statement sees and *where* wants; *everybody*: past row-level security."""
        return self._visible(table, table.slots, where, everybody=everybody)

    def at(self, table: Table, index: str, key: Hashable, where: Condition = _any) -> list[Slot]:
        """Return the rows at *key* of an index that this statement sees and *where* wants."""
        place = table.indexes[index]
        found = self._visible(table, place.find(key), where)
        return [slot for slot in found if place.key(slot.seen_by(self)) == key]

    def by_key(self, table: Table, key: Hashable) -> list[Slot]:
        """Return the row of a primary key, in a list; an empty one if there is none."""
        return self.at(table, table.primary.name, key)

    def _visible(self, table: Table, slots: Iterable[Slot], where: Condition, *, everybody: bool = False) -> list[Slot]:
        column = None if everybody else table.company
        found = []
        for slot in slots:
            row = slot.pending if slot.owner is self else slot.committed
            if row is not None and (column is None or row[column] == self.company_id) and where(row):
                found.append(slot)
        return found

    def seen(self, slot: Slot) -> Row:
        """Return the version of a row that is there."""
        row = slot.seen_by(self)
        if row is None:
            raise LookupError("the row is gone")
        return row

    def rows(self, table: Table, where: Condition = _any, *, everybody: bool = False) -> list[Row]:
        """Return versions instead of slots; not to be written to."""
        return [self.seen(slot) for slot in self.slots(table, where, everybody=everybody)]

    def rows_at(self, table: Table, index: str, key: Hashable, where: Condition = _any) -> list[Row]:
        """Return versions at *key* of an index; not to be written to."""
        return [self.seen(slot) for slot in self.at(table, index, key, where)]

    @contextmanager
    def patient(self, seconds: float) -> Iterator[None]:
        """Wait no longer than *seconds* for each lock in the block; then it is not available."""
        before, self.patience_s = self.patience_s, seconds
        try:
            yield
        finally:
            self.patience_s = before

    # -- locking ------------------------------------------------------------------------------------------------------

    async def advise(self, name: str, strength: Strength = Strength.FOR_UPDATE) -> None:
        """Take an advisory lock until the end of the transaction; a shared one is a `KEY_SHARE`."""
        await self.memory.advisory(name).acquire(self, strength)

    async def lock(
        self, slots: Iterable[Slot], strength: Strength, where: Condition = _any, *, skip_locked: bool = False
    ) -> list[Slot]:
        """Lock the rows that *where* wants one after another; return those that it still wants then."""
        locked = []
        for slot in self._wanted(slots, where):
            if skip_locked and not slot.lock.is_free_for(self, strength):
                continue
            await slot.lock.acquire(self, strength)
            row = slot.seen_by(self)
            if row is not None and where(row):
                locked.append(slot)
        return locked

    def _wanted(self, slots: Iterable[Slot], where: Condition) -> list[Slot]:
        return [slot for slot in slots if (row := slot.seen_by(self)) is not None and where(row)]

    # -- writing ------------------------------------------------------------------------------------------------------

    async def update(
        self, table: Table, slots: Iterable[Slot], where: Condition, change: Change
    ) -> list[tuple[Row, Row]]:
        """Change the rows that *where* wants, and still wants once they are locked; return each before and after."""
        changed = []
        for slot in self._wanted(slots, where):
            for mine in await self.lock([slot], Strength.NO_KEY_UPDATE, where):
                before = self.seen(mine)
                after = table.checked(change(before))
                await self._exclusive(table, mine, before, after)
                self._write(table, mine, after)
                changed.append((before, after))
        return changed

    async def delete(self, table: Table, slots: Iterable[Slot], where: Condition = _any) -> list[Row]:
        """Delete the rows that *where* wants, and still wants once they are locked; return them."""
        gone = []
        for slot in self._wanted(slots, where):
            for mine in await self.lock([slot], Strength.FOR_UPDATE, where):
                gone.append(self.seen(mine))
                self._write(table, mine, None)
        return gone

    async def insert(self, table: Table, given: Row) -> Row:
        """Add a row. Raises UniqueViolation, ForeignKeyViolation and what the table refuses."""
        row = table.complete(given, self)
        await self._exclusive(table, None, None, row)
        self._add(table, row)
        return row

    async def insert_unless(self, table: Table, given: Row, index: str | None = None) -> Row | None:
        """Add a row ON CONFLICT (*index*, or any) DO NOTHING; return it, or None where there was one."""
        row = table.complete(given, self)
        for place in table.constraints if index is None else [table.indexes[index]]:
            if await self._holder(place, place.key(row), None) is not None:
                return None
        await self._exclusive(table, None, None, row)
        self._add(table, row)
        return row

    async def upsert(
        self,
        table: Table,
        given: Row,
        index: str,
        change: Callable[[Row, Row], Row],
    ) -> tuple[Row, bool]:
        """
        Add a row ON CONFLICT (*index*) DO UPDATE: *change* makes the new row of the old one and the excluded one.

        Return the row and whether it is new. Raises CardinalityViolation when one statement meets a row twice.
        """
        row = table.complete(given, self)
        place = table.indexes[index]
        while True:
            holder = await self._holder(place, place.key(row), None)
            if holder is None:
                await self._exclusive(table, None, None, row)
                self._touched.add(self._add(table, row))
                return row, True
            if holder in self._touched:
                raise CardinalityViolation("ON CONFLICT DO UPDATE command cannot affect row a second time")
            await holder.lock.acquire(self, Strength.NO_KEY_UPDATE)
            before = holder.seen_by(self)
            if before is None or place.key(before) != place.key(row):
                continue  # gone, or no longer in the way: look again
            if table.company is not None and before[table.company] != self.company_id:
                raise InsufficientPrivilege(f'row violates row-level security policy for table "{table.name}"')
            after = table.checked(change(before, row))
            await self._exclusive(table, holder, before, after)
            self._write(table, holder, after)
            self._touched.add(holder)
            return after, False

    def _add(self, table: Table, row: Row) -> Slot:
        for column, target in table.references.items():
            if row[column] is not None and not self._exists(self.memory.tables[target], row[column]):
                raise ForeignKeyViolation(f'insert on table "{table.name}" violates foreign key of "{column}"')
        slot = Slot()
        slot.lock.take(self, Strength.FOR_UPDATE)
        self._write(table, slot, row)
        return slot

    def _exists(self, table: Table, key: Hashable) -> bool:
        return any(slot.seen_by(self) is not None for slot in table.primary.find(key))

    def _write(self, table: Table, slot: Slot, row: Row | None) -> None:
        self._written.append((table, slot, slot.owner, slot.pending))
        table.show(slot, self, row)

    async def _exclusive(self, table: Table, slot: Slot | None, before: Row | None, after: Row) -> None:
        """Raise UniqueViolation if another row than *slot* has a key of *after*; wait for who may yet give it up."""
        for index in table.constraints:
            key = index.key(after)
            if key is None or key == index.key(before):
                continue
            if await self._holder(index, key, slot) is not None:
                raise UniqueViolation(f'duplicate key value violates unique constraint "{index.name}"')

    async def _holder(self, index: Index, key: Hashable, beside: Slot | None) -> Slot | None:
        """Return the row that has *key*, or None; what a transaction under way has written is waited for."""
        while True:
            doubt: Session | None = None
            for slot in index.find(key):
                if slot is beside:
                    continue
                if slot.owner is None or slot.owner is self:
                    if index.key(slot.seen_by(self)) == key:
                        return slot
                else:
                    doubt = slot.owner
            if doubt is None:
                return None
            mark = len(self.locks)
            await doubt.end.acquire(self, Strength.KEY_SHARE)
            self._release(mark)

    # -- the end ------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo the block, with the locks that it took, if an error leaves it."""
        mark = (len(self._written), len(self.locks))
        self._savepoints.append(mark)
        try:
            yield
        except BaseException:
            self._back_to(mark)
            self.is_failed = False
            raise
        finally:
            self._savepoints.pop()

    def fail(self) -> None:
        """
        Undo the innermost savepoint's part, or everything, after an error of the database.

        Its locks go at once, as PostgreSQL lets them go: nobody waits for the client to say that it has understood.
        """
        self.is_failed = True
        if self._savepoints:
            self._back_to(self._savepoints[-1])
        else:
            self.roll_back()

    def _back_to(self, mark: tuple[int, int]) -> None:
        self._undo(mark[0])
        self._release(mark[1])

    def commit(self) -> None:
        """Let everybody see what was written, and let go of every lock."""
        for table, slot, _, _ in self._written:
            if slot.owner is self:
                table.settle(slot)
        self._over()

    def roll_back(self) -> None:
        """Undo everything, and let go of every lock."""
        self._undo(0)
        self._over()

    def _undo(self, mark: int) -> None:
        while len(self._written) > mark:
            table, slot, owner, pending = self._written.pop()
            table.show(slot, owner, pending)

    def _release(self, mark: int) -> None:
        while len(self.locks) > mark:
            lock, before = self.locks.pop()
            lock.release(self, before)

    def _over(self) -> None:
        self.memory.sessions.pop(self, None)
        self._written.clear()
        self._release(0)
        self.end.release(self, None)
