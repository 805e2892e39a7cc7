"""What v3's writes of applications do and refuse (docs/vendors/greenhouse.md, sections 6.4 to 6.7 and 6.10)."""

from __future__ import annotations

import httpx

from sandbox.vendors.greenhouse.account import Account
from tests.contract.simulators.greenhouse.people import application_of, create, open_job


async def test_a_move_needs_the_current_stage_row(v3: httpx.AsyncClient, account: Account) -> None:  # 6.5
    created = await create(v3, account)
    before = await application_of(v3, created["id"])
    stages = account.stages_of(before["job_id"])
    path = f"/applications/{before['id']}/move"
    to = {"to_stage_id": stages[2]["id"]}
    assert (await v3.post(path, json=to)).status_code == 422
    definition = {"from_stage_id": before["job_interview_stage_id"]}
    assert (await v3.post(path, json=to | definition)).status_code == 422
    moved = await v3.post(path, json=to | {"from_stage_id": before["stage_id"]})
    assert (moved.status_code, moved.content) == (204, b"")
    after = await application_of(v3, created["id"])
    assert after["job_interview_stage_id"] == stages[2]["id"]
    assert after["stage_name"] == stages[2]["name"]
    stale = await v3.post(path, json=to | {"from_stage_id": before["stage_id"]})
    assert stale.json()["errors"][0]["field"] == "from_stage_id"
    advanced = await v3.post(path, json={"from_stage_id": after["stage_id"]})
    assert advanced.status_code == 204
    assert (await application_of(v3, created["id"]))["stage_name"] == stages[3]["name"]
    foreign = next(s for s in account["job_interview_stages"] if s["job_id"] != before["job_id"])
    here = (await application_of(v3, created["id"]))["stage_id"]
    refused = await v3.post(path, json={"from_stage_id": here, "to_stage_id": foreign["id"]})
    assert refused.status_code == 422


async def test_a_stage_change_leaves_the_candidates_updated_at(v3: httpx.AsyncClient, account: Account) -> None:  # 3.6
    created = await create(v3, account)
    before = await application_of(v3, created["id"])
    person = (await v3.get(f"/candidates/{created['id']}")).json()
    body = {"from_stage_id": before["stage_id"]}
    await v3.post(f"/applications/{before['id']}/move", json=body)
    after = (await v3.get(f"/candidates/{created['id']}")).json()
    assert after["updated_at"] == person["updated_at"]
    assert after["last_activity_at"] > person["last_activity_at"]
    assert (await application_of(v3, created["id"]))["updated_at"] > before["updated_at"]


async def test_a_rejection_may_get_another_reason(v3: httpx.AsyncClient, account: Account) -> None:  # 6.6
    created = await create(v3, account)
    row = await application_of(v3, created["id"])
    first, second = account["rejection_reasons"].ids()[:2]
    await v3.post(f"/applications/{row['id']}/reject", json={"rejection_reason_id": first, "notes": "No"})
    (detail,) = (await v3.get(f"/rejection_details?application_ids={row['id']}")).json()
    path = f"/rejection_details/{detail['id']}"
    assert (await v3.patch(path, json={})).status_code == 422
    assert (await v3.patch(path, json={"rejection_reason_id": 999})).status_code == 422
    assert (await v3.patch("/rejection_details/999", json={"rejection_reason_id": second})).status_code == 404
    told: list[str] = []
    account.tell = lambda action, _: told.append(action)
    changed = await v3.patch(path, json={"rejection_reason_id": second})
    same = {name: detail[name] for name in detail.keys() - {"updated_at"}}
    assert changed.status_code == 200
    assert same | {"rejection_reason_id": second} == {name: changed.json()[name] for name in same}
    after = (await v3.get(f"/applications/{row['id']}")).json()
    assert (after["status"], after["rejection_reason_id"]) == ("rejected", second)
    assert after["updated_at"] > row["updated_at"]
    assert told == ["application_updated"]


async def test_rejecting_needs_a_reason_and_can_be_undone(v3: httpx.AsyncClient, account: Account) -> None:  # 6.6
    created = await create(v3, account)
    before = await application_of(v3, created["id"])
    path = f"/applications/{before['id']}"
    assert (await v3.post(f"{path}/reject", json={})).status_code == 422
    reason = account["rejection_reasons"].ids()[2]
    body = {"rejection_reason_id": reason, "notes": "Went elsewhere"}
    assert (await v3.post(f"{path}/reject", json=body)).status_code == 204
    rejected = (await v3.get(path)).json()
    assert (rejected["status"], rejected["rejection_reason_id"]) == ("rejected", reason)
    assert rejected["rejected_at"]
    stage_columns = ("stage_id", "job_interview_stage_id", "stage_name")
    assert [rejected[name] for name in stage_columns] == [None, None, None]
    details = (await v3.get(f"/rejection_details?application_ids={before['id']}")).json()
    assert account.fetch("notes", details[0]["rejection_note_id"])["body"] == "Went elsewhere"
    assert (await v3.post(f"{path}/reject", json=body)).status_code == 422
    assert (await v3.post(f"{path}/unreject", json={})).status_code == 204
    again = (await v3.get(path)).json()
    for name in (*stage_columns, "status", "rejection_reason_id", "rejected_at"):
        assert again[name] == before[name]
    assert (await v3.get(f"/rejection_details?application_ids={before['id']}")).json() == []


async def test_a_hire_fills_an_opening_and_the_last_closes_the_job(
    v3: httpx.AsyncClient, account: Account
) -> None:  # 6.7
    job = open_job(account, openings=2)
    first = await create(v3, account, applications=[{"job_id": job["id"]}])
    second = await create(v3, account, applications=[{"job_id": job["id"]}])
    openings = account["openings"].rows("job_id", job["id"])
    path = f"/applications/{(await application_of(v3, first['id']))['id']}/hire"
    assert (await v3.post(path, json={})).status_code == 422
    named = await v3.post(path, json={"opening_id": openings[0]["id"]})
    assert named.status_code == 204
    assert (await v3.get(f"/jobs/{job['id']}")).json()["status"] == "open"
    path = f"/applications/{(await application_of(v3, second['id']))['id']}/hire"
    assert (await v3.post(path, json={})).status_code == 204
    assert (await v3.get(f"/jobs/{job['id']}")).json()["status"] == "closed"
    hired = await application_of(v3, second["id"])
    assert (hired["status"], hired["stage_id"]) == ("hired", None)
    assert account["openings"].rows("job_id", job["id"])[1]["application_id"] == hired["id"]


async def test_one_open_application_per_job(v3: httpx.AsyncClient, account: Account) -> None:  # 6.4
    created = await create(v3, account)
    job = open_job(account)
    body = {"candidate_id": created["id"], "job_id": job["id"]}
    assert (await v3.post("/applications", json=body)).status_code == 422
    other = next(j for j in account["jobs"] if j["status"] == "open" and j["id"] != job["id"])
    stage = account.stages_of(other["id"])[1]
    placed = body | {"job_id": other["id"], "initial_stage_id": stage["id"]}
    answer = await v3.post("/applications", json=placed)
    assert answer.status_code == 201
    assert answer.json()["stage_name"] == stage["name"]
    assert (await v3.delete(f"/applications/{answer.json()['id']}")).status_code == 204
    assert (await v3.get(f"/applications/{answer.json()['id']}")).status_code == 404


async def test_a_prospect_is_converted_into_a_new_application(v3: httpx.AsyncClient, account: Account) -> None:  # 6.10
    job = open_job(account)
    prospect = {"prospect": True, "job_ids": [job["id"]]}
    created = await create(v3, account, applications=[prospect])
    before = await application_of(v3, created["id"])
    assert (before["job_id"], before["prospective_job_ids"]) == (None, [job["id"]])
    path = f"/applications/{before['id']}/convert_to_candidate"
    answer = await v3.post(path, json={"job_id": job["id"]})
    assert answer.json()["id"] != before["id"]
    assert (await v3.get(f"/applications/{before['id']}")).json()["status"] == "converted"
