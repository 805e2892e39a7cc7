"""The steps of the story. Each does one thing on one side, waits for it on the other, and says what it saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from sandbox import seed
from sandbox.demo.cast import Cast, choose, mobile_of
from sandbox.demo.showing import Progress
from sandbox.demo.sides import Greenhouse, Portal, wait_until_quiet
from sandbox.demo.waiting import NotInTime, until
from sandbox.seed import call
from sandbox.stack import Stack

PREVIEWED = 100
"""Records of each entity that are looked at: a page."""
SYNC_S = 120.0
ARRIVAL_S = 60.0
POISON_S = 90.0
SWEEP_S = 20.0
POISONING_S = 10.0
"""Five failures and the waits between them take no longer."""
WEBHOOK_DELAY_S = 2.0


@dataclass
class Scene:
    """What the steps work with."""

    stack: Stack
    portal: Portal
    greenhouse: Greenhouse
    people: int
    cast: Cast | None = None

    @property
    def players(self) -> Cast:
        """Who plays; chosen before the first sync."""
        if self.cast is None:
            raise NotInTime("nobody was chosen: the account was not connected")
        return self.cast


def connect(scene: Scene) -> str:
    """The integration by REST, inbound only, and its webhook in Greenhouse with the secret that is shown once."""
    made = seed.connect(
        scene.portal.admin,
        scene.stack.company_id,
        scene.greenhouse.control,
        scene.stack.greenhouse.addresses,
        directions="inbound",
    )
    scene.portal.integration_id = made["id"]
    scene.cast = choose(scene.greenhouse.state())
    report = call(scene.portal.admin, "POST", f"/api/integrations/{made['id']}/test")
    if not report["ok"]:
        raise NotInTime(f"the connection test failed: {report}")
    return "integration made, tested; webhook registered and pinged"


def open_outbound(scene: Scene) -> str:
    """What a first sync would do is looked at, and only then may anything be written in Greenhouse."""
    path = f"/api/integrations/{scene.portal.integration_id}"
    both_ways = {"config": {"directions": {"candidate": "both", "application": "both"}}}
    refused = scene.portal.admin.patch(path, json=both_ways)
    if refused.status_code != httpx.codes.CONFLICT:
        raise NotInTime(f"outbound was switched on unseen: {refused.status_code}")
    preview = call(scene.portal.admin, "POST", f"{path}/preview", {"records": PREVIEWED})
    call(scene.portal.admin, "PATCH", path, both_ways)
    counts = {entity: told["records"] for entity, told in preview["entities"].items()}
    told = ", ".join(f"{sum(each.values())} {entity}s" for entity, each in counts.items())
    writes = preview["writes_at_vendor"]
    return f"refused unseen; of {told} the preview writes {writes} in Greenhouse; now both ways"


def first_sync(scene: Scene) -> str:
    """Everything that Greenhouse holds, once."""
    bar = Progress(scene.people, "candidates")
    run = _sync(scene, lambda run: bar.show(_figures(run, "candidate").get("records_read", 0)))
    read = {entity: _figures(run, entity)["records_read"] for entity in ("job", "candidate", "application")}
    told = ", ".join(f"{count} {entity}s" for entity, count in read.items())
    waiting = len(scene.portal.doubles())
    skipped = _figures(run, "candidate")["records_skipped"]
    # A run that leaves people out because somebody has to decide is partial, and says how many.
    if (
        run["status"] != ("partial" if waiting else "complete")
        or skipped != waiting
        or read["candidate"] < scene.people
    ):
        raise NotInTime(f"{run['status']}: {told} read, {skipped} candidates skipped, {waiting} wait for a decision")
    return f"{told}; {waiting} people with somebody else's address wait for a decision"


def decide_doubles(scene: Scene) -> str:
    """People who share an e-mail address: somebody says that they are different ones. Then a sync is complete."""
    decided = 0
    while doubles := scene.portal.doubles():
        for item in doubles:
            call(scene.portal.data_manager, "POST", f"/api/conflicts/{item['id']}/resolve", {"choice": "new"})
            decided += 1
        wait_until_quiet(scene.portal, scene.greenhouse)
    run = _sync(scene)
    if run["status"] != "complete":
        raise NotInTime(f"the next sync ended {run['status']}: {run['runs']}")
    changed = sum(each["records_created"] + each["records_updated"] for each in run["runs"])
    return f"{decided} decided, then a complete sync that changed {changed} records"


def move_in_greenhouse(scene: Scene) -> str:
    """A recruiter moves an application there; the event brings it here."""
    application_id, stage = scene.players.moved_application_id, scene.players.next_stage
    before = scene.portal.application_of(application_id)["stage"]
    scene.greenhouse.move(application_id, stage)

    def arrived() -> bool:
        return bool(scene.portal.application_of(application_id)["stage"] == stage)

    until(arrived, f"the stage {stage!r} in the portal", within=ARRIVAL_S)
    return f"{before} -> {stage}, by webhook"


def edit_in_portal(scene: Scene) -> str:
    """Somebody corrects a phone number here; it arrives there."""
    phone = "+49 30 901820"
    person = scene.players.phoned_id
    before = scene.greenhouse.row("candidates", person)
    _edit_phone(scene, person, phone)
    _await_phone(scene, person, phone)
    after = scene.greenhouse.row("candidates", person)
    touched = sorted(name for name in after if after[name] != before[name])
    if not {"phone_numbers"} <= set(touched) <= {"phone_numbers", "updated_at", "last_activity_at"}:
        raise NotInTime(f"the phone's edit touched {', '.join(touched)}")
    return f"phone {phone} in Greenhouse, nothing else of the person touched"


def submit_in_portal(scene: Scene) -> str:
    """A new person is submitted to a job here; person and application appear there, once."""
    portal = scene.portal
    person = {"first_name": "Ada", "last_name": "Byron", "email": "ada.byron@example.org", "phone": "+44 20 7946 0018"}
    candidate = call(portal.recruiter, "POST", "/api/candidates", person)
    job = portal.job_of(scene.players.open_job_id)
    body = {"candidate_id": candidate["id"], "job_id": job["id"]}
    submitted = call(portal.recruiter, "POST", "/api/applications", body)
    application_id = _await_submission(portal, submitted["id"])
    people = [row for row in scene.greenhouse.rows("candidates") if _has_email(row, person["email"])]
    made = scene.greenhouse.row("applications", application_id)
    if len(people) != 1 or made["candidate_id"] != people[0]["id"] or made["job_id"] != scene.players.open_job_id:
        raise NotInTime(f"{len(people)} people of this address in Greenhouse, application {made}")
    stage = scene.players.second_stage
    call(portal.recruiter, "PATCH", f"/api/applications/{submitted['id']}", {"stage": stage})

    def moved() -> bool:
        return bool(scene.greenhouse.row("applications", application_id)["stage_name"] == stage)

    until(moved, f"the stage {stage!r} in Greenhouse", within=ARRIVAL_S)
    return f"one person, one application ({application_id}); moved on to {stage}"


def edit_on_both_sides(scene: Scene) -> str:
    """The same e-mail address is changed on both sides before either has heard of the other."""
    person = scene.players.disputed_id
    record_id = scene.portal.candidate_of(person)["id"]
    (entry,) = scene.greenhouse.row("candidates", person)["email_addresses"]
    theirs, ours = "changed.in.greenhouse@example.org", "changed.in.the.portal@example.org"
    scene.greenhouse.delay_webhooks(WEBHOOK_DELAY_S)
    scene.greenhouse.edit("candidates", person, {"email_addresses": [{**entry, "value": theirs}]})
    call(scene.portal.recruiter, "PATCH", f"/api/candidates/{record_id}", {"email": ours})
    until(lambda: scene.portal.conflicts_of(record_id), "a conflict", within=ARRIVAL_S)
    wait_until_quiet(scene.portal, scene.greenhouse)
    scene.greenhouse.delay_webhooks(0.0)
    conflicts = scene.portal.conflicts_of(record_id)
    here, there = _email_here(scene, person), _email_there(scene, person)
    if [each["field"] for each in conflicts] != ["email"] or (here, there) != (ours, theirs):
        raise NotInTime(f"{len(conflicts)} conflicts, portal {here}, Greenhouse {there}")
    return "held for review; each side keeps its own"


def resolve(scene: Scene) -> str:
    """A data manager decides: the portal's is right. Both agree."""
    person = scene.players.disputed_id
    ours = _email_here(scene, person)
    record_id = scene.portal.candidate_of(person)["id"]
    (conflict,) = scene.portal.conflicts_of(record_id)
    decision = {"choice": "portal", "version": conflict["version"]}
    call(scene.portal.data_manager, "POST", f"/api/conflicts/{conflict['id']}/resolve", decision)
    until(lambda: _email_there(scene, person) == ours, "the decision in Greenhouse", within=ARRIVAL_S)
    if scene.portal.conflicts_of(record_id) or _email_here(scene, person) != ours:
        raise NotInTime("the conflict is still open, or the portal's value is gone")
    return f"both say {ours}"


def poison(scene: Scene) -> str:
    """A job that raises each time ends in the poison queue and is kept as a dead letter."""
    person = scene.players.poisoned_id
    _order_fault(scene.stack.fault_file, scene.portal.candidate_of(person)["id"])
    if scene.portal.dead_letters():
        raise NotInTime("a job was given up before this one")
    # Whoever is awake takes what is due: another job's message, or the sweep's knock, each 20 s. Five failures that two
    # messages share poison neither, and the ledger's own count of crashes ends the job.
    wait_until_quiet(scene.portal, scene.greenhouse)
    until(lambda: 1 <= time.time() % SWEEP_S <= SWEEP_S - POISONING_S, "a sweep to be over", within=SWEEP_S)
    _edit_phone(scene, person, POISONED_PHONE)
    (letter,) = until(scene.portal.dead_letters, "a dead letter", within=POISON_S)
    until(lambda: _is_told(scene.stack.host.log, letter["id"]), "an alert in the host's log", within=ARRIVAL_S)
    if letter["code"] != "poison" or "OrderedFault" not in letter["cause"]:
        raise NotInTime(f"the dead letter has another cause: {letter['code']}, {letter['cause']}")
    if _phone_there(scene, person) == POISONED_PHONE:
        raise NotInTime("the poisoned job was done all the same")
    return f"{letter['queue']}: {letter['code']}, {letter['cause']}"


def redrive(scene: Scene) -> str:
    """The cause is removed, the dead letter redriven: its job succeeds."""
    person = scene.players.poisoned_id
    scene.stack.fault_file.unlink()
    (letter,) = scene.portal.dead_letters()
    call(scene.portal.operator, "POST", f"/api/dead-letters/{letter['id']}/redrive")
    _await_phone(scene, person, POISONED_PHONE)
    if scene.portal.dead_letters():
        raise NotInTime("the dead letter is still open")
    return f"phone {POISONED_PHONE} in Greenhouse"


POISONED_PHONE = "+49 40 428990"
STEPS: tuple[tuple[str, Callable[[Scene], str]], ...] = (
    ("previewed, then both ways", open_outbound),
    ("first sync", first_sync),
    ("shared addresses decided", decide_doubles),
    ("stage moved in Greenhouse", move_in_greenhouse),
    ("phone edited in the portal", edit_in_portal),
    ("application submitted and moved", submit_in_portal),
    ("e-mail edited on both sides", edit_on_both_sides),
    ("conflict resolved", resolve),
    ("poison message dead-lettered", poison),
    ("dead letter redriven", redrive),
)
"""In this order, after `connect`, without which none can be."""


def _sync(scene: Scene, watch: Callable[[Mapping[str, Any]], None] | None = None) -> Mapping[str, Any]:
    """Start an inbound sync by hand and return its run when it has ended; *watch* is shown it on the way."""
    path = f"/api/integrations/{scene.portal.integration_id}/sync"
    run_id = call(scene.portal.data_manager, "POST", path, {"direction": "inbound"})["run_id"]

    def ended() -> Mapping[str, Any] | None:
        run: dict[str, Any] = call(scene.portal.recruiter, "GET", f"/api/runs/{run_id}")
        if watch is not None:
            watch(run)
        return None if run["status"] == "running" else run

    return until(ended, "the sync to end", within=SYNC_S)


def _figures(run: Mapping[str, Any], entity: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next((each for each in run["runs"] if each["entity"] == entity), {})
    return found


def _edit_phone(scene: Scene, person: int, phone: str) -> None:
    record_id = scene.portal.candidate_of(person)["id"]
    call(scene.portal.recruiter, "PATCH", f"/api/candidates/{record_id}", {"phone": phone})


def _await_phone(scene: Scene, person: int, phone: str) -> None:
    until(lambda: _phone_there(scene, person) == phone, f"the phone {phone} in Greenhouse", within=ARRIVAL_S)


def _phone_there(scene: Scene, person: int) -> str | None:
    return mobile_of(scene.greenhouse.row("candidates", person))


def _email_here(scene: Scene, person: int) -> str:
    return str(scene.portal.candidate_of(person)["email"])


def _email_there(scene: Scene, person: int) -> str | None:
    emails = scene.greenhouse.row("candidates", person)["email_addresses"]
    return str(emails[0]["value"]) if len(emails) == 1 else None


def _has_email(row: Mapping[str, Any], email: str) -> bool:
    return any(entry["value"].strip().casefold() == email for entry in row["email_addresses"])


def _await_submission(portal: Portal, application_id: str) -> int:
    def submission() -> Mapping[str, Any]:
        found: dict[str, Any] = call(portal.recruiter, "GET", f"/api/applications/{application_id}")["submission"]
        return found

    found = until(
        lambda: told if (told := submission())["state"] == "submitted" else None,
        "the application to be submitted",
        within=ARRIVAL_S,
        seen=submission,
    )
    return int(found["external_id"])


def _is_told(log: Path, letter_id: str) -> bool:
    """Whether operators were told of a dead letter: the log event that alerts are made of."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return any('"event": "dead_letter"' in line and letter_id in line for line in lines)


def _order_fault(file: Path, marker: str) -> None:
    """Name a record's jobs in the fault file, in one step, so that nobody reads half of it."""
    made = file.with_suffix(".new")
    made.write_text(f"{marker}\n", encoding="utf-8")
    made.rename(file)
