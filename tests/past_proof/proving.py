"""One story: played, then every field explained and random moments asked for, over the API."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

import psycopg
from psycopg.rows import dict_row

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared import composition
from shared.composition import Services
from shared.security.identity import Role, mint_token
from tests.integration.api.calling import Caller
from tests.integration.sync.world import JWT_SECRET, World, connect_one_more, connect_with
from tests.past_proof.judging import explained, looked_back
from tests.past_proof.story import ROUNDS, Story

PEOPLE = 60
"""At the first vendor; the second has half as many of the same."""


@dataclass
class Verdict:
    """What one story came to, or many."""

    records: int = 0
    fields: int = 0
    """Explained."""
    moments: int = 0
    either: int = 0
    """Moments at which a change was under way."""
    acts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, other: Verdict) -> None:
        """Count *other* in."""
        self.records += other.records
        self.fields += other.fields
        self.moments += other.moments
        self.either += other.either
        self.acts += other.acts
        self.faults += other.faults


async def prove(
    services: Services, admin_dsn: str, seed: int, *, moments: int, people: int = PEOPLE, rounds: int = ROUNDS
) -> Verdict:
    """Play the story of *seed* in a company of its own, and ask about it."""
    async with AsyncExitStack() as stack:
        accounts = await _accounts(stack, services, admin_dsn, seed, people)
        connection = await stack.enter_async_context(
            await psycopg.AsyncConnection.connect(admin_dsn, autocommit=True, row_factory=dict_row)
        )
        story = Story(accounts, connection, seed)
        await story.play(rounds)
        conflicts = {
            (row["record_id"], row["unit"]): str(row["id"])
            for row in await accounts[0].rows(
                "SELECT id, record_id, unit FROM conflicts WHERE company_id = %(company)s AND status = 'open'"
                " AND unit IS NOT NULL",
                company=accounts[0].company_id,
            )
        }
        call = _caller(services, accounts[0])
        told, faults = await explained(call, story.witness, conflicts)
        exact, either, wrong = await looked_back(call, story.witness, moments, seed)
        # The next story's workers are to find nothing of this one: its vendors are gone.
        await accounts[0].execute("DELETE FROM sync_queue WHERE company_id = %(id)s", id=accounts[0].company_id)
    every = [f"seed {seed}: {fault}" for fault in (*story.faults, *faults, *wrong)]
    return Verdict(len(story.witness.now.records), told, exact, either, Counter(story.acts), every)


async def _accounts(stack: AsyncExitStack, services: Services, admin_dsn: str, seed: int, people: int) -> list[World]:
    """Return the company connected to two accounts, which share half of their people."""
    simulators = [
        await stack.enter_async_context(
            GreenhouseSimulator(SimulatorSettings(people=count, seed=seed, jobs=2, limiter=False))
        )
        for count in (people, people // 2)
    ]
    first = await connect_with(services, simulators[0], admin_dsn)
    second = await connect_one_more(services, first.company_id, simulators[1], admin_dsn)
    for account in (first, second):
        stack.push_async_callback(account.control.aclose)
    return [first, second]


def _caller(services: Services, world: World) -> Caller:
    """Return an administrator who calls the API's functions, which are given *services*."""
    composition._current = (asyncio.get_running_loop(), services)
    minted = mint_token(
        JWT_SECRET,
        subject="proof",
        company_id=world.company_id,
        role=Role.ADMIN,
        issuer="liaison",
        audience="liaison",
        lifetime=timedelta(hours=1),
    )
    return Caller(minted.token)
