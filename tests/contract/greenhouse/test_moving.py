"""Applications are moved, rejected, hired and reopened, unless a recruiter was faster or the vendor refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shared.errors import AuthFailed, Conflict, Rejected
from shared.model import EntityType, JsonValue, Record
from tests.contract.greenhouse.conftest import Account, Start, connect
from tests.contract.greenhouse.writing import an_application, written

APPLICATION = EntityType.APPLICATION


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_stage_is_moved_by_name_from_where_it_is(start: Start, version: str) -> None:
    account = await start(version)
    record = await an_application(account)
    [(sent, _)] = await written(account, record, {"stage": "offer"})
    assert sent == {"stage"}
    after = await account.adapter.fetch(APPLICATION, record.external_id)
    assert after.visible()["stage"] == "Offer"


def overtaken(account: Account, act: str, record: Record, verb: str, body: Mapping[str, Any]) -> None:
    """Let a recruiter do *verb* to an application just before our own *act* arrives."""
    meanwhile = {"method": "POST", "path": f"/applications/{record.external_id}/{verb}", "body": body}
    account.fault("overtaken", method="POST", path=f".*/applications/.*/{act}", meanwhile=meanwhile)


async def another_stage(account: Account, record: Record) -> str:
    row = next(r for r in account.rows("applications") if str(r["id"]) == record.external_id)
    return "Offer" if row["stage_name"] != "Offer" else "Reference Check"


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_move_that_a_recruiter_was_faster_with_is_to_be_decided_anew(start: Start, version: str) -> None:
    """No refusal of the stage that we wanted: another guard, and Greenhouse takes it."""
    account = await start(version)
    record = await an_application(account)
    overtaken(account, "move", record, "move", {"stage_name": await another_stage(account, record)})
    with pytest.raises(Conflict) as raised:
        await written(account, record, {"stage": "Face to Face"})
    assert raised.value.status == 422
    again = await account.adapter.fetch(APPLICATION, record.external_id)
    await written(account, again, {"stage": "Face to Face"})
    after = await account.adapter.fetch(APPLICATION, record.external_id)
    assert after.visible()["stage"] == "Face to Face"


@pytest.mark.parametrize("version", ["v3", "v1"])
@pytest.mark.parametrize(
    ("act", "changes", "verb"),
    [
        ("hire", {"status": "hired", "stage": None}, "reject"),
        ("hire", {"status": "hired", "stage": "Offer"}, "reject"),
        ("reject", {"status": "rejected", "stage": None}, "hire"),
        ("move", {"stage": "Face to Face"}, "reject"),
    ],
)
async def test_an_end_that_a_recruiter_was_faster_with_is_to_be_decided_anew(
    start: Start, version: str, act: str, changes: Mapping[str, JsonValue], verb: str
) -> None:
    account = await start(version)
    record = await an_application(account)
    overtaken(account, act, record, verb, {})
    with pytest.raises(Conflict):
        await written(account, record, changes)


@pytest.mark.parametrize("version", ["v3", "v1"])
async def test_a_reopening_that_a_recruiter_was_faster_with_is_to_be_decided_anew(start: Start, version: str) -> None:
    account = await start(version)
    record = await an_application(account)
    await written(account, record, {"status": "rejected", "stage": None})
    rejected = await account.adapter.fetch(APPLICATION, record.external_id)
    overtaken(account, "unreject", record, "unreject", {})
    with pytest.raises(Conflict):
        await written(account, rejected, {"status": "active", "rejection_reason": None})


async def test_an_application_that_is_gone_when_its_move_is_refused_is_to_be_looked_at_anew(start: Start) -> None:
    account = await start()
    record = await an_application(account)
    account.fault("error", status=422, method="POST", path=".*/move")
    account.fault("error", status=404, method="GET", path=".*/applications.*")
    with pytest.raises(Conflict):
        await written(account, record, {"stage": await another_stage(account, record)})


@pytest.mark.parametrize(
    ("act", "changes", "unit"),
    [
        ("move", {"stage": "Offer"}, "stage"),
        ("hire", {"status": "hired", "stage": "Offer"}, "status"),
        ("hire", {"status": "hired", "stage": None}, "status"),
        ("reject", {"status": "rejected", "stage": None}, "status"),
    ],
)
async def test_an_act_that_is_refused_though_nobody_was_faster_is_refused(
    start: Start, act: str, changes: Mapping[str, JsonValue], unit: str
) -> None:
    """Our own move before a hire is no change of somebody else's."""
    account = await start()
    record = await an_application(account)
    account.fault("error", status=422, method="POST", path=f".*/applications/.*/{act}")
    with pytest.raises(Rejected) as raised:
        await written(account, record, changes)
    assert raised.value.field == unit


@pytest.mark.parametrize("stage", ["No such stage", None])
async def test_a_stage_that_is_none_is_refused(start: Start, stage: str | None) -> None:
    account = await start()
    record = await an_application(account)
    with pytest.raises(Rejected) as raised:
        await written(account, record, {"stage": stage})
    assert raised.value.field == "stage"


@pytest.mark.parametrize("version", ["v3", "v1"])
@pytest.mark.parametrize("status", ["rejected", "withdrawn"])
async def test_a_rejection_has_a_reason_of_its_kind_and_can_be_taken_back(
    start: Start, version: str, status: str
) -> None:
    account = await start(version)
    record = await an_application(account)
    [(sent, _)] = await written(account, record, {"status": status, "stage": None})
    assert sent == {"status", "stage"}
    rejected = await account.adapter.fetch(APPLICATION, record.external_id)
    assert rejected.visible()["status"] == status
    assert rejected.visible()["rejection_reason"] is not None
    assert rejected.visible()["stage"] is None
    steps = await written(account, rejected, {"status": "active", "rejection_reason": None, "stage": "Offer"})
    assert [sent for sent, _ in steps] == [{"status", "rejection_reason"}, {"stage"}]
    after = (await account.adapter.fetch(APPLICATION, record.external_id)).visible()
    assert (after["status"], after["stage"], after["rejection_reason"]) == ("active", "Offer", None)


async def test_a_named_reason_is_taken_and_an_unknown_one_refused(start: Start) -> None:
    account = await start()
    names: dict[str, list[str]] = {}
    for row in account.rows("rejection_reasons"):
        names.setdefault(row["type"]["key"], []).append(row["name"])
    ours, theirs = names["WE_REJECTED_THEM"], names["THEY_REJECTED_US"]
    record = await an_application(account)
    with pytest.raises(Rejected, match="contradicts") as raised:
        await written(account, record, {"status": "rejected", "rejection_reason": theirs[0]})
    assert raised.value.field == "rejection_reason"
    [(sent, _)] = await written(account, record, {"status": "rejected", "rejection_reason": ours[-1].upper()})
    assert sent == {"status", "rejection_reason"}
    record = await account.adapter.fetch(APPLICATION, record.external_id)
    assert record.visible()["rejection_reason"] == ours[-1]
    for wrong in ("No such reason", None):
        with pytest.raises(Rejected) as raised:
            await written(account, record, {"rejection_reason": wrong})
        assert raised.value.field == "rejection_reason"


async def test_a_rejection_turns_into_a_withdrawal_by_its_reason_alone(start: Start) -> None:
    account = await start()
    record = await an_application(account)
    await written(account, record, {"status": "rejected", "stage": None})
    rejected = await account.adapter.fetch(APPLICATION, record.external_id)
    [(sent, _)] = await written(account, rejected, {"status": "withdrawn"})
    assert sent == {"status"}
    after = (await account.adapter.fetch(APPLICATION, record.external_id)).visible()
    assert after["status"] == "withdrawn"
    assert after["rejection_reason"] != rejected.visible()["rejection_reason"]


async def test_without_the_permission_for_reasons_a_rejection_says_so(start: Start) -> None:
    account = await start()
    record = await an_application(account)
    account.simulator.simulator.authority.denied_scopes = {"harvest:rejection_reasons:list"}
    other = connect(account.simulator, account.http, "v3")
    with pytest.raises(AuthFailed, match="harvest:rejection_reasons:list"):
        await other.update(APPLICATION, record, {"status": "rejected"}).__anext__()


async def test_a_hire_fills_an_opening_and_is_final(start: Start) -> None:
    account = await start()
    record = await an_application(account)
    job_id = int(record.raw["job_id"])
    for _ in range(2):
        await account.control("POST", "/openings", await _opening(account, job_id))
    steps = await written(account, record, {"status": "hired", "stage": "Offer"})
    assert [sent for sent, _ in steps] == [{"stage"}, {"status"}]
    hired = await account.adapter.fetch(APPLICATION, record.external_id)
    assert (hired.visible()["status"], hired.visible()["stage"]) == ("hired", None)
    for status in ("active", "rejected", "converted", None):
        with pytest.raises(Rejected) as raised:
            await written(account, hired, {"status": status})
        assert raised.value.field == "status"


async def _opening(account: Account, job_id: int) -> dict[str, Any]:
    known = next(row for row in account.rows("openings") if row["job_id"] == job_id)
    return {name: value for name, value in known.items() if name not in {"id", "created_at", "updated_at"}} | {
        "open": True,
        "application_id": None,
        "closed_at": None,
    }
