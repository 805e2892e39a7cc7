"""Records to write to, and a write to its last answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.adapters.protocol import Written
from shared.model import EntityType, JsonValue, Record
from tests.contract.greenhouse.conftest import Account

CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION


async def written(account: Account, record: Record, changes: Mapping[str, JsonValue]) -> list[tuple[set[str], Written]]:
    return [(set(sent), answer) async for sent, answer in account.adapter.update(record.entity, record, changes)]


async def a_candidate(account: Account) -> Record:
    """A candidate with several e-mail addresses, a Skype handle and a LinkedIn link."""
    row = account.rows("candidates")[3]
    await account.control(
        "PATCH",
        f"/candidates/{row['id']}",
        {
            "email_addresses": [
                {"value": "w@example.org", "type": "work"},
                {"value": "p@example.org", "type": "personal"},
            ],
            "phone_numbers": [{"value": "live:z", "type": "skype"}, {"value": "123456", "type": "work"}],
            "website_addresses": [{"value": "https://linkedin.com/in/old", "type": "other"}],
            "social_media_addresses": [{"value": "@z"}],
            "first_name": "Zed",
            "private": False,
        },
    )
    return await account.adapter.fetch(CANDIDATE, str(row["id"]))


async def an_application(account: Account, **wanted: Any) -> Record:
    status = wanted.get("status", "in_process")
    row = next(
        row for row in account.rows("applications") if row["status"] == status and not row["prospect"] and row["job_id"]
    )
    return await account.adapter.fetch(APPLICATION, str(row["id"]))
