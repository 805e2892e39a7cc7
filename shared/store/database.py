"""
PostgreSQL: one lazy pool per process and event loop, and transactions that act for one company.

Nothing is visible outside `Database.company`, which sets `app.company` for that transaction alone, so that a pooler in
transaction mode works. psycopg's errors become ours here and nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import orjson
import psycopg
from psycopg.abc import Buffer
from psycopg.rows import DictRow, dict_row
from psycopg.types.array import ListDumper
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from shared.errors import Conflict, Unavailable
from shared.store.longer_than_indexed import LongerThanIndexed

Connection = psycopg.AsyncConnection[DictRow]

_SET_COMPANY: LiteralString = "SELECT set_config('app.company', %s, true)"
_CLOCK: LiteralString = "SELECT clock_timestamp() AS now"
CHECKOUT_TIMEOUT_S = 5.0


def as_json(value: object) -> str:
    """Return *value* as JSON text; keys of any type that JSON knows, UUIDs and datetimes included."""
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def rows_as_json(rows: Sequence[Mapping[str, object] | orjson.Fragment]) -> str:
    """Return the rows of one statement as JSON text. All keys are texts: to look for others takes twice as long."""
    return orjson.dumps(rows).decode()


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction under way. `company_id` is None in one that may only call the dispatch functions."""

    connection: Connection
    company_id: UUID | None

    @property
    def company(self) -> UUID:
        """The company it acts for. Raises RuntimeError in a transaction without one."""
        if self.company_id is None:
            raise RuntimeError("this transaction acts for no company")
        return self.company_id

    async def rows(self, query: LiteralString, **parameters: Any) -> list[DictRow]:
        """Return every row."""
        return await (await self.connection.execute(query, parameters)).fetchall()

    async def row(self, query: LiteralString, **parameters: Any) -> DictRow | None:
        """Return the first row, or None."""
        return await (await self.connection.execute(query, parameters)).fetchone()

    async def one(self, query: LiteralString, **parameters: Any) -> DictRow:
        """Return the only row. Raises RuntimeError if there is none."""
        row = await self.row(query, **parameters)
        if row is None:
            raise RuntimeError("a row was expected")
        return row

    async def run(self, query: LiteralString, **parameters: Any) -> int:
        """Execute *query*; return the number of rows it touched."""
        return (await self.connection.execute(query, parameters)).rowcount

    async def clock(self) -> datetime:
        """Return the time at this moment by the database's clock, which all workers share."""
        now: datetime = (await self.one(_CLOCK))["now"]
        return now

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Begin a part that may fail alone: an error that leaves the block undoes the block, and the rest stands."""
        with translated():
            async with self.connection.transaction():
                yield


class Database:
    """
    The pool behind every transaction; it belongs to the event loop in which it is first used.

    *prepared*: False behind a pooler in transaction mode. *pool_max* bounds the connections of this process.
    """

    def __init__(self, conninfo: str, *, pool_max: int = 4, prepared: bool = True) -> None:
        self._conninfo = conninfo
        self._pool_max = pool_max
        self._prepared = prepared
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._opening = asyncio.Lock()

    async def _open(self) -> AsyncConnectionPool[Connection]:
        if self._pool is not None:
            return self._pool
        async with self._opening:
            if self._pool is None:
                pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
                    self._conninfo,
                    connection_class=psycopg.AsyncConnection[DictRow],
                    kwargs={
                        "autocommit": True,
                        "row_factory": dict_row,
                        "prepare_threshold": 5 if self._prepared else None,
                        "connect_timeout": int(CHECKOUT_TIMEOUT_S),
                        "application_name": "liaison",
                    },
                    min_size=0,
                    max_size=self._pool_max,
                    timeout=CHECKOUT_TIMEOUT_S,
                    max_idle=60,
                    # A server that restarted leaves dead connections in the pool; asking costs one round trip.
                    check=AsyncConnectionPool.check_connection,
                    configure=_configure,
                    # The pool's own reconnecting would go on long after our callers were told.
                    reconnect_timeout=CHECKOUT_TIMEOUT_S,
                    open=False,
                )
                await pool.open()
                self._pool = pool
        return self._pool

    @asynccontextmanager
    async def company(self, company_id: UUID) -> AsyncIterator[Transaction]:
        """
        Begin a transaction that sees *company_id* alone; commit at the end, roll back on an error.

        Raises Unavailable when the database can't be reached or has no connection free, Conflict when it lost against
        another transaction.
        """
        with translated():
            pool = await self._open()
            async with pool.connection() as connection, connection.transaction():
                await connection.execute(_SET_COMPANY, (str(company_id),))
                yield Transaction(connection, company_id)

    @asynccontextmanager
    async def rehearsal(self, company_id: UUID) -> AsyncIterator[Transaction]:
        """
        Begin a transaction of *company_id* of which nothing stays, whatever is done in it.

        It gives up on a lock before a deadlock is looked for, so that it is always the one to yield. Raises
        Unavailable then.
        """
        with translated():
            pool = await self._open()
            async with pool.connection() as connection, connection.transaction(force_rollback=True):
                await connection.execute(_SET_COMPANY, (str(company_id),))
                await connection.execute("SET LOCAL lock_timeout = '500ms'")
                yield Transaction(connection, company_id)

    @asynccontextmanager
    async def dispatch(self) -> AsyncIterator[Transaction]:
        """Begin a transaction that sees no company: for the dispatch functions and heartbeats alone."""
        with translated():
            pool = await self._open()
            async with pool.connection() as connection, connection.transaction():
                yield Transaction(connection, None)

    async def aclose(self) -> None:
        """Close the pool; the next use opens a new one."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None


class _Lists(ListDumper):
    """Lists of plain texts written at once; psycopg looks at each element four times, and pages are full of ids."""

    def dump(self, obj: list[Any]) -> Buffer | None:
        """Return *obj* as PostgreSQL reads an array."""
        if not obj or set(map(type, obj)) != {str}:
            return super().dump(obj)
        signs = "".join(obj)
        if '"' in signs or "\\" in signs or "\0" in signs:
            return super().dump(obj)
        return ('{"' + '","'.join(obj) + '"}').encode()


async def _configure(connection: Connection) -> None:
    # orjson is several times faster than the standard library on a page of records.
    set_json_loads(orjson.loads, connection)
    set_json_dumps(as_json, connection)
    connection.adapters.register_dumper(list, _Lists)


@contextmanager
def translated() -> Iterator[None]:
    """Turn psycopg's errors into ours; those that show a mistake of ours pass as they are."""
    try:
        yield
    except (PoolTimeout, PoolClosed, TooManyRequests) as error:
        raise Unavailable("the database has no connection free") from error
    except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure) as error:
        raise Conflict("lost against another transaction") from error
    except psycopg.errors.ProgramLimitExceeded as error:
        raise LongerThanIndexed(error.diag.constraint_name) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise Unavailable("the database can't be reached") from error
