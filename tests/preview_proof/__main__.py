"""
`python -m tests.preview_proof --seeds 1-300`: what a preview shows is what the first sync then does, record by record.

Each seed is a small awkward world (tests/preview_proof/planting.py) on PostgreSQL and a Greenhouse simulator. Exit code
1 when anything differs. `--keep FILE` remembers what went well on these very sources: a run goes on where it stood.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from functools import partial

from scripts import sources
from scripts.resuming import KeptSeeds, add_seeds, kept_seeds, say, telling_how_far
from shared.composition import Services
from shared.settings import Settings
from tests.integration.sync.world import settings_for
from tests.preview_proof.proving import Verdict, prepare, prove
from tests.proving import ground, prove_each


def main() -> int:
    """Prove and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.preview_proof", description=__doc__)
    add_seeds(parser, "1-300")
    kept = kept_seeds(parser.parse_args(), sources.PREVIEWS)
    with telling_how_far(kept.how_far, "worlds held"), ground("previews") as (database, storage):
        prepare(database.admin_dsn)
        return asyncio.run(_prove(kept, settings_for(database.app_dsn, storage), database.admin_dsn))


async def _prove(kept: KeptSeeds, settings: Settings, admin_dsn: str) -> int:
    services, showing = (Services(settings, limiter_off=True) for _ in range(2))
    whole = Verdict()
    try:
        done = await prove_each(kept, partial(prove, services, showing, admin_dsn), whole)
    finally:
        await services.aclose()
        await showing.aclose()
    say(f"{dict(whole.actions)}; {dict(whole.fields)}; {whole.calls} calls to the vendor")
    say(
        f"{done.good} of {len(kept.asked)} worlds held ({done.played} now, {whole.previews} previews,"
        f" {whole.actions.total()} records, {whole.fields.total()} fields), {done.each_s:.2f} s each"
    )
    return 1 if done.failed else 0


if __name__ == "__main__":
    sys.exit(main())
