"""
One company's rows before another's eyes, in every table, view and partition of the catalogue.

A table without a case here fails these tests; the database refuses by itself when a query forgets to filter.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

from shared.composition import Services
from tests.fixtures.postgres import Database
from tests.integration.api.conftest import Company, Query, everything_of

WITHOUT_COMPANY = {
    "heartbeats": "when our own timers last ran",
    "knock_traffic": "how many messages went through our own queues",
    "schema_migrations": "names of migrations",
}
"""Tables that hold nothing of any company."""

_ROW: dict[str, dict[str, Any]] = {
    "companies": {"name": "'Acme'"},
    "access_tokens": {"role": "'admin'", "subject": "'jo'", "expires_at": "now()"},
    "integrations": {"platform": "'greenhouse'", "webhook_url": "'https://x'", "rank": "99"},
    "oauth_tokens": {},
    "schedules": {"entity_type": "'job'", "mode": "'full'", "every_s": "300", "next_due_at": "now()"},
    "routes": {"entity_type": "'job'", "from_system": "'portal'", "to_system": "'x'"},
    "records": {"entity_type": "'candidate'", "data": "'{}'"},
    "person_keys": {"record_id": "gen_random_uuid()", "kid": "'k'", "salt": "''"},
    "record_history": {
        "record_id": "gen_random_uuid()", "entity_type": "'candidate'", "version": "1", "at": "now()",
        "units": "'{email}'", "sealed": "''", "source": "'portal'",
    },
    "external_entity_map": {
        "entity_type": "'job'", "internal_id": "gen_random_uuid()", "external_id": "'isolation-1'",
    },
    "create_intents": {"entity_type": "'job'", "record_id": "gen_random_uuid()", "lease_token": "1"},
    "runs": {"direction": "'inbound'", "mode": "'full'", "trigger": "'manual'"},
    "cursors": {"entity_type": "'isolation'"},
    "sync_queue": {"entity_type": "'job'", "direction": "'inbound'", "action": "'none'", "record_key": "'isolation'"},
    "dead_letters": {
        "job_id": "gen_random_uuid()", "queue": "'sync-bulk'", "action": "'none'", "entity_type": "'job'",
        "code": "'x'", "cause": "'x'", "attempts": "1",
    },
    "sync_logs": {
        "entity_type": "'candidate'", "entity_id": "gen_random_uuid()", "action": "'created'",
        "direction": "'inbound'", "status": "'success'",
    },
    "record_merges": {
        "entity_type": "'candidate'", "survivor_id": "gen_random_uuid()", "merged_id": "gen_random_uuid()",
        "survivor_sealed": "'x'", "merged_sealed": "'x'", "merged_by": "'x'",
    },
    "identity_pairs": {"low": f"'{UUID(int=1)}'", "high": f"'{UUID(int=2)}'", "decided_by": "'x'"},
    "left_out": {"entity_type": "'job'", "external_id": "'isolation-1'", "filter": "'x'"},
    "quarantine": {"entity_type": "'job'", "code": "'x'", "reason": "'x'"},
    "record_pins": {
        "record_id": "gen_random_uuid()", "unit": "'phone'", "decision": "'x'", "norm": "1", "key_id": "'x'",
        "decided_at": "now()", "decided_by": "'jo'",
    },
    "conflicts": {"kind": "'field'", "entity_type": "'job'", "record_id": "gen_random_uuid()", "unit": "'title'"},
    "notices": {"kind": "'x'", "audience": "'x'"},
    "issues": {"kind": "'x'", "subject": "'x'", "detail": "'x'"},
    "webhook_events": {"state": "'processed'", "received_at": "now()"},
    "parity_runs": {"entity_type": "'job'", "trigger": "'manual'", "repairs": "true"},
    "parity_seen": {"parity_id": "gen_random_uuid()", "external_id": "'1'", "digest": "''"},
    "parity_seals": {
        "link_id": "(SELECT id FROM external_entity_map WHERE external_id = 'isolation-1')", "seal": "''",
        "fields_compared": "1", "fields_hidden": "0",
    },
    "parity_differences": {"parity_id": "gen_random_uuid()", "external_id": "'1'", "kind": "'x'"},
    "delete_brakes": {"entity_type": "'job'", "disappeared": "1", "allowed": "1"},
    "held_deletes": {
        "brake_id": "gen_random_uuid()", "link_id": "gen_random_uuid()", "entity_type": "'job'",
        "record_id": "gen_random_uuid()",
    },
    "removals": {
        "link_id": "(SELECT id FROM external_entity_map WHERE external_id = 'isolation-1')", "asked_by": "'jo'",
    },
    "suppressions": {"hash": "'\\x01'", "kind": "'email'", "reason": "'x'"},
}  # fmt: skip
"""A row for each table that belongs to a company, its own keys aside: a table that is missing here fails the walk."""


def relations(query: Query) -> list[tuple[str, str, bool]]:
    """Return every relation of the schema that can be read: its name, kind, and whether it is a partition."""
    return query(
        "SELECT relname, relkind::text, relispartition FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1"
    )


def columns_of(query: Query, table: str) -> set[str]:
    return {name for (name,) in query("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass", table)}


def sow(query: Query, victim: dict[str, str]) -> None:
    """Put a row of the victim into every table that has a case, and what each view shows."""
    company_id, integration_id = victim["company"], victim["integration"]
    query(
        "INSERT INTO sync_logs (id, company_id, integration_id, entity_type, entity_id, action, direction, status,"
        " details) VALUES (%s, %s, %s, 'application', %s, 'updated', 'outbound', 'success', %s)",
        uuid4(), company_id, integration_id, victim["application"], '{"status": "hired"}',
    )  # fmt: skip
    for table, values in _ROW.items():
        columns = columns_of(query, table)
        row = dict(values)
        if table == "companies":
            continue  # there already
        row["company_id"] = f"'{company_id}'"
        if "id" in columns:
            row.setdefault("id", "gen_random_uuid()")
        if "integration_id" in columns:
            row.setdefault("integration_id", f"'{integration_id}'")
        names, literals = ", ".join(row), ", ".join(row.values())
        query(f"INSERT INTO {table} ({names}) VALUES ({literals}) ON CONFLICT DO NOTHING")  # noqa: S608


def attempt(
    database: Database, statement: str, company_id: UUID | None, *, role: str = "app"
) -> list[tuple[Any, ...]] | int | str:
    """Run *statement* as the app's role for a company and roll back; return rows, a count, or the refusal's name."""
    dsn = database.app_dsn if role == "app" else database.operator_dsn
    with psycopg.connect(dsn) as link:
        if company_id is not None:
            link.execute("SELECT set_config('app.company', %s, true)", [str(company_id)])
        try:
            done = link.execute(sql.SQL(statement))
            return done.fetchall() if done.description else done.rowcount
        except psycopg.errors.InsufficientPrivilege as refusal:
            return type(refusal).__name__
        finally:
            link.rollback()


DENIED = "InsufficientPrivilege"


async def test_every_table_belongs_to_a_company_or_says_why_not(services: Services, query: Query) -> None:
    tables = {name for name, kind, is_partition in relations(query) if kind in "rp" and not is_partition}
    assert tables == set(_ROW) | set(WITHOUT_COMPANY)


async def test_every_table_forces_row_level_security(services: Services, query: Query) -> None:
    bare = query(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY 1"
    )
    assert {name for (name,) in bare} == set(WITHOUT_COMPANY)


async def test_every_view_runs_with_the_callers_rights(services: Services, query: Query) -> None:
    views = query(
        "SELECT relname, reloptions FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')"
    )
    assert views
    assert all("security_invoker=true" in (options or []) for _, options in views), views


async def test_nothing_is_read_or_changed_across_companies_in_any_relation(
    database: Database, company: Company, stranger: Company, victim: dict[str, str], query: Query
) -> None:
    sow(query, victim)
    before = everything_of(query, company.id)
    for name, kind, is_partition in relations(query):
        if name in WITHOUT_COMPANY:
            continue
        column = "id" if name == "companies" else "company_id" if "company_id" in columns_of(query, name) else None
        own = attempt(database, f"SELECT * FROM {name}", company.id)  # noqa: S608
        if is_partition:
            assert own == DENIED, f"{name} can be named directly"
        else:
            assert own == DENIED or own, f"{name}: no row to look for, so the case proves nothing"
        for other in (stranger.id, None):
            found = attempt(database, f"SELECT * FROM {name}", other)  # noqa: S608
            mine = f" WHERE {column} = '{company.id}'" if column else ""
            named = attempt(database, f"SELECT * FROM {name}{mine}", other)  # noqa: S608
            assert named in ([], DENIED), f"{name} shows another company's rows"
            assert found in ([], DENIED) or name in ("companies", "routes"), name
            if kind == "v":
                continue
            for statement in (f"DELETE FROM {name}{mine}", f"UPDATE {name} SET {column} = {column}{mine}"):  # noqa: S608
                assert attempt(database, statement, other) in (0, DENIED), statement
    assert everything_of(query, company.id) == before


async def test_no_row_can_be_written_for_another_company(
    database: Database, company: Company, stranger: Company, victim: dict[str, str], query: Query
) -> None:
    for table, values in _ROW.items():
        columns = columns_of(query, table)
        row = {**values, ("id" if table == "companies" else "company_id"): f"'{company.id}'"}
        if table == "companies" or "id" in columns:
            row["id"] = f"'{uuid4()}'"
        if "integration_id" in columns:
            row["integration_id"] = f"'{victim['integration']}'"
        names, literals = ", ".join(row), ", ".join(row.values())
        statement = f"INSERT INTO {table} ({names}) VALUES ({literals})"  # noqa: S608
        for other in (stranger.id, None):
            assert attempt(database, statement, other) == DENIED, table


OPERATORS_READ = {
    "cursors": False, "dead_letters": True, "external_entity_map": True, "heartbeats": True, "runs": True,
    "schedules": True, "sync_logs": True, "sync_queue": True, "records": False, "record_history": False,
    "issues": True, "quarantine": True, "parity_runs": True, "delete_brakes": True, "suppressions": False,
    "conflicts": False, "person_keys": False, "oauth_tokens": False,
    "access_tokens": False, "webhook_events": False, "record_merges": False, "identity_pairs": False, "notices": False,
    "record_pins": False, "left_out": False,
}  # fmt: skip
"""Operational tables of all companies are the operators' to read; no record, no credential."""


async def test_operators_read_operations_of_all_companies_and_no_record(
    database: Database, victim: dict[str, str], query: Query, company: Company
) -> None:
    sow(query, victim)
    query("INSERT INTO heartbeats VALUES ('sweep', now()) ON CONFLICT DO NOTHING")
    for table, may_read in OPERATORS_READ.items():
        found = attempt(database, f"SELECT * FROM {table}", None, role="operator")  # noqa: S608
        assert (found != DENIED) is may_read, table
        if may_read:
            assert found, table
    for column in ("api_key_encrypted", "webhook_secret_sealed", "config"):
        assert attempt(database, f"SELECT {column} FROM integrations", None, role="operator") == DENIED  # noqa: S608


async def test_functions_that_cross_companies_are_these_and_no_others(services: Services, query: Query) -> None:
    crossing = query(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
        " AND has_function_privilege('liaison_app', oid, 'EXECUTE') ORDER BY 1"
    )
    assert [name for (name,) in crossing] == [
        "all_companies",
        "all_integrations",
        "claim_job",
        "companies_to_remind",
        "company_of_integration",
        "due_jobs",
        "due_schedules",
        "forgotten_integrations",
        "maintain_partitions",
        "queue_figures",
        "tend_queue",
        "told_of_breakers",
        "told_of_vanishing",
    ]
