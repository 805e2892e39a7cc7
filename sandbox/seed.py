"""Trial data: a simulator filled with people, and connected to Liaison. By HTTP alone, as a customer would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

DIRECTIONS = ("inbound", "outbound", "both")
TIMEOUT_S = 60.0


class CallFailed(Exception):
    """A call was refused; the text has method, path, status and the answer's beginning."""


def client(address: str, token: str) -> httpx.Client:
    """Return a client of *address* that carries *token* and ignores proxies."""
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=address, headers=headers, timeout=TIMEOUT_S, trust_env=False)


def call(api: httpx.Client, method: str, path: str, body: object = None) -> Any:
    """Return the JSON that *path* answers, None for an empty answer. Raises CallFailed for anything but success."""
    answer = api.request(method, path, json=body) if body is not None else api.request(method, path)
    if not answer.is_success:
        raise CallFailed(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
    return answer.json() if answer.content else None


def fill(simulator: httpx.Client, people: int) -> dict[str, int]:
    """Add *people* generated people to a simulator, as data that was always there; return rows by table."""
    counts: dict[str, int] = call(simulator, "POST", "/fill", {"people": people})
    return counts


def connect(
    api: httpx.Client, company_id: str, simulator: httpx.Client, greenhouse: Mapping[str, Any], *, directions: str
) -> dict[str, Any]:
    """
    Connect a Greenhouse simulator: the integration, and its webhook there. Return the integration.

    *greenhouse* is what the simulator prints with `--json`; *directions* counts for candidates and applications, jobs
    come in only.
    """
    body = {
        "platform": "greenhouse",
        "name": "Greenhouse (simulator)",
        "api_base_url": greenhouse["api_base_url"],
        "config": {
            "client_id": greenhouse["client_id"],
            "client_secret": greenhouse["client_secret"],
            "token_url": greenhouse["token_url"],
            "user_id": str(greenhouse["user_id"]),
            "board_token": greenhouse["board_token"],
            "job_board_url": greenhouse["job_board_url"],
            "directions": {"job": "inbound", "candidate": directions, "application": directions},
        },
    }
    created: dict[str, Any] = call(api, "POST", f"/api/companies/{company_id}/integrations", body)
    webhook = {"name": "Liaison", "url": created["webhook_url"], "secret": created["webhook_secret"]}
    registered = call(simulator, "POST", "/webhooks", webhook)
    if not registered["enabled"]:
        raise CallFailed("the simulator's ping was not answered with 200: its webhook is disabled")
    return created
