"""People who stay away: suppressed by what they could come back by, and let in again."""

from __future__ import annotations

import argparse

from pydantic import JsonValue

from shared.cli.output import result
from shared.cli.session import composed
from shared.errors import InvalidInput


async def suppress(asked: argparse.Namespace) -> int:
    """Suppress a candidate of ours, or an address or number; with --lift let it in again. Prints counts alone."""
    values: dict[str, JsonValue] = {
        name: value for name, value in (("email", asked.email), ("phone", asked.phone)) if value is not None
    }
    if (asked.record is None) == (not values):
        raise InvalidInput("name a record, or an e-mail address or phone", field="record")
    if asked.lift and asked.record is not None:
        raise InvalidInput("--lift takes an e-mail address or phone: of a record nothing is known", field="lift")
    async with composed() as services, services.database.company(asked.company) as tx:
        if asked.lift:
            result({"lifted": await services.suppression.lift(tx, values)})
        elif asked.record is not None:
            result({"suppressed": await services.suppression.suppress(tx, asked.record, reason=asked.reason)})
        else:
            result({"suppressed": await services.suppression.suppress_identity(tx, values, reason=asked.reason)})
    return 0


async def suppressions(asked: argparse.Namespace) -> int:
    """Print how many identifiers are suppressed, by kind."""
    async with composed() as services, services.database.company(asked.company) as tx:
        result(await services.store.suppressions.figures(tx))
    return 0
