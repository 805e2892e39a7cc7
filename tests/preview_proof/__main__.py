"""
`python -m tests.preview_proof --seeds 1-300`: what a preview shows is what the first sync then does, record by record.

Each seed is a small awkward world (tests/preview_proof/planting.py) on PostgreSQL and a Greenhouse simulator. Exit code
1 when anything differs. `--keep FILE` remembers what went well on these very sources: a run goes on where it stood.
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
from tests.preview_proof.proving import Verdict, prepare, prove
from tests.simulation.__main__ import Kept, Tally

ACCOUNT = "proof"


def main() -> int:
    """Prove and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.preview_proof", description=__doc__)
    parser.add_argument("--seeds", default="1-300", help="first-last, or one seed")
    parser.add_argument("--keep", type=Path, help="remember in this file what went well")
    asked = parser.parse_args()
    first, _, last = asked.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    kept = None if asked.keep is None else Kept(asked.keep, fingerprint_of_sources(sources.PREVIEWS))
    with (
        telling_how_far(lambda: (0 if kept is None else kept.count_of(seeds), len(seeds)), "worlds held"),
        running_postgres() as server,
        migrated_database(server, "previews") as database,
        running_azurite(accounts=(ACCOUNT,)) as azurite,
    ):
        prepare(database.admin_dsn)
        storage = azurite.connection_string_of(ACCOUNT)
        return asyncio.run(_prove(seeds, kept, database.app_dsn, storage, database.admin_dsn))


async def _prove(seeds: range, kept: Kept | None, app_dsn: str, storage: str, admin_dsn: str) -> int:
    services, showing = (Services(settings_for(app_dsn, storage), limiter_off=True) for _ in range(2))
    whole, began, failed, played = Verdict(), time.monotonic(), 0, 0
    try:
        for seed in seeds:
            if kept is not None and seed in kept.seeds:
                continue
            verdict = await prove(services, showing, admin_dsn, seed)
            played += 1
            whole.add(verdict)
            failed += bool(verdict.faults)
            for fault in verdict.faults:
                _say(fault)
            if kept is not None and not verdict.faults:
                kept.add([seed], Tally())
    finally:
        await services.aclose()
        await showing.aclose()
    _say(f"{dict(whole.actions)}; {dict(whole.fields)}; {whole.calls} calls to the vendor")
    each_s = (time.monotonic() - began) / max(played, 1)
    _say(
        f"{len(seeds) - failed} of {len(seeds)} worlds held ({played} now, {whole.previews} previews,"
        f" {whole.actions.total()} records, {whole.fields.total()} fields), {each_s:.2f} s each"
    )
    return 1 if failed else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what this is for


if __name__ == "__main__":
    sys.exit(main())
