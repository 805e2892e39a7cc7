"""What must hold when a world is at rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import combinations
from typing import Any
from uuid import UUID

from tests.simulation.engine.families import Families
from tests.simulation.engine.oracle import Violation
from tests.simulation.engine.values import (
    FIRST_APPLICATION,
    SCALARS_OF,
    SETS,
    TAGS,
    UNIT_OF,
    number_of,
    numbers_of,
    who,
)
from tests.simulation.engine.vendor import VendorRecord
from tests.simulation.engine.world import APPLICATION, CANDIDATE, JOB, World


def judge(world: World) -> None:
    """Raise Violation unless everything that must hold at rest does."""
    open_items = _open_items(world)
    records = {row["id"]: row for row in world.committed("records")}
    linked: Counter[tuple[str, str]] = Counter()
    primaries: Counter[tuple[str, UUID]] = Counter()
    for link in world.committed("external_entity_map"):
        name = world.names[link["integration_id"]]
        record = world.vendors[name].records[link["external_id"]]
        if link["state"] != "live" or record.now.is_gone:
            if link["state"] == "live" and not world.archives.is_held(link["id"]):
                raise Violation(f"{who(record.person)} is gone at {name} and the link is live")
            continue
        linked[name, link["external_id"]] += 1
        primaries[name, link["internal_id"]] += bool(link["is_primary"])
        if record.entity is not JOB:
            _judge_link(world, name, records[link["internal_id"]], record, open_items)
    for (name, record_id), count in primaries.items():
        if count > 1:
            raise Violation(f"record {world.oracle.person_of[str(record_id)]} has {count} primary links at {name}")
    asked = _asked(world)
    _judge_doubles(world, records)
    _judge_people(world, linked, records, asked)
    _judge_merges(world, records, asked)
    _judge_tags(world)
    _judge_applications(world, records)
    merged = {external_id for _, *ids in world.merges_there for external_id in ids}
    world.archives.judge(world.oracle.person_of, merged)


def _judge_link(
    world: World,
    vendor: str,
    row: Mapping[str, Any],
    record: VendorRecord,
    open_items: Mapping[tuple[UUID, str], Mapping[str, Any]],
) -> None:
    traits, data, person = world.vendors[vendor].traits, row["data"], record.person
    whom = who(person)
    if not world.oracle.families.are_kin(world.oracle.person_of[str(row["id"])], person):
        raise Violation(f"{whom} at {vendor} is linked to another one")
    if row["archived_at"] is not None and row["archived_by"] is None:
        raise Violation(f"{whom} lives at {vendor}, and the record here is archived")
    for name in SCALARS_OF[record.entity]:
        ours, theirs = number_of(name, data.get(name)), number_of(name, record.now.values[name])
        unit = UNIT_OF[name]
        if ours == theirs or (row["id"], unit.name) in open_items:
            continue
        is_refused = any(
            not traits.of(each).writable or traits.of(each).refused(number_of(each, data.get(each)))
            for each in unit.members
        )
        if not is_refused:
            raise Violation(f"at rest {name} of {whom} is #{ours} here and #{theirs} at {vendor}: nothing says why")
        here, there = (world.oracle.person_of[str(row["id"])], data.get(name)), (person, record.now.values[name])
        world.oracle.known_divergence(name, here, there, vendor)
    for name in SETS if record.entity is CANDIDATE else ():
        ours_all, theirs_all = (sorted(numbers_of(side.get(name))) for side in (data, record.now.values))
        if ours_all != theirs_all and traits.of(name).writable:
            raise Violation(f"at rest {name} of {whom} are {ours_all} here and {theirs_all} at {vendor}")


def _judge_people(
    world: World,
    linked: Mapping[tuple[str, str], int],
    records: Mapping[UUID, Mapping[str, Any]],
    asked: Families,
) -> None:
    parked = {
        (world.names[row["integration_id"]], row["external_id"])
        for row in world.open_items()
        if row["kind"] == "ambiguous_match"
    }
    # An earlier create of ours has lost its answer, and the vendor has several that it may have made.
    doubled = {
        (name, tuple(sorted(world.vendors[name].records[each].now.references.items())))
        for name, each in parked
        if world.vendors[name].records[each].entity is APPLICATION
    }
    for name, vendor in world.vendors.items():
        for each in vendor.records.values():
            links = linked.get((name, each.external_id), 0)
            is_parked = (name, each.now.references.get("candidate_id", each.external_id)) in parked
            is_parked = is_parked or (name, tuple(sorted(each.now.references.items()))) in doubled
            if not each.now.is_gone and links != 1 and not (links == 0 and is_parked):
                raise Violation(f"{who(each.person)} of {name} has {links} links at rest")
    linked_ids = {link["internal_id"] for link in world.committed("external_entity_map") if link["state"] == "live"}
    people: dict[int, list[UUID]] = {}
    for row in records.values():
        if _counts(row):
            people.setdefault(world.oracle.person_of[str(row["id"])], []).append(row["id"])
    for person, ids in people.items():
        # Of somebody who was merged, a vendor may show a second record that was not known here by then; and whom one
        # showed without their address nobody could know for who they are.
        may_be_two = len(world.oracle.families.members(person)) > 1 or not world.unaddressed.isdisjoint(ids)
        is_asked = may_be_two and all(asked.are_kin(ids[0].int, each.int) for each in ids)
        # Of two applications for one job at the vendor, each is its own; that we made both is told by its number there.
        is_each_there = person >= FIRST_APPLICATION and linked_ids.issuperset(ids)
        if len(ids) > 1 and not (
            is_asked or is_each_there or _came_since(world, person, [records[each] for each in ids])
        ):
            raise Violation(f"with two records in the portal: {who(person)}")


def _judge_doubles(world: World, records: Mapping[UUID, Mapping[str, Any]]) -> None:
    """
    Nobody exists at a vendor twice.

    But who was merged away elsewhere, or archived here, and came in anew since is two here, and so there: one is linked
    to whom they were merged into, or who is archived, and the other was made of the record that came in.
    """
    homes = {place: records[link["internal_id"]] for place, link in world.links().items() if link["state"] == "live"}
    for name, vendor in world.vendors.items():
        alive = Counter(each.person for each in vendor.records.values() if not each.now.is_gone)
        for person in (each for each, count in alive.items() if count > 1):
            held = [
                each.external_id for each in vendor.records.values() if each.person == person and not each.now.is_gone
            ]
            rows = {homes[name, each]["id"]: homes[name, each] for each in held if (name, each) in homes}
            if len(rows) < len(held) or not _came_since(world, person, list(rows.values())):
                raise Violation(f"{who(person)} exists {len(held)} times at {name}")


def _came_since(world: World, person: int, rows: Sequence[Mapping[str, Any]]) -> bool:
    """
    Whether all of *rows* but one came in after a vendor's merge had made *person* somebody else, whose address differs.

    They come from a system that has not merged them, and nothing that records are known by says that they are one. Who
    is left at the vendor is somebody else by that, too, once somebody has chosen the address of the one who went. Nor
    is anybody looked for whom a person has archived: who comes in from elsewhere meanwhile is another one.
    """
    followed, edits = _followed(world), world.oracle.edits
    addresses = {number_of("email", row["data"].get("email")) for row in rows}
    if len(addresses) < len(rows):
        return False
    if all(world.archives.was_away(one["id"], other["id"]) for one, other in combinations(rows, 2)):
        return True
    has_anothers = any(each in edits and edits[each].person != person for each in addresses)
    times = [
        followed[loser_id]
        for vendor, loser_id, survivor_id in world.merges_there
        for merged_id in ((loser_id, survivor_id) if has_anothers else (loser_id,))
        if loser_id in followed and world.vendors[vendor].records[merged_id].person == person
    ]
    came = _came_in(world)
    moments = [came.get(row["id"], row["created_at"]) for row in rows]
    return any(sum(each <= at for each in moments) <= 1 for at in times)


def _followed(world: World) -> dict[str, datetime]:
    """Return when we have followed vendors' merges, by the id that went."""
    return {
        row["external_id"]: row["synced_at"] for row in world.logs if row["details"].get("rule") == "merged_at_vendor"
    }


def _came_in(world: World) -> dict[UUID, datetime]:
    """Return when records were brought in; `created_at` is when the transaction began, which may have waited since."""
    return {
        row["entity_id"]: row["synced_at"]
        for row in reversed(world.logs)
        if row["action"] == "created" and row["direction"] == "inbound"
    }


def _counts(row: Mapping[str, Any]) -> bool:
    return row["archived_at"] is None and row["entity_type"] != JOB.value


def _asked(world: World) -> Families:
    """Return which records, by the number of their ids, people are asked about, or were: whether they are one."""
    asked = Families()
    for row in world.committed("identity_pairs"):
        asked.unite(row["low"].int, row["high"].int)
    for row in world.open_items():
        for each in row["matches"] or () if row["kind"] == "possible_duplicate" else ():
            asked.unite(row["record_id"].int, each.int)
    return asked


def _merged(world: World) -> list[set[UUID]]:
    """Return which two records of ours are one."""
    return [
        {row["survivor_id"], row["merged_id"]} for row in world.committed("record_merges") if row["ended_at"] is None
    ]


def _judge_merges(world: World, records: Mapping[UUID, Mapping[str, Any]], asked: Families) -> None:
    """Records of ours that a vendor has made one, as far as we followed it, are one, or a person is asked or was."""
    followed, came, merged = _followed(world), _came_in(world), _merged(world)
    holders = {place: link["internal_id"] for place, link in world.links().items()}
    active: dict[int, list[Mapping[str, Any]]] = {}
    held: dict[int, set[UUID]] = {}
    for row in records.values():
        if row["entity_type"] != CANDIDATE.value:
            continue
        held.setdefault(person := world.oracle.person_of[str(row["id"])], set()).add(row["id"])
        # Of whom a person archived, and another system brought in anew, the link may be the archived record's.
        if row["archived_at"] is None or row["archived_by"] is not None:
            active.setdefault(person, []).append(row)
    for vendor, loser_id, survivor_id in world.merges_there:
        loser, survivor = (world.vendors[vendor].records[each].person for each in (loser_id, survivor_id))
        pairs = [(one, other) for one in active.get(loser, ()) for other in active.get(survivor, ())]
        living = [pair for pair in pairs if all(_counts(row) for row in pair)]
        if loser_id not in followed or not living:
            continue  # not told, or one already
        if world.vendors[vendor].records[survivor_id].now.is_gone and (vendor, survivor_id) not in holders:
            continue  # merged away in its turn before it came in: nothing has told whom of ours it was
        if any(came.get(row["id"], row["created_at"]) > followed[loser_id] for row in living[0]):
            continue  # come in since from a system that has not merged them
        if any(pair & held[loser] and pair & held[survivor] for pair in merged):
            continue  # of several records of one of them, it was this one that the vendor has made the other one's
        # The record that stayed may stand for somebody else here, since another vendor has merged as well.
        holder = holders.get((vendor, survivor_id))
        ids = {(one["id"], each) for one, other in pairs for each in (other["id"], holder or other["id"])}
        if not any(asked.are_kin(one.int, other.int) for one, other in ids):
            raise Violation(f"{vendor} has made one of {who(loser)} and {who(survivor)}: two here, and nobody asks")


def _judge_tags(world: World) -> None:
    oracle = world.oracle
    held: dict[int, frozenset[int]] = {}
    for row in world.committed("records"):
        if row["entity_type"] != CANDIDATE.value:
            continue
        for person in oracle.families.members(oracle.person_of[str(row["id"])]):
            held[person] = held.get(person, frozenset()) | numbers_of(row["data"].get(TAGS))
    for number in oracle.added:
        person = oracle.edits[number].person
        if person not in held or number in oracle.removed or number in oracle.lost_in_gap:
            continue
        place = oracle.edits[number].place
        if number not in held[person] and (place not in world.vendors or world.where_is(place, person) is not None):
            raise Violation(f"tag #{number} of person {person}, added at {place}, is lost and nobody removed it")


def _open_items(world: World) -> dict[tuple[UUID, str], Mapping[str, Any]]:
    return {
        (row["record_id"], row["unit"]): row
        for row in world.committed("conflicts")
        if row["status"] == "open" and row["record_id"] is not None and row["unit"] is not None
    }


def _judge_applications(world: World, records: Mapping[UUID, Mapping[str, Any]]) -> None:
    """An application is its candidate's here as it is there; what was submitted exists there, or says why not."""
    links = [link for link in world.committed("external_entity_map") if link["state"] == "live"]
    ours = {(link["integration_id"], link["external_id"]): link["internal_id"] for link in links}
    submitted = {link["internal_id"] for link in world.committed("external_entity_map")}
    for link in links:
        if link["entity_type"] != APPLICATION.value:
            continue
        vendor = world.names[link["integration_id"]]
        now = world.vendors[vendor].records[link["external_id"]].now
        if now.is_gone:
            continue  # its end waits for a person
        there = now.references["candidate_id"]
        here, subject = records[link["internal_id"]], world.oracle.person_of[str(link["internal_id"])]
        if str(ours.get((link["integration_id"], there))) != here["data"]["candidate_id"]:
            raise Violation(f"{who(subject)} of {vendor} is another candidate's here")
    # A candidate that can't be created there is a dead letter, and so with a person.
    letters = {letter["job_id"] for letter in world.committed("dead_letters") if letter["state"] == "open"}
    stuck = {job["record_key"] for job in world.committed("sync_queue") if job["id"] in letters}
    stuck |= {str(row["record_id"]) for row in world.open_items() if row["kind"] == "ambiguous_match"}
    # Nor is anybody created whose address the vendor has with another one of ours, until a person says if they are one.
    stuck |= {str(each) for row in world.open_items() if row["reason"] == "same_address" for each in row["matches"]}
    for row in records.values():
        said = row["submission"]
        if row["archived_at"] is not None or said is None or row["id"] in submitted or said["state"] == "failed":
            continue
        if stuck.isdisjoint((row["data"]["candidate_id"], str(row["id"]))):
            subject = world.oracle.person_of[str(row["id"])]
            raise Violation(f"{who(subject)} was submitted, is not there, and nothing says why ({said['state']})")
