"""
`python -m tests.past_proof --stories 1-16`: explanations name the true writer of every field, `?at=` tells what was.

Each story is a company with two Greenhouse accounts, edited on all sides (tests/past_proof/story.py), and a witness of
it all. Exit code 1 when anything is told otherwise. `--keep FILE` remembers what went well on these very sources.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

from sandbox.services.azurite import running_azurite
from scripts import sources
from scripts.progress import telling_how_far
from scripts.sources import fingerprint_of_sources
from shared.composition import Services
from tests.fixtures.postgres import migrated_database, running_postgres
from tests.integration.sync.world import settings_for
from tests.past_proof.proving import Verdict, prove
from tests.simulation.__main__ import Kept, Tally

ACCOUNT = "proof"


def main() -> int:
    """Prove and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.past_proof", description=__doc__)
    parser.add_argument("--stories", default="1-16", help="first-last, or one")
    parser.add_argument("--moments", type=int, default=13, help="of each story, with one answer alone")
    parser.add_argument("--keep", type=Path, help="remember in this file what went well")
    asked = parser.parse_args()
    first, _, last = asked.stories.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    kept = None if asked.keep is None else Kept(asked.keep, fingerprint_of_sources(sources.PAST))
    with (
        telling_how_far(lambda: (0 if kept is None else kept.count_of(seeds), len(seeds)), "stories told truly"),
        running_postgres() as server,
        migrated_database(server, "past") as database,
        running_azurite(accounts=(ACCOUNT,)) as azurite,
    ):
        services = Services(settings_for(database.app_dsn, azurite.connection_string_of(ACCOUNT)), limiter_off=True)
        return asyncio.run(_prove(seeds, asked.moments, kept, services, database.admin_dsn))


async def _prove(seeds: range, moments: int, kept: Kept | None, services: Services, admin_dsn: str) -> int:
    whole, began, failed, played = Verdict(), time.monotonic(), 0, 0
    try:
        for seed in seeds:
            if kept is not None and seed in kept.seeds:
                continue
            verdict = await prove(services, admin_dsn, seed, moments=moments)
            played += 1
            whole.add(verdict)
            failed += bool(verdict.faults)
            for fault in verdict.faults:
                _say(fault)
            if kept is not None and not verdict.faults:
                kept.add([seed], Tally())
    finally:
        await services.aclose()
    _say(f"{dict(whole.acts)}; {whole.either} more moments while a change was under way")
    each_s = (time.monotonic() - began) / max(played, 1)
    _say(
        f"{len(seeds) - failed} of {len(seeds)} stories told truly ({played} now: {whole.fields} fields of"
        f" {whole.records} records explained, {whole.moments} moments), {each_s:.1f} s each"
    )
    return 1 if failed else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what this is for


if __name__ == "__main__":
    sys.exit(main())
