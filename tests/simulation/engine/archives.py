"""
What people archived and restored, and what was deleted at vendors because of it (decision 16).

It keeps its own account of who asked for what, and never asks the engine's (`removals`). Only what a person has decided
about a pulled brake is read where the engine keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

from shared.model import EntityType
from tests.simulation.engine.oracle import Violation
from tests.simulation.engine.values import who
from tests.simulation.engine.vendor import MemoryVendor, VendorRecord

Rows = Callable[[str], Iterator[Mapping[str, Any]]]
"""Yields the committed rows of a table."""
UNDER_WAY_S = 100.0
"""So long after a restore a delete may still arrive: a lease of 60 s, and a call in flight for 30 s."""
DAY_S = 86_400.0
CANDIDATE, APPLICATION = EntityType.CANDIDATE.value, EntityType.APPLICATION.value


class Archives:
    """Who asked for what. *rows* shows what is committed, *vendors* are by the id of their integration."""

    def __init__(self, rows: Rows, vendors: Mapping[UUID, MemoryVendor], clock: Callable[[], float]) -> None:
        self.coming_back: list[UUID] = []
        """Records that somebody is restoring just now, as often as they ask for it."""
        self.deleted: set[str] = set()
        """The vendors' ids of what we have deleted."""
        self._rows, self._vendors, self._clock = rows, vendors, clock
        self._wished: dict[UUID, str] = {}
        """By link: the vendor's id of what is to be deleted there."""
        self._left: dict[UUID, float] = {}
        """By link: when its record was last restored, merged or parted."""
        self._back: set[UUID] = set()
        """Records that somebody restored, and nobody archived since."""
        self._away: set[UUID] = set()
        """Records that a person has archived."""
        self._away_at_birth: dict[UUID, frozenset[UUID]] = {}
        """By record: which others a person had archived when it came to be."""
        self._times: dict[tuple[UUID, str], list[float]] = {}
        """By integration and entity: when we deleted something that nobody had approved."""

    # -- what people do -----------------------------------------------------------------------------------------------

    def changed(self, before: Mapping[str, Any] | None, row: Mapping[str, Any], whose: int) -> None:
        """Judge what a commit has made of a record's place in the archive."""
        if before is None:
            self._away_at_birth[row["id"]] = frozenset(self._away)
        was = None if before is None else before["archived_by"]
        if was == row["archived_by"]:
            return
        if row["archived_by"] is not None:
            self._back.discard(row["id"])
            self._away.add(row["id"])
            for link in self._to_go(row):
                self._wished[link["id"]] = link["external_id"]
            return
        if row["id"] not in self.coming_back and was not in {str(each) for each in self.coming_back}:
            raise Violation(f"{who(whose)} was archived by a person, and nobody restored the record that came back")
        self.leaves(row["id"])
        self._away.discard(row["id"])
        self._back.add(row["id"])

    def leaves(self, record_id: UUID) -> None:
        """The record was restored, merged or parted: what was asked for is of another time."""
        self._back.discard(record_id)
        for link in self._links(record_id):
            self._wished.pop(link["id"], None)
            self._left[link["id"]] = self._clock()

    def _to_go(self, row: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the links of an archived record whose vendors are to delete it, but what its candidate takes along."""
        for link in self._links(row["id"]):
            deletes = self._vendors[link["integration_id"]].traits.deletes
            if link["state"] != "live" or link["entity_type"] not in deletes:
                continue
            parents = self._links(UUID(row["archived_by"])) if _is_id(row["archived_by"]) else iter(())
            places = {each["integration_id"] for each in parents if each["state"] == "live"}
            if CANDIDATE not in deletes or link["integration_id"] not in places:
                yield link

    # -- what we delete -----------------------------------------------------------------------------------------------

    def deletes(self, integration_id: UUID, record: VendorRecord) -> None:
        """Judge a delete of ours that the vendor has just taken."""
        entity, whom = record.entity.value, f"{who(record.person)} at {self._vendors[integration_id].traits.name}"
        links = self._rows("external_entity_map")
        place = (integration_id, record.external_id)
        link = next((each for each in links if (each["integration_id"], each["external_id"]) == place), None)
        if link is None or entity not in self._vendors[integration_id].traits.deletes:
            raise Violation(f"{whom} was deleted, which nobody asked for")
        row = next(each for each in self._rows("records") if each["id"] == link["internal_id"])
        if row["archived_by"] is None and self._clock() - self._left.get(link["id"], -DAY_S) > UNDER_WAY_S:
            raise Violation(f"{whom} was deleted, and is not archived here")
        self.deleted.add(record.external_id)
        if "approved" in self._decisions(link["id"]):
            return
        times = self._times.setdefault((integration_id, entity), [])
        times[:] = [*(each for each in times if each > self._clock() - DAY_S), self._clock()]
        if len(times) > self._vendors[integration_id].traits.brake:
            raise Violation(f"{whom} was deleted though the brake allows fewer than {len(times)} a day")

    # -- at rest ------------------------------------------------------------------------------------------------------

    def was_away(self, one: UUID, other: UUID) -> bool:
        """Whether a person had archived one of two records when the other came to be: nobody looked for that one."""
        return one in self._away_at_birth.get(other, ()) or other in self._away_at_birth.get(one, ())

    def is_held(self, link_id: UUID) -> bool:
        """Whether what has become of the link's record waits for a person, or a person wants it kept."""
        return self._decisions(link_id)[-1:] in (["open"], ["rejected"])

    def judge(self, person_of: Mapping[str, int], merged_there: set[str]) -> None:
        """Raise Violation unless everything that was archived and restored came to what was asked for."""
        records = {row["id"]: row for row in self._rows("records")}
        refused = {row["subject"] for row in self._rows("issues") if row["kind"] == "removal_refused"}
        letters = {row["job_id"] for row in self._rows("dead_letters") if row["state"] == "open"}
        stuck = {row["record_key"] for row in self._rows("sync_queue") if row["id"] in letters}
        for link in self._rows("external_entity_map"):
            there = self._vendors[link["integration_id"]].records[link["external_id"]]
            record_id = str(link["internal_id"])
            if self._wished.get(link["id"]) != link["external_id"] or link["external_id"] in merged_there:
                continue
            is_told = record_id in stuck or any(record_id in subject for subject in refused)
            if not there.now.is_gone and not self.is_held(link["id"]) and not is_told:
                raise Violation(f"{who(there.person)} was archived to be deleted, lives on, and nothing says why")
        for back in self._back:
            if records[back]["archived_at"] is not None and not self._lost_by_others(back):
                raise Violation(f"{who(person_of[str(back)])} was restored, and is archived again by nobody")

    def _lost_by_others(self, record_id: UUID) -> bool:
        """Whether the vendors' own people have deleted one of its records."""
        return any(
            self._vendors[link["integration_id"]].records[link["external_id"]].now.is_gone
            and link["external_id"] not in self.deleted
            for link in self._links(record_id)
        )

    def _decisions(self, link_id: UUID) -> list[str]:
        """Return how the brakes that held the link stand, in their order."""
        held = {row["brake_id"] for row in self._rows("held_deletes") if row["link_id"] == link_id}
        brakes = [row for row in self._rows("delete_brakes") if row["id"] in held]
        return [row["state"] for row in sorted(brakes, key=lambda row: row["opened_at"])]

    def _links(self, record_id: UUID) -> Iterator[Mapping[str, Any]]:
        return (each for each in self._rows("external_entity_map") if each["internal_id"] == record_id)


def _is_id(text: str) -> bool:
    """Whether a record was archived along with a candidate, whose id stands there."""
    return len(text) == len(str(UUID(int=0)))
