"""Ten kills on a fresh stack with two companies under load; then all must come right."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import httpx

from sandbox.programs import CommandFailed, cli
from sandbox.seed import call
from sandbox.services.azurite import AzuriteServer
from sandbox.services.folders import CLONE, make_service_folder, reachable_base, remove_service_folder
from sandbox.stack import Stack, running_stack
from scripts.compare_demo import APPLICATION, CANDIDATE, JOB
from tests.acceptance.kill_points import judging
from tests.acceptance.kill_points.account import Account, opened_account
from tests.acceptance.kills import clock
from tests.acceptance.kills.cast import choose
from tests.acceptance.kills.faults import CLOCK_S, Ground, Spans, befallen
from tests.acceptance.kills.load import Load
from tests.acceptance.kills.plan import Chunk, Result
from tests.acceptance.kills.verdicts import judge, read_sides
from tests.fixtures.waiting import GENEROUS_S, wait_until

PEOPLE = 160
ACCOUNTS = 2
CONVERGED_S = 900.0
"""The host's lease on messages alone is ten minutes."""
LONGEST_WAY = timedelta(hours=1)
"""What a submission may take: outages last for minutes."""
LOOK_EVERY_S = 0.5
SIMULATOR = {"webhook_time_scale": 0.01, "window_limit": 150}
"""
A vendor's ladder of retries in hundredths: 0.6 s, 9 s, 36 s, 72 s, 144 s, 288 s instead of minutes and hours. And 150
calls in its window of 30 s, fewer than the load needs: so that limits have to be kept, with and without their table.
"""
OF_RECORD = {"candidate": CANDIDATE, "application": APPLICATION, "job": JOB}


def run_chunk(chunk: Chunk, spans: Spans) -> Result:
    """Run a chunk from nothing to its comparison, and say how far it is."""
    with _running(chunk.seed) as (stack, storage, accounts):
        loads = [_load(account, chunk.seed + number) for number, account in enumerate(accounts)]
        ground = Ground(stack, storage, accounts, spans)
        for load in loads:
            load.start()
        try:
            for number, kill in enumerate(chunk.kills, 1):
                _say(f"  {number} after {kill.pause_s:.1f} s, {kill.fault or 'no fault'}")
                _wait(kill.pause_s)
                if kill.fault is None:
                    ground.restart()
                    continue
                with befallen(ground, kill.fault):
                    _wait(kill.pause_s)
                    ground.restart()
        finally:
            for load in loads:
                load.stop()
        result = _judged(chunk, ground, loads)
        if result.wrong:
            _keep_log(stack, chunk)
    return result


def _judged(chunk: Chunk, ground: Ground, loads: Sequence[Load]) -> Result:
    """Wait until all has come right, and hold everything against everything."""
    wrong = ground.wrong
    for load in loads:
        wrong += load.failures[:5]
    converged_s = _converge(ground, wrong)
    verdicts, compared = Counter[str](), 0
    for load in loads:
        account = load.account
        conflicts = list(_open_conflicts(account))
        sides = read_sides(account, conflicts)
        found = judge(load.journal.by_key(), sides)
        verdicts += found.counts
        wrong += found.wrong + judging.faults_of(account, load.submissions) + _newcomers_missing(load)
        compared += _fields(account)
    parity = [_parity(account, wrong) for account in ground.accounts]
    throttled = sum(int(call(each.control, "GET", "/counters")["throttled"]) for each in ground.accounts)
    if throttled:
        wrong.append(f"{throttled} calls were refused by a vendor's limit")
    status, problems = ground.health()
    if (status, list(problems)) != (httpx.codes.OK, []):
        wrong.append(f"health says {status}, {problems} in the end")
    wrong += [each for account in ground.accounts for each in _open_issues(account)]
    return Result(
        number=chunk.number,
        kills=ground.kills,
        faults=[kill.fault for kill in chunk.kills if kill.fault],
        seen=ground.seen,
        edits=sum(load.journal.count("acknowledged") for load in loads),
        unanswered=sum(load.journal.count("unknown") for load in loads),
        verdicts=dict(verdicts),
        submissions=sum(len(load.submissions) for load in loads),
        newcomers=sum(len(load.newcomers) for load in loads),
        pulls=sum(load.pulls for load in loads),
        slowest_s=max(load.slowest_s for load in loads),
        converged_s=converged_s,
        compared=compared,
        parity=", ".join(parity),
        throttled=throttled,
        wrong=wrong,
    )


def _converge(ground: Ground, wrong: list[str]) -> float:
    """Return after how many seconds nothing is left to do and both sides are equal; what stays is *wrong*."""
    began, left = time.monotonic(), list(ground.accounts)
    waiting: str | None = ""
    while left and time.monotonic() - began < CONVERGED_S:
        waiting = _not_right(left[0])
        if waiting is None:
            left.pop(0)
        else:
            _wait(LOOK_EVERY_S)
    for account in left:
        wrong.append(f"not right after {CONVERGED_S:.0f} s: {_not_right(account)}")
        wrong += judging.open_jobs(account)
    return time.monotonic() - began


def _not_right(account: Account) -> str | None:
    if waiting := judging.unsettled(account):
        return waiting
    found = _unexplained(account)
    return f"{len(found)} differences, such as {found[:5]}" if found else None


def _unexplained(account: Account) -> list[str]:
    """Return where the two sides differ, but for what an open conflict holds."""
    held = {
        f"{row['entity_type']} {row['external_id']}.{row['unit']}:"
        for row in account.rows(
            "SELECT l.entity_type, l.external_id, c.unit FROM conflicts c"
            " JOIN external_entity_map l ON l.internal_id = c.record_id AND l.entity_type = c.entity_type"
            " WHERE l.integration_id = %(integration)s AND c.status = 'open' AND c.kind = 'field'"
        )
    }
    found = judging.differing(account, longest_way=LONGEST_WAY)
    return [line for line in found if not any(line.startswith(each) for each in held)]


def _open_conflicts(account: Account) -> Iterator[Mapping[str, Any]]:
    cursor = ""
    while True:
        page = call(account.api, "GET", f"/api/conflicts?status=open&limit=100{cursor}")
        yield from page["data"]
        if page["next_cursor"] is None:
            return
        cursor = f"&cursor={page['next_cursor']}"


def _newcomers_missing(load: Load) -> list[str]:
    """Whoever came at the vendor is here exactly once."""
    query = (
        "SELECT count(*) FROM records WHERE company_id = %(company)s AND entity_type = 'candidate'"
        " AND email_key = %(email)s"
    )
    counts = {email: load.account.number(query, email=email) for email in load.newcomers}
    return [f"{email}: {count} people here" for email, count in counts.items() if count != 1]


def _fields(account: Account) -> int:
    query = (
        "SELECT entity_type, count(*) AS found FROM external_entity_map"
        " WHERE integration_id = %(integration)s AND state = 'live' GROUP BY entity_type"
    )
    return sum(len(OF_RECORD[row["entity_type"]]) * int(row["found"]) for row in account.rows(query))


def _parity(account: Account, wrong: list[str]) -> str:
    """Run the comparison in full; return the share without drift."""
    try:
        account.stack.cli("parity", "--integration", account.integration_id)
    except CommandFailed as failure:
        wrong.append(f"parity: {failure}")
    rows = account.rows(
        "SELECT DISTINCT ON (entity_type) entity_type, status, records, drift FROM parity_runs"
        " WHERE integration_id = %(integration)s AND trigger = 'cli' ORDER BY entity_type, started_at DESC"
    )
    wrong += [
        f"parity: {row['entity_type']} {row['status']}, {row['drift']} adrift of {row['records']}"
        for row in rows
        if row["status"] != "complete" or row["drift"]
    ]
    records = sum(row["records"] or 0 for row in rows)
    drift = sum(row["drift"] or 0 for row in rows)
    return f"{100 * (1 - drift / records):.2f} % of {records}" if records else "none"


def _open_issues(account: Account) -> list[str]:
    """Outages end: no issue of theirs stays open."""
    rows = account.rows("SELECT kind, detail FROM issues WHERE integration_id = %(integration)s AND ended_at IS NULL")
    return [f"an issue stays open: {row['kind']}: {row['detail']}" for row in rows if row["kind"] in OUTAGES]


OUTAGES = ("vendor_unreachable", "integration_stopped", "knocks_vanish", "webhook_poisoned", "webhook_refused")


@contextmanager
def _running(seed: int) -> Iterator[tuple[Stack, AzuriteServer, Sequence[Account]]]:
    """A stack whose storage can be stopped, and companies that were synced once."""
    with ExitStack() as parts:
        data = make_service_folder("storage", reachable_base())
        parts.callback(remove_service_folder, data)
        storage = AzuriteServer.make(location=data)
        parts.callback(storage.remove)
        storage.start()
        stack = parts.enter_context(running_stack(storage=storage.connection_string))
        with ThreadPoolExecutor() as pool:
            opening = [
                pool.submit(parts.enter_context, opened_account(stack, people=PEOPLE, seed_number=seed + number))
                for number in range(ACCOUNTS)
            ]
        accounts = [each.result() for each in opening]
        for account in accounts:
            call(account.control, "PATCH", "/settings", SIMULATOR)
            account.start_sync()
        for account in accounts:
            _come_to_rest(account)
        yield stack, storage, accounts


def _come_to_rest(account: Account) -> None:
    """Wait for the first sync, and say of people who share an address that they are different ones."""
    while True:
        wait_until(lambda: judging.unsettled(account) is None, within=3 * GENEROUS_S)
        shared = [each for each in _open_conflicts(account) if each["kind"] == "ambiguous_match"]
        if not shared:
            break
        for each in shared:
            call(account.api, "POST", f"/api/conflicts/{each['id']}/resolve", {"choice": "new"})
    wait_until(lambda: _not_right(account) is None, within=GENEROUS_S)


def _load(account: Account, seed: int) -> Load:
    """Return a load whose caller has a token that is older than a slow clock is late."""
    settings = {**account.stack.settings, **clock.running_off(-CLOCK_S - 60)}
    words = ("token", "create", "--company", account.company_id, "--role", "admin", "--subject", "kills")
    return Load(account, choose(account), str(cli(words, settings)["token"]), seed)


def _keep_log(stack: Stack, chunk: Chunk) -> None:
    """Keep the host's log of a chunk that went wrong."""
    kept = CLONE / ".local" / f"kills-{chunk.seed}.log"
    kept.write_bytes(stack.host.log.read_bytes())
    _say(f"the host's log is in {kept}")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - told beside the table


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)  # what is waited for is that time passes under load
