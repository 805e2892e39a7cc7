"""
SIGTERM during a first sync that takes longer than a host's patience with it.

Nothing tells Python that its host drains, so the pull goes on for as long as it is let, and is then killed. What it has
committed stays; the successor goes on within the promised time.
"""

from __future__ import annotations

import time

from sandbox.seed import call
from sandbox.stack import Stack
from tests.acceptance.kill_points.account import opened_account
from tests.acceptance.kill_points.holds import REACHED_S
from tests.acceptance.kill_points.points import Reached, candidate_pages_done
from tests.acceptance.kill_points.wave import PEOPLE, Result, Subject, converge, result_of
from tests.fixtures.waiting import wait_until

PAGE_S = 6.0
"""Each page takes so long: the whole sync takes longer than a drain may."""


def run_drain(stack: Stack, seed: int) -> Result:
    """Drain the host in a first sync, start another, wait until all has come right."""
    with opened_account(stack, people=PEOPLE, seed_number=seed) as account:
        account.add_fault(
            kind="latency", method="GET", path="/v3/(candidates|applications)", seconds=PAGE_S, times=None
        )
        account.start_sync()
        wait_until(lambda: candidate_pages_done(account) > 0, within=REACHED_S)
        began = time.monotonic()
        stack.host.stop()
        drained_s = time.monotonic() - began
        pages = candidate_pages_done(account)
        call(account.control, "DELETE", "/faults")
        subject = Subject(f"drained for {drained_s:.0f} s, {pages} pages", account, Reached(), in_first_sync=True)
        (clock,) = account.rows("SELECT clock_timestamp() AS now")
        began = time.monotonic()
        stack.host.start()
        sweep_s = converge([subject], began, clock["now"])
        return result_of(subject, seed, sweep_s)
