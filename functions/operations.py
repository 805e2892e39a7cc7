"""What people who run syncs look at: runs, dead letters, platforms."""

from __future__ import annotations

from typing import Any, Literal, Self
from uuid import UUID

import azure.functions as func
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from functions.edge import PAGED, Answer, Call, endpoint
from functions.paging import page_of
from shared import telemetry
from shared.adapters import registry
from shared.adapters.protocol import EntityCapability
from shared.errors import Conflict, NotFound
from shared.integrations.requests import SYNONYMS
from shared.model import RunStatus
from shared.store.dead_letters import BATCH, DeadLetters
from shared.store.listings import Listings
from shared.sync.workers.dismissals import Dismissals

bp = func.Blueprint()
log = telemetry.get_logger(__name__)

MOST_AT_ONCE = 10_000
"""Dead letters that one call redrives."""

LETTER_STATES = frozenset({"open", "redriven", "dismissed", "all"})


class RedriveRequest(BaseModel):
    """`POST /dead-letters/redrive`: which open letters are meant. Exactly one of the three."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    group: str | None = Field(default=None, pattern="^[0-9a-f]{32}$")
    integration_id: UUID | None = None
    all: Literal[True] | None = None

    @model_validator(mode="after")
    def _means_one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError("one_of", "give group, integration_id, or all: true, and only one of them")
        return self


class Dismissal(BaseModel):
    """`POST /dead-letters/{id}/dismiss`: why it need not run again."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)

    reason: str = Field(min_length=1, max_length=500)


class DismissalOfMany(Dismissal):
    """`POST /dead-letters/dismiss`: which open letters are meant. Exactly one of the two."""

    group: str | None = Field(default=None, pattern="^[0-9a-f]{32}$")
    integration_id: UUID | None = None

    @model_validator(mode="after")
    def _means_one(self) -> Self:
        if (self.group is None) == (self.integration_id is None):
            raise PydanticCustomError("one_of", "give group or integration_id, and only one of them")
        return self


@endpoint(bp, "get_run", "GET", "api/runs/{id}")
async def get_run(call: Call) -> Answer:
    """Show one run with its evidence; a run over several entities with theirs."""
    async with call.services.database.company(call.company_id) as tx:
        run = await Listings().run(tx, call.path_id())
        children = await Listings().child_runs(tx, run["id"]) if run["entity"] is None else []
    return Answer({**run, "runs": children})


@endpoint(bp, "get_run_status", "GET", "api/runs/{id}/status")
async def get_run_status(call: Call) -> Answer:
    """Show how a run stands, from the table for live views: cheap to poll, and gone a day after the run's end."""
    status = await call.services.run_status.find(call.company_id, call.path_id())
    if status is None:
        raise NotFound("nothing is known of this run any more", remedy="ask for GET /api/runs/{id}")
    return Answer(dict(status))


@endpoint(bp, "cancel_run", "DELETE", "api/runs/{id}")
async def cancel_run(call: Call) -> Answer:
    """Let a run end at its next page."""
    run_id = call.path_id()
    async with call.services.database.company(call.company_id) as tx:
        run = await Listings().run(tx, run_id)
    if run["status"] != RunStatus.RUNNING:
        raise Conflict(f"the run has ended already: {run['status']}")
    await call.services.syncs.cancel(call.company_id, run_id)
    return Answer({"run_id": run_id, "cancel_requested": True}, status=202)


class RevertRequest(BaseModel):
    """`POST /runs/{id}/revert`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    preview: bool = False


@endpoint(bp, "revert_run", "POST", "api/runs/{id}/revert")
async def revert_run(call: Call) -> Answer:
    """Take back what a run did, or show what that would come to (`preview`)."""
    wanted, run_id = call.body(RevertRequest), call.path_id()
    if wanted.preview:
        return Answer(await call.services.reverts.preview(call.company_id, run_id))
    reverts = call.services.reverts
    started = await reverts.start(call.company_id, run_id)
    shown = {"run_id": started, "reverts": run_id, "forgotten": await reverts.forgotten(call.company_id, run_id)}
    return Answer(shown, status=202, headers={"Location": f"/api/runs/{started}"})


@endpoint(bp, "list_dead_letters", "GET", "api/dead-letters", query=("state", "integration_id", *PAGED))
async def list_dead_letters(call: Call) -> Answer:
    """List jobs that were given up, newest first."""
    window = call.window()
    state = call.choice("state", LETTER_STATES) or "open"
    async with call.services.database.company(call.company_id) as tx:
        rows = await Listings().dead_letters(
            tx,
            state=None if state == "all" else state,
            integration_id=call.query_id("integration_id"),
            after=window.after,
            limit=window.asked,
        )
    data, following = page_of(rows, window, lambda row: (row["created_at"], row["id"]))
    return Answer({"data": data, "next_cursor": following})


@endpoint(bp, "list_dead_letter_groups", "GET", "api/dead-letters/groups", query=("integration_id",))
async def list_dead_letter_groups(call: Call) -> Answer:
    """List open dead letters by their cause, the largest groups first."""
    async with call.services.database.company(call.company_id) as tx:
        groups = await DeadLetters().groups(tx, integration_id=call.query_id("integration_id"))
    return Answer({"data": groups, "next_cursor": None})


@endpoint(bp, "redrive_dead_letters", "POST", "api/dead-letters/redrive")
async def redrive_dead_letters(call: Call) -> Answer:
    """Run the jobs of a group, of an integration, or of all open dead letters again; `more` says that some are left."""
    wanted = call.body(RedriveRequest)
    letters, jobs, taken = 0, 0, BATCH
    while taken == BATCH and letters < MOST_AT_ONCE:
        async with call.services.database.company(call.company_id) as tx:
            taken, knocks = await DeadLetters().redrive(
                tx, group=wanted.group, integration_id=wanted.integration_id, limit=BATCH
            )
        await call.services.knocker.send(knocks)
        letters, jobs = letters + taken, jobs + len(knocks)
    log.info("dead_letters_redriven", letters=letters, count=jobs)
    return Answer({"letters": letters, "jobs": jobs, "more": taken == BATCH}, status=202)


@endpoint(bp, "redrive_dead_letter", "POST", "api/dead-letters/{id}/redrive")
async def redrive_dead_letter(call: Call) -> Answer:
    """Run a job that was given up again, from its first attempt."""
    letter_id = call.path_id()
    async with call.services.database.company(call.company_id) as tx:
        letter = await Listings().dead_letter(tx, letter_id)
        _, knocks = await DeadLetters().redrive(tx, letter_id=letter_id)
    if not knocks:
        raise Conflict(f"the dead letter is not open: {letter['state']}")
    await call.services.knocker.send(knocks)
    job_id = knocks[0].job_id
    log.info("dead_letter_redriven", dead_letter_id=letter_id, job_id=job_id)
    return Answer({"id": letter_id, "job_id": job_id, "state": "redriven"}, status=202)


@endpoint(bp, "dismiss_dead_letter", "POST", "api/dead-letters/{id}/dismiss")
async def dismiss_dead_letter(call: Call) -> Answer:
    """End a dead letter without running its job."""
    letter_id, reason = call.path_id(), call.body(Dismissal).reason
    dismissals = Dismissals(call.services.database)
    await dismissals.dismiss_one(call.company_id, letter_id, actor=call.principal.subject, reason=reason)
    return Answer({"id": letter_id, "state": "dismissed"})


@endpoint(bp, "dismiss_dead_letters", "POST", "api/dead-letters/dismiss")
async def dismiss_dead_letters(call: Call) -> Answer:
    """End the open dead letters of a cause or an integration; `more` says that some are left."""
    wanted = call.body(DismissalOfMany)
    letters, has_more = await Dismissals(call.services.database).dismiss(
        call.company_id,
        actor=call.principal.subject,
        reason=wanted.reason,
        group=wanted.group,
        integration_id=wanted.integration_id,
    )
    return Answer({"letters": letters, "more": has_more})


@endpoint(bp, "list_platforms", "GET", "api/platforms")
async def list_platforms(call: Call) -> Answer:  # noqa: ARG001  # the same for every caller
    """List supported platforms with what each can do."""
    return Answer({"data": [platform_view(name) for name in registry.platforms()], "next_cursor": None})


def platform_view(name: str) -> dict[str, Any]:
    """Return what the platform's adapter declares."""
    capabilities = registry.get(name).capabilities
    return {
        "platform": name,
        "synonyms": sorted(other for other, known in SYNONYMS.items() if known == name),
        "webhook_api": capabilities.webhook_api,
        "page_size": capabilities.page_size,
        "entities": {entity.value: _entity_view(each) for entity, each in capabilities.entities.items()},
    }


def _entity_view(capability: EntityCapability) -> dict[str, Any]:
    return {
        "incremental": capability.incremental,
        "webhooks": capability.webhooks,
        "create": capability.create,
        "update": capability.update,
        "delete": capability.delete,
        "fields": {
            name: {
                "readable": field.readable,
                "writable": field.writable,
                "moves_cursor": field.moves_cursor,
                "note": field.note,
            }
            for name, field in capability.fields.items()
        },
    }
