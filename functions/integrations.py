"""Integrations: connect, look, change, test, sync, delete; their log, runs, figures and issues."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

import azure.functions as func
from pydantic import BaseModel, ConfigDict

from functions.edge import PAGED, Answer, Call, endpoint, versioned
from functions.paging import page_of
from shared.errors import InvalidInput
from shared.integrations import Integrations as Connections
from shared.integrations.requests import CreateIntegration, Entity, PatchIntegration, entity_name
from shared.model import Direction, EntityType, LogAction, LogStatus, RunStatus
from shared.store.attention import Attention
from shared.store.database import Transaction
from shared.store.integrations import Integrations
from shared.store.listings import Listings, LogFilter

bp = func.Blueprint()

RECORDS = {"keep": False, "archive": True}
"""What DELETE does with records, by the word for it: whether they are archived."""
DEFAULT_WINDOW = timedelta(hours=24)
LONGEST_WINDOW = timedelta(days=90)
LOG_FILTERS = ("status", "entity", "entity_type", "direction", "action", "entity_id", "run_id", "since", "until")
ISSUE_STATES: Mapping[str, bool | None] = {"open": True, "ended": False, "all": None}
"""Which issues are listed, by the word for them: whether they are open."""
_WINDOW = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class SyncRequest(BaseModel):
    """`POST /integrations/{id}/sync`: what is absent means every one that is allowed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    direction: Direction | None = None
    entity: Entity | None = None
    mode: Literal["incremental", "full"] | None = None


@endpoint(bp, "list_integrations", "GET", "api/companies/{company_id}/integrations", query=PAGED)
async def list_integrations(call: Call) -> Answer:
    """List the company's integrations in the order of their creation."""
    company_id = call.own_company()
    window = call.window()
    rows = await Connections.of(call.services).page(company_id, after=window.after, limit=window.asked)
    data, following = page_of(rows, window, lambda row: (row["created_at"], row["id"]))
    return Answer({"data": data, "next_cursor": following})


@endpoint(bp, "create_integration", "POST", "api/companies/{company_id}/integrations")
async def create_integration(call: Call) -> Answer:
    """Connect a vendor's account. The webhook's secret is shown here and never again."""
    created = await Connections.of(call.services).create(call.own_company(), call.body(CreateIntegration))
    body = {**created.view, "webhook_secret": created.webhook_secret}
    location = {"Location": f"/api/integrations/{created.view['id']}"}
    return Answer(body, status=201, version=created.view["version"], headers=location)


@endpoint(bp, "get_integration", "GET", "api/integrations/{id}")
async def get_integration(call: Call) -> Answer:
    """Show one integration; credentials as masks."""
    view = await Connections.of(call.services).get(call.company_id, call.path_id())
    return Answer(view, version=view["version"])


@endpoint(bp, "update_integration", "PATCH", "api/integrations/{id}")
async def update_integration(call: Call) -> Answer:
    """Change settings; new credentials are tested first."""
    request = call.body(PatchIntegration)
    with versioned(call) as expected:
        changed = await Connections.of(call.services).change(
            call.company_id, call.path_id(), request, expected_version=expected
        )
    once = {} if changed.webhook_secret is None else {"webhook_secret": changed.webhook_secret}
    return Answer({**changed.view, **once}, version=changed.view["version"])


@endpoint(bp, "delete_integration", "DELETE", "api/integrations/{id}", query=("records",))
async def delete_integration(call: Call) -> Answer:
    """Disconnect; records stay unless `?records=archive`."""
    archive = RECORDS[call.choice("records", RECORDS) or "keep"]
    told = await Connections.of(call.services).delete(call.company_id, call.path_id(), archive_records=archive)
    return Answer(told)


@endpoint(bp, "test_integration", "POST", "api/integrations/{id}/test")
async def test_integration(call: Call) -> Answer:
    """Ask the vendor; a refusal is a report as well."""
    return Answer(await Connections.of(call.services).test(call.company_id, call.path_id()))


@endpoint(bp, "sync_integration", "POST", "api/integrations/{id}/sync")
async def sync_integration(call: Call) -> Answer:
    """Start a sync by hand."""
    wanted = call.body(SyncRequest)
    integration_id = call.path_id()
    async with call.services.database.company(call.company_id) as tx:
        await Integrations().get(tx, integration_id)
    run_id = await call.services.syncs.request(
        call.company_id,
        integration_id,
        direction=wanted.direction,
        entity=wanted.entity,
        mode=wanted.mode,
        trigger="manual",
    )
    return Answer({"run_id": run_id}, status=202, headers={"Location": f"/api/runs/{run_id}"})


@endpoint(bp, "list_integration_logs", "GET", "api/integrations/{id}/logs", query=(*LOG_FILTERS, *PAGED))
async def list_integration_logs(call: Call) -> Answer:
    """Show what happened, newest first."""
    window = call.window()
    wanted = LogFilter(
        status=_member(LogStatus, call.choice("status", set(LogStatus))),
        entity=query_entity(call, "entity_type") or query_entity(call),
        direction=_member(Direction, call.choice("direction", set(Direction))),
        action=_member(LogAction, call.choice("action", set(LogAction))),
        entity_id=call.query_id("entity_id"),
        run_id=call.query_id("run_id"),
        since=call.moment("since"),
        until=call.moment("until"),
    )
    async with call.services.database.company(call.company_id) as tx:
        integration_id = await _ever_existed(tx, call)
        rows = await Listings().logs(tx, integration_id, wanted, after=window.after, limit=window.asked)
    data, following = page_of(rows, window, lambda row: (row["synced_at"], row["id"]))
    return Answer({"data": data, "next_cursor": following})


@endpoint(bp, "list_integration_runs", "GET", "api/integrations/{id}/runs", query=("status", "entity", *PAGED))
async def list_integration_runs(call: Call) -> Answer:
    """Show runs, newest first."""
    window = call.window()
    entity, status = query_entity(call), call.choice("status", set(RunStatus))
    async with call.services.database.company(call.company_id) as tx:
        integration_id = await _ever_existed(tx, call)
        rows = await Listings().runs(
            tx, integration_id, entity=entity, status=status, after=window.after, limit=window.asked
        )
    data, following = page_of(rows, window, lambda row: (row["started_at"], row["id"]))
    return Answer({"data": data, "next_cursor": following})


@endpoint(bp, "get_integration_stats", "GET", "api/integrations/{id}/stats", query=("window",))
async def get_integration_stats(call: Call) -> Answer:
    """Show figures over `?window=` (30m, 24h, 7d; 24h if absent)."""
    window = _window(call.item("window"))
    async with call.services.database.company(call.company_id) as tx:
        integration_id = await _ever_existed(tx, call)
        figures = await Listings().figures(tx, integration_id, window)
        last = await Listings().last_runs(tx, integration_id)
    return Answer(stats_view(figures, last, window))


@endpoint(bp, "list_integration_issues", "GET", "api/integrations/{id}/issues", query=("status", *PAGED))
async def list_integration_issues(call: Call) -> Answer:
    """Show what people should see of the integration, newest first: issues, and records that could not be taken in."""
    window = call.window()
    is_open = ISSUE_STATES[call.choice("status", set(ISSUE_STATES)) or "open"]
    async with call.services.database.company(call.company_id) as tx:
        integration_id = await _ever_existed(tx, call)
        rows = await Attention().listed(tx, integration_id, is_open=is_open, after=window.after, limit=window.asked)
    data, following = page_of(rows, window, lambda row: (row["opened_at"], row["id"]))
    return Answer({"data": [issue_view(row) for row in data], "next_cursor": following})


def issue_view(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an issue, or a quarantined record under the kind of its own, with what each has."""
    times = {name: row[name] for name in ("opened_at", "last_seen_at", "ended_at")}
    if row["kind"] is not None:
        return {name: row[name] for name in ("id", "kind", "subject", "detail", "times")} | times
    own = {name: row[name] for name in ("entity", "external_id", "code", "run_id")}
    record = {"id": row["id"], "kind": "quarantined_record"}
    return record | own | {"reason": row["detail"], "tries": row["times"]} | times


def stats_view(figures: dict[str, Any], last_runs: list[dict[str, Any]], window: timedelta) -> dict[str, Any]:
    """Return figures with their rates; a rate of nothing is null, not zero."""
    ended = figures["succeeded"] + figures["failed"] + figures["conflicts"]
    return {
        "window_s": int(window.total_seconds()),
        **figures,
        "success_rate": figures["succeeded"] / ended if ended else None,
        "retry_rate": figures["retries"] / ended if ended else None,
        "last_runs": {run["entity"]: run for run in last_runs},
    }


def query_entity(call: Call, name: str = "entity") -> EntityType | None:
    """Return the entity that the query names, `role` for `job` included. Raises InvalidInput."""
    given = call.choice(name, {*EntityType, "role"})
    return None if given is None else EntityType(str(entity_name(given)))


async def _ever_existed(tx: Transaction, call: Call) -> Any:
    """Return the integration's id; its log outlives it. Raises NotFound."""
    return (await Integrations().get(tx, call.path_id(), include_deleted=True)).id


def _member(kind: type[Any], value: str | None) -> Any:
    return None if value is None else kind(value)


def _window(text: str | None) -> timedelta:
    if text is None:
        return DEFAULT_WINDOW
    found = _WINDOW.fullmatch(text)
    window = timedelta(**{_UNITS[found.group(2)]: int(found.group(1))}) if found else timedelta(0)
    if not timedelta(0) < window <= LONGEST_WINDOW:
        raise InvalidInput("window: is no span", field="window", remedy="give one like 30m, 24h or 7d, at most 90d")
    return window
