"""Asking for syncs: manual, scheduled, after a pause. What is asked for becomes a run, and a run becomes jobs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from shared.errors import Conflict, InvalidInput, NotFound
from shared.model import Direction, EntityType
from shared.store.connections import IntegrationRow
from shared.store.database import Database, Transaction
from shared.store.ledger import JobRequest, Knock
from shared.store.queues import Knocker
from shared.store.runs import Run
from shared.store.store import Store
from shared.sync.jobs.priorities import FIRST_SYNC, INCREMENTAL_PULL
from shared.sync.runs.run_jobs import end_left_over, outbound_request, pull_request

MODES = ("incremental", "full")


class Syncs:
    """Starts and cancels runs."""

    def __init__(self, database: Database, store: Store, knocker: Knocker) -> None:
        self._database = database
        self._store = store
        self._knocker = knocker

    async def request(
        self,
        company_id: UUID,
        integration_id: UUID,
        *,
        direction: Direction | None = None,
        entity: EntityType | None = None,
        mode: str | None = None,
        trigger: str = "manual",
    ) -> UUID:
        """
        Start a sync; return its run's id (a run over several, if there are several).

        None for *direction* or *entity* means every one that is allowed; None for *mode* means incremental, which is
        full where nothing was pulled yet, or all is to be looked at through another mapping. Raises NotFound,
        InvalidInput, and Conflict when the integration is paused or the direction not allowed.
        """
        if mode is not None and mode not in MODES:
            raise InvalidInput(f"mode: must be one of {', '.join(MODES)}", field="mode")
        async with self._database.company(company_id) as tx:
            integration = await self._store.connections.get(tx, integration_id)
            plans = _plans(integration, direction, entity)
            run_id, knocks = await self._start(tx, integration, plans, mode or "incremental", trigger)
        await self._knocker.send(knocks)
        return run_id

    async def resume(self, company_id: UUID, integration_id: UUID) -> UUID | None:
        """After a pause: one run per entity that may come in, incremental unless events were lost; None if none may."""
        async with self._database.company(company_id) as tx:
            integration = await self._store.connections.get(tx, integration_id)
            plans = [(Direction.INBOUND, each) for each in EntityType if integration.allows(each, Direction.INBOUND)]
            if not plans:
                return None
            # Events that were too many to keep are made up for by looking at everything.
            mode = "full" if integration.wants_full_comparison else "incremental"
            run_id, knocks = await self._start(tx, integration, plans, mode, "resume")
        await self._knocker.send(knocks)
        return run_id

    async def look_again(self, company_id: UUID, integration_id: UUID, entities: Collection[EntityType]) -> UUID | None:
        """
        After a change of the mapping: one full run for each of *entities* that may come in and was pulled before.

        None if there is none: what was never pulled meets the new mapping at its first pull.
        """
        async with self._database.company(company_id) as tx:
            integration = await self._store.connections.get(tx, integration_id)
            plans = [
                (Direction.INBOUND, each)
                for each in EntityType
                if each in entities
                and integration.allows(each, Direction.INBOUND)
                and (await self._store.runs.lock_cursor(tx, integration_id, each)).watermark is not None
            ]
            if not plans:
                return None
            run_id, knocks = await self._start(tx, integration, plans, "full", "mapping")
        await self._knocker.send(knocks)
        return run_id

    async def cancel(self, company_id: UUID, run_id: UUID) -> None:
        """Stop a run at its next page, at once if nobody works on it. Raises NotFound, and Conflict when it is over."""
        async with self._database.company(company_id) as tx:
            run = await self._store.runs.get(tx, run_id)
            if run is None:
                raise NotFound(f"there is no run {run_id}")
            if run_id in await end_left_over(tx, self._store, run.integration_id, run.entity):
                return
            if not await self._store.runs.request_cancel(tx, run_id):
                raise Conflict("the run is over already")

    async def schedule(
        self, tx: Transaction, integration: IntegrationRow, entity: EntityType, mode: str
    ) -> list[Knock]:
        """Start the run of a schedule, unless one of the same entity is under way."""
        if not integration.allows(entity, Direction.INBOUND):
            return []
        if await self._under_way(tx, integration.id, entity, Direction.INBOUND):
            return []
        _, knocks = await self._start(tx, integration, [(Direction.INBOUND, entity)], mode, "schedule")
        return knocks

    async def push(self, tx: Transaction, integration: IntegrationRow, entities: Collection[EntityType]) -> list[Knock]:
        """Start an outbound run of each of *entities* that may go out; while the integration is paused it waits."""
        plans = [
            (Direction.OUTBOUND, each)
            for each in EntityType
            if each in entities and integration.allows(each, Direction.OUTBOUND)
        ]
        if not plans:
            return []
        _, knocks = await self._start(tx, integration, plans, "incremental", "opened")
        return knocks

    async def _start(
        self,
        tx: Transaction,
        integration: IntegrationRow,
        plans: Sequence[tuple[Direction, EntityType]],
        mode: str,
        trigger: str,
    ) -> tuple[UUID, list[Knock]]:
        modes = [await self._mode(tx, integration, direction, entity, mode) for direction, entity in plans]
        parent_id = None
        if len(plans) > 1:
            parent_id = await self._store.runs.create(
                tx, integration.id, entity=None, direction=plans[0][0], mode=mode, trigger=trigger
            )
        runs = [
            await self._store.runs.create(
                tx,
                integration.id,
                entity=entity,
                direction=direction,
                mode=own_mode,
                trigger=trigger,
                parent_id=parent_id,
            )
            for (direction, entity), own_mode in zip(plans, modes, strict=True)
        ]
        requests = await self._first_jobs(tx, integration, runs)
        return parent_id or runs[0], await self._store.ledger.enqueue(tx, requests)

    async def _mode(
        self, tx: Transaction, integration: IntegrationRow, direction: Direction, entity: EntityType, asked: str
    ) -> str:
        """
        Return *asked*, or full where everything is owed another look and no run that is under way gives it.

        The cursor is locked before the run is made, so that one which begins after a mapping was saved works with it.
        """
        if direction is not Direction.INBOUND:
            return asked
        cursor = await self._store.runs.lock_cursor(tx, integration.id, entity)
        owed_since = cursor.full_wanted_at
        if owed_since is None or cursor.watermark is None:  # a first pull reads everything whatever it is called
            return asked
        under_way = await self._under_way(tx, integration.id, entity, direction)
        is_coming = any(run.mode == "full" and run.started_at > owed_since for run in under_way)
        return asked if is_coming else "full"

    async def _under_way(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, direction: Direction
    ) -> list[Run]:
        """Return the runs that are not over; those that nobody works on are ended."""
        runs = await self._store.runs.running(tx, integration_id, entity, direction)
        ended = await end_left_over(tx, self._store, integration_id, entity) if runs else frozenset[UUID]()
        return [run for run in runs if run.id not in ended]

    async def _first_jobs(
        self, tx: Transaction, integration: IntegrationRow, run_ids: Sequence[UUID]
    ) -> list[JobRequest]:
        """Pulls go one entity after another, each started by the one before; pushes at once."""
        runs = [run for run_id in run_ids if (run := await self._store.runs.get(tx, run_id)) is not None]
        pulls = [run for run in runs if run.direction is Direction.INBOUND]
        requests = [outbound_request(integration.id, run) for run in runs if run.direction is Direction.OUTBOUND]
        if pulls:
            requests.append(await self._pull_job(tx, integration, pulls[0]))
        return requests

    async def _pull_job(self, tx: Transaction, integration: IntegrationRow, run: Run) -> JobRequest:
        if run.entity is None:
            raise ValueError("a run over several entities has no job of its own")
        cursor = await self._store.runs.lock_cursor(tx, integration.id, run.entity)
        is_first = cursor.watermark is None or run.mode == "full"
        return pull_request(integration.id, run, priority=FIRST_SYNC if is_first else INCREMENTAL_PULL)


def _plans(
    integration: IntegrationRow, direction: Direction | None, entity: EntityType | None
) -> list[tuple[Direction, EntityType]]:
    if integration.deleted_at is not None:
        raise NotFound(f"there is no integration {integration.id}")
    if not integration.sync_enabled:
        raise Conflict("the integration is paused", remedy="set sync_enabled to true")
    if integration.attention is not None:
        raise Conflict(f"the integration waits for people: {integration.attention}", remedy="give it new credentials")
    plans = [
        (each, kind)
        for each in ([direction] if direction else list(Direction))
        for kind in ([entity] if entity else list(EntityType))
        if integration.allows(kind, each)
    ]
    if not plans:
        raise Conflict("this direction is not allowed", remedy="change config.directions or the entity's switch")
    return plans
