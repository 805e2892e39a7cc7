"""The two sides of the story: the portal, by Liaison's API, and the recruiter in Greenhouse, by the control plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.demo.waiting import until
from sandbox.seed import call

SETTLED_S = 60.0


@dataclass
class Portal:
    """The customer's portal, and those who look after Liaison there. Each caller has a token of their own role."""

    recruiter: httpx.Client
    admin: httpx.Client
    data_manager: httpx.Client
    operator: httpx.Client
    integration_id: str = ""

    def candidate_of(self, external_id: int) -> dict[str, Any]:
        """Return the candidate that is linked to Greenhouse's *external_id*."""
        return self._linked("candidates", external_id)

    def application_of(self, external_id: int) -> dict[str, Any]:
        """Return the application that is linked to Greenhouse's *external_id*."""
        return self._linked("applications", external_id)

    def job_of(self, external_id: int) -> dict[str, Any]:
        """Return the job that is linked to Greenhouse's *external_id*."""
        return self._linked("jobs", external_id)

    def conflicts_of(self, record_id: str) -> list[dict[str, Any]]:
        """Return what waits for a person at a record."""
        found: list[dict[str, Any]] = call(self.data_manager, "GET", f"/api/conflicts?record_id={record_id}")["data"]
        return found

    def doubles(self) -> list[dict[str, Any]]:
        """Return the people of whom somebody must say who they are, up to a page of them."""
        found: list[dict[str, Any]] = call(self.data_manager, "GET", "/api/conflicts?entity=candidate&limit=100")[
            "data"
        ]
        return [item for item in found if item["kind"] == "ambiguous_match"]

    def dead_letters(self) -> list[dict[str, Any]]:
        """Return the open dead letters."""
        found: list[dict[str, Any]] = call(self.operator, "GET", "/api/dead-letters")["data"]
        return found

    def health(self) -> Mapping[str, Any]:
        """Return what health says, healthy or not."""
        found: dict[str, Any] = self.recruiter.get("/health").json()
        return found

    def _linked(self, records: str, external_id: int) -> dict[str, Any]:
        where = f"integration_id={self.integration_id}&external_id={external_id}&archived=all"
        (found,) = call(self.recruiter, "GET", f"/api/{records}?{where}")["data"]
        return dict(found)


@dataclass
class Greenhouse:
    """The simulated account, as somebody sees and edits it in the vendor's own pages."""

    control: httpx.Client

    def state(self) -> dict[str, list[dict[str, Any]]]:
        """Return every row of every table."""
        found: dict[str, list[dict[str, Any]]] = call(self.control, "GET", "/state")
        return found

    def row(self, table: str, row_id: int) -> dict[str, Any]:
        """Return one row."""
        (found,) = (row for row in self.rows(table) if row["id"] == row_id)
        return found

    def rows(self, table: str) -> Sequence[dict[str, Any]]:
        """Return all rows of *table*."""
        found: list[dict[str, Any]] = call(self.control, "GET", f"/state/{table}")
        return found

    def edit(self, table: str, row_id: int, changes: Mapping[str, Any]) -> None:
        """Change a record as a recruiter would; its webhook follows."""
        call(self.control, "PATCH", f"/{table}/{row_id}", dict(changes))

    def move(self, application_id: int, stage: str) -> None:
        """Move an application to the stage of that name."""
        call(self.control, "POST", f"/applications/{application_id}/move", {"stage_name": stage})

    def delay_webhooks(self, seconds: float) -> None:
        """Let every event arrive so much later."""
        call(self.control, "PATCH", "/settings", {"webhook_delay_s": seconds})

    def webhooks_pending(self) -> int:
        """Return how many events have not been delivered yet."""
        return int(call(self.control, "GET", "/counters")["webhooks_pending"])


def wait_until_quiet(portal: Portal, greenhouse: Greenhouse) -> None:
    """Return when no event is on its way and no job is due or running. Raises NotInTime."""

    def is_quiet() -> bool:
        if greenhouse.webhooks_pending():
            return False
        health = portal.health()
        return bool(health["queueDepth"] == 0 and health["processingCount"] == 0)

    until(is_quiet, "nothing left to do", within=SETTLED_S, seen=portal.health)
