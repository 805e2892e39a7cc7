"""Steps of archiving: people archive and restore candidates and applications, and decide about held deletes."""

from __future__ import annotations

from uuid import UUID

from shared.model import EntityType
from tests.simulation.engine.host import Host
from tests.simulation.engine.script import Kind, Step
from tests.simulation.engine.world import APPLICATION, CANDIDATE, COMPANY, World


class ArchiveSteps:
    """Performs them."""

    def __init__(self, host: Host, world: World) -> None:
        self._host = host
        self._world = world

    def perform(self, step: Step) -> bool:
        """Perform *step*; return False if nothing came of it."""
        if step.kind is Kind.DECIDE_DELETES:
            return self._decide(step)
        entity = CANDIDATE if step.person else APPLICATION
        is_archived = step.kind is Kind.RESTORE
        record_id = self._record(step, entity, is_archived=is_archived)
        if record_id is None:
            return False
        work = self._restore(entity, record_id) if is_archived else self._archive(step, entity, record_id)
        self._host.spawn(self._host.portal, work, step.kind.value)
        return True

    def _record(self, step: Step, entity: EntityType, *, is_archived: bool) -> UUID | None:
        """Return the person's record, or one of the applications, that is archived by somebody or is not."""
        of = self._world.oracle.person_of
        found: list[UUID] = [
            row["id"]
            for row in self._world.committed("records")
            if row["entity_type"] == entity.value
            and (row["archived_by"] is not None) == is_archived
            and step.person in (0, of[str(row["id"])])
        ]
        return found[int(step.amount) % len(found)] if found else None

    async def _archive(self, step: Step, entity: EntityType, record_id: UUID) -> None:
        archives = self._host.portal.services.archives
        work = archives.archive(COMPANY, entity, record_id, actor=f"e{step.number}")
        await self._host.attempt(work, "archives that were refused")

    async def _restore(self, entity: EntityType, record_id: UUID) -> None:
        self._world.archives.coming_back.append(record_id)
        work = self._host.portal.services.archives.restore(COMPANY, entity, record_id)
        await self._host.attempt(work, "restores that were refused")
        self._world.archives.coming_back.remove(record_id)

    def _decide(self, step: Step) -> bool:
        integration_id = self._world.ids[step.vendor]
        if integration_id not in self._world.pulled_brakes():
            return False
        deletes = self._host.portal.services.deletes
        decide = self._host.roll.choice([deletes.approve, deletes.reject])
        work = decide(COMPANY, integration_id, actor=f"e{step.number}")
        self._host.spawn(self._host.portal, self._host.attempt(work, "decisions that were refused"), "decision")
        return True
