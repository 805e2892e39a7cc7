"""Everything at once: edits on both sides, stages, submissions, newcomers, pulls. Each edit is written down."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import httpx

from tests.acceptance.kill_points.account import Account
from tests.acceptance.kill_points.points import Submission
from tests.acceptance.kills.cast import Cast
from tests.acceptance.kills.edits import Edit, Journal, Key, Outcome, Side

PATIENCE_S = 20.0
"""What a caller waits for an answer, who then does not know whether his edit was made."""
APART_S = (0.3, 0.9)
STALE_VERSION = 412
SERVER_ERROR = 500


@dataclass
class Load:
    """Keeps an account busy, the portal and the vendor from a thread each, until it is told to stop."""

    account: Account
    cast: Cast
    token: str
    seed: int
    journal: Journal = field(default_factory=Journal)
    submissions: list[Submission] = field(default_factory=list)
    newcomers: list[str] = field(default_factory=list)
    """E-mail addresses of people who were made at the vendor."""
    pulls: int = 0
    slowest_s: float = 0.0
    """The longest that the portal waited for an answer that it got."""
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _parts: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Begin."""
        self._api = self._client(self.account.stack.host.url, self.token)
        addresses = self.account.addresses
        self._control = self._client(str(addresses["admin_url"]), str(addresses["admin_token"]))
        portal: Sequence[tuple[int, Callable[[random.Random], None]]] = (
            (6, self._title_here),
            (5, self._company_here),
            (2, self._phone_here),
            (2, self._move_here),
            (2, self._submit),
            (1, self._pull),
        )
        vendor: Sequence[tuple[int, Callable[[random.Random], None]]] = (
            (6, self._title_there),
            (5, self._company_there),
            (2, self._phone_there),
            (2, self._move_there),
            (1, self._arrive),
        )
        for number, steps in enumerate((portal, vendor)):
            chance = random.Random(self.seed * 2 + number)  # noqa: S311 - it secures nothing
            thread = threading.Thread(target=self._work, args=(steps, chance), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End the load."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._parts.close()

    def _client(self, address: str, token: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"}
        client = httpx.Client(base_url=address, headers=headers, timeout=PATIENCE_S, trust_env=False)
        return self._parts.enter_context(client)

    def _work(self, steps: Sequence[tuple[int, Callable[[random.Random], None]]], chance: random.Random) -> None:
        weights, calls = [weight for weight, _ in steps], [step for _, step in steps]
        while not self._stop.wait(chance.uniform(*APART_S)):
            (step,) = chance.choices(calls, weights)
            try:
                step(chance)
            except Exception as failure:  # noqa: BLE001 - whatever it is, the load is at fault, and the run says so
                self.failures.append(f"{step.__name__}: {type(failure).__name__}: {failure}")

    # The portal.

    def _title_here(self, chance: random.Random) -> None:
        self._edit_here(("candidate", chance.choice(self.cast.both), "current_title"), f"here {_unique(chance)}")

    def _company_here(self, chance: random.Random) -> None:
        self._edit_here(("candidate", chance.choice(self.cast.here), "current_company"), f"here {_unique(chance)}")

    def _phone_here(self, chance: random.Random) -> None:
        """Change what was looked at, or nothing."""
        key: Key = ("candidate", chance.choice(self.cast.phoned), "phone")
        path = f"/api/candidates/{self.cast.records[key[0], key[1]]}"
        outcome, answer = self._ask(self._api, "GET", path)
        if outcome == "acknowledged" and answer is not None:
            seen, headers = answer.json().get("phone"), {"If-Match": answer.headers["etag"]}
            self._edit_here(key, _phone(chance), seen=seen, headers=headers)

    def _move_here(self, chance: random.Random) -> None:
        application = chance.choice(self.cast.moved_here)
        self._edit_here(("application", application, "stage"), chance.choice(self.cast.stages[application]))

    def _edit_here(
        self, key: Key, value: str, *, seen: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        entity, external_id, name = key
        path = f"/api/{entity}s/{self.cast.records[entity, external_id]}"
        began = time.time()
        outcome, _ = self._ask(self._api, "PATCH", path, {name: value}, headers)
        if outcome == "acknowledged":
            self.slowest_s = max(self.slowest_s, time.time() - began)
        self._write("here", key, value, began, outcome, seen)

    def _submit(self, chance: random.Random) -> None:
        email = f"sent.{_unique(chance)}@example.org"
        person = {"first_name": "Edsger", "last_name": "Sent", "email": email}
        outcome, answer = self._ask(self._api, "POST", "/api/candidates", person)
        if outcome != "acknowledged" or answer is None:
            return
        body = {"candidate_id": answer.json()["id"], "job_id": self.cast.records["job", self.cast.job_id]}
        self.submissions.append(Submission(email, is_certain=False))
        outcome, _ = self._ask(self._api, "POST", "/api/applications", body)
        if outcome == "acknowledged":
            self.submissions[-1] = Submission(email)

    def _pull(self, chance: random.Random) -> None:
        path = f"/api/integrations/{self.account.integration_id}/sync"
        body = {"direction": "inbound", "mode": chance.choice(("incremental", "incremental", "full"))}
        outcome, _ = self._ask(self._api, "POST", path, body)
        self.pulls += outcome == "acknowledged"

    # The vendor's own pages.

    def _title_there(self, chance: random.Random) -> None:
        self._edit_there("current_title", chance.choice(self.cast.both), chance, "title")

    def _company_there(self, chance: random.Random) -> None:
        self._edit_there("current_company", chance.choice(self.cast.there), chance, "company")

    def _edit_there(self, name: str, person: int, chance: random.Random, column: str) -> None:
        value, began = f"there {_unique(chance)}", time.time()
        outcome, _ = self._ask(self._control, "PATCH", f"/candidates/{person}", {column: value})
        self._write("there", ("candidate", person, name), value, began, outcome)

    def _phone_there(self, chance: random.Random) -> None:
        person, value, began = chance.choice(self.cast.phoned), _phone(chance), time.time()
        body = {"phone_numbers": [{"value": value, "type": "mobile"}]}
        outcome, _ = self._ask(self._control, "PATCH", f"/candidates/{person}", body)
        self._write("there", ("candidate", person, "phone"), value, began, outcome)

    def _move_there(self, chance: random.Random) -> None:
        application = chance.choice(self.cast.moved_there)
        value, began = chance.choice(self.cast.stages[application]), time.time()
        path = f"/applications/{application}/move"
        outcome, _ = self._ask(self._control, "POST", path, {"stage_name": value})
        self._write("there", ("application", application, "stage"), value, began, outcome)

    def _arrive(self, chance: random.Random) -> None:
        email = f"came.{_unique(chance)}@example.org"
        body = {
            "first_name": "Grace",
            "last_name": "Came",
            "email_addresses": [{"value": email, "type": "personal"}],
            "application": {"job_id": self.cast.job_id},
        }
        outcome, _ = self._ask(self._control, "POST", "/candidates", body)
        if outcome == "acknowledged":
            self.newcomers.append(email)

    def _ask(
        self,
        client: httpx.Client,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[Outcome, httpx.Response | None]:
        try:
            answer = client.request(method, path, json=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return "refused", None  # nobody was there to do it
        except httpx.HTTPError:
            return "unknown", None
        if answer.is_success:
            return "acknowledged", answer
        if answer.status_code >= SERVER_ERROR:
            return "unknown", answer
        if answer.status_code != STALE_VERSION:
            self.failures.append(f"{method} {path.rpartition('/')[0]}: {answer.status_code} {answer.text[:200]}")
        return "refused", answer

    def _write(self, side: Side, key: Key, value: str, began: float, outcome: Outcome, seen: str | None = None) -> None:
        self.journal.write(Edit(side, key, value, began, time.time(), outcome, seen))


def _unique(chance: random.Random) -> str:
    return f"{chance.getrandbits(48):012x}"


def _phone(chance: random.Random) -> str:
    return f"+49151{chance.randrange(10**8):08d}"
