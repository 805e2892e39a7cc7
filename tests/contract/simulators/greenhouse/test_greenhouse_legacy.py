"""Harvest v1 and the Job Board (docs/vendors/greenhouse.md, sections 10 and 11)."""

from __future__ import annotations

import base64
import html
from typing import Any

import httpx

from sandbox.vendors.greenhouse import GreenhouseSimulator
from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.webhooks import tls


def in_process(account: Account) -> dict[str, Any]:
    return next(row for row in account["applications"] if row["stage_name"] == "Application Review")


async def test_pages_are_numbered_and_linked(v1: httpx.AsyncClient, account: Account) -> None:  # 10.2
    first = await v1.get("/candidates", params={"per_page": 15})
    assert set(first.links) == {"next", "last"}
    second = await v1.get(first.links["next"]["url"])
    assert set(second.links) == {"next", "prev", "last"}
    third = await v1.get(second.links["next"]["url"])
    assert third.url == first.links["last"]["url"]
    assert set(third.links) == {"prev", "last"}
    ids = [row["id"] for answer in (first, second, third) for row in answer.json()]
    assert ids == account["candidates"].ids()
    quick = await v1.get("/candidates", params={"per_page": 15, "skip_count": "true"})
    assert set(quick.links) == {"next"}
    assert "link" not in (await v1.get("/candidates", params={"per_page": 500})).headers
    assert (await v1.get("/candidates", params={"per_page": 501})).status_code == 422


async def test_a_candidate_carries_its_children(v1: httpx.AsyncClient, account: Account) -> None:  # 10.4
    rows = (await v1.get("/candidates", params={"per_page": 500})).json()
    assert [row["id"] for row in rows] == account["candidates"].ids()
    assert any(row["attachments"] for row in rows)
    assert any(row["custom_fields"]["desired_salary"] for row in rows)
    for row in rows:
        kept = account.fetch("candidates", row["id"])
        applications = account["applications"].rows("candidate_id", row["id"])
        assert row["is_private"] == kept["private"]
        assert row["last_activity"] == kept["last_activity_at"]
        assert row["application_ids"] == [a["id"] for a in applications]
        assert [a["status"] for a in row["applications"]] == [
            {"in_process": "active"}.get(a["status"], a["status"]) for a in applications
        ]
        files = account["attachments"].keyed("candidate_id", row["id"])
        assert len(row["attachments"]) == len(files)
        assert row["keyed_custom_fields"]["willing_to_relocate"]["type"] == "boolean"
        salary = kept["custom_fields"]["desired_salary"]["value"]
        unit = row["custom_fields"]["desired_salary"]
        assert unit == (salary and {"amount": salary["amount"], "unit": salary["currency_code"]})
        salary = kept["custom_fields"]["salary_range"]["value"]
        assert row["custom_fields"]["salary_range"] == (
            salary
            and {
                "min_value": salary["min_amount"],
                "max_value": salary["max_amount"],
                "unit": salary["currency_code"],
            }
        )


async def test_applications_have_no_updated_after(v1: httpx.AsyncClient) -> None:  # 10.3
    since = {"updated_after": "2020-01-01T00:00:00Z"}
    assert (await v1.get("/applications", params=since)).status_code == 422
    assert (await v1.get("/candidates", params=since)).status_code == 200
    active = (await v1.get("/applications", params={"status": "active", "per_page": 500})).json()
    assert {row["status"] for row in active} == {"active"}
    assert (await v1.get("/applications", params={"status": "in_process"})).json() == []


async def test_updated_after_finds_what_changed(
    v1: httpx.AsyncClient, control: httpx.AsyncClient, account: Account
) -> None:  # 10.3
    candidate_id = account["candidates"].ids()[4]
    await control.patch(f"/candidates/{candidate_id}", json={"title": "Changed"})
    found = await v1.get("/candidates", params={"updated_after": "2024-06-02T00:00:00Z"})
    assert [row["id"] for row in found.json()] == [candidate_id]


async def test_jobs_and_stages(v1: httpx.AsyncClient, account: Account) -> None:  # 10.4
    jobs = (await v1.get("/jobs", params={"status": "open"})).json()
    assert {job["status"] for job in jobs} == {"open"}
    assert {"departments", "offices", "openings", "hiring_team"} <= jobs[0].keys()
    stages = (await v1.get(f"/jobs/{jobs[0]['id']}/stages")).json()
    assert [stage["priority"] for stage in stages] == [0, 1, 2, 3, 4, 5]
    assert (await v1.get(f"/job_stages/{stages[0]['id']}")).json() == stages[0]
    assert len((await v1.get("/job_stages?per_page=500")).json()) == len(account["job_interview_stages"])


async def test_v1_writes_change_the_same_account(
    v1: httpx.AsyncClient, v3: httpx.AsyncClient, account: Account
) -> None:  # 10.5
    application = in_process(account)
    candidate_id = application["candidate_id"]
    before = account.fetch("candidates", candidate_id)["custom_fields"]["headline"]
    changed = await v1.patch(
        f"/candidates/{candidate_id}",
        json={
            "phone_numbers": [{"value": "1", "type": "home"}],
            "custom_fields": [{"name_key": "notice_period", "value": "None"}],
        },
    )
    assert changed.json()["phone_numbers"] == [{"value": "1", "type": "home"}]
    row = (await v3.get(f"/candidates/{candidate_id}")).json()
    assert row["custom_fields"]["notice_period"]["value"] == "None"
    assert row["custom_fields"]["headline"] == before
    stages = account.stages_of(application["job_id"])
    path = f"/applications/{application['id']}"
    guard = {"from_stage_id": stages[0]["id"], "to_stage_id": stages[3]["id"]}
    moved = await v1.post(f"{path}/move", json=guard)
    assert moved.json()["current_stage"]["id"] == stages[3]["id"]
    assert (await v1.post(f"{path}/move", json=guard)).status_code == 422
    advanced = await v1.post(f"{path}/advance", json={"from_stage_id": stages[3]["id"]})
    assert advanced.json()["current_stage"]["id"] == stages[4]["id"]
    reason = {"rejection_reason_id": account["rejection_reasons"].ids()[0]}
    rejected = (await v1.post(f"{path}/reject", json=reason)).json()
    assert rejected["status"] == "rejected"
    assert "key" not in rejected["rejection_reason"]["type"]
    assert (await v1.post(f"{path}/unreject", json={})).json()["status"] == "active"
    body = base64.b64encode(b"text").decode()
    file = {"filename": "cv.txt", "type": "resume", "content": body}
    assert (await v1.post(f"/candidates/{candidate_id}/attachments", json=file)).status_code == 201


async def test_v1_makes_and_deletes_candidates(v1: httpx.AsyncClient, account: Account) -> None:  # 10.5
    job_id = in_process(account)["job_id"]
    body = {"first_name": "A", "last_name": "B", "applications": [{"job_id": job_id}]}
    wrong = await v1.post("/candidates", json=body | {"last_name": ""})
    assert wrong.json() == {
        "message": "Validation error",
        "errors": [{"message": "is required", "field": "last_name"}],
    }
    created = (await v1.post("/candidates", json=body)).json()
    note = {"user_id": account.admin_user_id, "body": "x", "visibility": "public"}
    path = f"/candidates/{created['id']}"
    assert (await v1.post(f"{path}/activity_feed/notes", json=note)).status_code == 201
    other = next(j["id"] for j in account["jobs"] if j["id"] != job_id and not j["is_template"])
    applied = await v1.post(f"{path}/applications", json={"job_id": other})
    assert applied.json()["jobs"][0]["id"] == other
    assert (await v1.delete(path)).status_code == 200
    assert (await v1.get(path)).status_code == 404


async def test_a_removed_v1_says_so_and_the_job_board_stays(
    greenhouse: GreenhouseSimulator, v1: httpx.AsyncClient, v3: httpx.AsyncClient
) -> None:  # 10.1
    greenhouse.settings.legacy = "removed"
    assert (await v1.get("/candidates")).status_code == 410
    assert (await v1.get("/anything")).status_code == 410
    assert (await v3.get("/candidates")).status_code == 200
    assert (await v1.get("/boards/acme/jobs")).status_code == 200


async def test_v1_has_a_window_of_its_own(
    greenhouse: GreenhouseSimulator, v1: httpx.AsyncClient, v3: httpx.AsyncClient
) -> None:  # 4.2
    settings = greenhouse.settings
    settings.limiter, settings.legacy_window_limit, settings.legacy_window_s = True, 1, 3600
    assert (await v1.get("/users")).headers["X-RateLimit-Remaining"] == "0"
    refused = await v1.get("/users")
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert (await v3.get("/users")).status_code == 200


async def test_the_board_shows_live_posts_without_asking_who(
    greenhouse: GreenhouseSimulator, account: Account
) -> None:  # 11.1
    board = greenhouse.addresses()["job_board_url"]
    live = [row for row in account["job_posts"] if row["live"]]
    async with httpx.AsyncClient(trust_env=False, verify=tls()) as client:
        listed = (await client.get(f"{board}/jobs", params={"content": "true"})).json()
        assert [job["id"] for job in listed["jobs"]] == [row["id"] for row in live]
        assert listed["meta"]["total"] == len(live)
        assert listed["jobs"][0]["internal_job_id"] == live[0]["job_id"]
        assert html.unescape(listed["jobs"][0]["content"]) == live[0]["content"]
        assert "<" not in listed["jobs"][0]["content"]
        one = await client.get(f"{board}/jobs/{live[0]['id']}", params={"questions": "true"})
        assert [question["label"] for question in one.json()["questions"]]
        closed = next(row for row in account["job_posts"] if not row["live"])
        assert (await client.get(f"{board}/jobs/{closed['id']}")).status_code == 404
        departments = (await client.get(f"{board}/departments")).json()["departments"]
        named = sum(len(department["jobs"]) for department in departments)
        assert named == len([job for job in listed["jobs"] if job["departments"]])
        assert (await client.get(f"{greenhouse.base_url}/v1/boards/other/jobs")).status_code == 404


async def test_applying_by_form_makes_a_candidate_and_tells_no_id(
    greenhouse: GreenhouseSimulator, account: Account
) -> None:  # 11.2
    addresses = greenhouse.addresses()
    post = next(row for row in account["job_posts"] if row["live"])
    path = f"{addresses['job_board_url']}/jobs/{post['id']}"
    form = {"first_name": "Ann", "last_name": "Lee", "email": "ann@example.org"}
    async with httpx.AsyncClient(trust_env=False, verify=tls()) as client:
        assert (await client.post(path, data=form)).status_code == 401
        client.auth = (addresses["job_board_key"], "")
        assert (await client.post(path, data=form | {"email": ""})).status_code == 422
        linked = form | {"first_name": "http://x.example"}
        assert (await client.post(path, json=linked)).status_code == 422
        wrong = {"resume": ("cv.exe", b"x")}
        assert (await client.post(path, data=form, files=wrong)).status_code == 422
        right = {"resume": ("cv.pdf", b"%PDF")}
        placed = form | {"location": "Leeds", "latitude": "1", "longitude": "2"}
        answer = await client.post(path, data=placed, files=right)
        assert answer.status_code == 200
        assert "id" not in answer.json()
        text = {"cover_letter_content": "aGk=", "cover_letter_content_filename": "c.txt"}
        assert (await client.post(path, json=form | text)).status_code == 200
    second, first = account["candidates"].ids()[:-3:-1]
    application = account["applications"].rows("candidate_id", first)[0]
    assert application["job_post_id"] == post["id"]
    assert application["location_address"] == "Leeds"
    assert [f["type"] for f in account["attachments"].rows("candidate_id", first)] == ["resume"]
    letters = account["attachments"].rows("candidate_id", second)
    assert [letter["type"] for letter in letters] == ["cover_letter"]
    assert account["applications"].rows("candidate_id", second)[0]["location_address"] is None
