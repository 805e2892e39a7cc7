"""Mixed load, under which the host is killed at a random moment: webhooks, portal edits, submissions, a pull."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from sandbox.seed import CallFailed, call
from tests.acceptance.kill_points.account import Account
from tests.acceptance.kill_points.points import Reached, Submission

APART_S = 0.1


@dataclass
class Load:
    """Keeps an account busy from a thread of its own until it is told to stop."""

    account: Account
    chance: random.Random
    with_portal: bool
    """False while the first sync runs: the portal has nothing to edit yet."""
    submissions: list[Submission] = field(default_factory=list)
    calls: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, with a pull of everything at the same time."""
        people = [row["id"] for row in self.account.state("candidates") if row["first_name"] != "Anonymized"]
        self.chance.shuffle(people)
        # Nobody is edited on both sides: what people have to decide would keep the sides apart.
        self._here, self._there = people[: len(people) // 2], people[len(people) // 2 :]
        self._job = self.account.open_job()["id"]
        self.account.start_sync(mode="full")
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self) -> Reached:
        """End the load; return what has to be true now."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        assert self.calls > 0, "the load did nothing"
        return Reached(self.submissions)

    def _work(self) -> None:
        steps: list[Callable[[], None]] = [self._edit_there]
        if self.with_portal:
            steps += [self._edit_here, self._submit]
        while not self._stop.wait(APART_S):
            try:
                self.chance.choice(steps)()
            except httpx.HTTPError:
                self._stop.wait(APART_S)  # the host is dead, or about to be
            except CallFailed:
                if not self._stop.is_set():
                    raise
            self.calls += 1

    def _edit_there(self) -> None:
        """A recruiter changes somebody at the vendor: a webhook."""
        who = self.chance.choice(self._there)
        call(self.account.control, "PATCH", f"/candidates/{who}", {"title": f"There {self.chance.getrandbits(40):x}"})

    def _edit_here(self) -> None:
        """Somebody is changed in the portal."""
        who = self.account.record_id("candidate", self.chance.choice(self._here))
        body = {"current_title": f"Here {self.chance.getrandbits(40):x}"}
        call(self.account.api, "PATCH", f"/api/candidates/{who}", body)

    def _submit(self) -> None:
        """A new person is submitted."""
        email = f"load.{self.chance.getrandbits(40):x}@example.org"
        person = {"first_name": "Edsger", "last_name": "Load", "email": email}
        candidate = call(self.account.api, "POST", "/api/candidates", person)
        job_id = self.account.record_id("job", self._job)
        self.submissions.append(Submission(email, is_certain=False))
        call(self.account.api, "POST", "/api/applications", {"candidate_id": candidate["id"], "job_id": job_id})
        self.submissions[-1] = Submission(email)
