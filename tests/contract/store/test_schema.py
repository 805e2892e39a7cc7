"""The tables in memory are those of the migrations."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.fixtures.postgres import Database
from tests.simulation.store.schema import tables
from tests.simulation.store.tables import NOW, REQUIRED, Default


def _rows(database: Database, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(database.admin_dsn, row_factory=dict_row) as connection:
        return connection.execute(query.encode()).fetchall()


def test_columns(database: Database) -> None:
    """Names, what may be null, and what an insert may leave out."""
    found = _rows(
        database,
        "SELECT table_name, column_name, is_nullable = 'YES' AS may_be_null, is_generated = 'ALWAYS' AS is_generated,"
        " column_default IS NOT NULL AS has_default, column_default FROM information_schema.columns"
        " WHERE table_schema = 'public'",
    )
    for name, table in tables().items():
        columns = {row["column_name"]: row for row in found if row["table_name"] == name}
        assert set(columns) == set(table.columns), name
        for column, row in columns.items():
            default = table.columns[column]
            assert row["may_be_null"] is (default is None), (name, column)
            assert row["has_default"] is (default is not None and default is not REQUIRED), (name, column)
            if isinstance(default, Default) and default is not REQUIRED:
                shown = "now()" if default is NOW else default.name
                assert row["column_default"] == shown, (name, column)


def test_unique_indexes(database: Database) -> None:
    """Names and columns of every key; what a partial one leaves out is shown by the tests of its table."""
    found = _rows(
        database,
        "SELECT c.relname AS table_name, i.relname AS name, x.indpred IS NOT NULL AS is_partial, array("
        " SELECT a.attname::text FROM unnest(x.indkey) WITH ORDINALITY AS k (n, o)"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.n ORDER BY k.o) AS columns"
        " FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid"
        " WHERE x.indisunique AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition",
    )
    for name, table in tables().items():
        real = {row["name"]: tuple(row["columns"]) for row in found if row["table_name"] == name}
        assert real == {index.name: index.columns for index in table.constraints}, name


def test_json_columns(database: Database) -> None:
    found = _rows(
        database,
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type = 'jsonb'",
    )
    for name, table in tables().items():
        assert {row["column_name"] for row in found if row["table_name"] == name} == table.json, name
