"""Full comparisons, the delete brake, and records that were set aside."""

from __future__ import annotations

import azure.functions as func
from pydantic import BaseModel, ConfigDict, Field

from functions.edge import PAGED, Answer, Call, endpoint
from functions.integrations import query_entity
from functions.paging import page_of, read_limit
from shared.errors import InvalidInput, NotFound
from shared.integrations.requests import Entity
from shared.store.delete_brakes import Brake
from shared.store.integrations import Integrations
from shared.store.parity import Parity
from shared.sync.comparing.parity import parity_view

bp = func.Blueprint()

LONGEST_EXTERNAL_ID = 256


class ComparisonRequest(BaseModel):
    """`POST /integrations/{id}/parity`: every entity that may come in where none is named; *repair* heals drift."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    entity: Entity | None = None
    repair: bool = True


class RedriveRequest(BaseModel):
    """`POST /integrations/{id}/quarantine/redrive`: all that is set aside, or what these narrow it down to."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    entity: Entity | None = None
    external_ids: list[str] | None = Field(default=None, max_length=1000)
    code: str | None = None


@endpoint(bp, "get_integration_parity", "GET", "api/integrations/{id}/parity", query=("entity",))
async def get_integration_parity(call: Call) -> Answer:
    """Show the newest comparison of each entity, with its certificate once it is complete."""
    entity = query_entity(call)
    async with call.services.database.company(call.company_id) as tx:
        integration = await Integrations().get(tx, call.path_id(), include_deleted=True)
        runs = await Parity().latest(tx, integration.id, entity)
    return Answer({"data": [parity_view(run) for run in runs], "next_cursor": None})


@endpoint(bp, "compare_integration", "POST", "api/integrations/{id}/parity")
async def compare_integration(call: Call) -> Answer:
    """Start a comparison by hand; one that is under way goes on."""
    wanted = call.body(ComparisonRequest)
    integration_id = call.path_id()
    async with call.services.database.company(call.company_id) as tx:
        await Integrations().get(tx, integration_id)
    ids = await call.services.comparisons.request(
        call.company_id, integration_id, entity=wanted.entity, repairs=wanted.repair
    )
    return Answer({"parity_ids": ids}, status=202, headers={"Location": f"/api/integrations/{integration_id}/parity"})


@endpoint(bp, "get_parity", "GET", "api/parity/{id}", query=("after", "limit"))
async def get_parity(call: Call) -> Answer:
    """Show one comparison, and its differences in the order of the vendor's ids: names of fields, never a value."""
    after = call.item("after") or ""
    if len(after) > LONGEST_EXTERNAL_ID:
        raise InvalidInput("after: is no external id", field="after", remedy="use next_after of the page before")
    limit = read_limit(call.item("limit"))
    async with call.services.database.company(call.company_id) as tx:
        run = await Parity().get(tx, call.path_id())
        if run is None:
            raise NotFound("there is no such comparison")
        rows = await Parity().differences(tx, run.id, after=after, limit=limit + 1)
    following = rows[limit - 1]["external_id"] if len(rows) > limit else None
    return Answer({**parity_view(run), "differences": rows[:limit], "next_after": following})


@endpoint(bp, "list_delete_brakes", "GET", "api/integrations/{id}/deletes", query=PAGED)
async def list_delete_brakes(call: Call) -> Answer:
    """List when deletes were held for a person's decision, newest first; the open one holds them now."""
    window = call.window()
    async with call.services.database.company(call.company_id) as tx:
        integration = await Integrations().get(tx, call.path_id(), include_deleted=True)
        brakes = await call.services.store.delete_brakes.listed(
            tx, integration.id, after=window.after, limit=window.asked
        )
    data, following = page_of([brake_view(each) for each in brakes], window, lambda row: (row["opened_at"], row["id"]))
    return Answer({"data": data, "next_cursor": following})


@endpoint(bp, "approve_deletes", "POST", "api/integrations/{id}/deletes/approve")
async def approve_deletes(call: Call) -> Answer:
    """Believe what the brake holds; each record is fetched once more before it goes."""
    actor, integration_id = call.principal.subject, call.path_id()
    async with call.services.database.company(call.company_id) as tx:
        await Integrations().get(tx, integration_id)
    count = await call.services.deletes.approve(call.company_id, integration_id, actor=actor)
    return Answer({"state": "approved", "records": count}, status=202)


@endpoint(bp, "reject_deletes", "POST", "api/integrations/{id}/deletes/reject")
async def reject_deletes(call: Call) -> Answer:
    """Keep what the brake holds."""
    actor, integration_id = call.principal.subject, call.path_id()
    async with call.services.database.company(call.company_id) as tx:
        await Integrations().get(tx, integration_id)
    count = await call.services.deletes.reject(call.company_id, integration_id, actor=actor)
    return Answer({"state": "rejected", "records": count}, status=202)


@endpoint(bp, "redrive_quarantine", "POST", "api/integrations/{id}/quarantine/redrive")
async def redrive_quarantine(call: Call) -> Answer:
    """Fetch records again that could not be taken in."""
    wanted = call.body(RedriveRequest)
    count = await call.services.quarantine.redrive(
        call.company_id,
        call.path_id(),
        entity=wanted.entity,
        external_ids=wanted.external_ids,
        code=wanted.code,
    )
    return Answer({"redriven": count}, status=202)


def brake_view(brake: Brake) -> dict[str, object]:
    """Return a brake as it is shown."""
    return {
        "id": brake.id,
        "entity": brake.entity.value,
        "state": brake.state,
        "disappeared": brake.disappeared,
        "allowed": brake.allowed,
        "held": brake.held,
        "opened_at": brake.opened_at,
        "ended_at": brake.ended_at,
        "ended_by": brake.ended_by,
    }
