"""What was, on the command line."""

from __future__ import annotations

import argparse

from shared.cli.output import result
from shared.cli.session import composed
from shared.integrations.requests import entity_name
from shared.model import EntityType


async def explain(asked: argparse.Namespace) -> int:
    """Show why each field of a record says what it says: one JSON line a field."""
    entity = EntityType(str(entity_name(asked.entity)))
    async with composed() as services, services.database.company(asked.company) as tx:
        fields = await services.chronicles.explain(tx, entity, asked.record_id)
    for name, explained in fields.items():
        result({"field": name, **(explained if isinstance(explained, dict) else {})})
    return 0
