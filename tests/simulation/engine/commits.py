"""What commits make of the rows that people see: each is judged between the commit and its return."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from shared.merge.base_codec import decode_base
from shared.merge.fingerprints import unmet_print
from shared.model import UNITS, Direction, EntityType, Unit
from tests.simulation.engine.oracle import PORTAL, Violation
from tests.simulation.engine.values import who
from tests.simulation.engine.world import CANDIDATE, World
from tests.simulation.store.tables import Row, Slot, Table

NOTED = ("records", "conflicts", "sync_logs", "record_merges", "external_entity_map")
"""Tables whose commits are noted."""


class Commits:
    """An eye on every commit of *world*. *fail* hears of what no engine may do."""

    def __init__(self, world: World, fail: Callable[[str], None]) -> None:
        self._world = world
        self._fail = fail
        self._settled: list[tuple[str, Row | None, Row]] = []
        self._came_with: dict[UUID, set[UUID]] = {}
        """By merge: the links that came to the survivor with the other one."""
        self._records: dict[UUID, Row] = {}
        for name in NOTED:
            self._note(world.database.memory.tables[name])

    def watch(self) -> None:
        """Look at what a commit has changed, and let the oracle judge it. Called between a commit and its return."""
        if not self._settled:
            return
        settled, self._settled = self._settled, []
        logged = self._logged(settled)
        try:
            joined = self._joined(settled)
            for name, before, row in settled:
                if name == "records":
                    self._records[row["id"]] = row
                    if before is None and row["entity_type"] == CANDIDATE.value and not row["data"].get("email"):
                        self._world.unaddressed.add(row["id"])
                    if row["id"] not in joined:
                        self._require_whole(before, row)
                        self._world.oracle.portal_changed(
                            before,
                            row,
                            logged.get(row["id"], set()),
                            is_being_created=self._world.is_being_created(row["id"]),
                            remade=self._remade(settled, row["id"]),
                        )
                        self._world.archives.changed(before, row, self._world.oracle.person_of.get(str(row["id"]), 0))
                    else:
                        self._world.archives.leaves(row["id"])
            for name, before, row in settled:
                if name == "conflicts" and row["status"] == "resolved" and before is not None and row["unit"]:
                    self._resolved(row, orjson.loads(before["sealed"]))
        except AssertionError as error:
            self._fail(str(error))

    def _require_whole(self, before: Row | None, row: Row) -> None:
        """Nobody writes to a record that is part of another one: it would be seen by nobody."""
        if before is None or before["data"] == row["data"]:
            return
        merges = self._world.committed("record_merges")
        if any(each["merged_id"] == row["id"] and each["ended_at"] is None for each in merges):
            person = who(self._world.oracle.person_of[str(row["id"])])
            raise Violation(f"the record of {person} was written though it is part of another one")

    def _require_parted(self, merge: Row) -> None:
        """What came with somebody goes with them again."""
        for link in self._world.committed("external_entity_map"):
            if link["id"] in self._came_with[merge["id"]] and link["internal_id"] == merge["survivor_id"]:
                person = who(self._world.oracle.person_of[str(merge["merged_id"])])
                raise Violation(f"{person} was parted, and {link['external_id']} is the other one's still")

    def _logged(self, settled: Sequence[tuple[str, Row | None, Row]]) -> dict[UUID, set[str]]:
        """Keep the rows of the log; return which units they name, by record."""
        logged: dict[UUID, set[str]] = {}
        for name, _, row in settled:
            if name == "sync_logs":
                self._world.logs.append(row)
                if row["entity_id"] is not None:
                    logged.setdefault(row["entity_id"], set()).update(row["details"].get("fields", ()))
        return logged

    def _remade(self, settled: Sequence[tuple[str, Row | None, Row]], record_id: UUID) -> set[str]:
        """
        Return in which units a commit has looked for the first time at what became of a lost write to *record_id*.

        A create's answer may show less than was sent, which is lost to that extent. Of those units alone that the
        vendor makes something else of without saying so, and may date too late.
        """
        looked = any(name == "sync_logs" and row["direction"] == Direction.INBOUND.value for name, _, row in settled)
        remade: set[str] = set()
        for name, before, row in settled:
            if name != "external_entity_map" or before is None or row["internal_id"] != record_id:
                continue
            traits = self._world.vendors[self._world.names[row["integration_id"]]].traits
            was, now = (_sent(each, unseen_alone=not looked) for each in (before, row))
            remade |= {
                each.name for each in was - now if traits.may_overstate and traits.remakes_silently(each.members)
            }
        return remade

    def _joined(self, settled: Sequence[tuple[str, Row | None, Row]]) -> set[UUID]:
        """Tell the oracle of records that a commit has made one, or two again; return which."""
        of: dict[UUID, tuple[Row, Row]] = {
            row["id"]: (before, row) for name, before, row in settled if name == "records" and before is not None
        }
        joined: set[UUID] = set()
        for name, before, row in settled:
            if name != "record_merges":
                continue
            survivor, other = of[row["survivor_id"]], of[row["merged_id"]]
            if before is None:
                self._world.oracle.merged_here(survivor, other)
                self._came_with[row["id"]] = {
                    link["id"]
                    for table, was, link in settled
                    if table == "external_entity_map" and was is not None and was["internal_id"] == row["merged_id"]
                }
            elif row["ended_at"] is not None:
                self._world.oracle.parted_here(survivor, other)
                self._require_parted(row)
            joined |= {row["survivor_id"], row["merged_id"]}
            self._world.relate_bids()
        return joined

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
        person = self._world.oracle.person_of[str(row["record_id"])]
        record = self._records[row["record_id"]]
        data, unit = record["data"], UNITS[EntityType(record["entity_type"])][row["unit"]]
        sides = [(PORTAL, person, content["ours"])]
        linked = {str(link["id"]): link["external_id"] for link in self._world.committed("external_entity_map")}
        for link_id, side in content["sides"].items():
            vendor = self._world.names[UUID(side["integration_id"])]
            sides.append((vendor, self._world.vendors[vendor].records[linked[link_id]].person, side["values"]))
        for name in sorted({name for _, _, values in sides for name in values}):
            seen = [(place, who, values[name]) for place, who, values in sides if name in values]
            self._world.oracle.decided(person, name, data.get(name), seen)
        self._world.oracle.shows(person, {name: data.get(name) for name in unit.members})


def _sent(link: Row, *, unseen_alone: bool) -> set[Unit]:
    """Return the units of a link that we have sent; *unseen_alone*: a create did, and nobody has seen them there."""
    base, units = decode_base(link["base"]), UNITS[EntityType(link["entity_type"])]
    sent = {name: units[name] for name, known in base.items() if known.intent is not None and name in units}
    return {unit for name, unit in sent.items() if not unseen_alone or base[name].theirs == unmet_print(unit)}
