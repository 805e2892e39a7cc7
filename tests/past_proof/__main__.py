"""
`python -m tests.past_proof --stories 1-16`: explanations name the true writer of every field, `?at=` tells what was.

Each story is a company with two Greenhouse accounts, edited on all sides (tests/past_proof/story.py), and a witness of
it all. Exit code 1 when anything is told otherwise. `--keep FILE` remembers what went well on these very sources.
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
from tests.past_proof.proving import Verdict, prove
from tests.proving import ground, prove_each


def main() -> int:
    """Prove and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.past_proof", description=__doc__)
    add_seeds(parser, "1-16", option="--stories")
    parser.add_argument("--moments", type=int, default=13, help="of each story, with one answer alone")
    asked = parser.parse_args()
    kept = kept_seeds(asked, sources.PAST)
    with telling_how_far(kept.how_far, "stories told truly"), ground("past") as (database, storage):
        return asyncio.run(_prove(kept, asked.moments, settings_for(database.app_dsn, storage), database.admin_dsn))


async def _prove(kept: KeptSeeds, moments: int, settings: Settings, admin_dsn: str) -> int:
    services, whole = Services(settings, limiter_off=True), Verdict()
    try:
        done = await prove_each(kept, partial(prove, services, admin_dsn, moments=moments), whole)
    finally:
        await services.aclose()
    say(f"{dict(whole.acts)}; {whole.either} more moments while a change was under way")
    say(
        f"{done.good} of {len(kept.asked)} stories told truly ({done.played} now: {whole.fields} fields of"
        f" {whole.records} records explained, {whole.moments} moments), {done.each_s:.1f} s each"
    )
    return 1 if done.failed else 0


if __name__ == "__main__":
    sys.exit(main())
