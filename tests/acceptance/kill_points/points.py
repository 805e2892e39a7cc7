"""The kinds of kill points: what leads there, and what has to be true of the vendor's log afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

import httpx

from sandbox.seed import CallFailed, call
from tests.acceptance.kill_points.account import Account
from tests.acceptance.kill_points.holds import (
    HELD_S,
    REACHED_S,
    RowLock,
    await_lock_waiter,
    await_unconfirmed,
    closed_to_writers,
    in_background,
    unconfirmed_commits,
)
from tests.fixtures.waiting import wait_until

PAGE = 500
APPROACH_S = 4.0
"""How long a page is held up so that a lock can be taken before its transaction begins."""


class MomentMissed(Exception):
    """The host died at another moment than was meant, as on a machine that stood still for seconds."""


@dataclass
class Reached:
    """What a point knows of itself once the host is dead."""

    submissions: list[Submission] = field(default_factory=list)
    """What must be at the vendor exactly once."""
    check: Callable[[], None] = lambda: None
    """Raises MomentMissed unless the kill hit the very moment that was meant."""


@dataclass(frozen=True)
class Submission:
    """Somebody who was submitted in the portal."""

    email: str
    is_certain: bool = True
    """False: the portal's call was cut off, so that it may never have been made."""


Point = Callable[[Account, random.Random, ExitStack], Reached]
"""Bring the host to the moment and keep it there. What the stack holds is let go right after the kill."""


def between_pages(account: Account, chance: random.Random, _held: ExitStack) -> Reached:
    """The page before is committed, the next is asked for and not answered."""
    done = chance.randint(1, _candidate_pages(account) - 1)
    fault = account.add_fault(kind="latency", method="GET", path="/v3/candidates", after=done, seconds=HELD_S)
    account.start_sync()
    wait_until(lambda: account.fault_applied(fault) == 1 and candidate_pages_done(account) == done, within=REACHED_S)
    return Reached(check=lambda: _expect(candidate_pages_done(account) == done, f"{done} pages committed"))


def before_page_transaction(account: Account, chance: random.Random, held: ExitStack) -> Reached:
    """A page was fetched; its transaction waits for its first row."""
    done = _approach(account, chance)
    _lock_job(account, held, "pull")
    await_lock_waiter(account, "%FROM sync_queue%lease_token%")
    return Reached(check=lambda: _expect(candidate_pages_done(account) == done, f"{done} pages committed"))


def in_page_transaction(account: Account, chance: random.Random, held: ExitStack) -> Reached:
    """All of a page is written; the last statement before the commit waits."""
    done = _approach(account, chance)
    query = "SELECT id FROM runs WHERE integration_id = %(integration)s AND entity_type = 'candidate' FOR UPDATE"
    held.callback(RowLock(account, query).release)
    await_lock_waiter(account, "%UPDATE runs%")
    return Reached(check=lambda: _expect(candidate_pages_done(account) == done, f"{done} pages committed"))


def page_committed_unheard(account: Account, chance: random.Random, held: ExitStack) -> Reached:
    """A page is committed, and the host dies before it is told."""
    done = _approach(account, chance)
    held.enter_context(unconfirmed_commits(account))
    await_unconfirmed(account, "records%")
    return Reached(check=lambda: _expect(candidate_pages_done(account) == done + 1, f"{done + 1} pages committed"))


def candidate_created(account: Account, chance: random.Random, _held: ExitStack) -> Reached:
    """The vendor has answered that it made a person; the look at their application is not answered yet."""
    fault = account.add_fault(kind="latency", method="GET", path=r"/v3/applications(/\d+)?", seconds=HELD_S)
    email = _submit_new(account, chance)
    wait_until(lambda: account.fault_applied(fault) == 1 and _posts(account, "/v3/candidates", email), within=REACHED_S)
    return Reached([Submission(email)], check=lambda: _expect_open_intent(account))


def candidate_made_unanswered(account: Account, chance: random.Random, _held: ExitStack) -> Reached:
    """The vendor has made a person, and its answer never comes."""
    fault = account.add_fault(kind="lost_answer", method="POST", path="/v3/candidates", seconds=HELD_S)
    email = _submit_new(account, chance)
    wait_until(lambda: account.fault_applied(fault) == 1 and _people(account, email) == 1, within=REACHED_S)
    return Reached([Submission(email)], check=lambda: _expect_open_intent(account))


def application_created(account: Account, chance: random.Random, held: ExitStack) -> Reached:
    """The vendor has answered that it made an application; the transaction with its link waits for its first row."""
    account.add_fault(kind="latency", method="POST", path="/v3/applications", seconds=APPROACH_S)
    email = f"again.{chance.getrandbits(40):x}@example.org"
    person = {"first_name": "Grace", "last_name": "Again", "email_addresses": [{"value": email, "type": "personal"}]}
    made = call(account.control, "POST", "/candidates", person)
    account.start_sync(mode="incremental")  # a person without an application causes no webhook
    wait_until(lambda: account.at_work() is None and _is_linked(account, "candidate", made["id"]), within=REACHED_S)
    body = {
        "candidate_id": account.record_id("candidate", made["id"]),
        "job_id": account.record_id("job", account.open_job()["id"]),
    }
    call(account.api, "POST", "/api/applications", body)
    sent = "SELECT count(*) FROM create_intents WHERE integration_id = %(integration)s AND sent_at IS NOT NULL"
    wait_until(lambda: account.number(sent) == 1, within=REACHED_S)
    _lock_job(account, held, "reconcile")
    wait_until(lambda: _posts(account, "/v3/applications", str(made["id"])), within=REACHED_S)
    await_lock_waiter(account, "%FROM sync_queue%lease_token%")
    return Reached([Submission(email)], check=lambda: _expect_open_intent(account))


def submission_not_knocked(account: Account, chance: random.Random, held: ExitStack) -> Reached:
    """A submission is committed with its job, and the host dies before it can knock."""
    email = f"unheard.{chance.getrandbits(40):x}@example.org"
    candidate = call(
        account.api, "POST", "/api/candidates", {"first_name": "Mary", "last_name": "Unheard", "email": email}
    )
    job_id = account.record_id("job", account.open_job()["id"])
    held.enter_context(unconfirmed_commits(account))
    _cut_off(account, "POST", "/api/applications", {"candidate_id": candidate["id"], "job_id": job_id})
    await_unconfirmed(account, "records%")
    return Reached([Submission(email)], check=lambda: _expect_due(account))


def edit_not_knocked(account: Account, chance: random.Random, held: ExitStack) -> Reached:
    """An edit is committed with its job, and the host dies before it can knock."""
    external_id = chance.choice(_plain_people(account))
    record_id = account.record_id("candidate", external_id)
    title = f"Title {chance.getrandbits(40):x}"
    held.enter_context(unconfirmed_commits(account))
    _cut_off(account, "PATCH", f"/api/candidates/{record_id}", {"current_title": title})
    await_unconfirmed(account, "records%")
    return Reached(check=lambda: _expect_due(account))


def sync_not_knocked(account: Account, _chance: random.Random, held: ExitStack) -> Reached:
    """A sync is asked for and committed, and the host dies before it can knock."""
    held.enter_context(unconfirmed_commits(account))
    _cut_off(account, "POST", f"/api/integrations/{account.integration_id}/sync", {"direction": "inbound"})
    await_unconfirmed(account, "runs")
    return Reached(check=lambda: _expect_due(account))


def webhook_taken(account: Account, chance: random.Random, held: ExitStack) -> Reached:
    """A webhook was answered, its message delivered to a worker; the transaction that asks for the jobs waits."""
    external_id = chance.choice(_plain_people(account))
    title = f"Title {chance.getrandbits(40):x}"
    held.enter_context(closed_to_writers(account, "webhook_events"))
    call(account.control, "PATCH", f"/candidates/{external_id}", {"title": title})
    await_lock_waiter(account, "%INSERT INTO webhook_events%")
    came = "SELECT count(*) FROM records WHERE company_id = %(company)s AND data->>'current_title' = %(title)s"
    return Reached(check=lambda: _expect(account.number(came, title=title) == 0, "an event that has led to nothing"))


IN_FIRST_SYNC: dict[str, Point] = {
    "in a page's transaction": in_page_transaction,
    "between pages": between_pages,
    "page fetched, not written": before_page_transaction,
    "page committed, not heard": page_committed_unheard,
}
IN_CREATE: dict[str, Point] = {
    "candidate created, not linked": candidate_created,
    "application created, not linked": application_created,
    "candidate made, never answered": candidate_made_unanswered,
}
NOT_KNOCKED: dict[str, Point] = {
    "submission committed, no knock": submission_not_knocked,
    "edit committed, no knock": edit_not_knocked,
    "sync committed, no knock": sync_not_knocked,
}
IN_INTAKE: dict[str, Point] = {"webhook taken, not processed": webhook_taken}
POINTS = {**IN_FIRST_SYNC, **IN_CREATE, **IN_INTAKE, **NOT_KNOCKED}
HOLDS_ALL_COMMITS = {"page committed, not heard", *NOT_KNOCKED}
"""Points that stop the commits of the whole database, so that no other can be reached after them."""


def _approach(account: Account, chance: random.Random) -> int:
    """Start the first sync and return while a page of candidates is held up; return how many came before it."""
    done = chance.randint(0, _candidate_pages(account) - 1)
    fault = account.add_fault(kind="latency", method="GET", path="/v3/candidates", after=done, seconds=APPROACH_S)
    account.start_sync()
    wait_until(lambda: account.fault_applied(fault) == 1 and candidate_pages_done(account) == done, within=REACHED_S)
    return done


def _candidate_pages(account: Account) -> int:
    return -(-len(account.state("candidates")) // PAGE)


def candidate_pages_done(account: Account) -> int:
    """Return how many pages of candidates are committed."""
    return account.number(
        "SELECT coalesce(max(pages), 0) FROM runs WHERE integration_id = %(integration)s AND entity_type = 'candidate'"
    )


def _lock_job(account: Account, held: ExitStack, action: str) -> None:
    query = (
        "SELECT id FROM sync_queue WHERE integration_id = %(integration)s AND action = %(action)s"
        " AND status = 'processing' FOR UPDATE"
    )
    held.callback(RowLock(account, query, action=action).release)


def _submit_new(account: Account, chance: random.Random) -> str:
    email = f"new.{chance.getrandbits(40):x}@example.org"
    person = {"first_name": "Ada", "last_name": "New", "email": email}
    candidate = call(account.api, "POST", "/api/candidates", person)
    job_id = account.record_id("job", account.open_job()["id"])
    call(account.api, "POST", "/api/applications", {"candidate_id": candidate["id"], "job_id": job_id})
    return email


def _cut_off(account: Account, method: str, path: str, body: object) -> None:
    """Make a call whose answer never comes."""

    def make() -> None:
        try:
            call(account.api, method, path, body)
        except (httpx.HTTPError, CallFailed):
            return
        raise AssertionError(f"{method} {path} was answered, though its commit was held")

    in_background(make)


def _posts(account: Account, path: str, word: str) -> bool:
    return any(
        each["method"] == "POST" and each["path"] == path and word in str(each["body"]) and each["status"] < 300
        for each in account.requests()
    )


def _people(account: Account, email: str) -> int:
    return sum(email in {entry["value"] for entry in row["email_addresses"]} for row in account.state("candidates"))


def _plain_people(account: Account) -> list[int]:
    return [row["id"] for row in account.state("candidates") if row["first_name"] != "Anonymized"]


def _is_linked(account: Account, entity: str, external_id: object) -> bool:
    query = (
        "SELECT count(*) FROM external_entity_map WHERE integration_id = %(integration)s"
        " AND entity_type = %(entity)s AND external_id = %(external)s"
    )
    return account.number(query, entity=entity, external=str(external_id)) == 1


def _expect_open_intent(account: Account) -> None:
    query = (
        "SELECT count(*) FROM create_intents"
        " WHERE integration_id = %(integration)s AND state = 'open' AND sent_at IS NOT NULL"
    )
    _expect(account.number(query) == 1, "a create that was sent and not linked")


def _expect_due(account: Account) -> None:
    query = (
        "SELECT count(*) FROM sync_queue WHERE integration_id = %(integration)s"
        " AND status = 'pending' AND scheduled_at <= now() AND started_at IS NULL"
    )
    _expect(account.number(query) > 0, "a job that is due and was never run")


def _expect(is_so: bool, what: str) -> None:
    if not is_so:
        raise MomentMissed(f"the kill missed its moment: expected {what}")
