"""Two candidates that are one person: seen together, made one, made two again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import azure.functions as func
from pydantic import BaseModel, ConfigDict, Field

from functions.edge import Answer, Call, endpoint, versioned
from functions.record_views import candidate_view
from shared.merge.joining import Keep
from shared.model import UNITS, EntityType
from shared.sync.candidates.candidate_merges import MergePlan

bp = func.Blueprint()


class MergeRequest(BaseModel):
    """
    `POST /candidates/{id}/merge`: *other_id* becomes part of the candidate in the path.

    *keep*: by field whose value stays, where the rules shall not decide. *preview* writes nothing.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    other_id: UUID
    keep: dict[str, Keep] = Field(default_factory=dict)
    preview: bool = False


class UnmergeRequest(BaseModel):
    """`POST /candidates/{id}/unmerge`: takes nothing but the id in the path."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


@endpoint(bp, "merge_candidate", "POST", "api/candidates/{id}/merge")
async def merge_candidate(call: Call) -> Answer:
    """Make two candidates one, or show what that would do. It can be taken back."""
    wanted = call.body(MergeRequest)
    survivor_id, actor = call.path_id(), call.principal.subject
    merges = call.services.merges
    if wanted.preview:
        plan = await merges.preview(call.company_id, survivor_id, wanted.other_id, wanted.keep, actor=actor)
        return Answer({"preview": True, **plan_view(plan)}, version=plan.survivor.version)
    with versioned(call) as expected:
        plan = await merges.merge(
            call.company_id, survivor_id, wanted.other_id, wanted.keep, actor=actor, expected_version=expected
        )
    async with call.services.database.company(call.company_id) as tx:
        view = await candidate_view(tx, survivor_id)
    return Answer({"preview": False, **plan_view(plan), "candidate": view}, version=view["version"])


@endpoint(bp, "unmerge_candidate", "POST", "api/candidates/{id}/unmerge")
async def unmerge_candidate(call: Call) -> Answer:
    """Take the last merge back of which the candidate is either side."""
    call.body(UnmergeRequest)
    parting = await call.services.partings.part(call.company_id, call.path_id(), actor=call.principal.subject)
    async with call.services.database.company(call.company_id) as tx:
        survivor = await candidate_view(tx, parting.survivor_id)
        other = await candidate_view(tx, parting.other_id)
    return Answer(
        {
            "survivor": survivor,
            "other": other,
            "reapplied": parting.reapplied,
            "stayed": {"fields": parting.stayed, "applications": parting.applications_stayed},
        }
    )


def plan_view(plan: MergePlan) -> dict[str, Any]:
    """Return what a merge comes to: the fields in which the two differ, and what moves."""
    units = UNITS[EntityType.CANDIDATE]
    fields = []
    for name, kept in plan.joined.kept.items():
        members = units[name].members if name in units else (name,)
        fields.append(
            {
                "field": name,
                "kept": str(kept),
                "survivor": {member: plan.survivor.data.get(member) for member in members},
                "other": {member: plan.other.data.get(member) for member in members},
                "result": {member: plan.joined.values.get(member) for member in members},
            }
        )
    return {
        "survivor_id": plan.survivor.id,
        "other_id": plan.other.id,
        "fields": fields,
        "links": [
            {"integration_id": each.integration_id, "state": each.state}
            for each in plan.places
            if each.internal_id == plan.other.id and each.state != "tombstone"
        ],
        "applications": [each.id for each in plan.applications],
        "doubled_jobs": plan.doubled_jobs,
    }
