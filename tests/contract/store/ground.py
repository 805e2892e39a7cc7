"""The two stores behind one face: production's statements, and the same ways to arrange, look and let time pass."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.json import Jsonb

from shared.model import Direction, EntityType
from shared.store.companies import Companies
from shared.store.database import Database, as_json
from shared.store.ledger import Claim, Job, JobRequest, Knock
from shared.store.store import Store
from tests.fixtures.waiting import GENEROUS_S
from tests.simulation.store.memory import MemoryDatabase, MemoryStore
from tests.simulation.store.schema import tables
from tests.simulation.store.tables import INFINITY

JOB, CANDIDATE, APPLICATION = EntityType.JOB, EntityType.CANDIDATE, EntityType.APPLICATION
HOUR = timedelta(hours=1)
SEQUENCES = ("history_seq", "observation_seq", "lease_seq", "turn_urgent", "turn_normal", "turn_bulk")
T = TypeVar("T")


class Ground(ABC):
    """A database with nothing in it, and what a test does past every policy."""

    database: Database
    store: Store

    @abstractmethod
    async def rows(self, table: str) -> list[dict[str, Any]]:
        """Return what is committed in *table*; the moment 'infinity' as `INFINITY`."""

    @abstractmethod
    async def put(self, table: str, **values: Any) -> None:
        """Add a row."""

    @abstractmethod
    async def change(self, table: str, where: dict[str, Any], **values: Any) -> None:
        """Set *values* in the rows that have *where*."""

    @abstractmethod
    async def pass_time(self, seconds: float) -> None:
        """Let everything that is there have happened *seconds* earlier."""

    @abstractmethod
    async def now(self) -> datetime:
        """Return the database's clock."""

    @abstractmethod
    async def waiting(self) -> int:
        """Return how many transactions wait for a lock."""

    async def row(self, table: str, **where: Any) -> dict[str, Any]:
        """Return the one row that has *where*."""
        (row,) = [row for row in await self.rows(table) if all(row[name] == value for name, value in where.items())]
        return row

    async def blocked(self, work: Awaitable[T], *, others: int = 0) -> asyncio.Future[T]:
        """Start *work* and return once it waits for a lock, as *others* do already."""
        task = asyncio.ensure_future(work)

        async with asyncio.timeout(GENEROUS_S):
            while await self.waiting() <= others:
                if task.done():
                    task.result()
                    raise AssertionError("it was not kept waiting")
        return task

    async def company(self) -> UUID:
        """Make a company."""
        company_id = uuid4()
        async with self.database.company(company_id) as tx:
            await Companies().create(tx, "Acme")
        return company_id

    async def integration(self, company_id: UUID, **columns: Any) -> UUID:
        """Make an integration, ranked after the company's others."""
        integration_id = uuid4()
        known = [row for row in await self.rows("integrations") if row["company_id"] == company_id]
        await self.put(
            "integrations",
            id=integration_id,
            company_id=company_id,
            platform="greenhouse",
            webhook_url="https://x",
            rank=len(known) + 1,
        )
        if columns:
            await self.change("integrations", {"id": integration_id}, **columns)
        return integration_id

    async def place(self, **columns: Any) -> Place:
        """Make a company with one integration."""
        company_id = await self.company()
        return Place(self, company_id, await self.integration(company_id, **columns))

    async def claim(
        self, job_id: UUID | None = None, *, low: int = 1, high: int = 10, ttl_s: float = 60.0, cap: int = 5
    ) -> Claim | None:
        """Claim a job in a transaction of its own."""
        async with self.database.dispatch() as tx:
            return await self.store.ledger.claim(tx, job_id, low=low, high=high, ttl_s=ttl_s, per_integration=cap)

    async def claimed(self, job_id: UUID | None = None, **how: Any) -> Job:
        """Claim and read a job; fails if none may run."""
        claim = await self.claim(job_id, **how)
        assert claim is not None
        async with self.database.company(claim.company_id) as tx:
            return await self.store.ledger.load(tx, claim)

    async def finish(self, job: Job) -> Knock | None:
        """Finish a job in a transaction of its own."""
        async with self.database.company(job.company_id) as tx:
            return await self.store.ledger.finish(tx, job)

    async def expire(self, job_id: UUID) -> None:
        """Let the lease of a job end: its worker died."""
        await self.change("sync_queue", {"id": job_id}, lease_until=await self.now() - timedelta(seconds=1))


class Place:
    """One integration of one company."""

    def __init__(self, ground: Ground, company_id: UUID, integration_id: UUID) -> None:
        self.ground = ground
        self.company_id = company_id
        self.integration_id = integration_id

    def request(self, key: str = "k", **how: Any) -> JobRequest:
        """Return a request for a job."""
        asked: dict[str, Any] = {
            "action": "reconcile",
            "entity": CANDIDATE,
            "direction": Direction.INBOUND,
            "priority": 5,
            **how,
        }
        return JobRequest(self.integration_id, record_key=key, **asked)

    async def ask_for(self, *requests: JobRequest) -> list[Knock]:
        """Ask in a transaction of its own."""
        async with self.ground.database.company(self.company_id) as tx:
            return await self.ground.store.ledger.enqueue(tx, requests)

    async def ask(self, key: str = "k", **how: Any) -> UUID:
        """Ask for a job and return its id."""
        await self.ask_for(self.request(key, **how))
        found: UUID = next(
            row["id"]
            for row in await self.ground.rows("sync_queue")
            if (row["integration_id"], row["record_key"]) == (self.integration_id, key)
            and row["status"] in ("pending", "processing")
        )
        return found

    async def job(self, job_id: UUID) -> dict[str, Any]:
        """Return a job's row."""
        return await self.ground.row("sync_queue", id=job_id)


class MemoryGround(Ground):
    """The simulation's."""

    def __init__(self) -> None:
        self._now = datetime(2030, 1, 1, tzinfo=UTC)
        self.memory = MemoryDatabase(lambda: self._now)
        self.database = self.memory
        self.store = MemoryStore(self.memory)

    async def rows(self, table: str) -> list[dict[str, Any]]:
        return self.memory.rows(table)

    async def put(self, table: str, **values: Any) -> None:
        await self.memory.put(table, values)

    async def change(self, table: str, where: dict[str, Any], **values: Any) -> None:
        await self.memory.change(table, where, values)

    async def pass_time(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    async def now(self) -> datetime:
        return self.memory.memory.clock()

    async def waiting(self) -> int:
        await asyncio.sleep(0)
        return self.memory.waiting


class _Moments(TimestamptzLoader):
    def load(self, data: Any) -> datetime:
        return INFINITY if bytes(data) == b"infinity" else super().load(data)


class PostgresGround(Ground):
    """Production's."""

    def __init__(self, app_dsn: str, admin: psycopg.AsyncConnection[DictRow]) -> None:
        self.database = Database(app_dsn, pool_max=4)
        self.store = Store()
        self.admin = admin
        self._moments: dict[str, list[str]] = {}

    @classmethod
    async def open(cls, app_dsn: str, admin_dsn: str) -> PostgresGround:
        """Connect; waits that are a circle end soon."""
        admin = await psycopg.AsyncConnection.connect(admin_dsn, autocommit=True, row_factory=dict_row)
        admin.adapters.register_loader("timestamptz", _Moments)
        database = sql.Identifier(admin.info.dbname)
        await admin.execute(sql.SQL("ALTER DATABASE {} SET deadlock_timeout = '20ms'").format(database))
        return cls(app_dsn, admin)

    async def clear(self) -> None:
        """Empty every table, and let every sequence begin again."""
        emptied = [sql.SQL("DELETE FROM {}").format(sql.Identifier(table)) for table in tables()]
        begun = [sql.SQL("ALTER SEQUENCE {} RESTART").format(sql.Identifier(name)) for name in SEQUENCES]
        # Foreign keys ask for no order so.
        alone = [sql.SQL("SET session_replication_role = replica"), *emptied, sql.SQL("RESET session_replication_role")]
        await self.admin.execute(sql.SQL("; ").join([*alone, *begun]))

    async def rows(self, table: str) -> list[dict[str, Any]]:
        cursor = await self.admin.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
        return list(await cursor.fetchall())

    async def put(self, table: str, **values: Any) -> None:
        query = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
        )
        await self.admin.execute(query, _adapted(table, values))

    async def change(self, table: str, where: dict[str, Any], **values: Any) -> None:
        query = sql.SQL("UPDATE {} SET {} WHERE {}").format(
            sql.Identifier(table),
            sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(n), sql.Placeholder(n)) for n in values),
            sql.SQL(" AND ").join(
                sql.SQL("{} = {}").format(sql.Identifier(n), sql.Placeholder(f"is_{n}")) for n in where
            ),
        )
        wanted = {f"is_{name}": value for name, value in where.items()}
        await self.admin.execute(query, _adapted(table, values) | wanted)

    async def pass_time(self, seconds: float) -> None:
        if not self._moments:
            cursor = await self.admin.execute(
                "SELECT table_name, array_agg(column_name::text) AS columns FROM information_schema.columns"
                " WHERE table_schema = 'public' AND data_type = 'timestamp with time zone' GROUP BY table_name"
            )
            self._moments = {row["table_name"]: row["columns"] for row in await cursor.fetchall()}
        passed = sql.Literal(timedelta(seconds=seconds))
        updates = [
            sql.SQL("UPDATE {} SET {}").format(
                sql.Identifier(table),
                sql.SQL(", ").join(
                    sql.SQL("{0} = {0} - {1}").format(sql.Identifier(column), passed) for column in self._moments[table]
                ),
            )
            for table in tables()
            if table in self._moments
        ]
        await self.admin.execute(sql.SQL("; ").join(updates))

    async def now(self) -> datetime:
        row = await (await self.admin.execute("SELECT clock_timestamp() AS at")).fetchone()
        assert row is not None
        found: datetime = row["at"]
        return found

    async def waiting(self) -> int:
        cursor = await self.admin.execute(
            "SELECT count(*) AS n FROM pg_stat_activity"
            " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
        )
        row = await cursor.fetchone()
        assert row is not None
        return int(row["n"])

    async def aclose(self) -> None:
        """Close what is open."""
        await self.database.aclose()
        await self.admin.close()


def _adapted(table: str, values: dict[str, Any]) -> dict[str, Any]:
    json = tables()[table].json
    return {
        name: Jsonb(value, as_json)
        if name in json and value is not None
        else "infinity"
        if value == INFINITY
        else value
        for name, value in values.items()
    }
