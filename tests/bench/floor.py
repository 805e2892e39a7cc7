"""
The floor of a pull: what the same records cost when nothing is decided.

Two parts, each measured alone: fetching and parsing the same pages over the same HTTP, and bringing the very rows that
the pull wrote into empty tables of the same shape (indexes and foreign keys included, policies not): COPY into
temporary tables, then INSERT … ON CONFLICT, a transaction a page, as the owner.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import httpx
import orjson
import psycopg
from psycopg import sql

PAGE = 500


@dataclass(frozen=True)
class Table:
    """A table that a pull writes; *source* is the one whose columns and indexes are copied."""

    source: LiteralString
    on_conflict: LiteralString


TABLES = (
    Table("records_candidate", "(id, entity_type) DO UPDATE SET data = excluded.data, stamps = excluded.stamps"),
    Table("external_entity_map", "DO NOTHING"),
    Table("sync_logs", "DO NOTHING"),
)


@dataclass(frozen=True)
class Floor:
    """Seconds of each part."""

    fetch_s: float
    write_s: float
    rows: int
    size_bytes: int

    @property
    def seconds(self) -> float:
        """Both parts, one after the other."""
        return self.fetch_s + self.write_s


def measure_floor(admin_dsn: str, owner_dsn: str, simulator: Mapping[str, Any]) -> Floor:
    """Measure both parts; the rows are those that a pull has left in the database."""
    fetch_s, size_bytes = _fetch(simulator)
    pages = [_ready_made(admin_dsn, table) for table in TABLES]
    return Floor(fetch_s, _write(owner_dsn, pages), sum(map(len, pages[0])), size_bytes)


def _fetch(simulator: Mapping[str, Any]) -> tuple[float, int]:
    base = simulator["api_base_url"]
    # Ready-made answers are made at the first call of each page, which the pull has paid for.
    with httpx.Client(trust_env=False) as client:
        token = client.post(
            simulator["token_url"],
            data={"grant_type": "client_credentials", "sub": simulator["user_id"]},
            auth=(simulator["client_id"], simulator["client_secret"]),
        ).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        started, size_bytes = time.perf_counter(), 0
        url: str | None = f"{base}/v3/candidates?per_page={PAGE}"
        while url is not None:
            answer = client.get(url).raise_for_status()
            size_bytes += len(answer.content)
            orjson.loads(answer.content)
            url = answer.links.get("next", {}).get("url")
        return time.perf_counter() - started, size_bytes


def _ready_made(admin_dsn: str, table: Table) -> list[list[bytes]]:
    """Return the table's rows as COPY's text, in pages, in the order in which they were written."""
    with psycopg.connect(admin_dsn) as connection:
        query = sql.SQL("COPY (SELECT {} FROM {} ORDER BY {}.ctid) TO STDOUT")
        name = sql.Identifier(table.source)
        if table.source == "sync_logs":
            query = sql.SQL("COPY (SELECT {} FROM {} ORDER BY {}.synced_at) TO STDOUT")
        with connection.cursor().copy(query.format(_columns(connection, table), name, name)) as copy:
            rows = [bytes(row) for row in copy]
    return [rows[start : start + PAGE] for start in range(0, len(rows), PAGE)]


def _columns(connection: psycopg.Connection[Any], table: Table) -> sql.Composed:
    """Return the columns that a writer gives; generated ones are made by the database."""
    rows = connection.execute(
        "SELECT attname FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
        [table.source],
    )
    return sql.SQL(", ").join(sql.Identifier(row[0]) for row in rows)


def _write(owner_dsn: str, pages: Sequence[list[list[bytes]]]) -> float:
    with psycopg.connect(owner_dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA floor")
        statements = [_prepare(connection, table) for table in TABLES]
        started = time.perf_counter()
        for page in zip(*pages, strict=False):
            with connection.transaction():
                for (copy_in, insert), rows in zip(statements, page, strict=True):
                    with connection.cursor().copy(copy_in) as copy:
                        copy.write(b"".join(rows))
                    connection.execute(insert)
        return time.perf_counter() - started


def _prepare(connection: psycopg.Connection[Any], table: Table) -> tuple[sql.Composed, sql.Composed]:
    """Make the empty copy of *table* and its temporary table; return the two statements of a page."""
    target = sql.Identifier("floor", table.source)
    source, staging = sql.Identifier(table.source), sql.Identifier(f"staging_{table.source}")
    columns = _columns(connection, table)
    connection.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(target, source))
    keys = connection.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass",
        [table.source],
    ).fetchall()
    for (key,) in keys:
        connection.execute(sql.SQL("ALTER TABLE {} ADD {}").format(target, sql.SQL(key)))
    connection.execute(
        sql.SQL("CREATE TEMP TABLE {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WHERE false").format(
            staging, columns, source
        )
    )
    copy_in = sql.SQL("COPY {} FROM STDIN").format(staging)
    insert = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT {}").format(
        target, columns, columns, staging, sql.SQL(table.on_conflict)
    )
    return copy_in, insert
