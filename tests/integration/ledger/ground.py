"""Companies and integrations with a ledger and nothing else; time passes by moving rows, never by waiting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import DictRow, dict_row

from shared.model import Direction, EntityType
from shared.store.companies import Companies
from shared.store.database import Database
from shared.store.dead_letters import DeadLetters
from shared.store.ledger import Claim, Job, JobRequest, Knock, Ledger
from shared.store.store import Store

JOB, CANDIDATE, APPLICATION = EntityType.JOB, EntityType.CANDIDATE, EntityType.APPLICATION


@dataclass
class Ground:
    """The application's connections, and the superuser's to arrange and to look."""

    database: Database
    admin: psycopg.AsyncConnection[DictRow]
    store: Store = field(default_factory=Store)

    @property
    def ledger(self) -> Ledger:
        return self.store.ledger

    @classmethod
    async def open(cls, app_dsn: str, admin_dsn: str, *, pool_max: int = 8, prepared: bool = True) -> Ground:
        admin = await psycopg.AsyncConnection.connect(admin_dsn, autocommit=True, row_factory=dict_row)
        return cls(Database(app_dsn, pool_max=pool_max, prepared=prepared), admin)

    async def aclose(self) -> None:
        await self.database.aclose()
        await self.admin.close()

    async def rows(self, query: str, **parameters: Any) -> list[DictRow]:
        """Read or change anything, past every policy."""
        cursor = await self.admin.execute(query, parameters)
        return await cursor.fetchall() if cursor.description else []

    async def row(self, query: str, **parameters: Any) -> DictRow:
        (row,) = await self.rows(query, **parameters)
        return row

    async def job_row(self, job_id: UUID) -> DictRow:
        """Return a job; Python has no time for one that waits without a date."""
        return await self.row(
            "SELECT id, status, priority, direction, requested_seq, claimed_seq, payload, retry_count, max_retries,"
            " hold_reason, crashes, epoch, lease_token, lease_until, error_code, error_message, run_id, completed_at,"
            " scheduled_at = 'infinity' AS is_held, nullif(scheduled_at, 'infinity') AS scheduled_at"
            " FROM sync_queue WHERE id = %(id)s",
            id=job_id,
        )

    async def company(self) -> UUID:
        company_id = uuid4()
        async with self.database.company(company_id) as tx:
            await Companies().create(tx, "Acme")
        return company_id

    async def integration(self, company_id: UUID, **columns: Any) -> UUID:
        """Make an integration; *columns* are set as they are."""
        integration_id = uuid4()
        await self.rows(
            "INSERT INTO integrations (id, company_id, platform, webhook_url, rank) SELECT %(id)s, %(company)s,"
            " 'greenhouse', 'https://x', 1 + count(*) FROM integrations WHERE company_id = %(company)s",
            id=integration_id,
            company=company_id,
        )
        await self.change_integration(integration_id, **columns)
        return integration_id

    async def change_integration(self, integration_id: UUID, **columns: Any) -> None:
        for name, value in columns.items():
            await self.rows(
                f"UPDATE integrations SET {name} = %(value)s WHERE id = %(id)s",  # noqa: S608 - a name of the test's
                value=value,
                id=integration_id,
            )

    async def place(self, **columns: Any) -> Place:
        """Make a company with one integration."""
        company_id = await self.company()
        return Place(self, company_id, await self.integration(company_id, **columns))

    async def claim(
        self,
        job_id: UUID | None = None,
        *,
        low: int = 1,
        high: int = 10,
        ttl_s: float = 60.0,
        cap: int = 5,
        company_cap: int | None = None,
    ) -> Claim | None:
        async with self.database.dispatch() as tx:
            return await self.ledger.claim(
                tx, job_id, low=low, high=high, ttl_s=ttl_s, per_integration=cap, per_company=company_cap
            )

    async def job(self, claim: Claim | None) -> Job:
        assert claim is not None
        async with self.database.company(claim.company_id) as tx:
            return await self.ledger.load(tx, claim)

    async def claimed_job(self, job_id: UUID | None = None, **how: Any) -> Job:
        """Claim and read a job; fails if none may run."""
        return await self.job(await self.claim(job_id, **how))

    async def finish(self, job: Job) -> Knock | None:
        async with self.database.company(job.company_id) as tx:
            return await self.ledger.finish(tx, job)

    async def postpone(self, job: Job, **how: Any) -> Knock:
        async with self.database.company(job.company_id) as tx:
            return await self.ledger.postpone(tx, job, **how)

    async def fail(self, job: Job, *, code: str = "rejected", message: str = "no") -> UUID | None:
        async with self.database.company(job.company_id) as tx:
            return await self.ledger.fail(tx, job, queue="sync-normal", code=code, message=message)

    async def redrive(self, company_id: UUID, letter_id: UUID) -> Knock | None:
        async with self.database.company(company_id) as tx:
            _, knocks = await DeadLetters().redrive(tx, letter_id=letter_id)
        return knocks[0] if knocks else None

    async def expire(self, job_id: UUID) -> None:
        """Let the lease of a job end: its worker died."""
        await self.rows(
            "UPDATE sync_queue SET lease_until = clock_timestamp() - interval '1 s' WHERE id = %(id)s", id=job_id
        )

    async def pass_time(self, seconds: float) -> None:
        """Move everything that the ledger dates *seconds* into the past."""
        await self.rows(
            "UPDATE sync_queue SET scheduled_at = scheduled_at - %(s)s * interval '1 s',"
            " lease_until = lease_until - %(s)s * interval '1 s', started_at = started_at - %(s)s * interval '1 s',"
            " created_at = created_at - %(s)s * interval '1 s', completed_at = completed_at - %(s)s * interval '1 s'",
            s=seconds,
        )

    async def wait_s(self, job_id: UUID) -> float:
        """Return in how many seconds a job comes due, by the database's clock."""
        row = await self.row(
            "SELECT extract(epoch FROM scheduled_at - clock_timestamp())::float AS s FROM sync_queue WHERE id = %(id)s",
            id=job_id,
        )
        return float(row["s"])


@dataclass
class Place:
    """One integration of one company."""

    ground: Ground
    company_id: UUID
    integration_id: UUID

    def request(self, key: str = "k", **how: Any) -> JobRequest:
        asked: dict[str, Any] = {
            "action": "reconcile",
            "entity": CANDIDATE,
            "direction": Direction.INBOUND,
            "priority": 5,
            **how,
        }
        return JobRequest(self.integration_id, record_key=key, **asked)

    async def ask(self, key: str = "k", **how: Any) -> UUID:
        """Ask for a job and return its id."""
        await self.ask_for([self.request(key, **how)])
        row = await self.ground.row(
            "SELECT id FROM sync_queue WHERE integration_id = %(integration)s AND record_key = %(key)s"
            " AND action = %(action)s AND status IN ('pending', 'processing')",
            integration=self.integration_id,
            key=key,
            action=how.get("action", "reconcile"),
        )
        return UUID(str(row["id"]))

    async def ask_for(self, requests: Sequence[JobRequest]) -> list[Knock]:
        async with self.ground.database.company(self.company_id) as tx:
            return await self.ground.ledger.enqueue(tx, requests)

    async def backlog(self, count: int, *, priority: int = 9, age_s: float = 0.0, status: str = "pending") -> None:
        """Put *count* jobs there at once, due since *age_s*."""
        await self.ground.rows(
            "INSERT INTO sync_queue (id, company_id, integration_id, entity_type, direction, action, priority,"
            " record_key, scheduled_at, status) SELECT gen_random_uuid(), %(company)s, %(integration)s, 'candidate',"
            " 'inbound', 'reconcile', %(priority)s, %(priority)s || ':' || n,"
            " clock_timestamp() - %(age)s * interval '1 s', %(status)s FROM generate_series(1, %(count)s) n",
            company=self.company_id,
            integration=self.integration_id,
            priority=priority,
            age=age_s,
            status=status,
            count=count,
        )

    async def letters(self) -> list[Mapping[str, Any]]:
        return list(
            await self.ground.rows(
                "SELECT * FROM dead_letters WHERE integration_id = %(id)s ORDER BY created_at", id=self.integration_id
            )
        )

    async def schedule(self, entity: EntityType = CANDIDATE, *, every_s: int = 300, **columns: Any) -> UUID:
        """Make a schedule that is due since a second ago."""
        schedule_id = uuid4()
        await self.ground.rows(
            "INSERT INTO schedules (id, company_id, integration_id, entity_type, mode, every_s, next_due_at) VALUES"
            " (%(id)s, %(company)s, %(integration)s, %(entity)s, 'incremental', %(every)s,"
            " clock_timestamp() - interval '1 s')",
            id=schedule_id,
            company=self.company_id,
            integration=self.integration_id,
            entity=entity.value,
            every=every_s,
        )
        for name, value in columns.items():
            await self.ground.rows(
                f"UPDATE schedules SET {name} = %(value)s WHERE id = %(id)s",  # noqa: S608 - a name of the test's
                value=value,
                id=schedule_id,
            )
        return schedule_id


async def database_now(ground: Ground) -> datetime:
    found: datetime = (await ground.row("SELECT clock_timestamp() AS at"))["at"]
    return found
