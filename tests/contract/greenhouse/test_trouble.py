"""Refusals and trouble of the vendor are told apart, when it is read and when its connection is tested."""

from __future__ import annotations

import pytest

from shared.errors import AuthFailed, InvalidPayload, NeedsHuman, RateLimited, Unavailable
from shared.model import EntityType
from tests.contract.greenhouse.conftest import Start


async def test_an_expired_token_is_renewed_once_and_the_call_repeated(start: Start) -> None:
    account = await start()
    await account.everything(EntityType.JOB)
    await account.control("POST", "/access/revoke_tokens")
    await account.everything(EntityType.CANDIDATE)
    calls = [entry["path"] for entry in account.requests()]
    assert calls.count("/token") == 2
    assert [entry["status"] for entry in account.requests()].count(401) == 1


async def test_credentials_that_never_work_are_tried_no_further(start: Start) -> None:
    account = await start()
    account.fault("error", path="/v3/candidates", status=401, times=None)
    with pytest.raises(AuthFailed):
        await account.everything(EntityType.CANDIDATE)
    assert [entry["path"] for entry in account.requests()].count("/v3/candidates") == 2


async def test_pain_15_a_missing_scope_is_named(start: Start) -> None:
    account = await start()
    account.simulator.simulator.authority.denied_scopes = {"harvest:candidates:list"}
    with pytest.raises(AuthFailed, match="harvest:candidates:list") as raised:
        await account.everything(EntityType.CANDIDATE)
    assert raised.value.status == 403
    report = await account.adapter.check()
    assert not report.ok
    assert [check.name for check in report.checks if not check.ok] == ["candidates"]


async def test_an_unknown_client_is_told_apart_from_trouble(start: Start) -> None:
    account = await start(config={"client_id": "somebody-else"})
    with pytest.raises(AuthFailed, match="invalid_client"):
        await account.everything(EntityType.CANDIDATE)
    report = await account.adapter.check()
    assert not report.ok
    assert [check.name for check in report.checks] == ["sign in"]


async def test_hidden_reasons_of_rejection_are_a_gap_that_fails_the_test_of_v3(start: Start) -> None:
    account = await start()
    account.simulator.simulator.authority.denied_scopes = {"harvest:rejection_reasons:list"}
    report = await account.adapter.check()
    assert not report.ok
    assert [check.name for check in report.checks if not check.ok] == ["rejection reasons"]


async def test_a_token_service_that_refuses_hides_no_names(start: Start) -> None:
    account = await start()
    account.fault("error", path="/v3/rejection_reasons", status=401, times=None)
    account.fault("error", path="/token", status=403, times=None, after=1)
    with pytest.raises(AuthFailed, match="token service") as refused:
        await account.everything(EntityType.APPLICATION)
    assert not refused.value.lacks_permission


@pytest.mark.parametrize("seconds", [7.0, None])
async def test_a_refusal_for_too_many_calls_tells_when(start: Start, seconds: float | None) -> None:
    account = await start(limiter=True)
    account.fault("throttle", path="/v3/candidates", seconds=seconds)
    with pytest.raises(RateLimited) as raised:
        await account.everything(EntityType.CANDIDATE)
    wait_s = raised.value.wait_s
    assert (6.5 <= wait_s <= 8.5) if seconds else (0.5 <= wait_s <= 32)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_trouble_of_the_vendor_is_worth_another_try(start: Start, status: int) -> None:
    account = await start()
    account.fault("error", path="/v3/candidates", status=status)
    with pytest.raises(Unavailable):
        await account.everything(EntityType.CANDIDATE)
    assert len(await account.everything(EntityType.CANDIDATE)) == 40


@pytest.mark.parametrize("kind", ["truncate", "not_json"])
async def test_half_an_answer_is_no_answer(start: Start, kind: str) -> None:
    account = await start()
    account.fault(kind, path="/v3/candidates")
    with pytest.raises(Unavailable):
        await account.everything(EntityType.CANDIDATE)


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_half_a_character_costs_its_own_record_alone(start: Start, version: str) -> None:
    """An emoji that somebody cut in two: JSON that no UTF-8 can hold, on a page with healthy records."""
    account = await start(version)
    row = account.rows("candidates")[3]
    await account.control("PATCH", f"/candidates/{row['id']}", {"title": "Baker of fire"})
    account.fault("garble", path=f"/{version}/candidates.*", times=None, old="Baker of fire", new=r"Baker \ud83d")
    pages = await account.pages(EntityType.CANDIDATE)
    records = {record.external_id for page in pages for record in page.records}
    assert records == {str(each["id"]) for each in account.rows("candidates")} - {str(row["id"])}
    (refused,) = [one for page in pages for one in page.refused]
    assert refused.external_id == str(row["id"])
    assert refused.reason.endswith("title: is not valid Unicode")
    with pytest.raises(InvalidPayload, match="title: is not valid Unicode"):
        await account.adapter.fetch(EntityType.CANDIDATE, str(row["id"]))
    account.fault("truncate", path=f"/{version}/candidates.*")
    account.simulator.simulator.faults.rules.reverse()
    with pytest.raises(Unavailable):
        await account.everything(EntityType.CANDIDATE)


async def test_an_answer_that_breaks_off_is_asked_for_once_more(start: Start) -> None:
    account = await start()
    account.fault("cut", path="/v3/candidates")
    assert len(await account.everything(EntityType.CANDIDATE)) == 40
    account.fault("cut", path="/v3/candidates", times=2)
    with pytest.raises(Unavailable):
        await account.everything(EntityType.CANDIDATE)


@pytest.mark.parametrize("status", [404, 410, 401])
async def test_a_removed_v1_needs_a_person(start: Start, status: int) -> None:
    account = await start("v1", legacy="removed", legacy_removed_status=status)
    with pytest.raises(NeedsHuman):
        await account.everything(EntityType.CANDIDATE)
    for entity, table in ((EntityType.CANDIDATE, "candidates"), (EntityType.APPLICATION, "applications")):
        row = account.rows(table)[0]
        with pytest.raises(NeedsHuman):
            await account.adapter.fetch(entity, str(row["id"]))
        with pytest.raises(NeedsHuman):
            await account.adapter.delete(entity, str(row["id"]))
    with pytest.raises(NeedsHuman):
        await account.adapter.find(EntityType.APPLICATION, {"candidate_id": "1", "job_id": "1"})


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_pain_07_an_address_that_knows_nothing_says_nothing_of_a_record(
    start: Start, version: str, status: int
) -> None:
    account = await start(version)
    row = account.rows("candidates")[0]
    account.fault("error", path=f"/{version}/.*", status=status, times=None)
    with pytest.raises(NeedsHuman, match="doesn't offer this API"):
        await account.adapter.fetch(EntityType.CANDIDATE, str(row["id"]))
    with pytest.raises(NeedsHuman, match="doesn't offer this API"):
        await account.adapter.delete(EntityType.CANDIDATE, str(row["id"]))
    assert row in account.rows("candidates")


async def test_a_clock_that_is_off_is_told(start: Start) -> None:
    account = await start(clock_offset_s=600.0)
    skew = (await account.adapter.check()).clock_skew_s
    assert skew is not None
    assert 597 < skew <= 600


async def test_the_report_names_the_account_and_the_clock(start: Start) -> None:
    account = await start()
    report = await account.adapter.check()
    assert report.ok
    assert report.account == f"user:{account.simulator.addresses()['user_id']}"
    assert report.clock_skew_s is not None
    assert abs(report.clock_skew_s) < 2
    assert all(check.latency_ms is not None for check in report.checks)
