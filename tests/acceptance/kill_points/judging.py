"""Whether all has come right, and what the simulator's log says about how."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from sandbox.seed import call
from scripts.compare_demo import LONGEST_WAY, differences, read_account, read_here
from tests.acceptance.kill_points.account import Account
from tests.acceptance.kill_points.points import PAGE, Submission

LISTS = ("/v3/jobs", "/v3/candidates", "/v3/applications")
MOST_REPEATED = 2
"""Pages asked for twice: the one that was being written, and the one read ahead."""
EATEN_S = 600
QUEUES = ("sync-urgent", "sync-normal", "sync-bulk", "webhook-events")
EVENTS = "webhook-events"
FILLERS = 40
"""Knocks for nothing that sleep beside the others, as if four more hosts had died."""


def eat_knocks(storage: str) -> int:
    """Take all knocks that are visible, and some for nothing, for ten minutes, as a host that died with them would."""
    eaten = 0
    for name in QUEUES:
        queue = QueueClient.from_connection_string(storage, name)
        try:
            for _ in range(FILLERS):
                queue.send_message("e30=")
            for _ in queue.receive_messages(messages_per_page=32, visibility_timeout=EATEN_S):
                eaten += 1
        except ResourceNotFoundError:
            continue  # nobody has knocked there yet
    return eaten


def events_waiting(storage: str) -> int:
    """Return how many batches of webhooks' events there are."""
    with ContainerClient.from_connection_string(storage, EVENTS) as container:
        try:
            return len(list(container.list_blob_names()))
        except ResourceNotFoundError:
            return 0


def unsettled(account: Account) -> str | None:
    """Return what is still to be done, None if nothing is."""
    if work := account.at_work():
        return work
    if events := events_waiting(account.stack.storage):
        return f"{events} batches of events"
    pending = int(call(account.control, "GET", "/counters")["webhooks_pending"])
    return f"{pending} webhooks under way" if pending else None


def open_jobs(account: Account) -> list[str]:
    """Return the jobs that have not ended, held ones too."""
    rows = account.rows(
        "SELECT action, entity_type, record_key, status, priority, hold_reason, error_code, requested_seq, claimed_seq,"
        " crashes, scheduled_at, lease_until, clock_timestamp() AS now FROM sync_queue"
        " WHERE integration_id = %(integration)s AND status <> 'completed' ORDER BY scheduled_at LIMIT 10"
    )
    return [str({name: str(value) for name, value in row.items()}) for row in rows]


def differing(account: Account, *, longest_way: timedelta = LONGEST_WAY) -> list[str]:
    """Return where the two sides differ, field by field. *longest_way*: what a submission may take."""
    here = read_here(account.stack.database.admin, account.integration_id)
    there = read_account(account.addresses, with_board=here.reads_board)
    return list(differences(there, here, longest_way=longest_way))


def repeated_pages(account: Account) -> int:
    """Return how many pages of the first sync were asked for more than once."""
    log = account.requests()
    return sum(_list_calls(log, path) - -(-len(account.state(path.removeprefix("/v3/"))) // PAGE) for path in LISTS)


def faults_of(account: Account, submissions: Sequence[Submission]) -> list[str]:
    """Return what is wrong with dead letters, runs and submissions."""
    found = [
        f"dead letter: {row}"
        for row in account.rows("SELECT action, code, cause FROM dead_letters WHERE company_id = %(company)s")
    ]
    found += [
        f"a run ended {row['status']}: {row['error']}"
        for row in account.rows(
            "SELECT status, error FROM runs WHERE integration_id = %(integration)s"
            " AND status IN ('failed', 'cancelled')"  # partial: some records waited for a create under way
        )
    ]
    log, people, applications = account.requests(), account.state("candidates"), account.state("applications")
    for each in submissions:
        found += _wrong_with(account, each, log, people, applications)
    return found


def creates(account: Account, submissions: Sequence[Submission]) -> int:
    """Return how many people or applications were created for *submissions*, by the log."""
    log, people = account.requests(), account.state("candidates")
    return sum(_creates_for(each.email, log, people) for each in submissions)


def _wrong_with(
    account: Account,
    submission: Submission,
    log: Sequence[Mapping[str, Any]],
    people: Sequence[Mapping[str, Any]],
    applications: Sequence[Mapping[str, Any]],
) -> list[str]:
    ids = _ids_of(submission.email, people)
    made = sum(row["candidate_id"] in ids for row in applications)
    here = account.number(
        "SELECT count(*) FROM records WHERE company_id = %(company)s AND entity_type = 'candidate'"
        " AND email_key = %(email)s",
        email=submission.email,
    )
    asked = account.number(
        "SELECT count(*) FROM records a JOIN records c ON c.id = a.candidate_id AND c.entity_type = 'candidate'"
        " WHERE a.company_id = %(company)s AND a.entity_type = 'application' AND c.email_key = %(email)s",
        email=submission.email,
    )
    counts = {
        "people there": len(ids),
        "applications there": made,
        "creates": _creates_for(submission.email, log, people),
    }
    expected = 1 if submission.is_certain else asked
    wrong = [
        f"{submission.email}: {count} {what}, {expected} expected"
        for what, count in counts.items()
        if count != expected
    ]
    if here != 1 or asked > 1 or (submission.is_certain and asked != 1):
        wrong.append(f"{submission.email}: {here} people and {asked} applications here")
    return wrong


def _creates_for(email: str, log: Sequence[Mapping[str, Any]], people: Sequence[Mapping[str, Any]]) -> int:
    ids = _ids_of(email, people)
    posts = [each for each in log if each["method"] == "POST" and each["status"] < 300]
    with_person = [each for each in posts if each["path"] == "/v3/candidates" and email in each["body"]]
    alone = [
        each
        for each in posts
        if each["path"] == "/v3/applications" and int(json.loads(each["body"])["candidate_id"]) in ids
    ]
    return len(with_person) + len(alone)


def _ids_of(email: str, people: Sequence[Mapping[str, Any]]) -> set[int]:
    return {row["id"] for row in people if email in {entry["value"] for entry in row["email_addresses"] or ()}}


def _list_calls(log: Sequence[Mapping[str, Any]], path: str) -> int:
    """Count calls of a full list: its first page, and those that a cursor names."""
    full = (each["query"] for each in log if each["method"] == "GET" and each["path"] == path)
    return sum(query == f"per_page={PAGE}" or query.startswith("cursor=") for query in full)
