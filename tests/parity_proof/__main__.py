"""
`python -m tests.parity_proof`: a hundred corruptions of ten kinds in 100,000 records; all found, explained and healed.

`--records 2000` makes it small. Exit code 1 when one is missed, one is false, or the second comparison finds anything.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from shared.composition import Services
from shared.model import Direction, EntityType
from shared.settings import load_settings
from shared.sync.jobs.priorities import COMPARE
from tests.bench.stack import COMPANY, Stack, running_stack
from tests.parity_proof.planting import WAYS, Ground, Planted, plant

RECORDS = 100_000
EACH_WAY = 10
QUEUES = ((1, 3), (4, 7), (8, 10))


@dataclass(frozen=True)
class Compared:
    """What a comparison came to."""

    run: Mapping[str, Any]
    drift: Mapping[str, str]
    """Kind by external id, of what nothing explains."""
    seconds: float
    healed_s: float


def main() -> int:
    """Prove and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity_proof")
    parser.add_argument("--records", type=int, default=RECORDS)
    asked = parser.parse_args()
    with running_stack(asked.records) as stack:
        return asyncio.run(_prove(stack))


async def _prove(stack: Stack) -> int:
    services = Services(load_settings(dict(stack.environment)), limiter_off=True)
    headers = {"Authorization": f"Bearer {stack.simulator['admin_token']}"}
    try:
        async with httpx.AsyncClient(base_url=stack.simulator["admin_url"], headers=headers, timeout=60) as control:
            ground = Ground(services, COMPANY, stack.integration_id, stack.admin_dsn, control)
            return await _prove_on(ground)
    finally:
        await services.aclose()


async def _prove_on(ground: Ground) -> int:
    began = time.monotonic()
    # Parents are not proved here; candidates go both ways, so that a lost edit has somewhere to go.
    await ground.rows(
        """UPDATE integrations SET config = jsonb_set(config, '{directions}', '{"candidate": "both"}')
        WHERE id = %(id)s""",
        id=ground.integration_id,
    )
    await ground.services.syncs.request(
        COMPANY, ground.integration_id, direction=Direction.INBOUND, entity=EntityType.CANDIDATE, mode="full"
    )
    await drain(ground)
    say(f"pulled in {time.monotonic() - began:.1f} s")
    planted = await plant(ground, EACH_WAY)
    first = await compared(ground)
    second = await compared(ground)
    sys.stdout.write(report(planted, first, second))
    expected = {each.external_id: each.kind for each in planted}
    return 0 if first.drift == expected and not second.drift and second.run["status"] == "complete" else 1


async def compared(ground: Ground) -> Compared:
    """Compare and heal."""
    began = time.monotonic()
    (parity_id,) = await ground.services.comparisons.request(
        COMPANY, ground.integration_id, entity=EntityType.CANDIDATE, repairs=True
    )
    await drain(ground, only=COMPARE)
    seconds = time.monotonic() - began
    await drain(ground)
    (run,) = await ground.rows("SELECT * FROM parity_runs WHERE id = %(id)s", id=parity_id)
    rows = await ground.rows("SELECT * FROM parity_differences WHERE parity_id = %(id)s", id=parity_id)
    drift = {row["external_id"]: row["kind"] for row in rows if row["cause"] is None}
    return Compared(run, drift, seconds, time.monotonic() - began - seconds)


async def drain(ground: Ground, *, only: str | None = None) -> None:
    """Run due jobs until none is; with *only*, until none of that action is."""
    services = ground.services
    while True:
        named = await _next_of(ground, only)
        if only is not None and named is None:
            return
        claim = None
        for low, high in QUEUES:
            async with services.database.dispatch() as tx:
                claim = await services.store.ledger.claim(tx, named, low=low, high=high, ttl_s=60, per_integration=5)
            if claim is not None:
                break
        if claim is None:
            return
        await services.runner.run(claim)


async def _next_of(ground: Ground, action: str | None) -> UUID | None:
    rows = await ground.rows(
        "SELECT id FROM sync_queue WHERE action = %(action)s AND status = 'pending' LIMIT 1", action=action
    )
    return rows[0]["id"] if rows else None


def report(planted: Sequence[Planted], first: Compared, second: Compared) -> str:
    """Return the figures as lines for people."""
    lines = [f"{'way':<16}{'planted':>9}{'found':>7}{'as expected':>13}{'left':>6}"]
    for way in WAYS:
        own = [each for each in planted if each.way == way.__name__]
        found = [each for each in own if each.external_id in first.drift]
        right = [each for each in found if first.drift[each.external_id] == each.kind]
        left = [each for each in own if each.external_id in second.drift]
        lines.append(f"{way.__name__:<16}{len(own):>9}{len(found):>7}{len(right):>13}{len(left):>6}")
    false = first.drift.keys() - {each.external_id for each in planted}
    certificate = second.run["certificate"] or {}
    causes = Counter(each["cause"] for each in certificate.get("by_kind", ()))
    lines += [
        f"false: {len(false)}; drift of the second comparison: {len(second.drift)}; explained then: {dict(causes)}",
        f"{first.run['records']} records, {certificate.get('fields')} fields, {first.run['pages']} pages",
        f"comparison {first.seconds:.1f} s, healing {first.healed_s:.1f} s; second comparison {second.seconds:.1f} s",
        (
            f"ranges that differ: {certificate.get('ranges', {}).get('differing')} of"
            f" {certificate.get('ranges', {}).get('count')}; parity {certificate.get('parity')}"
        ),
    ]
    told = sum(first.drift.get(each.external_id) == each.kind for each in planted)
    lines.append(
        f"{told} of {len(planted)} found as what they are, {len(false)} false; drift after healing {len(second.drift)}"
    )
    return "\n".join(lines) + "\n"


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
