"""A customer's table of ids: which record here is which one at the vendor."""

from __future__ import annotations

from collections import Counter

import azure.functions as func

from functions.edge import MAX_BODY_BYTES, Answer, Call, endpoint
from functions.problem import BodyTooLarge
from shared.errors import InvalidInput
from shared.sync.identity.id_map_rows import Verdict

bp = func.Blueprint()


@endpoint(bp, "import_id_map", "POST", "api/integrations/{id}/id-map", query=("dry_run",))
async def import_id_map(call: Call) -> Answer:
    """Link the records that a CSV names (entity, internal_id, external_id); `?dry_run=true` only judges them."""
    is_trial = call.choice("dry_run", {"true", "false"}) == "true"
    raw = call.request.get_body()
    if len(raw) > MAX_BODY_BYTES:
        raise BodyTooLarge(remedy=f"send at most {MAX_BODY_BYTES} bytes")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput("the table is not UTF-8", field="body", remedy="save it as CSV, UTF-8") from None
    results = await call.services.id_maps.run(call.company_id, call.path_id(), text, is_trial=is_trial)
    counts = Counter(each.verdict.value for each in results)
    faults = [each for each in results if each.verdict not in (Verdict.LINKED, Verdict.ALREADY_LINKED)]
    return Answer(
        {
            "dry_run": is_trial,
            "counts": dict(counts),
            "rows": [{"line": each.line, "verdict": each.verdict, "detail": each.detail} for each in faults],
        }
    )
