"""
The database of the simulation: `MemoryDatabase` in place of `Database`, statement by statement.

Production's own groups (`shared.store`) run on it unchanged: each hands its SQL to the transaction, and here that text
is looked up among the imitations (`tests.simulation.store.statements`). So no decision that production makes in Python
is written twice, and a statement that nobody has imitated is an error that names it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Error
from psycopg.rows import DictRow

import tests.simulation.store.imitations  # noqa: F401 - registers every imitation
from shared.store.database import Database, Transaction, translated
from shared.store.store import Store
from tests.simulation.store.locks import Lock
from tests.simulation.store.numbers import Numbers
from tests.simulation.store.schema import tables
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Statement, statement_of
from tests.simulation.store.tables import Row, Table

Clock = Callable[[], datetime]
Gate = Callable[[str], Awaitable[None]]

REHEARSAL_PATIENCE_S = 0.5

_TICK = timedelta(microseconds=1)


async def open_gate(_: str) -> None:
    """Let everybody through at once."""


class _Over(Exception):
    """A rehearsal has come to its end, and is undone."""


class Memory:
    """What outlives every transaction: tables, advisory locks, sequences, the clock."""

    def __init__(self, clock: Clock, numbers: Numbers) -> None:
        self.tables: Mapping[str, Table] = tables()
        self.numbers = numbers
        self._clock = clock
        self._last: datetime | None = None
        self._advisory: dict[str, Lock] = {}
        self.sessions: dict[Session, None] = {}
        """Transactions under way, in the order in which they began."""

    def clock(self) -> datetime:
        """Return `clock_timestamp()`: never the same twice, and never earlier than before."""
        now = self._clock()
        if self._last is not None and now <= self._last:
            now = self._last + _TICK
        self._last = now
        return now

    def advisory(self, name: str) -> Lock:
        """Return the advisory lock of *name*."""
        return self._advisory.setdefault(name, Lock(is_fair=True))


@dataclass(frozen=True, slots=True, init=False)
class MemoryTransaction(Transaction):
    """A transaction of `MemoryDatabase`. It has no `connection`."""

    session: Session
    gate: Gate

    def __init__(self, session: Session, gate: Gate) -> None:
        object.__setattr__(self, "company_id", session.company_id)
        object.__setattr__(self, "session", session)
        object.__setattr__(self, "gate", gate)

    async def rows(self, query: LiteralString, **parameters: Any) -> list[DictRow]:
        """Return every row."""
        found = await self._execute(query, parameters)
        if isinstance(found, int):
            raise TypeError(f"{statement_of(query).label} returns no rows")
        return found

    async def row(self, query: LiteralString, **parameters: Any) -> DictRow | None:
        """Return the first row, or None."""
        found = await self.rows(query, **parameters)
        return found[0] if found else None

    async def run(self, query: LiteralString, **parameters: Any) -> int:
        """Execute *query*; return the number of rows it touched."""
        found = await self._execute(query, parameters)
        return found if isinstance(found, int) else len(found)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Begin a part that may fail alone."""
        async with self.session.savepoint():
            yield

    async def _execute(self, query: str, parameters: Mapping[str, Any]) -> list[DictRow] | int:
        statement: Statement = statement_of(query)
        await self.gate(statement.begins)
        self.session.start()
        try:
            found = await statement.imitation(self.session, **parameters)
        except Error:
            self.session.fail()
            raise
        await self.gate(statement.ends)
        return found


class MemoryDatabase(Database):
    """
    A database in memory, for one event loop.

    *clock* is the time of the database's own clock; each reading moves on by a microsecond at least. *gate* is awaited
    with a label where something else may come between: `begin`, `commit:begin`, `commit:end` (committed, and nobody
    told yet), and `<group>.<statement>:begin` and `:end` for every statement, such as `ledger.claim:begin`. An error
    that it raises comes out there: at `commit:end` the work stands, anywhere else it is undone.
    """

    def __init__(self, clock: Clock, gate: Gate = open_gate, numbers: Numbers | None = None) -> None:
        self.memory = Memory(clock, Numbers() if numbers is None else numbers)
        self.gate = gate

    @asynccontextmanager
    async def company(self, company_id: UUID) -> AsyncIterator[Transaction]:
        """Begin a transaction that sees *company_id* alone; commit at the end, roll back on an error."""
        async with self._transaction(company_id) as tx:
            yield tx

    @asynccontextmanager
    async def rehearsal(self, company_id: UUID) -> AsyncIterator[Transaction]:
        """Begin a transaction of *company_id* of which nothing stays, and that gives up on a lock soon."""
        with translated(), suppress(_Over):
            async with self._transaction(company_id) as tx:
                with tx.session.patient(REHEARSAL_PATIENCE_S):
                    yield tx
                raise _Over

    @asynccontextmanager
    async def dispatch(self) -> AsyncIterator[Transaction]:
        """Begin a transaction that sees no company."""
        async with self._transaction(None) as tx:
            yield tx

    @asynccontextmanager
    async def _transaction(self, company_id: UUID | None) -> AsyncIterator[MemoryTransaction]:
        with translated():
            await self.gate("begin")
            session = Session(self.memory, company_id)
            self.memory.sessions[session] = None
            try:
                yield MemoryTransaction(session, self.gate)
                await self.gate("commit:begin")
            except BaseException:
                session.roll_back()
                raise
            if session.is_failed:
                session.roll_back()  # as COMMIT does after an error that somebody has swallowed
            else:
                session.commit()
            await self.gate("commit:end")

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return what is committed in *table*, all companies', to look at."""
        place = self.memory.tables[table]
        return [place.fresh(slot.committed) for slot in place.slots if slot.committed is not None]

    @property
    def waiting(self) -> int:
        """How many transactions wait for another one's lock."""
        return sum(session.waits is not None for session in self.memory.sessions)

    async def put(self, table: str, row: Row) -> None:
        """Add a committed row past every policy, to arrange a world."""
        session = Session(self.memory, None)
        try:
            await session.insert(self.memory.tables[table], row)
        except BaseException:
            session.roll_back()
            raise
        session.commit()

    async def change(self, table: str, where: Row, values: Row) -> int:
        """Set *values* in every committed row that has *where*, past every policy; return how many there are."""
        place = self.memory.tables[table]
        session = Session(self.memory, None)

        def is_meant(row: Row) -> bool:
            return all(row[name] == value for name, value in where.items())

        slots = session.slots(place, is_meant, everybody=True)
        try:
            changed = await session.update(place, slots, is_meant, lambda row: {**row, **values})
        except BaseException:
            session.roll_back()
            raise
        session.commit()
        return len(changed)

    async def aclose(self) -> None:
        """Nothing is open."""


class MemoryStore(Store):
    """Production's groups of statements. They work on any `Transaction`, so there is nothing of its own here."""

    __slots__ = ()

    def __init__(self, database: MemoryDatabase) -> None:
        del database  # each call brings its transaction
        super().__init__()
