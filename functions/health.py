"""Health of the worker, open to all: figures over all companies, and no data of any."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import azure.functions as func

from functions.edge import request_id_of, respond
from shared import telemetry
from shared.errors import LiaisonError
from shared.health import health_view
from shared.store.heartbeats import SWEEP
from shared.store.listings import Health, Listings

if TYPE_CHECKING:
    from shared.composition import Services

bp = func.Blueprint()
log = telemetry.get_logger(__name__)

LONGEST_S = 4.0
"""A load balancer asks often and waits shortly."""


@bp.function_name("health")
@bp.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def health(req: func.HttpRequest) -> func.HttpResponse:
    """Tell how the worker is: 200 when healthy, else 503."""
    return await _answer(req)


@bp.function_name("api_health")
@bp.route(route="api/health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def api_health(req: func.HttpRequest) -> func.HttpResponse:
    """Tell the same under the API's path."""
    return await _answer(req)


async def _answer(req: func.HttpRequest) -> func.HttpResponse:
    try:
        from shared import composition

        services = composition.services()
        found, has_tables = await asyncio.gather(look(services), reaches_tables(services))
        sweep_s = services.settings.sync_sweep_seconds
    except Exception:  # health tells of every trouble, and of none in words
        log.exception("health_failed")
        found, has_tables, sweep_s = None, True, 0
    body = health_view(found, sweep_s, has_tables=has_tables)
    return respond(200 if body["healthy"] else 503, body, {"x-request-id": request_id_of(req)})


async def reaches_tables(services: Services) -> bool:
    """Whether shared limits and breakers can be read."""
    from shared.sync.vendors.window_table import TABLE

    try:
        async with asyncio.timeout(LONGEST_S):
            await services.limit_tables.find(TABLE, "health", "probe")
    except (LiaisonError, TimeoutError) as error:
        log.warning("tables_unknown", code=getattr(error, "code", "timeout"))
        return False
    return True


async def look(services: Services) -> Health | None:
    """Return the figures; None if the database can't tell them in time."""
    try:
        async with asyncio.timeout(LONGEST_S), services.database.dispatch() as tx:
            return await Listings().health(tx, heartbeat=SWEEP)
    except (LiaisonError, TimeoutError) as error:
        log.warning("health_unknown", code=getattr(error, "code", "timeout"))
        return None
