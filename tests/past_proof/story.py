"""A seeded story of one company with two vendors' accounts: edits everywhere, decisions, merges, runs taken back."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import DictRow
from pydantic import JsonValue

from shared.adapters.greenhouse.read import read_candidate
from shared.errors import Conflict, InvalidInput
from shared.merge.joining import Keep
from shared.model import UNITS, Direction
from shared.store.ledger import JobRequest
from shared.sync.deciding.bulk_resolution import resolve_many
from shared.sync.editing.length_check import LONGEST
from shared.sync.jobs.priorities import RECONCILE, WEBHOOK_SIGNAL
from tests.integration.sync.world import World
from tests.past_proof.witness import CANDIDATE, Data, Look, Place, Step, Witness

ROUNDS = 4
ACTS = 24
"""Of people, in each round."""
EDITED = (
    "current_title", "current_company", "preferred_name", "phone", "tags", "notice_period", "skills", "last_name",
)  # fmt: skip
PEOPLE_HERE = 4
"""Entered in the portal before the first sync; some of them are a vendor's too."""


class Story:
    """Plays, and lets the witness see it all."""

    def __init__(self, accounts: list[World], connection: psycopg.AsyncConnection[DictRow], seed: int) -> None:
        self._accounts = accounts
        self._world = accounts[0]
        self._connection = connection
        self._rng = random.Random(f"past {seed}")  # noqa: S311 - a seeded story
        self._number = seed * 10_000
        self.faults: list[str] = []
        self.acts: dict[str, int] = {}
        self.witness: Witness
        self._pairs: list[tuple[UUID, UUID]] = []
        """Survivor and other of each merge, the last one last."""
        self._touched: list[tuple[World, str]] = []
        """Who was edited at a vendor, and no worker has been told."""

    async def play(self, rounds: int) -> None:
        """Play the whole story; `witness` knows it then, and `faults` what came from nowhere."""
        self.witness = Witness(await self._look(await self._time()))
        for account in self._accounts:
            for person in self._people(account):
                self._came_with(account, person)
        for _ in range(PEOPLE_HERE):
            await self._enter()
        await self._pull()
        for _ in range(rounds):
            await self._round()
        await self._workers(self._drain)

    async def _round(self) -> None:
        ways: list[tuple[Callable[[], Awaitable[None]], int]] = [
            (self._edit_here, 6), (self._edit_there, 8), (self._edit_both, 5), (self._new_there, 1), (self._decide, 3),
            (self._decide_many, 1), (self._merge, 1),
        ]  # fmt: skip
        for _ in range(ACTS):
            (way,) = self._rng.choices([way for way, _ in ways], [weight for _, weight in ways])
            self.acts[way.__name__] = self.acts.get(way.__name__, 0) + 1
            await way()
        run_ids = await self._pull() if self._rng.random() < 0.6 else await self._signals()
        if run_ids and self._rng.random() < 0.5:
            await self._workers(self._drain)
            await self._take_back(self._rng.choice(run_ids))
        if self._rng.random() < 0.5:
            await self._part()

    # What is seen.

    async def _time(self) -> datetime:
        row = await (await self._connection.execute("SELECT clock_timestamp() AS at")).fetchone()
        if row is None:
            raise AssertionError("a SELECT without FROM has one row")
        at: datetime = row["at"]
        return at

    async def _look(self, began: datetime) -> Look:
        at, company = await self._time(), {"company": self._world.company_id}
        records = await self._connection.execute(
            "SELECT id, data FROM records WHERE company_id = %(company)s AND entity_type = 'candidate'", company
        )
        found = {row["id"]: row["data"] for row in await records.fetchall()}
        links = await self._connection.execute(
            "SELECT internal_id, integration_id, external_id FROM external_entity_map"
            " WHERE company_id = %(company)s AND entity_type = 'candidate'",
            company,
        )
        places: dict[UUID, set[Place]] = {}
        for row in await links.fetchall():
            places.setdefault(row["internal_id"], set()).add((str(row["integration_id"]), row["external_id"]))
        linked = {record_id: frozenset(each) for record_id, each in places.items()}
        held = frozenset((row["record_id"], row["unit"]) for row in await self._open())
        return Look(began, at, found, linked, held)

    async def _acted(self, act: Awaitable[Any], rule: str, actor: str) -> tuple[Look, Step]:
        began = await self._time()
        await act
        look = await self._look(began)
        return look, Step(began, look.at, actor=actor, rule=rule)

    def _came_with(self, account: World, person: dict[str, Any]) -> None:
        shown = read_candidate(person)
        if shown.updated_at is None:
            raise AssertionError("the simulator dates everybody")
        place = (str(account.integration_id), str(person["id"]))
        self.witness.wrote_there(place, {}, shown.visible(), shown.updated_at, shown.updated_at)

    # People here.

    async def _enter(self) -> None:
        """Enter somebody, known to a vendor by e-mail or not."""
        fields: dict[str, Any] = {"first_name": "Ada", "last_name": f"King{self._mark()}", "skills": [self._mark()]}
        people = [each for each in self._people(self._world) if len(each["email_addresses"]) == 1]
        if people and self._rng.random() < 0.7:
            person = self._rng.choice(people)
            # A vendor takes longer names than the portal does.
            fields |= {name: person[name][:LONGEST] for name in ("first_name", "last_name") if person[name]}
            fields |= {"email": person["email_addresses"][0]["value"], "current_title": self._mark()}
        actor = self._actor()
        try:
            create = self._world.services.edits.create_candidate(self._world.company_id, fields, actor=actor)
            self.witness.person_acted(*await self._acted(create, "create", actor))
        except Conflict:
            return

    async def _edit_here(self, record_id: UUID | None = None, name: str | None = None) -> None:
        record_id = record_id or self._rng.choice(await self._living())
        chosen = [name] if name is not None else self._rng.sample(EDITED, self._rng.randint(1, 3))
        changes = {each: self._value_here(each) for each in chosen}
        actor = self._actor()
        edit = self._world.services.edits.edit(self._world.company_id, CANDIDATE, record_id, changes, actor=actor)
        self.witness.person_acted(*await self._acted(edit, "edit", actor))

    def _value_here(self, name: str) -> Any:
        mark = self._mark()
        match name:
            case "phone":
                return f"+44 20 7{int(mark.removeprefix('m')) % 10**7:07}"
            case "tags" | "skills":
                return [mark, *self._rng.sample(["a", "b", "c"], 2)]
            case "last_name":
                return f"Here{mark}"
            case _:
                return None if self._rng.random() < 0.1 else f"{name} {mark}"

    async def _decide(self) -> None:
        """Decide one open conflict: for the portal, a vendor, or a value of one's own."""
        items = await self._open()
        if not items:
            return
        item = self._rng.choice(items)
        unit = UNITS[CANDIDATE][item["unit"]]
        integration = self._rng.choice(self._accounts).integration_id
        choice = self._rng.choice(["portal", "integration", "value"])
        value: dict[str, JsonValue] = {name: f"Decided{self._mark()}" for name in unit.members}
        if unit.name == "phone":
            value = {"phone": self._value_here("phone")}
        actor = self._actor()
        sides = await self._sides(item["record_id"])
        try:
            decision = self._world.services.resolutions.resolve(
                self._world.company_id,
                item["id"],
                choice=choice,
                integration_id=integration,
                value=value if choice == "value" else None,
                actor=actor,
            )
            look, step = await self._acted(decision, "decided", actor)
        except (Conflict, InvalidInput):
            return
        self.witness.person_decided(look, step, item["record_id"], unit, sides)

    async def _decide_many(self) -> None:
        """Decide up to three conflicts alike, one after another as far as the witness can tell."""
        for item in (await self._open())[:3]:
            actor, sides = self._actor(), await self._sides(item["record_id"])
            many = resolve_many(
                self._world.services.resolutions, self._world.company_id, [item["id"]],
                choice="portal", integration_id=None, actor=actor,
            )  # fmt: skip
            look, step = await self._acted(many, "decided", actor)
            if item["id"] not in {each["id"] for each in await self._open()}:
                self.witness.person_decided(look, step, item["record_id"], UNITS[CANDIDATE][item["unit"]], sides)

    async def _merge(self) -> None:
        """Two of ours become one; a person chooses in one field."""
        survivor, other = self._rng.sample(await self._living(), 2)
        actor = self._actor()
        choices = {"current_title": self._rng.choice(list(Keep))} if self._rng.random() < 0.5 else {}
        try:
            merge = self._world.services.merges.merge(self._world.company_id, survivor, other, choices, actor=actor)
            look, step = await self._acted(merge, "merge", actor)
        except Conflict:
            return
        self._pairs.append((survivor, other))
        self.witness.people_merged(look, step, survivor, other, choices)

    async def _part(self) -> None:
        """The last two that were made one are two again."""
        if not self._pairs:
            return
        _, other = self._pairs.pop()
        actor = self._actor()
        try:
            parting = self._world.services.partings.part(self._world.company_id, other, actor=actor)
            look, step = await self._acted(parting, "merge", actor)
        except Conflict:
            return
        self.witness.people_parted(look, step, other)

    # People at the vendors.

    async def _edit_there(self, place: Place | None = None, name: str | None = None) -> None:
        account, external_id = self._account(place) if place is not None else await self._somebody_there()
        names = ["title", "company", "preferred_name", "phone_numbers", "tags", "last_name"]
        chosen = [name] if name is not None else self._rng.sample(names, self._rng.randint(1, 2))
        person = self._person(account, external_id)
        await self._patch(account, external_id, {each: self._value_there(each, person) for each in chosen})

    def _value_there(self, name: str, person: Mapping[str, Any]) -> Any:
        mark = self._mark()
        match name:
            case "phone_numbers":
                return [{"value": f"+44 20 7{int(mark.removeprefix('m')) % 10**7:07}", "type": "mobile"}]
            case "tags":
                return [*person["tags"][1:], mark]
            case "last_name":
                return f"There{mark}"
            case _:
                return None if self._rng.random() < 0.1 else f"{name} {mark}"

    async def _edit_both(self) -> None:
        """The same field here and there, before anybody looks; often one of those that only a person decides."""
        ours, theirs = self._rng.choice(
            [("current_title", "title"), ("current_company", "company"), ("phone", "phone_numbers"),
             ("last_name", "last_name"), ("preferred_name", "preferred_name")]
        )  # fmt: skip
        living = await self._living()
        linked = [each for each in living if self.witness.now.links.get(each)]
        if not linked:
            return
        record_id = self._rng.choice(linked)
        place = self._rng.choice(self._places(record_id))
        is_ours_first = self._rng.random() < 0.5
        if is_ours_first:
            await self._edit_here(record_id, ours)
        await self._edit_there(place, theirs)
        if not is_ours_first:
            await self._edit_here(record_id, ours)

    async def _new_there(self) -> None:
        account = self._rng.choice(self._accounts)
        mark = self._mark()
        body = {
            "first_name": "New", "last_name": f"Comer{mark}", "title": f"title {mark}",
            "email_addresses": [{"value": f"{mark}@example.org", "type": "personal"}],
        }  # fmt: skip
        began = await self._time()
        response = await account.control.post("/candidates?webhooks=false", json=body)
        response.raise_for_status()
        place = (str(account.integration_id), str(response.json()["id"]))
        shown = read_candidate(response.json()).visible()
        self.witness.wrote_there(place, {}, shown, began, await self._time())

    async def _patch(self, account: World, external_id: str, body: Mapping[str, Any]) -> None:
        before = read_candidate(self._person(account, external_id)).visible()
        began = await self._time()
        response = await account.control.patch(f"/candidates/{external_id}?webhooks=false", json=dict(body))
        response.raise_for_status()
        ended = await self._time()
        after = read_candidate(response.json()).visible()
        self.witness.wrote_there((str(account.integration_id), external_id), before, after, began, ended)
        self._touched.append((account, external_id))

    # Workers.

    async def _pull(self) -> list[UUID]:
        """Pull from each account, one after another; return the runs."""
        run_ids: list[UUID] = []
        for account in self._accounts:

            async def pull(account: World = account) -> None:
                run_ids.append(await account.pull(CANDIDATE))

            await self._workers(pull)
        self._touched.clear()
        self.witness.all_were_looked_at()
        return run_ids

    async def _signals(self) -> list[UUID]:
        """A webhook for each that was edited, and the workers' round."""
        for account, external_id in self._touched:
            store = self._world.services.store
            async with self._world.services.database.company(self._world.company_id) as tx:
                keys = await store.links.record_keys(tx, account.integration_id, CANDIDATE, [external_id])
                request = JobRequest(
                    account.integration_id, RECONCILE, CANDIDATE, keys[external_id], Direction.INBOUND, WEBHOOK_SIGNAL
                )
                await store.ledger.enqueue(tx, [request])
        self._touched.clear()
        await self._workers(self._drain)
        self.witness.all_were_looked_at()
        return []

    async def _drain(self) -> None:
        await self._world.drain()

    async def _take_back(self, run_id: UUID) -> None:
        """Take a run back, with nothing else to do at the time."""
        began, done = await self._time(), self._ran()
        reverting = await self._world.services.reverts.start(self._world.company_id, run_id)
        await self._drain()
        look = await self._look(began)
        jobs = {str(each) for each in self._world.ran[done:]}
        step = Step(began, look.at, frozenset(jobs), {"": str(reverting)}, actor=str(reverting), rule="revert")
        self.witness.run_taken_back(look, step)

    async def _workers(self, act: Callable[[], Awaitable[None]]) -> None:
        counts = [len(account.ran) for account in self._accounts]
        began = await self._time()
        await act()
        look = await self._look(began)
        jobs = {str(job) for account, count in zip(self._accounts, counts, strict=True) for job in account.ran[count:]}
        runs = await self._connection.execute(
            "SELECT id, run_id FROM sync_queue WHERE id = ANY(%(ids)s) AND run_id IS NOT NULL",
            {"ids": [*map(UUID, jobs)]},
        )
        of_job = {str(row["id"]): str(row["run_id"]) for row in await runs.fetchall()}
        self.faults += self.witness.workers_ran(look, Step(began, look.at, frozenset(jobs), of_job))

    def _ran(self) -> int:
        return len(self._world.ran)

    # Who there is.

    def _mark(self) -> str:
        self._number += 1
        return f"m{self._number}"

    def _actor(self) -> str:
        return f"user-{self._rng.randrange(5)}"

    def _account(self, place: Place) -> tuple[World, str]:
        return next(each for each in self._accounts if str(each.integration_id) == place[0]), place[1]

    def _places(self, record_id: UUID) -> list[Place]:
        """A record's people at the vendors, in the order of the accounts."""
        ids = [str(each.integration_id) for each in self._accounts]
        return sorted(
            self.witness.now.links.get(record_id, frozenset()), key=lambda each: (ids.index(each[0]), each[1])
        )

    async def _living(self) -> list[UUID]:
        rows = await self._world.rows(
            "SELECT id FROM records WHERE company_id = %(company)s AND entity_type = 'candidate'"
            " AND archived_at IS NULL ORDER BY data::text",
            company=self._world.company_id,
        )
        return [row["id"] for row in rows]

    async def _open(self) -> list[dict[str, Any]]:
        return await self._world.rows(
            "SELECT id, record_id, unit FROM conflicts WHERE company_id = %(company)s AND status = 'open'"
            " AND kind = 'field' ORDER BY unit, (SELECT data::text FROM records WHERE id = record_id)",
            company=self._world.company_id,
        )

    async def _sides(self, record_id: UUID) -> list[tuple[Data, str]]:
        """What each vendor shows of a record, with its integration."""
        sides: list[tuple[Data, str]] = []
        for place in self._places(record_id):
            person = self._person(*self._account(place))
            sides.append((read_candidate(person).visible(), place[0]))
        return sides

    def _people(self, account: World) -> list[dict[str, Any]]:
        people = account.simulator.simulator.account["candidates"]
        return [each for each in people if each["first_name"] != "Anonymized"]

    def _person(self, account: World, external_id: str) -> dict[str, Any]:
        return account.simulator.simulator.account.fetch("candidates", int(external_id))

    async def _somebody_there(self) -> tuple[World, str]:
        account = self._rng.choice(self._accounts)
        return account, str(self._rng.choice(self._people(account))["id"])
