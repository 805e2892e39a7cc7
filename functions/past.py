"""What was: why a record says what it says, and every change of it."""

from __future__ import annotations

import azure.functions as func

from functions.edge import Answer, Call, Handler, endpoint
from functions.paging import read_limit, read_number
from shared.errors import InvalidInput
from shared.model import EntityType

bp = func.Blueprint()

PAST = ("limit", "before_version")
"""Query items of a record's history."""


def _explaining(entity: EntityType) -> Handler:
    async def explain(call: Call) -> Answer:
        """Show of each field who gave it, when, by which rule, and what lost against it."""
        record_id = call.path_id()
        async with call.services.database.company(call.company_id) as tx:
            fields = await call.services.chronicles.explain(tx, entity, record_id)
        return Answer({"id": record_id, "entity": entity.value, "fields": fields})

    return explain


def _telling(entity: EntityType) -> Handler:
    async def history(call: Call) -> Answer:
        """List the changes of a record, newest first, with old and new values."""
        limit, given = read_limit(call.item("limit")), call.item("before_version")
        below = None if given is None else read_number(given)
        if given is not None and below is None:
            raise InvalidInput(
                "before_version: is no version", field="before_version", remedy="give a version shown here"
            )
        async with call.services.database.company(call.company_id) as tx:
            found = await call.services.chronicles.history(tx, entity, call.path_id(), below=below, limit=limit + 1)
        shown = found[:limit]
        return Answer({"data": shown, "next_before_version": shown[-1]["version"] if len(found) > limit else None})

    return history


endpoint(bp, "explain_candidate", "GET", "api/candidates/{id}/explain")(_explaining(EntityType.CANDIDATE))
endpoint(bp, "explain_application", "GET", "api/applications/{id}/explain")(_explaining(EntityType.APPLICATION))
endpoint(bp, "explain_job", "GET", "api/jobs/{id}/explain")(_explaining(EntityType.JOB))
endpoint(bp, "get_candidate_history", "GET", "api/candidates/{id}/history", query=PAST)(_telling(EntityType.CANDIDATE))
endpoint(bp, "get_application_history", "GET", "api/applications/{id}/history", query=PAST)(
    _telling(EntityType.APPLICATION)
)
endpoint(bp, "get_job_history", "GET", "api/jobs/{id}/history", query=PAST)(_telling(EntityType.JOB))
