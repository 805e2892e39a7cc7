"""What the differential run does to a store, drawn from a seed; the same words to both stores."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from shared.model import Direction, EntityType, LogAction, LogStatus, RunStatus
from shared.store.attention import Quarantined
from shared.store.conflicts import FieldConflict, MatchConflict
from shared.store.database import Transaction
from shared.store.dead_letters import DeadLetters
from shared.store.history import HistoryRow
from shared.store.jobs import Job, JobRequest
from shared.store.links import LinkWrite
from shared.store.logs import LogRow
from shared.store.pins import StoredPin
from shared.store.records import RecordWrite
from shared.store.runs import Counts
from shared.store.store import Store
from shared.store.webhook_events import EventRow, WebhookEvents
from tests.contract.store.ground import APPLICATION, CANDIDATE, HOUR, JOB, Ground

SECOND = timedelta(seconds=1)
KEYS = ("a", "b", "c")
EMAILS = ("a@x.example", "b@x.example")
UNITS = ("email", "name")


def numbered(kind: int, number: int) -> UUID:
    """Return an id that is the same each time."""
    return UUID(int=kind << 64 | number, version=4)


@dataclass
class World:
    """What the operations speak of; jobs are those that were claimed so far."""

    ground: Ground
    companies: Sequence[UUID] = tuple(numbered(1, number) for number in range(2))
    integrations: Sequence[UUID] = tuple(numbered(2, number) for number in range(3))
    """Two of the first company, one of the second."""
    jobs: list[Job] = field(default_factory=list)
    runs: list[UUID] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return self.ground.store


Call = Callable[[World, Transaction], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One call, and how it is told."""

    text: str
    call: Call


class Chooser:
    """Draws operations."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self._ids = 0

    def operation(self) -> Operation:
        """Draw one; the ledger's, records' and links' most often."""
        kinds = [self.enqueue] * 5 + [self.settle] * 6 + [self.queue] * 3 + [self.record] * 6 + [self.link] * 6
        kinds += [self.run, self.cursor, self.conflict, self.attention, self.intent, self.small] * 2
        return self.chance.choice(kinds)()

    def _one(self, kind: int) -> UUID:
        return numbered(kind, self.chance.randrange(4))

    def _new(self, kind: int) -> UUID:
        self._ids += 1
        return numbered(kind, 100 + self._ids)

    def _integration(self) -> UUID:
        return numbered(2, self.chance.choice((0, 0, 0, 1, 2)))

    # -- the ledger ---------------------------------------------------------------------------------------------------

    def enqueue(self) -> Operation:
        asked = [self._request() for _ in range(self.chance.randint(1, 3))]
        hours = [self.chance.choice((None, None, 1, -1)) for _ in asked]

        async def call(world: World, tx: Transaction) -> Any:
            now = await world.ground.now()
            due = [
                # Which of two comes first that are due at the same moment is nobody's promise.
                replace(request, due_at=None if hour is None else now + hour * HOUR + number * SECOND)
                for number, (request, hour) in enumerate(zip(asked, hours, strict=True))
            ]
            return await world.store.ledger.enqueue(tx, due)

        return Operation(
            f"enqueue {[(each.record_key, each.priority, each.hold_reason) for each in asked]} {hours}", call
        )

    def _request(self) -> JobRequest:
        chance, integration_id = self.chance, self._integration()
        action, entity, key = chance.choice(("reconcile", "pull")), chance.choice((CANDIDATE, JOB)), chance.choice(KEYS)
        return JobRequest(
            integration_id,
            action,
            entity,
            key,
            Direction.INBOUND,
            chance.choice((2, 5, 6, 9)),
            payload=chance.choice(({}, {"mode": "full"}, {"mode": "incremental"}, {"n": 1})),
            # One reason for each job: in which order a statement wakes several is nobody's promise.
            hold_reason=chance.choice((None, None, f"{integration_id.int & 0xF} {action} {entity} {key}")),
        )

    def settle(self) -> Operation:
        chance, which = self.chance, self.chance.randrange(8)
        name = chance.choice(("finish", "finish", "retry", "hold", "unforeseen", "fail", "guard", "extend", "again"))

        async def call(world: World, tx: Transaction) -> Any:
            mine = [job for job in world.jobs if job.company_id == tx.company]
            if not mine:
                return "no job"
            job, ledger = mine[which % len(mine)], world.store.ledger
            calls: dict[str, Callable[[], Awaitable[Any]]] = {
                "finish": lambda: ledger.finish(tx, job),
                "retry": lambda: ledger.postpone(tx, job, wait_s=3600, attempts=1, code="c", message="m"),
                "again": lambda: ledger.postpone(tx, job, payload={"p": 1}),
                "hold": lambda: ledger.postpone(tx, job, hold_reason=str(job.id)),
                "unforeseen": lambda: ledger.postpone(tx, job, wait_s=3600, code="unforeseen", unforeseen=True),
                "fail": lambda: ledger.fail(tx, job, queue="q", code="c", message="m"),
                "guard": lambda: ledger.guard(tx, job),
                "extend": lambda: ledger.extend(tx, job, 7200),
            }
            return await calls[name]()

        return Operation(f"{name} job {which}", call)

    def queue(self) -> Operation:
        which, integration_id = self.chance.randrange(8), self._integration()
        name = self.chance.choice(("bury", "redrive", "redrive", "release", "release", "cancel", "state", "lock_waits"))

        async def call(world: World, tx: Transaction) -> Any:  # noqa: PLR0911 - one for each name
            ledger = world.store.ledger
            if name == "release":
                rows = await world.ground.rows("sync_queue")
                reasons = sorted({row["hold_reason"] for row in rows if row["hold_reason"] is not None})
                return await ledger.release_held(tx, integration_id, [reasons[which % len(reasons)]] if reasons else [])
            if name == "lock_waits":
                return await ledger.lock_waits(tx, integration_id)
            if name == "cancel":
                return await ledger.cancel(tx, integration_id, ["reconcile"], [CANDIDATE])
            if name == "redrive":
                rows = await world.ground.rows("dead_letters")
                letters = sorted(row["id"] for row in rows if row["company_id"] == tx.company)
                if not letters:
                    return "no letter"
                return await DeadLetters().redrive(tx, letter_id=letters[which % len(letters)])
            mine = [job for job in world.jobs if job.company_id == tx.company]
            if not mine:
                return "no job"
            job = mine[which % len(mine)]
            if name == "state":
                return await ledger.state(tx, job.id)
            return await ledger.bury(tx, job.id, epoch=job.epoch, queue="q", code="poison", message="m 7")

        return Operation(f"{name} {which}", call)

    # -- records and links --------------------------------------------------------------------------------------------

    def record(self) -> Operation:
        chance, record_id, other = self.chance, self._one(3), self._one(3)
        entity: EntityType = chance.choice((CANDIDATE, CANDIDATE, APPLICATION))
        name = chance.choice(
            ("insert", "insert", "update", "update", "lock", "get", "identity", "email", "application")
        )
        data = {"email": chance.choice(EMAILS), "candidate_id": str(numbered(3, 0)), "job_id": str(numbered(3, 1))}
        is_archived = chance.random() < 0.2

        async def call(world: World, tx: Transaction) -> Any:  # noqa: PLR0911 - one for each name
            records = world.store.records
            if name == "insert":
                return await records.insert(tx, entity, [RecordWrite(record_id, entity, data, {}, 0, is_archived)])
            if name == "lock":
                return await records.lock(tx, entity, [record_id, other])
            if name == "get":
                return await records.get(tx, entity, [record_id, other])
            if name == "identity":
                return await records.lock_identities(tx, [data["email"]])
            if name == "email":
                return await records.find_by_email(tx, world.integrations[0], EMAILS)
            if name == "application":
                pair = f"{data['candidate_id']} {data['job_id']}"
                return await records.unlinked_applications(tx, world.integrations[0], [pair])
            found = await records.get(tx, entity, [record_id, other])
            writes = [
                RecordWrite(each.id, entity, data, {"s": 1}, each.version, is_archived) for each in found.values()
            ]
            return await records.update(tx, entity, sorted(writes, key=lambda each: each.id))

        return Operation(f"records.{name} {entity} {record_id.int & 0xF} {other.int & 0xF} {data['email']}", call)

    def link(self) -> Operation:
        chance, integration_id, external = self.chance, self._integration(), self.chance.choice(KEYS)
        new_id, record_id, old_id = self._new(4), self._one(3), self._one(3)
        name = chance.choice(("insert", "insert", "update", "update", "lock", "find", "of_records", "moved", "ticket"))
        state, is_primary = chance.choice(("live", "live", "gone")), chance.random() < 0.8

        async def call(world: World, tx: Transaction) -> Any:  # noqa: PLR0911 - one for each name
            links = world.store.links
            if name == "insert":
                write = LinkWrite(new_id, record_id, external, b"d", {"u": 1}, is_primary=is_primary)
                return await links.insert(tx, integration_id, CANDIDATE, [write])
            if name == "find":
                return await links.digests(tx, integration_id, CANDIDATE, KEYS)
            if name == "moved":
                return await links.moved_records(tx, integration_id, CANDIDATE, None, 9)
            if name == "of_records":
                return await links.of_records(tx, [record_id, old_id])
            if name == "ticket":
                return await links.ticket(tx)
            found = await links.by_external(tx, integration_id, CANDIDATE, KEYS)
            if name == "lock":
                return await links.lock(tx, [link.id for link in found.values()])
            known = found.get(external)
            if known is None:
                return "no link"
            write = LinkWrite(known.id, record_id, external, None, {"u": 2}, known.sync_version, fence=5)
            return await links.update(tx, [replace(write, state=state, is_primary=is_primary)])

        return Operation(f"links.{name} {external} of {record_id.int & 0xF} {state} {is_primary}", call)

    # -- runs ---------------------------------------------------------------------------------------------------------

    def run(self) -> Operation:
        chance, which = self.chance, self.chance.randrange(4)
        name = chance.choice(("create", "create", "add", "again", "end", "end", "cancel", "expect", "latest"))
        status = chance.choice((RunStatus.COMPLETE, RunStatus.FAILED, RunStatus.PARTIAL))
        mode, is_child = chance.choice(("full", "incremental")), chance.random() < 0.4

        async def call(world: World, tx: Transaction) -> Any:  # noqa: PLR0911 - one for each name
            runs = world.store.runs
            integration_id = world.integrations[0 if tx.company == world.companies[0] else 2]
            rows = [row for row in await world.ground.rows("runs") if row["company_id"] == tx.company]
            known = [row["id"] for row in sorted(rows, key=lambda row: (row["started_at"], row["id"]))]
            if name == "latest":
                return await runs.latest(tx, integration_id, CANDIDATE)
            if name == "create" or not known:
                how: dict[str, Any] = {"direction": Direction.INBOUND, "mode": mode, "trigger": "cli"}
                parent_id = known[which % len(known)] if known and is_child else None
                return await runs.create(tx, integration_id, entity=CANDIDATE, parent_id=parent_id, **how)
            run_id = known[which % len(known)]
            if name == "add":
                return await runs.add(tx, run_id, Counts(1, 1, 30), {"email": 2})
            if name == "again":
                return await runs.begin_again(tx, run_id)
            if name == "cancel":
                return await runs.request_cancel(tx, run_id)
            run = await runs.get(tx, run_id)
            if run is None:
                return "no run"
            if name == "expect":
                return await runs.expect(tx, run, is_whole=is_child)
            return await runs.end(tx, run, status, evidence={"e": 1})

        return Operation(f"runs.{name} {which} {status} {mode} {is_child}", call)

    def cursor(self) -> Operation:
        chance, integration_id, name = self.chance, self._integration(), self.chance.choice(("lock", "move", "advance"))
        is_complete = chance.random() < 0.5

        async def call(world: World, tx: Transaction) -> Any:
            runs = world.store.runs
            if name == "lock":
                return await runs.lock_cursor(tx, integration_id, CANDIDATE)
            if name == "move":
                return await runs.move_cursor(tx, integration_id, CANDIDATE, numbered(5, 0), "p")
            now = await world.ground.now()
            return await runs.advance(tx, integration_id, CANDIDATE, now, is_complete=is_complete)

        return Operation(f"cursor.{name}", call)

    # -- what waits for people ----------------------------------------------------------------------------------------

    def conflict(self) -> Operation:
        chance, record_id, unit = self.chance, self._one(3), self.chance.choice(UNITS)
        name = chance.choice(("put", "put", "match", "end", "open", "pin"))
        inputs: dict[str, Any] = chance.choice(({"l": ["a"]}, {"l": ["b"]}))
        item_id, integration_id, external = self._new(6), self._integration(), chance.choice(KEYS)

        async def call(world: World, tx: Transaction) -> Any:
            conflicts = world.store.conflicts
            if name == "put":
                return await conflicts.put(
                    tx, [FieldConflict(item_id, "field", CANDIDATE, record_id, unit, inputs, b"s")]
                )
            if name == "match":
                item = MatchConflict("ambiguous_match", CANDIDATE, integration_id, external, [record_id])
                return await conflicts.put_matches(tx, [item])
            if name == "pin":
                now = await world.ground.now()
                return await world.store.pins.put(tx, [StoredPin(record_id, unit, "d", ["r"], 1, "k", now, "ann")])
            found = await conflicts.open_of(tx, [record_id])
            if name == "end" and (record_id, unit) in found:
                return await conflicts.end(tx, found[record_id, unit].id, "resolved", by="ann", decision="new")
            return found

        return Operation(f"conflicts.{name} {record_id.int & 0xF} {unit} {inputs}", call)

    def attention(self) -> Operation:
        name, integration_id = (
            self.chance.choice(("raise", "settle", "quarantine", "recover", "count")),
            self._integration(),
        )

        async def call(world: World, tx: Transaction) -> Any:
            attention = world.store.attention
            if name == "raise":
                return await attention.raise_issue(tx, integration_id, kind="k", subject="s", detail="d")
            if name == "settle":
                return await attention.settle_issue(tx, integration_id, kind="k", subject="s")
            if name == "quarantine":
                rows = [Quarantined("a", "c", "r"), Quarantined(None, "c", "r")]
                return await attention.quarantine(tx, integration_id, CANDIDATE, rows, None)
            if name == "recover":
                return await attention.recover(tx, integration_id, CANDIDATE, KEYS)
            return await attention.open_count(tx, integration_id)

        return Operation(f"attention.{name}", call)

    def intent(self) -> Operation:
        chance, record_id, integration_id = self.chance, self._one(3), self._integration()
        name = chance.choice(("open", "open", "sent", "end", "held"))
        end = chance.choice(("linked", "review", "withdrawn"))

        async def call(world: World, tx: Transaction) -> Any:
            intents = world.store.create_intents
            if name == "open":
                return await intents.open(
                    tx, integration_id, CANDIDATE, record_id, identity_key=EMAILS[0], lease_token=1
                )
            if name == "held":
                return await intents.open_identities(tx, integration_id, list(EMAILS))
            known = await intents.find(tx, integration_id, CANDIDATE, record_id)
            if known is None:
                return "no intent"
            if name == "sent":
                return await intents.mark_sent(tx, known.id, identity_key=EMAILS[-1], sealed=b"sent")
            return await intents.end(tx, known.id, end)

        return Operation(f"intents.{name} {record_id.int & 0xF}", call)

    def small(self) -> Operation:
        chance, record_id, integration_id, which = (
            self.chance,
            self._one(3),
            self._integration(),
            self.chance.randrange(8),
        )
        name = chance.choice(("history", "log", "key", "block", "needs", "event", "kept", "forget"))

        async def call(world: World, tx: Transaction) -> Any:  # noqa: PLR0911 - one for each name
            store, now = world.store, await world.ground.now()
            if name == "history":
                await store.history.append(tx, [HistoryRow(record_id, CANDIDATE, which, ["email"], b"s", "portal")])
                return await store.history.of_units(tx, [record_id], ["email"])
            if name == "log":
                log = (CANDIDATE, LogAction.UPDATED, Direction.INBOUND, LogStatus.SUCCESS)
                return await store.logs.write(tx, [LogRow(integration_id, *log, entity_id=record_id, details={"n": 1})])
            if name == "key":
                return sorted(await store.history.ensure_keys(tx, [record_id], "k"))
            if name == "forget":
                return await store.history.forget(tx, [record_id])
            if name == "block":
                return await store.connections.block(tx, integration_id, wait_s=which * 3600.0)
            if name == "event":
                event = EventRow(numbered(7, which), None, ("kept", "processed")[which % 2], now, size_bytes=1)
                return await WebhookEvents().record(tx, integration_id, [event])
            if name == "kept":
                return await WebhookEvents().kept_size(tx, integration_id)
            mine = [job for job in world.jobs if job.company_id == tx.company]
            job_id = mine[which % len(mine)].id if mine else numbered(8, 0)
            return await store.connections.needs_people(tx, integration_id, job_id=job_id, code="auth", detail="d")

        return Operation(f"{name} {record_id.int & 0xF} {which}", call)
