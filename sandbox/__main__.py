"""`python -m sandbox`: Liaison and everything around it on one machine (docs/demo.md)."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

from sandbox import seed
from sandbox.programs import CommandFailed
from sandbox.seed import CallFailed
from sandbox.services.process import ServiceFailed
from sandbox.stack import Stack, find_running, running_stack

DEMO_PEOPLE = 2000
LOOK_EVERY_S = 1.0
INTERRUPTED = 130
STACK_HELP = "which stack: what `up --json` printed; by default the newest one of this clone that runs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0 when it was done, 1 when not, 130 after Ctrl-C half way."""
    asked = parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        code: int = asked.run(asked)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ServiceFailed, CommandFailed, CallFailed) as failure:
        print(failure, file=sys.stderr)
        return 1
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    root = argparse.ArgumentParser(prog="python -m sandbox", description="Liaison on one machine.")
    commands = root.add_subparsers(metavar="command", required=True)
    up = commands.add_parser("up", help="start a stack and serve until SIGTERM or Ctrl-C")
    up.add_argument("--json", action="store_true", help="describe it as one JSON line")
    up.add_argument("--people", type=int, default=0, help="people in the simulated account")
    up.add_argument("--port", type=int, default=0, help="of the Functions host; 0 takes a free one")
    up.add_argument("--set", action="append", default=[], type=_pair, metavar="NAME=VALUE", help="a setting of the app")
    up.add_argument(
        "--greenhouse", action="append", default=[], metavar="OPTION", help="an option of the simulator: --window-s=5"
    )
    up.set_defaults(run=serve)
    fill = commands.add_parser("seed", help="add people to a running simulator")
    fill.add_argument("--people", type=int, required=True)
    fill.add_argument("--admin-url", help="the simulator's control plane; by default the running stack's")
    fill.add_argument("--admin-token")
    fill.add_argument("--stack", type=Path, metavar="FILE", help=STACK_HELP)
    fill.set_defaults(run=fill_simulator)
    connect = commands.add_parser("connect", help="connect the running stack to its simulator, webhook included")
    connect.add_argument("--directions", choices=seed.DIRECTIONS, default="both", help="of candidates and applications")
    connect.add_argument("--stack", type=Path, metavar="FILE", help=STACK_HELP)
    connect.set_defaults(run=connect_simulator)
    demo = commands.add_parser("demo", help="tell the whole story on a fresh stack")
    demo.add_argument("--once", action="store_true", help="end after the story")
    demo.add_argument("--people", type=int, default=DEMO_PEOPLE)
    demo.set_defaults(run=tell)
    return root


def serve(asked: argparse.Namespace) -> int:
    """Start a stack, say where it is, serve until a signal comes."""
    with running_stack(
        people=asked.people, port=asked.port, host_settings=dict(asked.set), simulator_options=asked.greenhouse
    ) as stack:
        _announce(stack.describe(), as_json=asked.json)
        try:
            return _stay(stack)
        except KeyboardInterrupt:
            return 0


def fill_simulator(asked: argparse.Namespace) -> int:
    """Add people to a simulator."""
    address, token = asked.admin_url, asked.admin_token
    if address is None or token is None:
        greenhouse = _stack(asked.stack)["greenhouse"]
        address, token = address or greenhouse["admin_url"], token or greenhouse["admin_token"]
    with seed.client(address, token) as simulator:
        print(json.dumps(seed.fill(simulator, asked.people)))
    return 0


def connect_simulator(asked: argparse.Namespace) -> int:
    """Connect the running stack to its simulator."""
    running = _stack(asked.stack)
    greenhouse = running["greenhouse"]
    with (
        seed.client(running["api"], running["tokens"]["admin"]) as api,
        seed.client(greenhouse["admin_url"], greenhouse["admin_token"]) as simulator,
    ):
        made = seed.connect(api, running["company_id"], simulator, greenhouse, directions=asked.directions)
    print(json.dumps(made))
    return 0


def tell(asked: argparse.Namespace) -> int:
    """Tell the story; unless once is enough, serve on until Ctrl-C."""
    from sandbox.demo.story import demonstrate  # the other commands need none of it

    return demonstrate(people=asked.people, serve=None if asked.once else _serve_on)


def _serve_on(stack: Stack) -> None:
    _announce(stack.describe(), as_json=False)
    print("Serving until Ctrl-C.", flush=True)
    try:
        _stay(stack)
    except KeyboardInterrupt:
        return


def _stay(stack: Stack) -> int:
    """Keep the host running, as the platform would; return 1 when something else has ended."""
    pause = threading.Event()
    while not pause.wait(LOOK_EVERY_S):
        if not stack.greenhouse.running():
            print("the simulator has ended", file=sys.stderr)
            return 1
        if not stack.host.running():
            print("the host has ended; starting another", file=sys.stderr, flush=True)
            stack.host.start()
            try:
                stack.host.become_healthy()
            except (ServiceFailed, httpx.HTTPError) as failure:
                print(failure, file=sys.stderr, flush=True)  # it serves all the same, and /health says what is wrong
            stack.write_description()
    return 0


def _stack(file: Path | None) -> Mapping[str, Any]:
    if file is not None:
        described: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return described
    found = find_running()
    if found is None:
        raise CallFailed("no stack of this clone is running: start one with `python -m sandbox up`")
    return found


def _announce(description: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(description), flush=True)
        return
    for name, value in description.items():
        for inner, text in value.items() if isinstance(value, dict) else (("", value),):
            print(f"{f'{name}.{inner}'.rstrip('.'):40} {text}")
    sys.stdout.flush()


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError("write NAME=VALUE")
    return name, value


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End by unwinding, once: a second signal must not interrupt the cleaning up."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
