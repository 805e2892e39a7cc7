"""Small awkward worlds: what a customer's portal and vendor account look like before they meet, drawn by a seed."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from sandbox.vendors.greenhouse import material
from shared.adapters.greenhouse.read import read_candidate
from shared.errors import Conflict, InvalidInput
from shared.model import EntityType
from shared.sync.editing.contact_check import check_contacts
from tests.integration.sync.world import World

CANDIDATE = EntityType.CANDIDATE
UNSTORABLE = "The database refuses this title"
"""A title that the proof's database takes for nobody (`REFUSING`)."""

REFUSING = f"""
    CREATE OR REPLACE FUNCTION refuse_a_title() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.data ->> 'current_title' = '{UNSTORABLE}' THEN
            RAISE 'refused' USING ERRCODE = 'data_exception';
        END IF;
        RETURN NEW;
    END $$;
    CREATE OR REPLACE TRIGGER refuse_a_title BEFORE INSERT OR UPDATE ON records_candidate
    FOR EACH ROW EXECUTE FUNCTION refuse_a_title();
"""
"""Stands for whatever a value may be that no check of ours foresaw and that PostgreSQL can't store."""

MAPPINGS: Sequence[Mapping[str, Any]] = (
    {"where": "'do-not-call' not in tags"},
    {"where": "current_company != 'ACME, Inc.'", "exclude": ["addresses"]},
    {"since": "2023-01-01", "read_only": ["current_title", "tags"]},
    {"exclude": ["current_title", "further_phones"], "read_only": ["phone"]},
)
"""Filters and exclusions; what a mapping makes of words and custom fields has proofs of its own."""

CONTACTS = ("email", "further_emails", "phone", "further_phones")

Fields = dict[str, JsonValue]


@dataclass(frozen=True)
class Plan:
    """One world."""

    seed: int
    people: int
    jobs: int
    page_size: int
    directions: Mapping[str, str]
    config: Mapping[str, Any]
    sees_private: bool
    looks_twice: bool
    """Both sides are edited after the first sync, and a second full one is previewed as well."""

    @property
    def excluded(self) -> frozenset[str]:
        """Fields of candidates that do not come in."""
        return frozenset(self.config.get("mapping", {}).get("candidate", {}).get("exclude", ()))


def plan_of(seed: int) -> Plan:
    """Draw the world of *seed*."""
    rng = random.Random(f"preview {seed}")  # noqa: S311 - a seeded story
    policies = {
        "current_title": rng.choice(["critical", "lww", {"policy": "authority", "authority": "portal"}]),
        "current_company": rng.choice(["lww", {"policy": "authority", "authority": "integration"}]),
        "phone": rng.choice(["critical", {"policy": "lww", "loosen": True}]),
        "tags": rng.choice(["union", "append"]),
    }
    config: dict[str, Any] = {}
    if rng.random() < 0.5:
        config["policies"] = {"candidate": {name: policies[name] for name in rng.sample(sorted(policies), 2)}}
    if rng.random() < 0.4:
        config["mapping"] = {
            "candidate": rng.choice(MAPPINGS),
            "application": rng.choice([{}, {"exclude": ["source"]}]),
        }
    if rng.random() < 0.5:
        config["first_link"] = rng.choice(["portal", "integration"])
    return Plan(
        seed=seed,
        people=rng.randint(6, 20),
        jobs=rng.randint(2, 4),
        page_size=rng.choice([3, 7, 500, 500]),
        directions={
            "job": "inbound",
            "candidate": rng.choice(["inbound", "both", "both"]),
            "application": rng.choice(["inbound", "both"]),
        },
        config=config,
        sees_private=rng.random() < 0.8,
        looks_twice=rng.random() < 0.4,
    )


class Planting:
    """Makes the world of a plan awkward, on both sides."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world = world
        self._plan = plan
        self._rng = random.Random(f"planting {plan.seed}")  # noqa: S311 - a seeded story

    async def before_the_first_sync(self) -> None:
        """People who are here already, and what a vendor's account has of oddities."""
        await self._vendor_oddities()
        for person in await self._people():
            if self._rng.random() < 0.7:
                await self._known_here(person)
        if not self._plan.sees_private:
            (await self._world.control.patch("/access", json={"sees_private": False})).raise_for_status()

    async def before_the_second_sync(self) -> None:
        """
        Edits here, which are out before anybody looks, then edits at the vendor that no webhook tells of.

        Where nothing may go out, both sides have changed.
        """
        for person in await self._people():
            if self._rng.random() < 0.3:
                await self._edit_here(person)
        await self._world.drain()
        for person in await self._people():
            if self._rng.random() < 0.4:
                await self._patch(person["id"], self._other_values(person))
        for _ in range(self._rng.randrange(3)):
            await self._duplicate(self._rng.choice(await self._people()))

    async def _people(self) -> list[dict[str, Any]]:
        response = await self._world.control.get("/state/candidates")
        response.raise_for_status()
        people: list[dict[str, Any]] = response.json()
        return people

    # The vendor's side.

    async def _vendor_oddities(self) -> None:
        rng = self._rng
        ways: list[Callable[[dict[str, Any]], Awaitable[None]]] = [
            self._duplicate, self._duplicate, self._unreadable, self._unstorable, self._erased_here, self._private,
            self._merged_there, self._anonymised_there,
        ]  # fmt: skip
        for way in ways:
            if rng.random() < 0.5:
                await way(rng.choice(await self._people()))

    async def _duplicate(self, person: dict[str, Any]) -> None:
        """The same person a second time, by e-mail, by phone, or by name and employer."""
        keys = ["email_addresses", "phone_numbers", "company"]
        kept = self._rng.sample(keys, self._rng.randint(1, 3))
        names = {name: person[name] for name in ("first_name", "last_name") if isinstance(person[name], str)}
        if self._rng.random() < 0.2:
            names = {"first_name": "Another", "last_name": "Member"}
        body = {**names, **{name: person[name] for name in kept}}
        (await self._world.control.post("/candidates?webhooks=false", json=body)).raise_for_status()

    async def _unreadable(self, person: dict[str, Any]) -> None:
        await self._patch(person["id"], {"preferred_name": {"not": "a name"}})

    async def _unstorable(self, person: dict[str, Any]) -> None:
        await self._patch(person["id"], {"title": UNSTORABLE})

    async def _private(self, person: dict[str, Any]) -> None:
        await self._patch(person["id"], {"private": True})

    async def _erased_here(self, person: dict[str, Any]) -> None:
        values: Fields = {"further_emails": person["email_addresses"]}
        async with self._world.services.database.company(self._world.company_id) as tx:
            await self._world.services.suppression.suppress_identity(tx, values, reason="erased")

    async def _merged_there(self, person: dict[str, Any]) -> None:
        others = [each for each in await self._people() if each["id"] != person["id"]]
        body = {"secondary_candidate_id": self._rng.choice(others)["id"]}
        response = await self._world.control.post(f"/candidates/{person['id']}/merge?webhooks=false", json=body)
        response.raise_for_status()

    async def _anonymised_there(self, person: dict[str, Any]) -> None:
        body = {"fields": ["full_name", "email_addresses", "phone_numbers", "current_title", "tags"]}
        path = f"/candidates/{person['id']}/anonymize?webhooks=false"
        (await self._world.control.post(path, json=body)).raise_for_status()

    async def _patch(self, external_id: int, body: Mapping[str, Any]) -> None:
        response = await self._world.control.patch(f"/candidates/{external_id}?webhooks=false", json=dict(body))
        response.raise_for_status()

    def _other_values(self, person: dict[str, Any]) -> dict[str, Any]:
        rng, mark = self._rng, self._rng.randrange(10**6)
        choices: dict[str, Any] = {
            "title": rng.choice([None, f"Title {mark}"]),
            "company": f"Company {mark}",
            "first_name": f"First{mark}",
            "preferred_name": rng.choice([None, f"Name{mark}"]),
            "tags": [*person["tags"][1:], f"tag {mark}"],
            "phone_numbers": [{"value": f"+44 20 7{mark:07}", "type": "mobile"}],
            "email_addresses": [{"value": f"vendor.{mark}@example.org", "type": "personal"}],
            "addresses": [*person["addresses"], {"value": f"{mark} High Street", "type": "other"}],
        }
        return {name: choices[name] for name in rng.sample(sorted(choices), rng.randint(1, 3))}

    # The portal's side.

    async def _known_here(self, person: dict[str, Any]) -> None:
        shown = self._shown(person)
        ways: list[Callable[[Fields], Fields]] = [
            self._same, self._same_with_others, self._same_with_others, self._same_with_others, self._another_name,
            self._by_phone, self._by_phone, self._by_name,
        ]  # fmt: skip
        fields = {name: value for name, value in self._rng.choice(ways)(shown).items() if value not in (None, "", [])}
        for name in CONTACTS:
            try:
                check_contacts({name: fields.get(name)})
            except InvalidInput:
                del fields[name]  # a vendor holds it, nobody can type it
        if not fields:
            return
        create = self._world.services.edits.create_candidate
        try:
            record = await create(self._world.company_id, fields, actor="proof")
        except Conflict:
            return  # the portal takes nobody twice, nor anybody who was erased
        if self._rng.random() < 0.1 and "email" in fields:
            # A second one of ours with this address: nobody may enter it, an edit may lead to it.
            twin = await create(self._world.company_id, {"first_name": "Twin"}, actor="proof")
            await self._world.edit_here(CANDIDATE, twin.id, email=fields["email"])
        if self._rng.random() < 0.1:
            await self._world.edit_here(CANDIDATE, record.id, current_title=f"Edited {self._plan.seed}")

    def _shown(self, person: dict[str, Any]) -> Fields:
        """What the vendor shows of *person*, as we would write it; of an unreadable one, nothing."""
        if not isinstance(person["preferred_name"], str | None):
            return {"first_name": person["first_name"]}
        shown = read_candidate(person).visible()
        return {name: value for name, value in shown.items() if value != UNSTORABLE}

    def _same(self, shown: Fields) -> Fields:
        return dict(shown)

    def _same_with_others(self, shown: Fields) -> Fields:
        """Known by e-mail, with some fields that differ, are empty, or say more."""
        rng, mark = self._rng, self._rng.randrange(10**6)
        others: Fields = {
            "current_title": rng.choice([None, f"Known as {mark}"]),
            "current_company": rng.choice([None, f"Ours {mark} Ltd"]),
            "preferred_name": rng.choice([None, f"Dear {mark}"]),
            "phone": rng.choice([None, f"+44 20 7{mark:07}"]),
            "first_name": rng.choice([shown.get("first_name"), str(shown.get("first_name") or "X").upper()]),
            "time_zone": rng.choice([None, rng.choice(material.TIME_ZONES)]),
            "can_email": rng.choice([True, False]),
            "linkedin_url": rng.choice([None, f"https://linkedin.com/in/ours-{mark}"]),
            "tags": [f"ours {mark}", *_listed(shown.get("tags"))[:1]],
            "further_emails": [{"value": f"second.{mark}@example.org", "type": "other"}],
            "addresses": [{"value": f"{mark} Low Road", "type": "home"}],
            "skills": ["Python", f"skill {mark}"],
            "notice_period": "1 month",
        }
        chosen = rng.sample(sorted(others), rng.randint(1, 6))
        email = shown.get("email")
        spelled = email.upper() if isinstance(email, str) and rng.random() < 0.3 else email
        return {**shown, **{name: others[name] for name in chosen}, "email": spelled}

    def _another_name(self, shown: Fields) -> Fields:
        return {"first_name": "Somebody", "last_name": "Else", "email": shown.get("email")}

    def _by_phone(self, shown: Fields) -> Fields:
        rng = self._rng
        names: Fields = {"first_name": shown.get("first_name"), "last_name": shown.get("last_name")}
        if rng.random() < 0.3:
            names["first_name"] = str(shown.get("first_name") or "Q")[:1]
        return {**names, "phone": shown.get("phone"), "current_title": rng.choice([None, "Known by phone"])}

    def _by_name(self, shown: Fields) -> Fields:
        return {name: shown.get(name) for name in ("first_name", "last_name", "current_company")}

    async def _edit_here(self, person: dict[str, Any]) -> None:
        """Edit the record of the vendor's *person*, if it came in."""
        rows = await self._world.rows(
            "SELECT internal_id FROM external_entity_map WHERE integration_id = %(integration)s"
            " AND entity_type = 'candidate' AND external_id = %(external)s",
            integration=self._world.integration_id,
            external=str(person["id"]),
        )
        rng, mark = self._rng, self._rng.randrange(10**6)
        choices: Fields = {
            "current_title": rng.choice([None, f"Ours {mark}"]),
            "current_company": f"Ours {mark} Ltd",
            "preferred_name": rng.choice([None, f"Dear {mark}"]),
            "phone": f"+44 20 7{mark:07}",
            "last_name": f"Last{mark}",
            "tags": [f"ours {mark}"],
        }
        changes = {name: choices[name] for name in rng.sample(sorted(choices), rng.randint(1, 3))}
        for row in rows:
            await self._world.edit_here(CANDIDATE, row["internal_id"], **changes)


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
