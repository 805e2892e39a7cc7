"""What each step of a story does: people edit, decide and ask; vendors misbehave; workers die."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import psycopg
from pydantic import JsonValue

from shared.errors import LiaisonError
from shared.intake.events import Event, batch_of, pack
from shared.merge.joining import Keep
from shared.model import Direction
from shared.security.aead import DataSealer
from shared.security.keys import Purpose
from tests.simulation.engine.adapter import MERGED_INTO
from tests.simulation.engine.ancestry import Edit
from tests.simulation.engine.application_steps import ApplicationSteps
from tests.simulation.engine.archive_steps import ArchiveSteps
from tests.simulation.engine.host import EVENTS, Host
from tests.simulation.engine.loop import VirtualLoop
from tests.simulation.engine.oracle import PORTAL
from tests.simulation.engine.plan import OF_APPLICATIONS
from tests.simulation.engine.ports import Message
from tests.simulation.engine.script import Fate, Kind, Step
from tests.simulation.engine.values import IDENTITY, TAGS, UNIT_OF, number_of, value_of
from tests.simulation.engine.vendor import VendorRecord, moment_of
from tests.simulation.engine.world import CANDIDATE, COMPANY, MATCHES, World

DELAYED_S = 40.0


class Steps:
    """Performs the steps of one world."""

    def __init__(self, loop: VirtualLoop, host: Host, world: World) -> None:
        self.wait_until = 0.0
        """No step is due before."""
        self._loop = loop
        self._host = host
        self._world = world
        self._sealer = DataSealer(host.portal.services.keys, Purpose.EVENTS)
        self._by_kind: Mapping[Kind, Callable[[Step], bool]] = {
            Kind.VENDOR_EDIT: self._vendor_edit,
            Kind.VENDOR_TAG: self._vendor_tag,
            Kind.PORTAL_EDIT: self._portal_edit,
            Kind.PORTAL_TAG: self._portal_tag,
            Kind.NEW_PERSON: self._new_person,
            Kind.DELETE: self._delete,
            Kind.VENDOR_MERGE: self._vendor_merge,
            Kind.PORTAL_MERGE: self._portal_merge,
            Kind.PORTAL_PART: self._portal_part,
            Kind.DECIDE: self._decide,
            Kind.PULL: self._pull,
            Kind.PUSH: self._push,
            Kind.WAIT: self._wait,
            Kind.FREEZE: self._freeze,
            Kind.CRASH: self._fault,
            Kind.FAIL: self._fault,
            Kind.LOSE_KNOCK: self._fault,
            Kind.LOSE_ANSWER: self._fault_upon,
            Kind.CRASH_UPON: self._fault_upon,
            Kind.BY_HAND: self._by_hand,
            **dict.fromkeys((Kind.ARCHIVE, Kind.RESTORE, Kind.DECIDE_DELETES), ArchiveSteps(host, world).perform),
            Kind.HIDE: self._hide,
            **dict.fromkeys(OF_APPLICATIONS, ApplicationSteps(host, world, self._tell).perform),
        }

    def perform(self, step: Step) -> bool:
        """Perform *step*; return False if nothing came of it."""
        return self._by_kind.get(step.kind, self._weather)(step)

    async def ask(self, name: str, direction: Direction) -> None:
        """Ask for a pull of everybody at *name*, or for a push of what has moved."""
        syncs = self._host.portal.services.syncs
        try:
            await syncs.request(COMPANY, self._world.ids[name], direction=direction, entity=self._world.pulled)
        except LiaisonError:
            self._host.figures["pulls that were not asked for"] += 1

    # -- people at vendors --------------------------------------------------------------------------------------------

    def _vendor_edit(self, step: Step) -> bool:
        world, record = self._world, self._world.at(step.vendor, step.person)
        if record is None or (step.name in IDENTITY and not world.is_known_everywhere(step.person)):
            return False
        vendor = world.vendors[step.vendor]
        vendor.settle_late()
        before = record.now.values[step.name]
        if step.clears and number_of(step.name, before) == 0:
            return False
        edit = self._edit(step, step.vendor)
        edit.is_linked = world.is_known(step.vendor, record.external_id)
        edit.is_over_unsettled = world.is_unsettled(step.vendor, record.external_id, UNIT_OF[step.name].name)
        edit.is_over_unseen = not world.is_seen_empty(step.vendor, record.external_id, step.name)
        world.oracle.edited(edit, before, clears=step.clears)
        vendor.edit(record.external_id, {step.name: None if step.clears else value_of(step.name, step.number)})
        world.oracle.shows(step.person, record.now.values)
        self._tell(step, record)
        return True

    def _vendor_tag(self, step: Step) -> bool:
        record = self._world.at(step.vendor, step.person)
        tags = None if record is None else self._tags(step, record.now.values[TAGS])
        if record is None or tags is None:
            return False
        if not step.clears:
            self._world.oracle.tagged(self._edit(step, step.vendor))
        self._world.vendors[step.vendor].edit(record.external_id, {TAGS: tags})
        self._tell(step, record)
        return True

    def _new_person(self, step: Step) -> bool:
        self._tell(step, self._world.arrive(step.person, step.vendor, is_first=True))
        return True

    def _by_hand(self, step: Step) -> bool:
        """
        The vendor's people enter somebody whom the portal knows by name and address.

        No create may be under way, nor a search that would not find them yet: no vendor can be kept from having two.
        """
        world, row = self._world, self._world.record_of(step.person)
        vendor = world.vendors[step.vendor]
        if row is None or vendor.traits.search_lag_s > 0 or vendor.ever_had(step.person):
            return False
        if any(each["state"] == "open" for each in world.committed("create_intents")) or self._host.is_editing:
            return False
        known = world.values_of(step.person, step.vendor, is_first=False)
        entered = {name: known[name] for name in IDENTITY}
        held = [row["data"], *(there.now.values for name in world.vendors if (there := world.at(name, step.person)))]
        if any(number_of(name, each.get(name)) != number_of(name, entered[name]) for each in held for name in IDENTITY):
            return False
        self._tell(step, vendor.add(step.person, entered))
        return True

    def _delete(self, step: Step) -> bool:
        record = self._world.at(step.vendor, step.person)
        if record is None:
            return False
        self._world.vendors[step.vendor].delete(record.external_id)
        self._tell(step, record)
        return True

    def _vendor_merge(self, step: Step) -> bool:
        """The vendor's people see that two are one: the record of `other` goes."""
        survivor, loser = (self._world.at(step.vendor, person) for person in (step.person, step.other))
        if survivor is None or loser is None or survivor is loser:
            return False
        vendor = self._world.vendors[step.vendor]
        vendor.settle_late()
        went, before = (step.other, loser.now.values), survivor.now.values
        self._world.oracle.merged_there(step.vendor, went, before, step.person)
        vendor.merge(loser.external_id, survivor.external_id)
        self._world.oracle.shows(step.person, survivor.now.values)
        self._world.relate_bids()
        self._world.merges_there.append((step.vendor, loser.external_id, survivor.external_id))
        self._tell(step, loser, survivor if vendor.traits.names_survivors else None)
        return True

    def _tell(self, step: Step, record: VendorRecord, survivor: VendorRecord | None = None) -> None:
        """Send the webhook of *step*, as its fate has it; of a merge, it may name the *survivor*."""
        into = "" if survivor is None else MERGED_INTO + survivor.external_id
        named = f"{record.entity.value} {record.external_id}{into}"
        event = Event(
            id=self._world.database.memory.numbers.uuid(),
            integration_id=self._world.ids[step.vendor],
            received_at=moment_of(self._loop.time()),
            is_verified=True,
            headers={},
            body=named.encode(),
        )
        message = Message(EVENTS, batch_of([pack(event, self._sealer)]))
        if step.fate is not Fate.LOST:
            self._host.put(message, DELAYED_S if step.fate is Fate.DELAYED else 0.0)
        if step.fate is Fate.DOUBLED:
            self._host.put(message)

    # -- people in the portal -----------------------------------------------------------------------------------------

    def _portal_edit(self, step: Step) -> bool:
        world, row = self._world, self._world.record_of(step.person)
        if row is None or (step.name in IDENTITY and not world.is_known_everywhere(step.person, besides_ours=True)):
            return False
        value = None if step.clears else value_of(step.name, step.number)
        self._world.oracle.edits[step.number] = self._edit(step, PORTAL)
        self._host.spawn(self._host.portal, self._save(step, row["id"], value, None), f"edit {step.number}")
        return True

    def _portal_tag(self, step: Step) -> bool:
        row = self._world.record_of(step.person)
        tags = None if row is None else self._tags(step, row["data"].get(TAGS))
        if row is None or tags is None:
            return False
        self._world.oracle.edits[step.number] = self._edit(step, PORTAL)
        self._host.spawn(self._host.portal, self._save(step, row["id"], tags, row["version"]), f"edit {step.number}")
        return True

    async def _save(self, step: Step, record_id: UUID, value: Any, version: int | None) -> None:
        edits, before = self._host.portal.services.edits, self._world.shown(record_id, step.name)
        try:
            await edits.edit(
                COMPANY, CANDIDATE, record_id, {step.name: value}, actor=f"e{step.number}", expected_version=version
            )
        except (LiaisonError, psycopg.Error):
            self._host.figures["edits that were not acknowledged"] += 1
            return
        if step.name != TAGS:
            self._world.acknowledged(step.number, record_id, before)
        elif not step.clears:
            self._world.oracle.tagged(self._world.oracle.edits[step.number])

    def _tags(self, step: Step, shown: JsonValue) -> list[JsonValue] | None:
        """Return *shown* with one tag more or, if *step* clears, one less; None if there is none to take away."""
        tags = list(shown) if isinstance(shown, list) else []
        if not step.clears:
            return [*tags, value_of(TAGS, step.number)]
        if not tags:
            return None
        self._world.oracle.removed.add(number_of(TAGS, tags.pop(self._host.roll.randrange(len(tags)))))
        return tags

    def _decide(self, step: Step) -> bool:
        rows = self._world.open_items()
        if not rows:
            return False
        row = rows[int(step.amount) % len(rows)]
        if row["kind"] in MATCHES:
            choice = "record" if row["kind"] == "ambiguous_match" else self._host.roll.choice(["record", "new"])
            chosen: dict[str, Any] = {"choice": "new"}  # of an unproven merge nobody may be known
            if row["matches"]:
                chosen = {"choice": choice, "value": str(self._host.roll.choice(row["matches"]))}
        else:
            choice = self._host.roll.choice(["portal", "integration"])
            chosen = {"choice": choice, "integration_id": self._host.roll.choice(sorted(self._world.names))}
        self._host.spawn(self._host.portal, self._resolve(row, chosen, f"e{step.number}"), "decision")
        return True

    async def _resolve(self, row: Mapping[str, Any], chosen: Mapping[str, Any], actor: str) -> None:
        resolutions = self._host.portal.services.resolutions
        try:
            await resolutions.resolve(COMPANY, row["id"], **chosen, expected_version=row["version"], actor=actor)
        except (LiaisonError, psycopg.Error):
            self._host.figures["decisions that were refused"] += 1

    def _portal_merge(self, step: Step) -> bool:
        """Somebody in the portal sees that two are one."""
        survivor, other = (self._world.record_of(person) for person in (step.person, step.other))
        people = (step.person, step.other)
        if survivor is None or other is None or survivor is other:
            return False
        if not all(map(self._world.is_known_everywhere, people)):
            return False
        chosen = self._host.roll.choice([{}, {}, {"name": Keep.OTHER}, {"email": Keep.OTHER, "phone": Keep.SURVIVOR}])
        work = self._host.portal.services.merges.merge(
            COMPANY, survivor["id"], other["id"], chosen, actor=f"e{step.number}"
        )
        self._host.spawn(self._host.portal, self._host.attempt(work, "merges that were refused"), "merge")
        return True

    def _portal_part(self, step: Step) -> bool:
        """Somebody in the portal takes a merge back."""
        row = self._world.record_of(step.person)
        if row is None or not any(each["ended_at"] is None for each in self._world.committed("record_merges")):
            return False
        work = self._host.portal.services.partings.part(COMPANY, row["id"], actor=f"e{step.number}")
        self._host.spawn(self._host.portal, self._host.attempt(work, "partings that were refused"), "parting")
        return True

    def _pull(self, step: Step) -> bool:
        self._host.spawn(self._host.portal, self.ask(step.vendor, Direction.INBOUND), "pull")
        return True

    def _push(self, step: Step) -> bool:
        self._host.spawn(self._host.portal, self.ask(step.vendor, Direction.OUTBOUND), "push")
        return True

    def _edit(self, step: Step, place: str) -> Edit:
        return Edit(step.number, step.person, step.name, place)

    # -- weather ------------------------------------------------------------------------------------------------------

    def _wait(self, step: Step) -> bool:
        self.wait_until = self._loop.time() + step.amount
        return True

    def _freeze(self, step: Step) -> bool:
        self.wait_until = self._host.any_worker().owner.frozen_until = self._loop.time() + step.amount
        return True

    def _fault(self, step: Step) -> bool:
        if step.kind is Kind.CRASH:
            self._host.crash_in = int(step.amount)
        elif step.kind is Kind.FAIL:
            self._host.fail_in = int(step.amount)
        else:
            self._host.lost_knocks += 1
        return True

    def _fault_upon(self, step: Step) -> bool:
        self._host.upon[f"{step.vendor} {step.name}, answered"] = step.kind
        return True

    def _hide(self, step: Step) -> bool:
        if step.name in IDENTITY and not self._world.is_everybody_known():
            return False
        self._world.vendors[step.vendor].hidden.add(step.name)
        self._world.oracle.has_partial_groups |= len(UNIT_OF[step.name].members) > 1
        return True

    def _weather(self, step: Step) -> bool:
        vendor = self._world.vendors[step.vendor]
        match step.kind:
            case Kind.LIMIT:
                vendor.limited_until = self._loop.time() + step.amount
            case Kind.SHOW:
                vendor.hidden.clear()
            case Kind.EMPTY_LIST:
                vendor.empty_lists += 1
            case Kind.MISSING:
                vendor.missing_until = self._loop.time() + step.amount
            case Kind.EXPIRE:
                vendor.expired_cursors += 1
            case _:
                raise AssertionError(f"nobody performs {step.kind}")
        return True
