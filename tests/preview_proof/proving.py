"""One world: planted, previewed, synced, judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings as SimulatorSettings
from shared.adapters.greenhouse import lists
from shared.composition import Services
from tests.integration.sync.world import World, connect_with
from tests.preview_proof.judging import everything, judge, snapshot
from tests.preview_proof.planting import REFUSING, Plan, Planting, plan_of

FORBIDDEN = 403
REFUSED = 400


@dataclass
class Verdict:
    """What one seed came to, or many."""

    previews: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    """To the vendor, in first syncs: as many as were shown."""
    faults: list[str] = field(default_factory=list)

    def add(self, other: Verdict) -> None:
        """Count *other* in."""
        self.previews += other.previews
        self.actions += other.actions
        self.fields += other.fields
        self.calls += other.calls
        self.faults += other.faults


def prepare(admin_dsn: str) -> None:
    """Make the database refuse what `UNSTORABLE` stands for."""
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute(REFUSING.encode())


async def prove(services: Services, showing: Services, admin_dsn: str, seed: int) -> Verdict:
    """
    Play the world of *seed* in a company of its own; return how preview and sync compare.

    *showing* is another process than the one that syncs, so that each asks the vendor for its dictionaries itself.
    """
    plan, verdict = plan_of(seed), Verdict()
    settings = SimulatorSettings(people=plan.people, seed=seed, jobs=plan.jobs, limiter=False)
    async with GreenhouseSimulator(settings) as simulator:
        world = await connect_with(services, simulator, admin_dsn, **{"directions": "both", **plan.config})
        try:
            await _direct(world, plan)
            planting = Planting(world, plan)
            await planting.before_the_first_sync()
            with _pages_of(plan.page_size):
                verdict.add(await _compared(world, plan, showing, is_first=True))
                if plan.looks_twice:
                    await planting.before_the_second_sync()
                    verdict.add(await _compared(world, plan, showing, is_first=False))
        finally:
            # The next world's workers are to find nothing of this one: its vendor is gone.
            await world.execute("DELETE FROM sync_queue WHERE company_id = %(company)s", company=world.company_id)
            await world.control.aclose()
    verdict.faults = [f"seed {seed}: {fault}" for fault in verdict.faults]
    return verdict


async def _direct(world: World, plan: Plan) -> None:
    await world.execute(
        """UPDATE integrations SET config = jsonb_set(config, '{directions}', %(directions)s) WHERE id = %(id)s""",
        directions=Jsonb(dict(plan.directions)),
        id=world.integration_id,
    )


async def _compared(world: World, plan: Plan, showing: Services, *, is_first: bool) -> Verdict:
    before, untouched = await snapshot(world), await everything(world)
    vendor_before = await world.vendor_state()
    shown = await showing.previews.of(world.company_id, world.integration_id, most=1000)
    faults = []
    if await everything(world) != untouched:
        faults.append("the preview wrote here")
    if await world.vendor_state() != vendor_before:
        faults.append("the preview wrote at the vendor")
    asked = len(await _calls(world))
    run_id = await world.pull(mode="full")
    calls = (await _calls(world))[asked:]
    refused = {path.rsplit("/", 1)[-1] for method, path, status in calls if method != "GET" and status >= REFUSED}
    judged = judge(shown, before, await snapshot(world), refused=refused, excluded=plan.excluded)
    faults += judged.faults
    if not all(each.is_whole for each in shown.entities):
        faults.append("the preview was not whole")
    faults += await _run_faults(world, run_id, sum(each.requests for each in shown.entities))
    written = {call[1] for call in calls if call[0] != "GET"}
    if len(written) != shown.writes:
        faults.append(f"{shown.writes} writes were shown, {len(written)} records were written")
    if not is_first:  # what people did here since has asked the vendor as well
        return Verdict(1, judged.actions, judged.fields, 0, faults)
    # Who may not see one record asks for the list, to learn whether that is it or the credentials.
    made = len(calls) - sum(call[2] == FORBIDDEN for call in calls)
    if made != shown.requests and not refused:
        faults.append(f"{shown.requests} calls were shown, {made} were made")
    return Verdict(1, judged.actions, judged.fields, made, faults)


async def _run_faults(world: World, run_id: UUID, requests: int) -> list[str]:
    rows = await world.rows("SELECT * FROM runs WHERE parent_id = %(run)s", run=run_id)
    faults = [f"the run of {row['entity_type']} is {row['status']}" for row in rows if row["status"] == "failed"]
    made = sum(row["requests"] for row in rows)
    return faults if made == requests else [*faults, f"{requests} requests were shown, the pulls made {made}"]


async def _calls(world: World) -> list[tuple[str, str, int]]:
    """Return method, path and status of each call to the vendor, tokens aside."""
    calls = [(each["method"], each["path"], each["status"]) for each in await world.requests()]
    return [call for call in calls if call[1] != "/token"]


@contextmanager
def _pages_of(size: int) -> Iterator[None]:
    """Let the vendor's lists have pages of *size*, so that a small world has several."""
    known, lists.PAGE_SIZE = lists.PAGE_SIZE, size
    try:
        yield
    finally:
        lists.PAGE_SIZE = known
