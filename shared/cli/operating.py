"""Dead letters and the state of the workers."""

from __future__ import annotations

import argparse
from uuid import UUID

from shared.cli.output import fault, result
from shared.cli.session import composed, opened
from shared.errors import InvalidInput
from shared.health import health_view
from shared.store.database import Transaction
from shared.store.heartbeats import SWEEP
from shared.store.ledger import Knock, Ledger
from shared.store.listings import Listings

MOST = 10_000
"""Dead letters that one `redrive --all` takes up."""


async def dead_letters(asked: argparse.Namespace) -> int:
    """Show jobs that were given up, newest first."""
    state = None if asked.state == "all" else asked.state
    async with opened() as session, session.database.company(asked.company) as tx:
        rows = await Listings().dead_letters(tx, state=state, integration_id=None, after=None, limit=asked.limit)
    for row in rows:
        result(row)
    return 0


async def redrive(asked: argparse.Namespace) -> int:
    """Run one dead letter's job again, or all of them; 1 if one was not open."""
    if (asked.letter is None) == (not asked.all):
        raise InvalidInput("name one letter, or --all", field="letter")
    knocks: list[Knock] = []
    async with composed() as services:
        async with services.database.company(asked.company) as tx:
            letters = [asked.letter] if asked.letter is not None else await _open_letters(tx)
            for letter in letters:
                knock = await Ledger().redrive(tx, letter)
                if knock is not None:
                    knocks.append(knock)
        await services.knocker.send(knocks)
    redriven = {knock.job_id for knock in knocks}
    result({"redriven": len(knocks), "job_ids": sorted(redriven)})
    if len(knocks) < len(letters):
        fault({"code": "conflict", "detail": f"{len(letters) - len(knocks)} dead letters were not open"})
        return 1
    return 0


async def worker_status(_: argparse.Namespace) -> int:
    """Show what the health endpoint shows; 1 if not healthy."""
    async with opened() as session:
        async with session.database.dispatch() as tx:
            found = await Listings().health(tx, heartbeat=SWEEP)
        view = health_view(found, session.settings.sync_sweep_seconds)
    result(view)
    return 0 if view["healthy"] else 1


async def _open_letters(tx: Transaction) -> list[UUID]:
    rows = await Listings().dead_letters(tx, state="open", integration_id=None, after=None, limit=MOST)
    return [row["id"] for row in rows]
