"""
One company's ids in another's hands: every HTTP function, and every table, view and partition of the catalogue.

A function or a table without a case here fails these tests. What another company has is never read, never changed,
and not even told to exist; the database refuses by itself when a query forgets to filter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from shared.composition import Services
from shared.security.identity import Role
from tests.fixtures.postgres import Database
from tests.integration.api.calling import Caller, http_functions
from tests.integration.api.conftest import Company, drain

Query = Callable[..., list[tuple[Any, ...]]]

# ---------------------------------------------------------------------------------------------------- HTTP functions


@dataclass(frozen=True)
class Case:
    """A call of a stranger with the victim's ids in *path* and *body*; one of *statuses* is the answer."""

    path: str
    body: dict[str, Any] | None = None
    statuses: frozenset[int] = field(default=frozenset({404}))
    is_empty: bool = False
    """A list that must come back, and hold nothing."""


def empty(path: str) -> Case:
    return Case(path, statuses=frozenset({200}), is_empty=True)


def open_to_all(path: str) -> Case:
    return Case(path, statuses=frozenset({200, 503}))


CASES = {
    "health": open_to_all("/health"),
    "api_health": open_to_all("/api/health"),
    "webhook_in": Case("/api/integrations/{integration}/webhook?mac=AAAAAAAAAAAAAAAAAAAAAA", {}, frozenset({401})),
    "list_platforms": Case("/api/platforms", statuses=frozenset({200})),
    "list_integrations": Case("/api/companies/{company}/integrations"),
    "create_integration": Case("/api/companies/{company}/integrations", {"platform": "greenhouse", "api_key": "x"}),
    "get_integration": Case("/api/integrations/{integration}"),
    "update_integration": Case("/api/integrations/{integration}", {"name": "mine"}),
    "delete_integration": Case("/api/integrations/{integration}?records=archive"),
    "test_integration": Case("/api/integrations/{integration}/test"),
    "sync_integration": Case("/api/integrations/{integration}/sync", {"direction": "inbound"}),
    "preview_integration": Case("/api/integrations/{integration}/preview", {}),
    "try_mapping": Case("/api/integrations/{integration}/mapping/try", {"entity": "job", "mapping": {}, "example": {}}),
    "import_id_map": Case("/api/integrations/{integration}/id-map", None),
    "list_integration_logs": Case("/api/integrations/{integration}/logs"),
    "list_integration_runs": Case("/api/integrations/{integration}/runs"),
    "list_integration_issues": Case("/api/integrations/{integration}/issues?status=all"),
    "get_integration_stats": Case("/api/integrations/{integration}/stats"),
    "get_integration_parity": Case("/api/integrations/{integration}/parity"),
    "compare_integration": Case("/api/integrations/{integration}/parity", {"entity": "candidate"}),
    "get_parity": Case("/api/parity/{parity}"),
    "list_delete_brakes": Case("/api/integrations/{integration}/deletes"),
    "approve_deletes": Case("/api/integrations/{integration}/deletes/approve"),
    "reject_deletes": Case("/api/integrations/{integration}/deletes/reject"),
    "redrive_quarantine": Case("/api/integrations/{integration}/quarantine/redrive"),
    "get_run": Case("/api/runs/{run}"),
    "get_run_status": Case("/api/runs/{run}/status"),
    "revert_run": Case("/api/runs/{run}/revert", {"preview": True}),
    "cancel_run": Case("/api/runs/{run}"),
    "list_dead_letters": empty("/api/dead-letters?integration_id={integration}&state=all"),
    "list_dead_letter_groups": empty("/api/dead-letters/groups?integration_id={integration}"),
    "redrive_dead_letters": Case(
        "/api/dead-letters/redrive", {"integration_id": "{integration}"}, statuses=frozenset({202})
    ),
    "dismiss_dead_letters": Case(
        "/api/dead-letters/dismiss", {"integration_id": "{integration}", "reason": "mine"}, statuses=frozenset({200})
    ),
    "dismiss_dead_letter": Case("/api/dead-letters/{letter}/dismiss", {"reason": "mine"}),
    "redrive_dead_letter": Case("/api/dead-letters/{letter}/redrive"),
    "list_candidates": empty("/api/candidates?integration_id={integration}&external_id={external}&archived=all"),
    "get_candidate": Case("/api/candidates/{candidate}"),
    "explain_candidate": Case("/api/candidates/{candidate}/explain"),
    "explain_application": Case("/api/applications/{application}/explain"),
    "explain_job": Case("/api/jobs/{job}/explain"),
    "get_candidate_history": Case("/api/candidates/{candidate}/history"),
    "get_application_history": Case("/api/applications/{application}/history"),
    "get_job_history": Case("/api/jobs/{job}/history"),
    "create_candidate": Case("/api/candidates", {"email": "{email}"}, frozenset({201})),
    "update_candidate": Case("/api/candidates/{candidate}", {"first_name": "Mine"}),
    "archive_candidate": Case("/api/candidates/{candidate}"),
    "restore_candidate": Case("/api/candidates/{candidate}/restore"),
    "merge_candidate": Case("/api/candidates/{candidate}/merge", {"other_id": "{application}"}),
    "unmerge_candidate": Case("/api/candidates/{candidate}/unmerge"),
    "list_applications": empty("/api/applications?candidate_id={candidate}&archived=all"),
    "get_application": Case("/api/applications/{application}"),
    "create_application": Case(
        "/api/applications", {"candidate_id": "{candidate}", "job_id": "{job}"}, frozenset({422})
    ),
    "update_application": Case("/api/applications/{application}", {"stage": "Offer"}),
    "archive_application": Case("/api/applications/{application}"),
    "restore_application": Case("/api/applications/{application}/restore"),
    "list_jobs": empty("/api/jobs?archived=all"),
    "list_roles": empty("/api/roles?archived=all"),
    "get_job": Case("/api/jobs/{job}"),
    "get_role": Case("/api/roles/{job}"),
    "list_conflicts": empty("/api/conflicts?record_id={candidate}&status=all"),
    "get_conflict": Case("/api/conflicts/{conflict}"),
    "resolve_conflicts": Case("/api/conflicts/resolve", {"ids": ["{conflict}"], "choice": "portal"}, frozenset({200})),
    "list_notices": empty("/api/notices"),
    "resolve_conflict": Case("/api/conflicts/{conflict}/resolve", {"choice": "portal"}),
}


@pytest.fixture
async def victim(
    services: Services, admin: Caller, company: Company, synced: dict[str, Any], query: Query
) -> dict[str, str]:
    """The ids of a company that has everything, an open conflict and a dead letter included."""
    letter, conflict, job_id = uuid4(), uuid4(), uuid4()
    people = (await admin("GET", "/api/candidates?limit=100")).body["data"]
    # Not every application is for a job: a prospect has none.
    candidate, application = next(
        (each, application)
        for each in people
        if each["email"] and each["last_name"]
        for application in each["applications"]
        if application["job_id"]
    )
    query(
        "INSERT INTO dead_letters (id, company_id, integration_id, job_id, queue, action, entity_type, code, cause,"
        " attempts) VALUES (%s, %s, %s, %s, 'sync-urgent', 'reconcile', 'candidate', 'rejected', 'no', 1)",
        letter, company.id, synced["id"], job_id,
    )  # fmt: skip
    query(
        "INSERT INTO conflicts (id, company_id, kind, entity_type, record_id, unit)"
        " VALUES (%s, %s, 'field', 'candidate', %s, 'email')",
        conflict, company.id, candidate["id"],
    )  # fmt: skip
    started = await admin("POST", f"/api/integrations/{synced['id']}/sync", {"entity": "candidate"})
    compared = await admin("POST", f"/api/integrations/{synced['id']}/parity", {"entity": "candidate"})
    return {
        "company": str(company.id),
        "integration": synced["id"],
        "run": started.body["run_id"],
        "parity": compared.body["parity_ids"][0],
        "letter": str(letter),
        "conflict": str(conflict),
        "candidate": candidate["id"],
        "application": application["id"],
        "job": application["job_id"],
        "external": candidate["external_ids"][0]["external_id"],
        "email": candidate["email"],
        "name": candidate["last_name"],
    }


def everything_of(query: Query, company_id: UUID) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of a company, table by table."""
    tables = query(
        "SELECT c.relname, CASE c.relname WHEN 'companies' THEN 'id' ELSE 'company_id' END FROM pg_class c"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = CASE c.relname WHEN 'companies' THEN 'id'"
        " ELSE 'company_id' END WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
    )
    return {
        table: query(f"SELECT to_jsonb(t)::text FROM {table} t WHERE {column} = %s ORDER BY 1", company_id)  # noqa: S608
        for table, column in tables
    }


def filled(value: Any, ids: dict[str, str]) -> Any:
    """Return *value* with the victim's ids in it."""
    if isinstance(value, dict):
        return {name: filled(each, ids) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, ids) for each in value]
    return value.format(**ids) if isinstance(value, str) else value


def test_every_http_function_has_a_case() -> None:
    assert {function.name for function in http_functions()} == set(CASES)


async def test_another_companys_ids_open_nothing(
    company: Company, stranger: Company, victim: dict[str, str], query: Query
) -> None:
    before = everything_of(query, company.id)
    assert sum(map(len, before.values())) > 50
    # Administrator last, and twice: what the first calls made of the stranger's own must open no door.
    for role in (Role.OPS, Role.DATA_MANAGER, Role.ADMIN, Role.ADMIN):
        caller = stranger.as_(role)
        for function in http_functions():
            case = CASES[function.name]
            reply = await caller(function.method, case.path.format(**victim), filled(case.body, victim))
            refused = {403} if role is not Role.ADMIN else set()
            again = {409} if function.name == "create_candidate" else set()
            assert reply.status in case.statuses | refused | again, (function.name, reply.text)
            assert victim["name"] not in reply.text
            if case.is_empty and reply.status == 200:
                assert reply.body["data"] == [], function.name
            if function.name != "create_candidate":  # shows the stranger what they typed themselves
                assert victim["email"] not in reply.text, function.name
    assert everything_of(query, company.id) == before


async def test_the_victim_itself_is_let_in_by_the_same_calls(
    services: Services, admin: Caller, victim: dict[str, str], query: Query
) -> None:
    """The walk above proves something: for its own company each of these answers."""
    for name in (
        "get_integration",
        "get_parity",
        "list_integration_logs",
        "get_run",
        "get_candidate",
        "get_application",
        "get_job",
    ):
        reply = await admin("GET", CASES[name].path.format(**victim))
        assert reply.status == 200, (name, reply.text)
    listed = await admin("GET", CASES["list_candidates"].path.format(**victim))
    assert [row["id"] for row in listed.body["data"]] == [victim["candidate"]]
    assert (await admin("GET", CASES["list_conflicts"].path.format(**victim))).body["data"]
    assert (await admin("GET", CASES["list_dead_letters"].path.format(**victim))).body["data"]
    await drain(services)


# ------------------------------------------------------------------------------------------------------------ tables

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
