"""Dead letters and the state of the workers."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from shared.cli.output import fault, result
from shared.cli.session import ACTOR, composed, opened
from shared.errors import InvalidInput
from shared.health import health_view
from shared.store.dead_letters import BATCH, DeadLetters
from shared.store.heartbeats import SWEEP
from shared.store.ledger import Knock
from shared.store.listings import Listings
from shared.sync.workers.dismissals import Dismissals


async def dead_letters(asked: argparse.Namespace) -> int:
    """Show jobs that were given up, newest first."""
    state = None if asked.state == "all" else asked.state
    async with opened() as session, session.database.company(asked.company) as tx:
        rows: Sequence[Mapping[str, Any]]
        if asked.groups:
            rows = await DeadLetters().groups(tx, limit=asked.limit)
        else:
            rows = await Listings().dead_letters(tx, state=state, integration_id=None, after=None, limit=asked.limit)
    for row in rows:
        result(row)
    return 0


async def redrive(asked: argparse.Namespace) -> int:
    """Run one dead letter's job again, or those of a cause, or all; 1 if none was open."""
    if [asked.letter is not None, asked.group is not None, bool(asked.all)].count(True) != 1:
        raise InvalidInput("name one letter, or --group, or --all", field="letter")
    letters, knocks = 0, list[Knock]()
    async with composed() as services:
        taken = BATCH
        while taken == BATCH:
            async with services.database.company(asked.company) as tx:
                taken, woken = await DeadLetters().redrive(tx, letter_id=asked.letter, group=asked.group)
            await services.knocker.send(woken)
            letters, knocks = letters + taken, knocks + woken
    result({"redriven": letters, "job_ids": sorted({knock.job_id for knock in knocks})})
    if letters == 0:
        fault({"code": "conflict", "detail": "no such dead letter is open"})
        return 1
    return 0


async def dismiss(asked: argparse.Namespace) -> int:
    """End one dead letter without running its job, or those of a cause; 1 if none was open."""
    if (asked.letter is None) == (asked.group is None):
        raise InvalidInput("name one letter, or --group", field="letter")
    reason = asked.reason.strip()
    if not reason:
        raise InvalidInput("say why it need not run again", field="reason")
    async with opened() as session:
        dismissals = Dismissals(session.database)
        if asked.letter is not None:
            await dismissals.dismiss_one(asked.company, asked.letter, actor=ACTOR, reason=reason)
            letters, has_more = 1, False
        else:
            letters, has_more = await dismissals.dismiss(asked.company, actor=ACTOR, reason=reason, group=asked.group)
    result({"dismissed": letters, "more": has_more})
    if letters == 0:
        fault({"code": "conflict", "detail": "no such dead letter is open"})
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
