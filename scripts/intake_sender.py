"""
The vendor's side of the load on the intake: sends the plan's requests at a constant rate and writes down each answer.

Open loop: a request starts at its moment whether or not the ones before were answered, and its latency counts from that
moment, so that a stall shows in every request that it held up. Imports nothing of what it tests.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import string
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

TIMEOUT_S = 15.0
"""Vendors give up about then."""
PEOPLE = 2_000
LARGE_EVERY = 200
"""One genuine event in so many has a body of 60 KB."""


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of sender: where its events go, what they are signed with, and what answer is right."""

    kind: str
    share: float
    path: str
    secret: str
    right: int
    arrives: bool
    """Its events must be found in the database afterwards."""


@dataclass(slots=True)
class Report:
    """What was answered."""

    prefix: str
    """Of the ids of all events, so that two reports never name the same."""
    latencies_s: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    arriving: list[str] = field(default_factory=list)
    """Event ids that were answered as accepted and so must not get lost."""


def body_of(number: int, dice: random.Random) -> bytes:
    """Return an event of some 3 KB about one of a few thousand people; now and then a large one."""
    filler = "".join(dice.choices(string.ascii_letters + " ", k=60_000 if number % LARGE_EVERY == 0 else 2_400))
    candidate = {"id": 1 + dice.randrange(PEOPLE), "first_name": "Load", "last_name": f"Nr {number}", "notes": filler}
    return json.dumps({"action": "update_candidate", "payload": {"candidate": candidate}}).encode()


async def send_all(base: str, targets: list[Target], rate: float, duration_s: float, prefix: str) -> Report:
    """Send `rate * duration_s` requests, one each `1 / rate` seconds."""
    report = Report(prefix)
    dice = random.Random(20261122)  # noqa: S311
    shares = [target.share for target in targets]
    bodies = [body_of(number, dice) for number in range(2_000)]
    connector = aiohttp.TCPConnector(limit=200, keepalive_timeout=30)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(base, connector=connector, timeout=timeout) as session:
        began = time.perf_counter()
        tasks = set[asyncio.Task[None]]()
        for number in range(int(rate * duration_s)):
            starts_at = began + number / rate
            await asyncio.sleep(max(0.0, starts_at - time.perf_counter()))
            target = dice.choices(targets, shares)[0]
            task = asyncio.create_task(_send(session, target, number, bodies[number % len(bodies)], starts_at, report))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
    return report


async def _send(
    session: aiohttp.ClientSession, target: Target, number: int, body: bytes, starts_at: float, report: Report
) -> None:
    event_id = f"{report.prefix}-{target.kind}-{number}"
    digest = hmac.new(target.secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "Signature": f"sha256 {digest}",
        "Greenhouse-Event-ID": event_id,
    }
    try:
        async with session.post(target.path, data=body, headers=headers) as answer:
            await answer.read()
            status = answer.status
    except (aiohttp.ClientError, TimeoutError) as error:
        status, event_id = 0, f"{event_id} {type(error).__name__}"
    report.latencies_s.append(time.perf_counter() - starts_at)
    report.answers[f"{target.kind} {status}"] += 1
    if status != target.right:
        report.wrong[f"{target.kind} {status}, {target.right} is right"] += 1
    elif target.arrives:
        report.arriving.append(event_id)


def main() -> int:
    """Read the plan of the file that is named, send, and write the report beside it."""
    plan_file = Path(sys.argv[1])
    plan: dict[str, Any] = json.loads(plan_file.read_text(encoding="utf-8"))
    targets = [Target(**target) for target in plan["targets"]]
    report = asyncio.run(send_all(plan["base"], targets, plan["rate"], plan["duration_s"], plan["prefix"]))
    answer = {
        "latencies_s": sorted(report.latencies_s),
        "answers": report.answers,
        "wrong": report.wrong,
        "arriving": report.arriving,
    }
    plan_file.with_suffix(".report").write_text(json.dumps(answer), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
