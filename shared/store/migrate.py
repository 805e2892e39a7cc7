"""
Forward-only migrations: `migrations/NNNN_name.sql`, each in a transaction of its own, each once.

Two deploys can't race (an advisory lock), nor can a migration wait long behind a query (`lock_timeout`).
"""

from __future__ import annotations

from importlib import resources

import psycopg

_LOCK = 0x11A150


def pending(applied: set[str]) -> list[str]:
    """Return the migrations that *applied* lacks, in order."""
    folder = resources.files("shared.store") / "migrations"
    return sorted(f.name for f in folder.iterdir() if f.name.endswith(".sql") and f.name not in applied)


async def migrate(conninfo: str) -> list[str]:
    """
    Bring the database at *conninfo* (the owner's) up to date; return the names of what was applied.

    Safe to run twice and by two deploys at once. Raises psycopg.Error with the failing migration's name as a note.
    """
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations"
            " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        rows = await (await connection.execute("SELECT name FROM schema_migrations")).fetchall()
        done = []
        for name in pending({row[0] for row in rows}):
            await _apply(connection, name)
            done.append(name)
        return done


async def _apply(connection: psycopg.AsyncConnection[tuple[object, ...]], name: str) -> None:
    text = (resources.files("shared.store") / "migrations" / name).read_bytes()
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '4s'")
            await connection.execute("SET LOCAL statement_timeout = '60s'")
            await connection.execute(text)
            await connection.execute("INSERT INTO schema_migrations (name) VALUES (%s)", (name,))
    except psycopg.Error as error:
        error.add_note(f"in migration {name}")
        raise
