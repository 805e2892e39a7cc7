"""
Coming to rest, and what must hold there.

The faults are over, permissions are back, and nobody edits any more. A round reads every vendor whole, works off what
is due and lets an hour pass. The world is at rest after a round in which nothing was written on any side.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from shared.composition import Services
from shared.errors import LiaisonError
from shared.model import Direction
from shared.store.jobs import JobRequest
from shared.store.links import EXTERNAL_KEY
from shared.sync.priorities import RECONCILE, WEBHOOK_SIGNAL
from tests.simulation.engine.oracle import Violation
from tests.simulation.engine.values import SCALARS, TAGS, UNIT_OF, number_of, numbers_of
from tests.simulation.engine.vendor import START, VendorRecord
from tests.simulation.engine.world import CANDIDATE, COMPANY, World

MOST_ROUNDS = 25
MOST_JOBS = 5_000
QUEUES = ((1, 3), (4, 7), (8, 10))
LEASES_END_S = 70.0
HOUR_S = 3600.0


async def come_to_rest(world: World, services: Services) -> int:
    """Bring *world* to rest and judge it; return how many rounds that took. Raises Violation."""
    for vendor in world.vendors.values():
        vendor.hidden.clear()
        vendor.empty_lists, vendor.missing_until, vendor.expired_cursors, vendor.limited_until = 0, 0.0, 0, 0.0
    await asyncio.sleep(LEASES_END_S)
    await _tell_of_deletes(world, services)
    await _redrive(world, services)
    rounds = await _rounds(world, services)
    _judge(world)
    if world.plan.ends_decided:
        await _decide_all(world, services)
        rounds = max(rounds, await _rounds(world, services))
        _judge(world)
    return rounds


async def _rounds(world: World, services: Services) -> int:
    for number in range(1, MOST_ROUNDS + 1):
        before = (world.oracle.vendor_writes, world.oracle.changes)
        for integration_id in world.ids.values():
            await services.syncs.request(
                COMPANY, integration_id, direction=Direction.INBOUND, entity=CANDIDATE, mode="full"
            )
        await services.sweep.sweep()
        await _work_off(world, services)
        await asyncio.sleep(HOUR_S)
        if before == (world.oracle.vendor_writes, world.oracle.changes) and number > 1:
            return number
    raise Violation(f"no rest within {MOST_ROUNDS} rounds")


async def _work_off(world: World, services: Services) -> None:
    """Run jobs until none is due or will be."""
    for _ in range(MOST_JOBS):
        claim = None
        for low, high in QUEUES:
            async with services.database.dispatch() as tx:
                claim = await services.store.ledger.claim(tx, None, low=low, high=high, ttl_s=60, per_integration=5)
            if claim is not None:
                break
        if claim is not None:
            await services.runner.run(claim)
            continue
        wait_s = _until_next(world)
        if wait_s is None:
            return
        await asyncio.sleep(wait_s)
    raise Violation(f"jobs are still due after {MOST_JOBS}")


def _until_next(world: World) -> float | None:
    """Return the seconds until a job is due or its lease ends; None when none will be."""
    now = asyncio.get_running_loop().time()
    times = []
    for row in world.committed("sync_queue"):
        if row["status"] == "pending" and row["hold_reason"] is None:
            times.append((row["scheduled_at"] - START) / timedelta(seconds=1))
        elif row["status"] == "processing":
            times.append((row["lease_until"] - START) / timedelta(seconds=1))
    return max(1.0, min(times) - now + 0.001) if times else None


async def _tell_of_deletes(world: World, services: Services) -> None:
    """What was deleted without an event is told now: comparing key sets is not this simulation's subject."""
    for name, vendor in world.vendors.items():
        gone = [each.external_id for each in vendor.records.values() if each.now.is_gone]
        async with services.database.company(COMPANY) as tx:
            keys = await services.store.links.record_keys(tx, world.ids[name], CANDIDATE, gone)
            await services.store.ledger.enqueue(
                tx,
                [
                    JobRequest(world.ids[name], RECONCILE, CANDIDATE, key, Direction.INBOUND, WEBHOOK_SIGNAL)
                    for key in keys.values()
                    if not key.startswith(EXTERNAL_KEY)
                ],
            )


async def _redrive(world: World, services: Services) -> None:
    """People redrive what was given up while calls failed."""
    for row in list(world.committed("dead_letters")):
        async with services.database.company(COMPANY) as tx:
            await services.store.ledger.redrive(tx, row["id"])


async def _decide_all(world: World, services: Services) -> None:
    for row in list(world.committed("conflicts")):
        if row["status"] != "open" or row["kind"] != "field":
            continue
        try:
            await services.resolutions.resolve(
                COMPANY, row["id"], choice="portal", expected_version=row["version"], actor="e0"
            )
        except LiaisonError as error:
            raise Violation(f"nobody can decide {row['unit']} at rest: {error}") from error


# -- what must hold ---------------------------------------------------------------------------------------------------


def _judge(world: World) -> None:
    open_items = _open_items(world)
    records = {row["id"]: row for row in world.committed("records")}
    linked: Counter[tuple[str, int]] = Counter()
    for link in world.committed("external_entity_map"):
        name = world.names[link["integration_id"]]
        record = world.vendors[name].records[link["external_id"]]
        if link["state"] != "live" or record.now.is_gone:
            if link["state"] == "live":
                raise Violation(f"person {record.person} is gone at {name} and their link is live")
            continue
        linked[name, record.person] += 1
        _judge_link(world, name, records[link["internal_id"]], record, open_items)
    _judge_people(world, linked, records)
    _judge_tags(world)


def _judge_link(
    world: World,
    vendor: str,
    row: Mapping[str, Any],
    record: VendorRecord,
    open_items: Mapping[tuple[UUID, str], Mapping[str, Any]],
) -> None:
    traits, data, person = world.vendors[vendor].traits, row["data"], record.person
    if world.oracle.person_of[str(row["id"])] != person:
        raise Violation(f"person {person} at {vendor} is linked to another one")
    for name in SCALARS:
        ours, theirs = number_of(name, data.get(name)), number_of(name, record.now.values[name])
        unit = UNIT_OF[name]
        if ours == theirs or (row["id"], unit.name) in open_items:
            continue
        is_refused = any(
            not traits.of(each).writable or traits.of(each).refused(number_of(each, data.get(each)))
            for each in unit.members
        )
        if not is_refused:
            raise Violation(
                f"at rest {name} of person {person} is #{ours} here and #{theirs} at {vendor}: nothing says why"
            )
        world.oracle.known_divergence(person, name, data.get(name), record.now.values[name], vendor)
    ours_tags, theirs_tags = numbers_of(data.get(TAGS)), numbers_of(record.now.values[TAGS])
    if ours_tags != theirs_tags and traits.of(TAGS).writable:
        raise Violation(
            f"at rest tags of person {person} are {sorted(ours_tags)} here and {sorted(theirs_tags)} at {vendor}"
        )


def _judge_people(
    world: World, linked: Mapping[tuple[str, int], int], records: Mapping[UUID, Mapping[str, Any]]
) -> None:
    for name, vendor in world.vendors.items():
        alive = Counter(each.person for each in vendor.records.values() if not each.now.is_gone)
        for person, count in alive.items():
            if count > 1:
                raise Violation(f"person {person} exists {count} times at {name}")
            if linked.get((name, person), 0) != 1:
                raise Violation(f"person {person} of {name} has {linked.get((name, person), 0)} links at rest")
    people = Counter(world.oracle.person_of[str(row["id"])] for row in records.values() if row["archived_at"] is None)
    doubled = [person for person, count in people.items() if count > 1]
    if doubled:
        raise Violation(f"people with two records in the portal: {doubled}")


def _judge_tags(world: World) -> None:
    oracle = world.oracle
    held: dict[int, frozenset[int]] = {}
    for row in world.committed("records"):
        person = oracle.person_of[str(row["id"])]
        held[person] = held.get(person, frozenset()) | numbers_of(row["data"].get(TAGS))
    for number in oracle.added:
        person = oracle.edits[number].person
        if person not in held or number in oracle.removed or number in oracle.lost_in_gap:
            continue
        place = oracle.edits[number].place
        if number not in held[person] and (place not in world.vendors or world.at(place, person) is not None):
            raise Violation(f"tag #{number} of person {person}, added at {place}, is lost and nobody removed it")


def _open_items(world: World) -> dict[tuple[UUID, str], Mapping[str, Any]]:
    return {
        (row["record_id"], row["unit"]): row
        for row in world.committed("conflicts")
        if row["status"] == "open" and row["record_id"] is not None and row["unit"] is not None
    }
