"""Pulls and reconciles in this process, by the same engine and the same ledger that the workers use."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.cli.engine import Engine
from shared.cli.memory import peak_rss_bytes
from shared.cli.output import result
from shared.cli.reader_process import ReaderProcess
from shared.cli.remote_reader import RemoteReader
from shared.cli.session import company_of, composed
from shared.errors import NotFound, SettingsError
from shared.model import Direction, EntityType, RunStatus
from shared.store.ledger import JobRequest
from shared.store.listings import Listings
from shared.sync.jobs.priorities import MANUAL_RECORD, PULL, RECONCILE

if TYPE_CHECKING:
    from shared.composition import Services

LONGEST_WAIT_S = 30.0
"""A job that comes due later than this is left to the workers."""


async def pull(asked: argparse.Namespace, reader: ReaderProcess | None) -> int:
    """
    Pull one entity to its end; print one line of figures. 1 unless the run is complete or partial.

    *reader* reads the pages if it is a first pull.
    """
    entity = EntityType.parse(asked.entity)
    first_reader = RemoteReader(reader) if reader is not None else None
    async with composed(limiter_off=asked.no_limiter, first_reader=first_reader) as services:
        if asked.no_limiter and not services.settings.outgoing_allow_loopback:
            raise SettingsError(
                "--no-limiter is for simulators alone", remedy="leave it out, or set OUTGOING_ALLOW_LOOPBACK"
            )
        company_id = await company_of(services.database, asked.integration)
        engine = Engine(services, {PULL: services.puller})
        started = time.monotonic()
        run_id = await engine.syncs.request(
            company_id,
            asked.integration,
            direction=Direction.INBOUND,
            entity=entity,
            mode=asked.mode,
            trigger="cli",
        )
        run = await _finished(services, engine, company_id, asked.integration, entity, run_id)
        seconds = time.monotonic() - started
    result(figures(run, seconds, reader_peak_rss_bytes=first_reader.peak_rss_bytes if first_reader else None))
    return 0 if run["status"] in (RunStatus.COMPLETE, RunStatus.PARTIAL) else 1


async def reconcile(asked: argparse.Namespace) -> int:
    """Reconcile one record with its vendor; print how the job ended. 1 unless it is done."""
    entity = EntityType.parse(asked.entity)
    async with composed() as services:
        company_id = await company_of(services.database, asked.integration)
        async with services.database.company(company_id) as tx:
            key = await _record_key(services, tx, asked, entity)
            request = JobRequest(asked.integration, RECONCILE, entity, key, Direction.INBOUND, MANUAL_RECORD)
            await services.store.ledger.enqueue(tx, [request])
            job = await Listings().open_job(tx, asked.integration, RECONCILE, entity, key)
        if job is None:
            raise NotFound("the job is gone already")
        await Engine(services, {RECONCILE: services.reconciler}).run(job["id"])
        async with services.database.company(company_id) as tx:
            ended = await Listings().job(tx, job["id"])
            (last, *_) = [*await Listings().logs_of_job(tx, asked.integration, job["id"]), None]
    result({"job_id": job["id"], "record_key": key, **ended, "log": last})
    return 0 if ended["status"] == "completed" else 1


def figures(run: dict[str, Any], seconds: float, *, reader_peak_rss_bytes: int | None) -> dict[str, Any]:
    """
    Return the line that `pull` prints. *seconds* are those of the whole run, asking for it included.

    *reader_peak_rss_bytes* is None where no other process read the pages.
    """
    return {
        "run_id": run["id"],
        "status": run["status"],
        "entity": run["entity"],
        "mode": run["mode"],
        "rows": run["records_read"],
        "created": run["records_created"],
        "updated": run["records_updated"],
        "unchanged": run["records_unchanged"],
        "skipped": run["records_skipped"],
        "quarantined": run["records_quarantined"],
        "pages": run["pages"],
        "requests": run["requests"],
        "seconds": round(seconds, 3),
        "peak_rss_bytes": peak_rss_bytes(),
        "reader_peak_rss_bytes": reader_peak_rss_bytes,
        "error": run["error"],
    }


async def _finished(
    services: Services, engine: Engine, company_id: UUID, integration_id: UUID, entity: EntityType, run_id: UUID
) -> dict[str, Any]:
    """Work on the run's job until the run is over, or its job waits for longer than anybody would here."""
    while True:
        async with services.database.company(company_id) as tx:
            run = await Listings().run(tx, run_id)
            job = await Listings().open_job(tx, integration_id, PULL, entity, "all")
        if run["status"] != RunStatus.RUNNING:
            return run
        if job is None or job["due_in_s"] > LONGEST_WAIT_S:
            cause = "its job is gone" if job is None else job["error_message"] or "its job waits"
            return {**run, "error": run["error"] or f"{cause}; the workers go on with it"}
        await engine.run(job["id"])


async def _record_key(services: Services, tx: Any, asked: argparse.Namespace, entity: EntityType) -> str:
    if asked.record is not None:
        return str(asked.record)
    keys = await services.store.links.record_keys(tx, asked.integration, entity, [asked.external_id])
    return str(keys[asked.external_id])
