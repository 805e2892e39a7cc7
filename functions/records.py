"""The portal's records: candidates, applications, jobs with their stages."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import azure.functions as func
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from functions.candidate_request import CandidateCreation, CandidateRequest
from functions.custom_fields import CustomFields
from functions.edge import PAGED, Answer, Call, endpoint, versioned
from functions.paging import page_of
from functions.record_views import changed_fields, freshness, position, record_view, shown
from shared.errors import InvalidInput
from shared.model import EntityType
from shared.store.database import Transaction
from shared.store.reading import Reading, RecordFilter

bp = func.Blueprint()

_REQUEST = ConfigDict(extra="forbid", hide_input_in_errors=True)
SEARCHES = ("search", "q", "name", "email", "phone")
PLACES = ("status", "stage", "candidate_id", "job_id")
OF_EVERY_LIST = ("archived", "integration_id", "external_id", *PAGED)
MOMENT = ("at",)
"""Query items: what lists are narrowed by, and as of when one record is shown."""
_ARCHIVED = {"true": True, "false": False, "all": None}
Text = Annotated[str, Field(max_length=2000)]


class ApplicationSubmission(BaseModel):
    """`POST /applications`: submits a candidate to a job."""

    model_config = _REQUEST

    candidate_id: UUID
    job_id: UUID
    stage: Text | None = None
    source: Text | None = None
    applied_at: AwareDatetime | None = None


class ApplicationChanges(BaseModel):
    """`PATCH /applications/{id}`."""

    model_config = _REQUEST

    stage: Text | None = None
    status: Text | None = None
    rejection_reason: Text | None = None
    custom_fields: CustomFields | None = None


@endpoint(bp, "list_candidates", "GET", "api/candidates", query=(*SEARCHES, *OF_EVERY_LIST))
async def list_candidates(call: Call) -> Answer:
    """List candidates, newest first; `search` takes a name's beginning, an e-mail address or a phone number."""
    return await _list(call, EntityType.CANDIDATE)


@endpoint(bp, "get_candidate", "GET", "api/candidates/{id}", query=MOMENT)
async def get_candidate(call: Call) -> Answer:
    """Show one candidate with their applications and ids elsewhere."""
    return await _get(call, EntityType.CANDIDATE)


@endpoint(bp, "create_candidate", "POST", "api/candidates")
async def create_candidate(call: Call) -> Answer:
    """Add a candidate. They travel nowhere until they are submitted to a job."""
    request = call.body(CandidateCreation)
    fields = changed_fields(request.model_fields_set - {"consent"}, request.model_dump(mode="json"))
    record = await call.services.edits.create_candidate(
        call.company_id, fields, actor=call.principal.subject, has_consent=request.consent
    )
    return await _show(call, EntityType.CANDIDATE, record.id, status=201)


@endpoint(bp, "update_candidate", "PATCH", "api/candidates/{id}")
async def update_candidate(call: Call) -> Answer:
    """Change fields of a candidate; they travel to every system that is linked and takes them."""
    return await _edit(call, EntityType.CANDIDATE, call.body(CandidateRequest))


@endpoint(bp, "archive_candidate", "DELETE", "api/candidates/{id}")
async def archive_candidate(call: Call) -> Answer:
    """Archive a candidate with their applications; what becomes of them at the vendors is `config.on_archive`'s."""
    return await _archive(call, EntityType.CANDIDATE)


@endpoint(bp, "restore_candidate", "POST", "api/candidates/{id}/restore")
async def restore_candidate(call: Call) -> Answer:
    """Take a candidate out of the archive, with the applications that went along."""
    return await _restore(call, EntityType.CANDIDATE)


@endpoint(bp, "list_applications", "GET", "api/applications", query=(*PLACES, *OF_EVERY_LIST))
async def list_applications(call: Call) -> Answer:
    """List applications, newest first."""
    return await _list(call, EntityType.APPLICATION)


@endpoint(bp, "get_application", "GET", "api/applications/{id}", query=MOMENT)
async def get_application(call: Call) -> Answer:
    """Show one application with how far its submission has come."""
    return await _get(call, EntityType.APPLICATION)


@endpoint(bp, "create_application", "POST", "api/applications")
async def create_application(call: Call) -> Answer:
    """Submit a candidate to a job; the job that carries it out commits with it."""
    request = call.body(ApplicationSubmission)
    values = request.model_dump(mode="json", exclude={"candidate_id", "job_id"})
    record = await call.services.edits.submit_application(
        call.company_id,
        candidate_id=request.candidate_id,
        job_id=request.job_id,
        fields=changed_fields(request.model_fields_set, values),
        actor=call.principal.subject,
    )
    return await _show(call, EntityType.APPLICATION, record.id, status=201)


@endpoint(bp, "update_application", "PATCH", "api/applications/{id}")
async def update_application(call: Call) -> Answer:
    """Move an application: stage, status, rejection reason; change its custom fields."""
    return await _edit(call, EntityType.APPLICATION, call.body(ApplicationChanges))


@endpoint(bp, "archive_application", "DELETE", "api/applications/{id}")
async def archive_application(call: Call) -> Answer:
    """Archive an application; what becomes of it at the vendors is `config.on_archive`'s."""
    return await _archive(call, EntityType.APPLICATION)


@endpoint(bp, "restore_application", "POST", "api/applications/{id}/restore")
async def restore_application(call: Call) -> Answer:
    """Take an application out of the archive."""
    return await _restore(call, EntityType.APPLICATION)


@endpoint(bp, "list_jobs", "GET", "api/jobs", query=("status", *OF_EVERY_LIST))
@endpoint(bp, "list_roles", "GET", "api/roles", permission="list_jobs", query=("status", *OF_EVERY_LIST))
async def list_jobs(call: Call) -> Answer:
    """List jobs, newest first."""
    return await _list(call, EntityType.JOB)


@endpoint(bp, "get_job", "GET", "api/jobs/{id}", query=MOMENT)
@endpoint(bp, "get_role", "GET", "api/roles/{id}", permission="get_job", query=MOMENT)
async def get_job(call: Call) -> Answer:
    """Show one job with the stages of its pipeline."""
    return await _get(call, EntityType.JOB)


async def _list(call: Call, entity: EntityType) -> Answer:
    params, of_application = call.request.params, entity is EntityType.APPLICATION
    if "external_id" in params and "integration_id" not in params:
        raise InvalidInput(
            "integration_id: is missing", field="integration_id", remedy="say whose external_id is meant"
        )
    if "search" in params and "q" in params:
        raise InvalidInput("q: is another name of search", field="q", remedy="send one of the two")
    wanted = RecordFilter(
        search=params.get("search") or params.get("q"),
        name=params.get("name"),
        email=params.get("email"),
        phone=params.get("phone"),
        status=params.get("status"),
        stage=params.get("stage"),
        candidate_id=call.query_id("candidate_id") if of_application else None,
        job_id=call.query_id("job_id") if of_application else None,
        integration_id=call.query_id("integration_id"),
        external_id=params.get("external_id"),
        archived=_ARCHIVED[call.choice("archived", _ARCHIVED) or "false"],
    )
    window = call.window()
    async with call.services.database.company(call.company_id) as tx:
        rows = await Reading().records(tx, entity, wanted, after=window.after, limit=window.asked)
        page, following = page_of(rows, window, position)
        views = await shown(tx, entity, page)
        fresh = await freshness(tx, entity)
    return Answer({"data": views, "next_cursor": following, **fresh})


async def _get(call: Call, entity: EntityType) -> Answer:
    moment = call.moment("at")
    return await (_show(call, entity, call.path_id()) if moment is None else _show_past(call, entity, moment))


async def _show_past(call: Call, entity: EntityType, moment: datetime) -> Answer:
    """Show a record's own fields as they stood; what is joined to it today says nothing of then."""
    async with call.services.database.company(call.company_id) as tx:
        record, data, version = await call.services.chronicles.at(tx, entity, call.path_id(), moment)
        row = await Reading().record(tx, entity, record.id)
    return Answer({**record_view({**row, "data": data, "version": version}), "as_at": moment})


async def _show(call: Call, entity: EntityType, record_id: UUID, *, status: int = 200) -> Answer:
    async with call.services.database.company(call.company_id) as tx:
        view = await _view(tx, entity, record_id)
    headers = {"Location": f"/api/{entity.value}s/{record_id}"} if status == HTTPStatus.CREATED else {}
    return Answer(view, status=status, version=view["version"], headers=headers)


async def _view(tx: Transaction, entity: EntityType, record_id: UUID) -> dict[str, Any]:
    row = await Reading().record(tx, entity, record_id)
    return (await shown(tx, entity, [row]))[0] | await freshness(tx, entity)


async def _edit(call: Call, entity: EntityType, request: BaseModel) -> Answer:
    record_id = call.path_id()
    changes = changed_fields(request.model_fields_set, request.model_dump(mode="json"))
    if not changes:
        raise InvalidInput("body: names no field", field="body", remedy="send at least one field to change")
    with versioned(call) as expected:
        await call.services.edits.edit(
            call.company_id, entity, record_id, changes, actor=call.principal.subject, expected_version=expected
        )
    return await _show(call, entity, record_id)


async def _archive(call: Call, entity: EntityType) -> Answer:
    record_id = call.path_id()
    with versioned(call) as expected:
        await call.services.archives.archive(
            call.company_id, entity, record_id, actor=call.principal.subject, expected_version=expected
        )
    return await _show(call, entity, record_id)


async def _restore(call: Call, entity: EntityType) -> Answer:
    record_id = call.path_id()
    with versioned(call) as expected:
        await call.services.archives.restore(call.company_id, entity, record_id, expected_version=expected)
    return await _show(call, entity, record_id)
