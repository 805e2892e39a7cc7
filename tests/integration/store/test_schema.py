"""The schema is the one that was asked for: columns, types, values, keys; and migrations can be run twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors, sql

from shared.composition import Services
from shared.model import EntityType
from shared.store.migrate import migrate
from shared.sync.jobs import priorities
from tests.fixtures.postgres import Database
from tests.fixtures.storage import StorageAccount
from tests.integration.sync.world import settings_for

Run = Callable[..., list[tuple[Any, ...]]]

COLUMNS = {
    "integrations": "id uuid, company_id uuid, platform text, api_key_encrypted text, api_base_url text,"
    " webhook_url text, sync_enabled boolean, sync_roles boolean, sync_candidates boolean, sync_applications boolean,"
    " config jsonb, last_synced_at timestamp with time zone, created_at timestamp with time zone,"
    " updated_at timestamp with time zone",
    "sync_logs": "id uuid, integration_id uuid, entity_type text, entity_id uuid, external_id text, action text,"
    " direction text, status text, error_message text, synced_at timestamp with time zone, retry_count integer,"
    " details jsonb",
    "external_entity_map": "id uuid, integration_id uuid, entity_type text, internal_id uuid, external_id text,"
    " last_synced_at timestamp with time zone, sync_version integer",
    "sync_queue": "id uuid, integration_id uuid, entity_type text, direction text, action text, status text,"
    " priority integer, scheduled_at timestamp with time zone, retry_count integer, max_retries integer,"
    " error_message text, payload jsonb, started_at timestamp with time zone",
}
PRIMARY_KEYS = {
    "integrations": ["id"],
    "sync_logs": ["id", "synced_at"],
    "external_entity_map": ["id"],
    "sync_queue": ["id"],
}
VALUES = {
    ("sync_logs", "action"): {"created", "updated", "deleted", "skipped"},
    ("sync_logs", "direction"): {"inbound", "outbound"},
    ("sync_logs", "status"): {"success", "failed", "pending", "conflict"},
    ("sync_queue", "direction"): {"inbound", "outbound"},
    ("sync_queue", "status"): {"pending", "processing", "completed", "failed"},
}


@pytest.fixture
def run(database: Database) -> Iterator[Run]:
    """Run a statement past every policy; return its rows."""
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:

        def execute(query: LiteralString | sql.Composed, *parameters: object) -> list[tuple[Any, ...]]:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

        yield execute


@pytest.fixture
def integration(run: Run) -> tuple[UUID, UUID]:
    """A company and its integration."""
    company, made = uuid4(), uuid4()
    run("INSERT INTO companies (id, name) VALUES (%s, 'Acme')", company)
    run(
        "INSERT INTO integrations (id, company_id, platform, webhook_url, rank)"
        " VALUES (%s, %s, 'greenhouse', 'https://x.example', 1)",
        made,
        company,
    )
    return company, made


@pytest.mark.parametrize("table", COLUMNS)
def test_a_table_has_the_columns_that_were_asked_for(run: Run, table: str) -> None:
    found: dict[str, str] = dict(
        run("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s", table)
    )
    for column in COLUMNS[table].split(", "):
        name, _, kind = column.partition(" ")
        assert found.get(name) == kind, name
    key = run(
        "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)"
        " WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY a.attname",
        table,
    )
    assert [name for (name,) in key] == PRIMARY_KEYS[table]


@pytest.mark.parametrize(("table", "column"), VALUES, ids="/".join)
def test_only_the_listed_values_are_stored(run: Run, integration: tuple[UUID, UUID], table: str, column: str) -> None:
    company, integration_id = integration
    row: dict[str, object] = {
        "id": uuid4(),
        "company_id": company,
        "integration_id": integration_id,
        "entity_type": "candidate",
        "direction": "inbound",
        "action": "created",
        "status": "pending",
        **({"record_key": "x"} if table == "sync_queue" else {}),
    }
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(sql.Placeholder() * len(row)),
    )
    for number, listed in enumerate(sorted(VALUES[table, column])):
        values = {**row, "id": uuid4(), column: listed}
        if table == "sync_queue":
            values["record_key"] = str(number)
        run(statement, *values.values())
    unlisted: tuple[str | None, ...] = ("", "CREATED", "cancelled", None)
    for value in unlisted:
        with pytest.raises((errors.CheckViolation, errors.NotNullViolation)):
            run(statement, *{**row, "id": uuid4(), column: value}.values())


def test_a_queue_row_has_the_defaults_that_were_asked_for(run: Run, integration: tuple[UUID, UUID]) -> None:
    company, integration_id = integration
    insert: LiteralString = (
        "INSERT INTO sync_queue (id, company_id, integration_id, entity_type, direction, action, record_key, priority)"
        " VALUES (%s, %s, %s, 'candidate', 'inbound', 'pull', %s, coalesce(%s, 5))"
        " RETURNING status, retry_count, max_retries, payload"
    )
    assert run(insert, uuid4(), company, integration_id, "a", None) == [("pending", 0, 3, {})]
    default = run(
        "SELECT column_default FROM information_schema.columns WHERE table_name = 'sync_queue'"
        " AND column_name = 'priority'"
    )
    assert default == [("5",)]
    for priority in (0, 11):
        with pytest.raises(errors.CheckViolation):
            run(insert, uuid4(), company, integration_id, f"p{priority}", priority)


def test_one_vendor_record_has_one_live_link(run: Run, integration: tuple[UUID, UUID]) -> None:
    company, integration_id = integration
    insert: LiteralString = (
        "INSERT INTO external_entity_map (id, company_id, integration_id, entity_type, internal_id, external_id, state,"
        " is_primary) VALUES (%s, %s, %s, 'candidate', %s, %s, %s, %s)"
    )
    ours = uuid4()
    run(insert, uuid4(), company, integration_id, ours, "7", "live", True)
    with pytest.raises(errors.UniqueViolation):
        run(insert, uuid4(), company, integration_id, uuid4(), "7", "live", True)
    with pytest.raises(errors.UniqueViolation):
        run(insert, uuid4(), company, integration_id, ours, "8", "live", True)
    run(insert, uuid4(), company, integration_id, ours, "8", "live", False)
    run(insert, uuid4(), company, integration_id, uuid4(), "7", "tombstone", True)


def test_pain_11_a_run_is_not_complete_without_evidence(run: Run, integration: tuple[UUID, UUID]) -> None:
    company, integration_id = integration
    insert: LiteralString = (
        "INSERT INTO runs (id, company_id, integration_id, direction, mode, trigger, status, evidence)"
        " VALUES (%s, %s, %s, 'inbound', 'full', 'manual', 'complete', %s)"
    )
    with pytest.raises(errors.CheckViolation, match="complete_needs_evidence"):
        run(insert, uuid4(), company, integration_id, None)
    run(insert, uuid4(), company, integration_id, '{"last_page_seen": true}')


def test_records_stand_in_a_partition_and_a_typed_view_for_each_entity(run: Run) -> None:
    partitions = run("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'records'::regclass")
    assert {name for (name,) in partitions} == {f"records_{entity.value}" for entity in EntityType}
    for entity in EntityType:
        columns = run("SELECT column_name FROM information_schema.columns WHERE table_name = %s", f"{entity.value}s")
        assert {"id", "company_id", "version", "data"} <= {name for (name,) in columns}


async def test_migrations_are_numbered_and_safe_twice(database: Database, run: Run) -> None:
    names = sorted(
        file.name for file in (resources.files("shared.store") / "migrations").iterdir() if file.name.endswith(".sql")
    )
    assert [int(name[:4]) for name in names] == sorted({int(name[:4]) for name in names})
    assert [name for (name,) in run("SELECT name FROM schema_migrations ORDER BY name")] == names
    assert await migrate(database.owner_dsn) == []


async def test_every_action_that_is_asked_for_has_a_handler(database: Database, storage: StorageAccount) -> None:
    services = Services(settings_for(database.app_dsn, storage.connection_string))
    try:
        moving = {priorities.PULL, priorities.RECONCILE, priorities.PUSH_MOVED, priorities.REVERT, priorities.COMPARE}
        assert set(services.handlers) == moving | {priorities.PUBLISH, priorities.RETEST}
    finally:
        await services.aclose()
