"""A mapping tried before it is saved."""

from __future__ import annotations

from typing import Any

import azure.functions as func
from pydantic import BaseModel, ConfigDict, JsonValue

from functions.edge import Answer, Call, endpoint
from shared.integrations.mapping_trial import MappingTrial, MappingTrials
from shared.integrations.requests import Entity
from shared.model import JsonObject

bp = func.Blueprint()


class MappingTrialRequest(BaseModel):
    """`POST /integrations/{id}/mapping/try`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    entity: Entity
    mapping: JsonValue
    example: JsonObject | None = None


@endpoint(bp, "try_mapping", "POST", "api/integrations/{id}/mapping/try")
async def try_mapping(call: Call) -> Answer:
    """Show what a mapping makes of one record, both ways, and each problem with its path. Nothing is written."""
    wanted, services = call.body(MappingTrialRequest), call.services
    trials = MappingTrials(services.database, services.store.connections, services.adapters)
    trial = await trials.of(call.company_id, call.path_id(), wanted.entity, wanted.mapping, wanted.example)
    return Answer(trial_view(trial))


def trial_view(trial: MappingTrial) -> dict[str, Any]:
    """Return a trial as it is shown."""
    return {
        "entity": trial.entity.value,
        "problems": [{"path": each.path, "detail": each.detail, "remedy": each.remedy} for each in trial.problems],
        "external_id": trial.external_id,
        "theirs": trial.theirs,
        "ours": trial.ours,
        "is_brought_in": trial.is_brought_in,
        "written": trial.written,
        "never_written": trial.never_written,
        "custom_fields": trial.custom_fields,
    }
