"""The simulator is connected, and asked for a sync, as an administrator does by the API."""

from __future__ import annotations

from typing import Any

from tests.integration.api.calling import Caller, Reply
from tests.integration.api.conftest import Company


async def connect(admin: Caller, company: Company, connection: dict[str, Any]) -> dict[str, Any]:
    created = await admin("POST", f"/api/companies/{company.id}/integrations", connection)
    assert created.status == 201, created.text
    body: dict[str, Any] = created.body
    return body


async def pending(admin: Caller, path: str) -> Reply:
    return await admin("POST", f"{path}/sync", {"direction": "inbound"})
