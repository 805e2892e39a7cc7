"""
Where a kill point is held until the kill.

Three things hold a worker at an exact place without touching its code: an answer of the simulator that takes long, a
row lock that its next statement needs, and a commit that waits for a standby which does not exist. That last one is
the moment *between* a commit and its return: the transaction is in the log and stays, and nobody has been told.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from tests.acceptance.kill_points.account import Account
from tests.fixtures.waiting import GENEROUS_S, wait_until

HELD_S = 22.0
"""A held answer: longer than the other points of a wave take to be reached, shorter than a caller's patience (25 s)."""
REACHED_S = GENEROUS_S

_WAITING_FOR_LOCK = (
    "SELECT count(*) FROM pg_stat_activity WHERE usename = 'liaison_app'"
    " AND wait_event_type = 'Lock' AND query ILIKE %s"
)
_WAITING_IN_COMMIT = (
    "SELECT count(DISTINCT a.pid) FROM pg_stat_activity a JOIN pg_locks l USING (pid)"
    " JOIN pg_class c ON c.oid = l.relation"
    " WHERE a.usename = 'liaison_app' AND a.wait_event = 'SyncRep'"
    " AND l.mode = 'RowExclusiveLock' AND c.relname LIKE %s"
)
_PROBE_WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE %s"


class RowLock:
    """A lock on rows of the stack's database, held by a session of ours."""

    def __init__(self, account: Account, query: str, **parameters: Any) -> None:
        """Lock what *query* (`… FOR UPDATE`) finds, at least one row; `%(integration)s` is the account's."""
        bound = {"integration": account.integration_id, "company": account.company_id, **parameters}
        self._connection = psycopg.connect(account.stack.database.admin)
        locked = self._connection.execute(query.encode(), bound).fetchall()
        assert locked, f"nothing to lock: {query}"

    def release(self) -> None:
        """Let go. Safe to repeat."""
        self._connection.close()


@contextmanager
def closed_to_writers(account: Account, table: str) -> Iterator[None]:
    """Let everybody who writes to *table* wait while the block runs."""
    with psycopg.connect(account.stack.database.admin) as connection:
        connection.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(sql.Identifier(table)))
        yield


def await_lock_waiter(account: Account, statement: str) -> None:
    """Return when a worker's *statement* (a pattern of LIKE) waits for a lock."""
    with psycopg.connect(account.stack.database.admin, autocommit=True) as connection:
        wait_until(lambda: _count(connection, _WAITING_FOR_LOCK, statement) > 0, within=REACHED_S)


@contextmanager
def unconfirmed_commits(account: Account) -> Iterator[None]:
    """
    Let every commit of the block wait after it was written, as for a standby that never answers.

    When the block ends the commits stand, whether their clients live or not.
    """
    with psycopg.connect(account.stack.database.admin, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        connection.execute("SELECT pg_reload_conf()")
        is_over = threading.Event()
        try:
            probe = in_background(lambda: _commit_until(is_over, account.stack.database.admin))
            wait_until(lambda: _count(connection, _PROBE_WAITS, "%probe%") > 0, within=REACHED_S)
            yield
        finally:
            connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
            connection.execute("SELECT pg_reload_conf()")
            wait_until(lambda: _count(connection, _WAITING_IN_COMMIT, "%") == 0, within=REACHED_S)
            is_over.set()
            probe.join(REACHED_S)


def await_unconfirmed(account: Account, table: str) -> None:
    """Return when a transaction that wrote to *table* (a pattern of LIKE) has committed and was not told so."""
    with psycopg.connect(account.stack.database.admin, autocommit=True) as connection:
        wait_until(lambda: _count(connection, _WAITING_IN_COMMIT, table) > 0, within=REACHED_S)


def in_background(work: Any) -> threading.Thread:
    """Run a call that the kill will cut off."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def _count(connection: psycopg.Connection[Any], query: str, pattern: str) -> int:
    row = connection.execute(query.encode(), [pattern]).fetchone()
    return int(row[0]) if row else 0


def _commit_until(is_over: threading.Event, dsn: str) -> None:
    """Commit something again and again: the first commit that has to wait shows that the new setting counts."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        while not is_over.is_set():
            connection.execute("SELECT pg_logical_emit_message(true, 'probe', '')")
