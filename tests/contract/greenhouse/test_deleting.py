"""What is deleted is gone with all below it, and nothing else is."""

from __future__ import annotations

import pytest

from shared.errors import AuthFailed, NotFound, OutcomeUnknown, Rejected
from shared.model import EntityType
from tests.contract.greenhouse.conftest import Start
from tests.contract.greenhouse.writing import a_candidate, an_application

CANDIDATE, APPLICATION, JOB = EntityType.CANDIDATE, EntityType.APPLICATION, EntityType.JOB


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_deleted_candidate_is_gone_with_all_below(start: Start, version: str) -> None:
    account = await start(version)
    record = await a_candidate(account)
    below = [str(row["id"]) for row in account.rows("applications") if str(row["candidate_id"]) == record.external_id]
    assert below
    await account.adapter.delete(CANDIDATE, record.external_id)
    for entity, external_id in ((CANDIDATE, record.external_id), *((APPLICATION, each) for each in below)):
        with pytest.raises(NotFound):
            await account.adapter.fetch(entity, external_id)
    with pytest.raises(NotFound):
        await account.adapter.delete(CANDIDATE, record.external_id)


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_deleted_application_is_gone_and_its_candidate_is_not(start: Start, version: str) -> None:
    account = await start(version)
    record = await an_application(account)
    await account.adapter.delete(APPLICATION, record.external_id)
    with pytest.raises(NotFound):
        await account.adapter.fetch(APPLICATION, record.external_id)
    await account.adapter.fetch(CANDIDATE, str(record.raw["candidate_id"]))


async def test_what_can_be_deleted_is_what_is_declared(start: Start) -> None:
    account = await start()
    declared = {entity for entity, offered in account.adapter.capabilities.entities.items() if offered.delete}
    assert declared == {CANDIDATE, APPLICATION}
    with pytest.raises(Rejected):
        await account.adapter.delete(JOB, str(account.rows("jobs")[0]["id"]))


async def test_without_the_permission_to_delete_it_is_named(start: Start) -> None:
    account = await start()
    record = await an_application(account)
    account.simulator.simulator.authority.denied_scopes = {"harvest:applications:destroy"}
    with pytest.raises(AuthFailed, match="harvest:applications:destroy") as refused:
        await account.adapter.delete(APPLICATION, record.external_id)
    assert refused.value.status == 403


async def test_a_delete_whose_answer_is_lost_may_have_happened(start: Start) -> None:
    account = await start()
    record = await a_candidate(account)
    account.fault("lost_answer", method="DELETE", path=f"/v3/candidates/{record.external_id}", times=1)
    with pytest.raises(OutcomeUnknown):
        await account.adapter.delete(CANDIDATE, record.external_id)
    with pytest.raises(NotFound):
        await account.adapter.fetch(CANDIDATE, record.external_id)
