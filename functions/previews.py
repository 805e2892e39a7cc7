"""What a first sync would do, before it does anything."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import azure.functions as func
from pydantic import BaseModel, ConfigDict, Field

from functions.edge import Answer, Call, endpoint
from shared.model import JsonObject
from shared.store.integrations import Integrations
from shared.sync.previewing.preview import EntityPreview, Preview, PreviewRow

bp = func.Blueprint()

SAMPLES = 20
"""Rows of each entity and action that are shown."""
QUIET = frozenset({"unchanged", "left_out"})
"""Actions of which no rows are shown: nothing happens to these records."""


class PreviewRequest(BaseModel):
    """`POST /integrations/{id}/preview`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    records: Annotated[int, Field(ge=1, le=20_000)] = 2_000
    mapping: JsonObject | None = None
    """As `config.mapping` would be; None: as it is."""


@endpoint(bp, "preview_integration", "POST", "api/integrations/{id}/preview")
async def preview_integration(call: Call) -> Answer:
    """
    Show what a full sync would create, link, change and hold. No record is written on either side.

    That it was seen is kept with the integration: what it shows may be outbound from now on; not so where it was made
    under a mapping that is not saved.
    """
    wanted, integration_id = call.body(PreviewRequest), call.path_id()
    preview = await call.services.previews.of(
        call.company_id, integration_id, most=wanted.records, mapping=wanted.mapping
    )
    if wanted.mapping is not None:
        return Answer({"integration_id": integration_id, **preview_view(preview), "may_be_outbound": []})
    seen = [each.entity for each in preview.entities if each.was_read]
    async with call.services.database.company(call.company_id) as tx:
        is_kept = await Integrations().previewed(
            tx, integration_id, version=preview.version, by=call.principal.subject, entities=seen
        )
    opens = [each.value for each in seen] if is_kept else []
    return Answer({"integration_id": integration_id, **preview_view(preview), "may_be_outbound": opens})


def preview_view(preview: Preview) -> dict[str, Any]:
    """Return a preview as it is shown."""
    meetings = sum((each.first_meetings for each in preview.entities), Counter[str]())
    return {
        "is_whole": all(each.is_whole for each in preview.entities),
        "entities": {each.entity.value: _entity(each) for each in preview.entities},
        "calls": preview.requests,
        "writes_at_vendor": preview.writes,
        "seconds": preview.seconds,
        # Each of them would wait for a person, or be decided by a time that nobody can rely on.
        "offer": {"config": {"first_link": ["portal", "integration"]}} if meetings else None,
    }


def _entity(found: EntityPreview) -> dict[str, Any]:
    fields = Counter(diff.what for row in found.rows for diff in row.fields)
    samples: dict[str, list[dict[str, Any]]] = {}
    for row in found.rows:
        shown = samples.setdefault(row.action.value, [])
        if len(shown) < SAMPLES and row.action.value not in QUIET:
            shown.append(_row(row))
    return {
        "read": len(found.rows),
        "is_whole": found.is_whole,
        "records": dict(Counter(row.action.value for row in found.rows)),
        "fields": dict(fields),
        "first_meetings": dict(found.first_meetings),
        "samples": {action: rows for action, rows in samples.items() if rows},
    }


def _row(row: PreviewRow) -> dict[str, Any]:
    return {
        "external_id": row.external_id,
        "record_id": row.record_id,
        "fields": [
            {
                "field": each.field,
                "ours": each.ours,
                "theirs": each.theirs,
                "what": each.what,
                "becomes": each.becomes,
            }
            for each in row.fields
        ],
    }
