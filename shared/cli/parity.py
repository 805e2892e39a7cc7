"""Full comparisons in this process, people's decisions about deletes, and records that were set aside."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING
from uuid import UUID

from shared.cli.engine import Engine, NoKnocks
from shared.cli.output import result
from shared.cli.session import ACTOR, company_of, composed
from shared.cli.syncing import LONGEST_WAIT_S
from shared.model import Direction, EntityType
from shared.store.listings import Listings
from shared.store.parity import Parity, ParityRun
from shared.sync.comparing.parity import Comparisons, parity_view
from shared.sync.jobs.priorities import COMPARE

if TYPE_CHECKING:
    from shared.composition import Services


async def compare(asked: argparse.Namespace) -> int:
    """Compare to the end, parents first; print one line each. 1 if one is not complete, or found drift."""
    async with composed(limiter_off=asked.no_limiter) as services:
        company_id = await company_of(services.database, asked.integration)
        engine = Engine(services, {COMPARE: services.comparer})
        comparisons = Comparisons(services.database, services.store, NoKnocks())
        runs = []
        for entity in await _entities(services, company_id, asked):
            (parity_id,) = await comparisons.request(
                company_id, asked.integration, entity=entity, repairs=asked.repair, trigger="cli"
            )
            runs.append(await _finished(services, engine, company_id, parity_id))
    for run in runs:
        result({**parity_view(run), "entity": run.entity.value})
    return 0 if all(run.status == "complete" and run.drift == 0 for run in runs) else 1


async def certificate(asked: argparse.Namespace) -> int:
    """Print the newest certificate of each entity; 1 if there is none."""
    async with composed() as services:
        company_id = await company_of(services.database, asked.integration)
        async with services.database.company(company_id) as tx:
            runs = await Parity().latest(tx, asked.integration, is_ended=True)
    found = [dict(run.certificate) for run in runs if run.certificate is not None]
    for each in found:
        result(each)
    return 0 if found else 1


async def decide_deletes(asked: argparse.Namespace) -> int:
    """Approve or reject what the delete brake holds."""
    async with composed() as services:
        company_id = await company_of(services.database, asked.integration)
        decide = services.deletes.approve if asked.decision == "approve" else services.deletes.reject
        count = await decide(company_id, asked.integration, actor=ACTOR)
    result({"decision": asked.decision, "records": count})
    return 0


async def redrive_quarantine(asked: argparse.Namespace) -> int:
    """Fetch records again that could not be taken in."""
    entity = None if asked.entity is None else EntityType.parse(asked.entity)
    async with composed() as services:
        company_id = await company_of(services.database, asked.integration)
        count = await services.quarantine.redrive(
            company_id, asked.integration, entity=entity, external_ids=asked.external_id or None
        )
    result({"redriven": count})
    return 0


async def _entities(services: Services, company_id: UUID, asked: argparse.Namespace) -> list[EntityType | None]:
    if asked.entity is not None:
        return [EntityType.parse(asked.entity)]
    async with services.database.company(company_id) as tx:
        integration = await services.store.connections.get(tx, asked.integration)
    return [each for each in EntityType if integration.allows(each, Direction.INBOUND)] or [None]


async def _finished(services: Services, engine: Engine, company_id: UUID, parity_id: UUID) -> ParityRun:
    """Work on the comparison until it is over, or its job waits for longer than anybody would here."""
    while True:
        async with services.database.company(company_id) as tx:
            run = await Parity().get(tx, parity_id)
            if run is None:
                raise RuntimeError("the comparison is gone")
            job = await Listings().open_job(tx, run.integration_id, COMPARE, run.entity, "all")
        if run.status != "running" or job is None or job["due_in_s"] > LONGEST_WAIT_S:
            return run
        await engine.run(job["id"])
