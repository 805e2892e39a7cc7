"""Run the story on a fresh stack and tell how it went."""

from __future__ import annotations

import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx

from sandbox.demo import steps
from sandbox.demo.cast import NobodyFits
from sandbox.demo.showing import Told, table
from sandbox.demo.sides import Greenhouse, Portal, wait_until_quiet
from sandbox.demo.waiting import NotInTime
from sandbox.seed import CallFailed, client
from sandbox.services.folders import CLONE
from sandbox.services.process import ServiceFailed
from sandbox.stack import DESCRIPTION, Stack, running_stack

HOST_SETTINGS = {
    # As in production, where the rest of the sandbox lets everybody write to its simulator.
    "OUTBOUND_NEEDS_PREVIEW": "true",
    # The demo alone: five failures in five seconds, where production leaves half a minute between two.
    "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:01",
    "SYNC_VISIBILITY_SECONDS": "1",
}
COMPARE_S = 120.0
LOG_LINES = 20
FORESEEN = (NotInTime, NobodyFits, CallFailed, ServiceFailed, httpx.HTTPError, subprocess.TimeoutExpired)


def demonstrate(*, people: int, serve: Callable[[Stack], None] | None) -> int:
    """
    Start a fresh stack, tell the story, print its table; then *serve*, if given. Return the exit code.

    Raises what `running_stack` raises.
    """
    began = time.monotonic()
    print(
        f"Starting PostgreSQL, a storage account, the Functions host and a Greenhouse of {people} people ...",
        flush=True,
    )
    with running_stack(people=people, host_settings=HOST_SETTINGS) as stack:
        told = [_told("stack up", began, f"{stack.host.url}, company {stack.company_id}")]
        with _scene(stack, people) as scene:
            told += _tell(scene)
        print(f"\n{table(told)}\n", flush=True)
        is_good = all(step.is_good for step in told)
        print(f"{'All good' if is_good else 'FAILED'} after {time.monotonic() - began:.0f} s.", flush=True)
        if not is_good:
            _show_log(stack)
        if serve is not None:
            serve(stack)
    return 0 if is_good else 1


@contextmanager
def _scene(stack: Stack, people: int) -> Iterator[steps.Scene]:
    with ExitStack() as clients:
        recruiter, admin, data_manager, operator = (
            clients.enter_context(client(stack.host.url, stack.tokens[token]))
            for token in ("portal", "admin", "data_manager", "ops")
        )
        addresses = stack.greenhouse.addresses
        control = clients.enter_context(client(addresses["admin_url"], addresses["admin_token"]))
        yield steps.Scene(stack, Portal(recruiter, admin, data_manager, operator), Greenhouse(control), people)


def _tell(scene: steps.Scene) -> Iterator[Told]:
    """Yield how each step went. What the later ones stand on ends the story when it fails."""
    for title, step in (("company connected", steps.connect), *steps.STEPS, ("both sides compared", compare)):
        print(f"- {title} ...", flush=True)
        began = time.monotonic()
        try:
            told = _told(title, began, step(scene))
        except Exception as failure:  # noqa: BLE001 - whatever goes wrong is the step's failure, and told as that
            if not isinstance(failure, FORESEEN):
                traceback.print_exc()
            told = Told(title, time.monotonic() - began, f"{type(failure).__name__}: {failure}", is_good=False)
        print(f"  {'' if told.is_good else 'FAILED: '}{told.outcome}", flush=True)
        yield told
        if not told.is_good and step in (steps.connect, steps.open_outbound, steps.first_sync):
            return


def compare(scene: steps.Scene) -> str:
    """Hold Greenhouse's state against the database, by a script that shares no code with either."""
    wait_until_quiet(scene.portal, scene.greenhouse)
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-m", "scripts.compare_demo", str(scene.stack.folder / DESCRIPTION)],
        cwd=CLONE,
        capture_output=True,
        text=True,
        timeout=COMPARE_S,
        check=False,
    )
    if done.returncode != 0:
        raise NotInTime(f"the two sides differ\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout.strip().splitlines()[-1]


def _told(title: str, began: float, outcome: str) -> Told:
    return Told(title, time.monotonic() - began, outcome, is_good=True)


def _show_log(stack: Stack) -> None:
    """Print the host's last warnings and errors."""
    lines = stack.host.log.read_text(encoding="utf-8", errors="replace").splitlines()
    notable = [line for line in lines if '"WARNING"' in line or '"ERROR"' in line or "Traceback" in line]
    print("\n".join(["The host's last warnings:", *notable[-LOG_LINES:]]), flush=True)
