"""What stands when a story begins: a company, its vendors with their people, and an eye on every commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import JsonValue

from shared.adapters.protocol import Adapter
from shared.merge.base_codec import decode_base
from shared.merge.fingerprints import parts_of
from shared.merge.state import EMPTY
from shared.model import EntityType
from tests.simulation.engine.adapter import adapter_of
from tests.simulation.engine.ancestry import Edit
from tests.simulation.engine.archives import Archives
from tests.simulation.engine.gates import Gates
from tests.simulation.engine.oracle import PORTAL, Oracle
from tests.simulation.engine.script import Plan
from tests.simulation.engine.values import (
    FIRST_APPLICATION,
    FIRST_JOB,
    IDENTITY,
    MOVES,
    SCALARS,
    UNIT_OF,
    number_of,
    value_of,
)
from tests.simulation.engine.vendor import START, MemoryVendor, VendorRecord, Write
from tests.simulation.store.memory import MemoryDatabase

COMPANY = UUID(int=1)
CANDIDATE = EntityType.CANDIDATE
MATCHES = ("ambiguous_match", "possible_duplicate")
"""Kinds of items that ask who somebody is."""
APPLICATION, JOB = EntityType.APPLICATION, EntityType.JOB


class World:
    """The systems of one plan, and what the oracle has to know of them."""

    def __init__(
        self,
        plan: Plan,
        database: MemoryDatabase,
        gates: Gates,
        clock: Callable[[], float],
        fail: Callable[[str], None],
    ) -> None:
        self.plan = plan
        self.database = database
        self.oracle = Oracle()
        self.vendors = {each.name: MemoryVendor(each, clock, self._written, self._whose) for each in plan.vendors}
        self.ids = {each.name: UUID(int=10 + rank) for rank, each in enumerate(plan.vendors, 1)}
        self.names = {each: name for name, each in self.ids.items()}
        self.adapters: dict[UUID, Adapter] = {
            self.ids[each.name]: adapter_of(each, has_jobs=plan.jobs > 0)(
                self.vendors[each.name], gates, partial(self._deleted, self.ids[each.name])
            )
            for each in plan.vendors
        }
        by_id = {self.ids[name]: vendor for name, vendor in self.vendors.items()}
        self.archives = Archives(self.committed, by_id, clock)
        self._fail = fail
        self.merges_there: list[tuple[str, str, str]] = []
        """Vendor, the id that went, and the one that it was merged into."""
        self.bids: dict[int, tuple[int, str]] = {}
        """By number of an application: whose it is, and the vendor's id of the job."""
        self.unaddressed: set[UUID] = set()
        """Records that were made without an address: their vendor hid it, and nothing told whom of ours they are."""
        self.logs: list[Mapping[str, Any]] = []
        """Rows of `sync_logs`, in the order of their commits."""

    # -- the beginning ------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Make the company and connect its vendors, whose people are there already."""
        await self.database.put("companies", {"id": COMPANY, "name": "Acme"})
        for rank, traits in enumerate(self.plan.vendors, 1):
            await self.database.put(
                "integrations",
                {
                    "id": self.ids[traits.name],
                    "company_id": COMPANY,
                    "platform": f"memory-{traits.name}",
                    "webhook_url": "",
                    "rank": rank,
                    "config": traits.config(),
                    "sync_roles": self.plan.jobs > 0,
                    "sync_applications": self.plan.jobs > 0,
                    "clock_skew_ms": round(traits.skew_s * 1000) if traits.is_skew_known else 0,
                },
            )
        for number, name in enumerate(self.vendors if self.plan.pulls_every_s else ()):
            await self.database.put(
                "schedules",
                {
                    "id": UUID(int=40 + number),
                    "company_id": COMPANY,
                    "integration_id": self.ids[name],
                    "entity_type": CANDIDATE.value,
                    "mode": "incremental",
                    "every_s": self.plan.pulls_every_s,
                    "next_due_at": START + timedelta(seconds=self.plan.pulls_every_s),
                },
            )
        if self.plan.jobs:
            route = {"entity_type": "application", "from_system": "portal", "to_system": "job_owner"}
            await self.database.put("routes", {"id": UUID(int=30), "company_id": COMPANY, **route})
        for number in range(self.plan.jobs * len(self.vendors)):
            vendor = list(self.vendors.values())[number % len(self.vendors)]
            vendor.add(FIRST_JOB + number, {"title": f"Post {number}"}, JOB)
        for person, homes in enumerate(self.plan.people, 1):
            for name in homes:
                self.arrive(person, name, is_first=name == homes[0])

    def values_of(self, person: int, place: str, *, is_first: bool) -> dict[str, JsonValue]:
        """Return what *person* begins with at *place*. At a second one they go by the same name and address."""
        values: dict[str, JsonValue] = {}
        for index, name in enumerate(SCALARS):
            if not is_first and name in ("preferred_name", "phone") and person % 4:
                continue  # else every person would begin as a conflict
            where = 0 if name in IDENTITY or place == PORTAL else list(self.vendors).index(place)
            number = 1 + ((person - 1) * len(self.vendors) + where) * len(SCALARS) + index
            values[name] = value_of(name, number)
            self.oracle.edits.setdefault(number, Edit(number, person, name, place))
            self.oracle.edited(self.oracle.edits[number], None, clears=False)
        self.oracle.shows(person, values)
        return values

    def arrive(self, person: int, vendor: str, *, is_first: bool) -> VendorRecord:
        """Let *person* be known at *vendor*."""
        record = self.vendors[vendor].add(person, self.values_of(person, vendor, is_first=is_first))
        self.oracle.shows(person, record.now.values)
        return record

    @property
    def pulled(self) -> EntityType | None:
        """What a pull is asked for: candidates, or everything where there are jobs."""
        return None if self.plan.jobs else CANDIDATE

    # -- looking ------------------------------------------------------------------------------------------------------

    def committed(self, table: str) -> Iterator[Mapping[str, Any]]:
        """Yield the committed rows of *table*."""
        for slot in list(self.database.memory.tables[table].slots):
            if slot.committed is not None:
                yield slot.committed

    def record_of(self, person: int) -> Mapping[str, Any] | None:
        """Return the portal's record of *person*, or None."""
        of = self.oracle.person_of
        found = [row for row in self.committed("records") if of.get(str(row["id"])) == person]
        return next((row for row in found if row["archived_at"] is None), found[0] if found else None)

    def pulled_brakes(self) -> list[UUID]:
        """Return the integrations whose deletes wait for a person."""
        return [row["integration_id"] for row in self.committed("delete_brakes") if row["state"] == "open"]

    def open_items(self) -> list[Mapping[str, Any]]:
        """Return what waits for a person's decision, in an order that is the same in every run."""
        rows = [
            row
            for row in self.committed("conflicts")
            if row["status"] == "open" and (row["kind"] == "field" or row["kind"] in MATCHES)
        ]
        person_of = self.oracle.person_of
        return sorted(
            rows, key=lambda row: (person_of.get(str(row["record_id"]), 0), row["unit"] or "", row["external_id"] or "")
        )

    def shown(self, record_id: UUID, name: str) -> JsonValue:
        """Return what the portal shows of a field."""
        values = (row["data"].get(name) for row in self.committed("records") if row["id"] == record_id)
        return next(values, None)

    def acknowledged(self, number: int, record_id: UUID, before: JsonValue) -> None:
        """Fail unless the edit *number* of a field that showed *before* was kept."""
        edit = self.oracle.edits[number]
        if (
            not self.oracle.ancestry.is_known(number)
            and before is not None
            and self.shown(record_id, edit.name) == before
        ):
            self._fail(f"{edit.name} of person {edit.person}: edit #{number} was acknowledged and is not kept")

    def at(self, vendor: str, person: int) -> VendorRecord | None:
        """Return the living record of *person* at *vendor*, or None."""
        records = self.vendors[vendor].records.values()
        return next((each for each in records if each.person == person and not each.now.is_gone), None)

    def where_is(self, vendor: str, person: int) -> VendorRecord | None:
        """Return the living record of *person* at *vendor*, or the one that it was merged into; None if it is gone."""
        into = {loser: survivor for name, loser, survivor in self.merges_there if name == vendor}
        records = self.vendors[vendor].records
        found = [each for each in records.values() if each.person == person]
        while found and found[-1].external_id in into:
            found.append(records[into[found[-1].external_id]])
        return found[-1] if found and not found[-1].now.is_gone else None

    def is_known(self, vendor: str, external_id: str) -> bool:
        """Whether this record of *vendor* is linked."""
        return (vendor, external_id) in self.links()

    def links(self) -> dict[tuple[str, str], Mapping[str, Any]]:
        """Return the link of each record of a vendor's that has one."""
        return {
            (self.names[row["integration_id"]], row["external_id"]): row
            for row in self.committed("external_entity_map")
        }

    def is_unsettled(self, vendor: str, external_id: str, unit: str) -> bool:
        """
        Whether a write of ours to *unit* of this record may be under way, or has lost its worker.

        A create is settled as far as its answer showed what it made, else by the first look.
        """
        place = (self.ids[vendor], external_id)
        for row in self.committed("external_entity_map"):
            known = row["base"].get("u", {}).get(unit)
            if (row["integration_id"], row["external_id"]) == place and known is not None:
                return isinstance(known, dict) and "i" in known
        return self.vendors[vendor].records[external_id].is_made_by_us

    def is_seen_empty(self, vendor: str, external_id: str, name: str) -> bool:
        """Whether we have seen that *name* is empty there, or have nothing yet to see it by."""
        link, unit = self.links().get((vendor, external_id)), UNIT_OF[name]
        known = None if link is None else decode_base(link["base"]).get(unit.name)
        return known is None or parts_of(known.theirs, unit)[unit.members.index(name)] == EMPTY

    def is_being_created(self, record_id: UUID | None) -> bool:
        """Whether this record was sent to a vendor that shall create it, and is not linked there yet."""
        return any(
            row["record_id"] == record_id and row["state"] == "open" and row["sent_at"] is not None
            for row in self.committed("create_intents")
        )

    def is_known_everywhere(self, person: int, *, besides_ours: bool = False) -> bool:
        """
        Whether each vendor's record of *person* and their kin is linked, so that names and addresses may change.

        *besides_ours*: but for those that vendors have made of ours, and whose answers nobody has heard.
        """
        return all(
            self.is_known(name, record.external_id)
            or (besides_ours and record.is_made_by_us and self.is_being_created(self._id_of(each)))
            for each in self.oracle.families.members(person)
            for name in self.vendors
            if (record := self.at(name, each)) is not None
        )

    def _id_of(self, person: int) -> UUID | None:
        row = self.record_of(person)
        return None if row is None else row["id"]

    def is_everybody_known(self) -> bool:
        """Whether every record of every vendor is linked."""
        living = sum(not each.now.is_gone for vendor in self.vendors.values() for each in vendor.records.values())
        linked = sum(bool(row["state"] == "live") for row in self.committed("external_entity_map"))
        return living <= linked

    def relate_bids(self) -> None:
        """One person's applications for one job are taken for one, whichever side they were made on."""
        families = self.oracle.families
        for one, (person, job) in self.bids.items():
            for other, (kin, same) in self.bids.items():
                if job == same and families.are_kin(person, kin):
                    families.unite(one, other)

    def _whose(
        self, vendor: MemoryVendor, entity: EntityType, fields: Mapping[str, JsonValue], references: Mapping[str, str]
    ) -> int:
        """Return whom a create of ours is about: what it sends tells, or else what was submitted to that job."""
        edits, of = self.oracle.edits, self.oracle.person_of
        if entity is CANDIDATE:
            holders = [row for row in self.committed("records") if row["data"].get("email") == fields["email"]]
            holders.sort(key=lambda row: row["archived_at"] is not None)
            return of[str(holders[0]["id"])] if holders else edits[number_of("email", fields["email"])].person
        known = [edits[number].person for name in MOVES if (number := number_of(name, fields.get(name)))]
        if known:
            return known[0]
        candidate = vendor.records[references["candidate_id"]].person
        job = of_job(self, vendor.traits.name, references["job_id"])
        submitted = [
            (of.get(row["data"]["candidate_id"], 0), of[str(row["id"])])
            for row in self.committed("records")
            if row["entity_type"] == APPLICATION.value and row["data"].get("job_id") == str(job)
        ]
        # Kin may have several: theirs in the first place.
        submitted.sort(key=lambda each: each[0] != candidate)
        subjects = [each for whose, each in submitted if self.oracle.families.are_kin(whose, candidate)]
        if not subjects:
            self._fail(f"an application of person {candidate} was made at {vendor.traits.name} that nobody submitted")
            return FIRST_APPLICATION
        return next((each for each in subjects if self.at(vendor.traits.name, each) is None), subjects[0])

    def _written(self, write: Write) -> None:
        try:
            self.oracle.vendor_wrote(write)
        except AssertionError as error:
            self._fail(str(error))

    def _deleted(self, integration_id: UUID, record: VendorRecord) -> None:
        try:
            self.archives.deletes(integration_id, record)
        except AssertionError as error:
            self._fail(str(error))


def of_job(world: World, vendor: str, external_id: str) -> UUID | None:
    """Return our id of a vendor's job, or None."""
    place = (world.ids[vendor], external_id)
    links = world.committed("external_entity_map")
    return next((row["internal_id"] for row in links if (row["integration_id"], row["external_id"]) == place), None)
