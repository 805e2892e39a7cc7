"""Steps of applications: people register and apply, on either side, and their applications move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg

from shared.errors import LiaisonError
from tests.simulation.engine.ancestry import Edit
from tests.simulation.engine.host import Host
from tests.simulation.engine.oracle import PORTAL
from tests.simulation.engine.script import Kind, Step
from tests.simulation.engine.values import FIRST_APPLICATION, FIRST_JOB, MOVES, value_of
from tests.simulation.engine.vendor import VendorRecord
from tests.simulation.engine.world import APPLICATION, COMPANY, World, of_job


class ApplicationSteps:
    """Performs them. *tell* sends the webhook of a step."""

    def __init__(self, host: Host, world: World, tell: Callable[[Step, VendorRecord], None]) -> None:
        self._host = host
        self._world = world
        self._tell = tell

    def perform(self, step: Step) -> bool:
        """Perform *step*; return False if nothing came of it."""
        match step.kind:
            case Kind.REGISTER:
                return self._register(step)
            case Kind.SUBMIT:
                return self._submit(step)
            case Kind.APPLY:
                return self._apply(step)
            case Kind.VENDOR_MOVE:
                return self._vendor_move(step)
            case Kind.PORTAL_MOVE:
                return self._portal_move(step)
            case _:
                raise AssertionError(f"nobody performs {step.kind}")

    def _register(self, step: Step) -> bool:
        """Somebody whom no vendor knows."""
        fields = self._world.values_of(step.person, PORTAL, is_first=True)
        work = self._host.portal.services.edits.create_candidate(COMPANY, fields, actor=f"e{step.number}")
        self._host.spawn(self._host.portal, self._host.attempt(work, "registrations that were refused"), "register")
        return True

    def _submit(self, step: Step) -> bool:
        """Somebody in the portal takes a candidate to a vendor's job."""
        world, row = self._world, self._world.record_of(step.person)
        job_id = of_job(world, step.vendor, self._job(step).external_id)
        if row is None or job_id is None:
            return False
        fields = self._values(step, PORTAL)
        work = self._host.portal.services.edits.submit_application(
            COMPANY, candidate_id=row["id"], job_id=job_id, fields=fields, actor=f"e{step.number}"
        )
        self._host.spawn(self._host.portal, self._host.attempt(work, "submissions that were refused"), "submission")
        return True

    def _apply(self, step: Step) -> bool:
        """Somebody applies at the vendor."""
        world, record = self._world, self._world.at(step.vendor, step.person)
        job = self._job(step)
        if record is None:
            return False
        vendor = world.vendors[step.vendor]
        if any(each.now.references["job_id"] == job.external_id for each in vendor.applications_of(record.external_id)):
            return False
        references = {"candidate_id": record.external_id, "job_id": job.external_id}
        subject = FIRST_APPLICATION + step.number
        self._tell(step, vendor.add(subject, self._values(step, step.vendor), APPLICATION, references))
        return True

    def _values(self, step: Step, place: str) -> dict[str, Any]:
        """Return a stage and a status that nobody has written before."""
        self._world.bids[FIRST_APPLICATION + step.number] = (step.person, self._job(step).external_id)
        self._world.relate_bids()
        values = {}
        for number, name in enumerate(MOVES, step.number):
            self._world.oracle.edited(Edit(number, FIRST_APPLICATION + step.number, name, place), None, clears=False)
            values[name] = value_of(name, number)
        return values

    def _job(self, step: Step) -> VendorRecord:
        jobs = [each for each in self._world.vendors[step.vendor].records.values() if each.person >= FIRST_JOB]
        return jobs[int(step.amount) % len(jobs)]

    def _vendor_move(self, step: Step) -> bool:
        world, vendor = self._world, self._world.vendors[step.vendor]
        living = [each for each in vendor.records.values() if each.entity is APPLICATION and not each.now.is_gone]
        if not living:
            return False
        record = living[int(step.amount) % len(living)]
        vendor.settle_late()
        edit = Edit(step.number, record.person, step.name, step.vendor)
        edit.is_linked = world.is_known(step.vendor, record.external_id)
        edit.is_over_unsettled = world.is_unsettled(step.vendor, record.external_id, step.name)
        world.oracle.edited(edit, record.now.values[step.name], clears=False)
        vendor.edit(record.external_id, {step.name: value_of(step.name, step.number)})
        self._tell(step, record)
        return True

    def _portal_move(self, step: Step) -> bool:
        rows = [row for row in self._world.committed("records") if row["entity_type"] == APPLICATION.value]
        if not rows:
            return False
        row = rows[int(step.amount) % len(rows)]
        subject = self._world.oracle.person_of[str(row["id"])]
        self._world.oracle.edits[step.number] = Edit(step.number, subject, step.name, PORTAL)
        self._host.spawn(self._host.portal, self._save(step, row["id"]), f"edit {step.number}")
        return True

    async def _save(self, step: Step, record_id: UUID) -> None:
        edits, before = self._host.portal.services.edits, self._world.shown(record_id, step.name)
        value = value_of(step.name, step.number)
        try:
            await edits.edit(COMPANY, APPLICATION, record_id, {step.name: value}, actor=f"e{step.number}")
        except (LiaisonError, psycopg.Error):
            self._host.figures["edits that were not acknowledged"] += 1
            return
        self._world.acknowledged(step.number, record_id, before)
