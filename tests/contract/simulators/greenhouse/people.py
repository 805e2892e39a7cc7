"""People whom a test creates by v3, and the application that comes with them."""

from __future__ import annotations

from typing import Any

import httpx

from sandbox.vendors.greenhouse.account import Account


def open_job(account: Account, *, openings: int | None = None) -> dict[str, Any]:
    """An open job that is no template, with that many open openings if told."""
    return next(
        job
        for job in account["jobs"]
        if job["status"] == "open"
        and not job["is_template"]
        and openings in {None, len(account["openings"].rows("job_id", job["id"]))}
    )


def new_person(account: Account, **changes: Any) -> dict[str, Any]:
    """The body of a create that works."""
    return {
        "first_name": "Zoë",
        "last_name": "Ñandú",
        "email_addresses": [{"value": "zoe@example.org", "type": "personal"}],
        "tags": ["Python", "brand new"],
        "custom_fields": [{"name_key": "notice_period", "value": "1 month"}],
        "applications": [{"job_id": open_job(account)["id"]}],
    } | changes


async def create(v3: httpx.AsyncClient, account: Account, **changes: Any) -> dict[str, Any]:
    answer = await v3.post("/candidates", json=new_person(account, **changes))
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def application_of(v3: httpx.AsyncClient, candidate_id: int) -> dict[str, Any]:
    rows = (await v3.get("/applications", params={"candidate_ids": candidate_id})).json()
    newest: dict[str, Any] = rows[0]
    return newest
