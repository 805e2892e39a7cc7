"""What is created stands at the vendor once, with its application."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from shared.errors import OutcomeUnknown, Rejected
from shared.model import EntityType, JsonValue
from tests.contract.greenhouse.conftest import Account, Start

CANDIDATE, APPLICATION = EntityType.CANDIDATE, EntityType.APPLICATION

NEW: Mapping[str, JsonValue] = {
    "first_name": "Ann",
    "last_name": "Ågren",
    "email": "ann@example.org",
    "phone": "+46 8 1",
    "tags": ["new"],
}


def an_open_job(account: Account) -> str:
    return str(next(row["id"] for row in account.rows("jobs") if row["status"] == "open" and not row["is_template"]))


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_candidate_is_created_with_its_application(start: Start, version: str) -> None:
    account = await start(version)
    job_id = an_open_job(account)
    made = await account.adapter.create(CANDIDATE, {**NEW, "job_id": job_id})
    record = await account.adapter.fetch(CANDIDATE, made.external_id)
    for name, value in NEW.items():
        assert record.visible()[name] == value
    application = await account.adapter.fetch(APPLICATION, made.related[APPLICATION])
    assert application.visible()["candidate_id"] == made.external_id
    assert application.visible()["job_id"] == job_id


async def test_a_candidate_without_a_job_becomes_a_prospect(start: Start) -> None:
    account = await start()
    made = await account.adapter.create(CANDIDATE, NEW)
    application = await account.adapter.fetch(APPLICATION, made.related[APPLICATION])
    assert application.visible()["prospect"] is True
    assert application.visible()["job_id"] is None


async def test_a_candidate_that_is_made_later_is_waited_for(start: Start) -> None:
    account = await start(async_create=True, async_create_delay_s=0.1)
    made = await account.adapter.create(CANDIDATE, {**NEW, "job_id": an_open_job(account)})
    assert (await account.adapter.fetch(CANDIDATE, made.external_id)).visible()["email"] == NEW["email"]
    assert APPLICATION in made.related
    with pytest.raises(OutcomeUnknown):
        await account.adapter.create(CANDIDATE, {"first_name": "No", "last_name": "Address"})


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_an_application_is_created_on_a_stage_with_a_source(start: Start, version: str) -> None:
    account = await start(version)
    made = await account.adapter.create(CANDIDATE, NEW)
    source = account.rows("sources")[0]["name"]
    job_id = an_open_job(account)
    fields = {"candidate_id": made.external_id, "job_id": job_id, "stage": "Phone Interview", "source": source}
    application = await account.adapter.create(APPLICATION, fields)
    shown = (await account.adapter.fetch(APPLICATION, application.external_id)).visible()
    assert {name: shown[name] for name in fields} == fields
    assert application.record is not None
    assert application.record.visible() == shown
    with pytest.raises(Rejected, match="already has"):
        await account.adapter.create(APPLICATION, fields)


@pytest.mark.parametrize("kind", ["cut", "lost_answer", "error"])
async def test_a_create_whose_answer_is_lost_is_found_again(start: Start, kind: str) -> None:
    account = await start()
    account.fault(kind, method="POST", path="/v3/candidates", seconds=0.1)
    fields = {**NEW, "job_id": an_open_job(account)}
    with pytest.raises(OutcomeUnknown):
        await account.adapter.create(CANDIDATE, fields)
    found = await account.adapter.find(CANDIDATE, {"email": "ann@example.org"})
    assert len(found) == (0 if kind == "error" else 1)
    posts = [entry for entry in account.requests() if entry["path"] == "/v3/candidates" and entry["method"] == "POST"]
    assert len(posts) == 1
