"""What stands when a story begins: a company, its vendors with their people, and an eye on every commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

import orjson
from pydantic import JsonValue

from shared.adapters import registry
from shared.adapters.protocol import Adapter
from shared.model import EntityType
from tests.simulation.engine.adapter import MemoryAdapter, capabilities_of
from tests.simulation.engine.gates import Gates
from tests.simulation.engine.oracle import PORTAL, Edit, Oracle
from tests.simulation.engine.plan import Plan
from tests.simulation.engine.traits import Traits
from tests.simulation.engine.values import IDENTITY, SCALARS, value_of
from tests.simulation.engine.vendor import MemoryVendor, VendorRecord, Write
from tests.simulation.store.memory import MemoryDatabase
from tests.simulation.store.tables import Row, Slot, Table

COMPANY = UUID(int=1)
CANDIDATE = EntityType.CANDIDATE
_DIRECTIONS = {"job": "inbound", "candidate": "both", "application": "inbound"}


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
        self.vendors = {each.name: MemoryVendor(each, clock, self._written) for each in plan.vendors}
        self.ids = {each.name: UUID(int=10 + rank) for rank, each in enumerate(plan.vendors, 1)}
        self.names = {each: name for name, each in self.ids.items()}
        self.adapters: dict[UUID, Adapter] = {
            self.ids[each.name]: _adapter_class(each)(self.vendors[each.name], gates) for each in plan.vendors
        }
        self._fail = fail
        self._records: dict[UUID, Row] = {}
        self._settled: list[tuple[str, Row | None, Row]] = []
        self.logs: list[Mapping[str, Any]] = []
        """Rows of `sync_logs`, in the order of their commits."""

    # -- the beginning ------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Make the company and connect its vendors, whose people are there already."""
        for name in ("records", "conflicts", "sync_logs"):
            self._note(self.database.memory.tables[name])
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
                    "config": {"directions": _DIRECTIONS},
                    "sync_roles": False,
                    "sync_applications": False,
                    "clock_skew_ms": round(traits.skew_s * 1000) if traits.is_skew_known else 0,
                },
            )
        for person, homes in enumerate(self.plan.people, 1):
            for name in homes:
                self.arrive(person, name, is_first=name == homes[0])

    def arrive(self, person: int, vendor: str, *, is_first: bool) -> VendorRecord:
        """Let *person* be known at *vendor*. At a second one they go by the same name and address."""
        values = {}
        for place, name in enumerate(SCALARS):
            if not is_first and name in ("preferred_name", "phone") and person % 4:
                continue  # else every person would begin as a conflict
            where = 0 if name in IDENTITY else list(self.vendors).index(vendor)
            number = 1 + ((person - 1) * len(self.vendors) + where) * len(SCALARS) + place
            values[name] = value_of(name, number)
            self.oracle.edits.setdefault(number, Edit(number, person, name, vendor))
            self.oracle.edited(self.oracle.edits[number], None, clears=False)
        record = self.vendors[vendor].add(person, values)
        self.oracle.shows(person, record.now.values)
        return record

    # -- looking ------------------------------------------------------------------------------------------------------

    def committed(self, table: str) -> Iterator[Mapping[str, Any]]:
        """Yield the committed rows of *table*."""
        for slot in list(self.database.memory.tables[table].slots):
            if slot.committed is not None:
                yield slot.committed

    def record_of(self, person: int) -> Mapping[str, Any] | None:
        """Return the portal's record of *person*, or None."""
        of = self.oracle.person_of
        return next((row for row in self.committed("records") if of.get(str(row["id"])) == person), None)

    def shown(self, record_id: UUID, name: str) -> JsonValue:
        """Return what the portal shows of a field."""
        value: JsonValue = self._records[record_id]["data"].get(name)
        return value

    def acknowledged(self, number: int, record_id: UUID, before: JsonValue) -> None:
        """Fail unless the edit *number* of a field that showed *before* was kept."""
        edit = self.oracle.edits[number]
        if number not in self.oracle.parents and before is not None and self.shown(record_id, edit.name) == before:
            self._fail(f"{edit.name} of person {edit.person}: edit #{number} was acknowledged and is not kept")

    def at(self, vendor: str, person: int) -> VendorRecord | None:
        """Return the living record of *person* at *vendor*, or None."""
        records = self.vendors[vendor].records.values()
        return next((each for each in records if each.person == person and not each.now.is_gone), None)

    def is_known(self, vendor: str, external_id: str) -> bool:
        """Whether this record of *vendor* is linked."""
        place = (self.ids[vendor], external_id)
        return any(
            (row["integration_id"], row["external_id"]) == place for row in self.committed("external_entity_map")
        )

    def is_unsettled(self, vendor: str, external_id: str, unit: str) -> bool:
        """Whether a write of ours to *unit* of this record may be under way, or has lost its worker."""
        place = (self.ids[vendor], external_id)
        for row in self.committed("external_entity_map"):
            if (row["integration_id"], row["external_id"]) == place:
                known = row["base"].get("u", {}).get(unit)
                return isinstance(known, dict) and "i" in known
        return False

    def is_known_everywhere(self, person: int) -> bool:
        """Whether each vendor's record of *person* is linked, so that name and address are free to change."""
        records = [(name, record) for name in self.vendors if (record := self.at(name, person)) is not None]
        return all(self.is_known(name, record.external_id) for name, record in records)

    def is_everybody_known(self) -> bool:
        """Whether every record of every vendor is linked."""
        living = sum(not each.now.is_gone for vendor in self.vendors.values() for each in vendor.records.values())
        linked = sum(bool(row["state"] == "live") for row in self.committed("external_entity_map"))
        return living <= linked

    def watch(self) -> None:
        """Look at what a commit has changed, and let the oracle judge it. Called between a commit and its return."""
        if not self._settled:
            return
        settled, self._settled = self._settled, []
        logged: dict[UUID, set[str]] = {}
        for name, _, row in settled:
            if name == "sync_logs":
                self.logs.append(row)
                if row["entity_id"] is not None:
                    logged.setdefault(row["entity_id"], set()).update(row["details"].get("fields", ()))
        try:
            for name, before, row in settled:
                if name == "records":
                    self._records[row["id"]] = row
                    self.oracle.portal_changed(before, row, logged.get(row["id"], set()))
            for name, before, row in settled:
                if name == "conflicts" and row["status"] == "resolved" and before is not None and row["unit"]:
                    self._resolved(row, orjson.loads(before["sealed"]))
        except AssertionError as error:
            self._fail(str(error))

    def _note(self, table: Table) -> None:
        """Note from now on what commits make of the rows of *table*."""
        settle, name = table.settle, table.name

        def settle_and_note(slot: Slot) -> None:
            before = slot.committed
            settle(slot)
            if slot.committed is not None:
                self._settled.append((name, before, slot.committed))

        table.settle = settle_and_note  # type: ignore[method-assign]  # the one place that every commit passes

    def _resolved(self, row: Mapping[str, Any], content: Mapping[str, Any]) -> None:
        person = self.oracle.person_of[str(row["record_id"])]
        data = self._records[row["record_id"]]["data"]
        sides = {PORTAL: content["ours"]}
        for side in content["sides"].values():
            sides[self.names[UUID(side["integration_id"])]] = side["values"]
        for name in sorted({name for values in sides.values() for name in values}):
            seen = {place: values[name] for place, values in sides.items() if name in values}
            self.oracle.decided(person, name, data.get(name), seen)
        self.oracle.shows(person, data)

    def _written(self, write: Write) -> None:
        try:
            self.oracle.vendor_wrote(write)
        except AssertionError as error:
            self._fail(str(error))


def _adapter_class(traits: Traits) -> type[MemoryAdapter]:
    made = type(
        f"Adapter{traits.name}",
        (MemoryAdapter,),
        {"platform": f"memory-{traits.name}", "traits": traits, "capabilities": capabilities_of(traits)},
    )
    registry.register(made)
    return made
