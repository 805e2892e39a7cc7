"""Webhooks out (docs/vendors/greenhouse.md, section 9)."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import httpx

from sandbox.vendors.greenhouse import GreenhouseSimulator
from sandbox.vendors.greenhouse.account import Account
from tests.fixtures.waiting import until

SECRET = "s3cret-ü"


async def register(control: httpx.AsyncClient, receiver: Any, **more: Any) -> dict[str, Any]:
    body = {"url": receiver.url, "secret": SECRET} | more
    answer = await control.post("/webhooks", json=body)
    assert answer.status_code == 201
    registered: dict[str, Any] = answer.json()
    return registered


async def settled(control: httpx.AsyncClient) -> list[dict[str, Any]]:
    """All deliveries but pings, once none is under way."""

    async def none_pending() -> bool:
        return bool((await control.get("/counters")).json()["webhooks_pending"] == 0)

    await until(none_pending)
    deliveries: list[dict[str, Any]] = (await control.get("/deliveries")).json()
    return [d for d in deliveries if d["action"] != "ping"]


def in_process(account: Account) -> dict[str, Any]:
    return next(
        row
        for row in account["applications"]
        if row["stage_name"] == "Application Review" and account.fetch("jobs", row["job_id"])["status"] == "open"
    )


async def test_the_signature_is_over_the_escaped_bytes(
    control: httpx.AsyncClient, receiver: Any, account: Account
) -> None:  # 9.1, 9.2
    await register(control, receiver, headers={"X-Tenant": "7", "Signature": "forged"})
    candidate_id = account["candidates"].ids()[0]
    title = "<b>Ünï & 🦄</b>"
    await control.patch(f"/candidates/{candidate_id}", json={"title": title})
    await settled(control)
    headers, body = receiver.taken[-1]
    assert body.isascii()
    assert rb"\u003cb\u003e\u00dcn\u00ef \u0026 \ud83e\udd84" in body
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["Signature"] == f"sha256 {digest}"
    assert headers["X-Tenant"] == "7"
    assert headers["Greenhouse-Event-ID"]
    envelope = json.loads(body)
    assert envelope["action"] == "update_candidate"
    assert envelope["payload"]["candidate"]["title"] == title


async def test_a_failing_ping_leaves_the_webhook_disabled(
    control: httpx.AsyncClient, receiver: Any, account: Account
) -> None:  # 9.6
    receiver.answers = [202]
    webhook = await register(control, receiver)
    assert webhook["enabled"] is False
    candidate_id = account["candidates"].ids()[0]
    await control.patch(f"/candidates/{candidate_id}", json={"title": "x"})
    assert await settled(control) == []
    assert (await control.post(f"/webhooks/{webhook['id']}/ping")).json() == {"enabled": True}
    await control.patch(f"/candidates/{candidate_id}", json={"title": "y"})
    await settled(control)
    assert receiver.actions() == ["update_candidate"]


async def test_a_webhook_that_is_switched_off_is_told_nothing(
    control: httpx.AsyncClient, receiver: Any, account: Account
) -> None:
    webhook = await register(control, receiver)
    assert (await control.post(f"/webhooks/{webhook['id']}/disable")).status_code == 204
    assert [each["enabled"] for each in (await control.get("/webhooks")).json()] == [False]
    await control.patch(f"/candidates/{account['candidates'].ids()[0]}", json={"title": "x"})
    assert await settled(control) == []
    assert (await control.post("/webhooks/1/disable")).status_code == 404


async def test_only_200_counts_and_seven_attempts_are_made(
    control: httpx.AsyncClient, receiver: Any, account: Account
) -> None:  # 9.3
    await register(control, receiver)
    receiver.answers = [202, 204, 302, 500, 401, 200]
    candidate_id = account["candidates"].ids()[0]
    await control.patch(f"/candidates/{candidate_id}", json={"title": "x"})
    (delivery,) = await settled(control)
    assert [a["status"] for a in delivery["attempts"]] == [202, 204, 302, 500, 401, 200]
    assert delivery["state"] == "delivered"
    assert len({headers["Greenhouse-Event-ID"] for headers, _ in receiver.taken[1:]}) == 1
    receiver.answers = [500] * 8
    await control.patch(f"/candidates/{candidate_id}", json={"title": "y"})
    failed = (await settled(control))[-1]
    assert (failed["state"], len(failed["attempts"])) == ("failed", 7)


async def test_the_ladder_waits_longer_each_time(
    greenhouse: GreenhouseSimulator, control: httpx.AsyncClient, receiver: Any, account: Account
) -> None:  # 9.3
    await register(control, receiver)
    greenhouse.settings.webhook_time_scale = 0.1 / 60  # a minute is a tenth of a second
    receiver.answers = [500]
    await control.patch(f"/candidates/{account['candidates'].ids()[0]}", json={"title": "x"})
    (delivery,) = await settled(control)
    first, second = (attempt["at"] for attempt in delivery["attempts"])
    assert second - first >= 0.1


async def test_each_change_tells_its_event(
    control: httpx.AsyncClient, receiver: Any, account: Account
) -> None:  # 9.4, 9.5
    await register(control, receiver)
    application = in_process(account)
    path = f"/applications/{application['id']}"
    await control.post(f"{path}/move", json={"stage_name": "Face to Face"})
    await settled(control)
    told = receiver.payload("candidate_stage_change")["application"]
    assert told["current_stage"]["name"] == "Face to Face"
    assert told["status"] == "active"
    assert told["candidate"]["id"] == application["candidate_id"]
    assert [job["id"] for job in told["jobs"]] == [application["job_id"]]
    assert told["applied_at"].endswith("Z")
    assert "." not in told["applied_at"]
    for verb, body in (
        ("reject", {}),
        ("unreject", {}),
        ("hire", {"opening_id": first_opening(account, application["job_id"])}),
        ("unhire", {}),
    ):
        assert (await control.post(f"{path}/{verb}", json=body)).status_code == 200, verb
    await control.patch(path, json={"source_id": None})
    await control.delete(path)
    await settled(control)
    assert set(receiver.actions()) - {"job_updated"} == {
        "candidate_stage_change",
        "reject_candidate",
        "unreject_candidate",
        "hire_candidate",
        "unhire_candidate",
        "application_updated",
        "delete_application",
    }
    assert receiver.payload("reject_candidate")["application"]["rejection_reason"]["id"]
    hired = receiver.payload("hire_candidate")["application"]
    assert "opening_id" in hired["opening"]
    assert hired["job"]["id"] == application["job_id"]
    gone = receiver.payload("delete_application")["application"]
    assert (gone["id"], gone["candidate_id"]) == (application["id"], application["candidate_id"])


def first_opening(account: Account, job_id: int) -> int:
    return min(int(o["id"]) for o in account["openings"].rows("job_id", job_id) if o["open"])


async def test_candidates_tell_creation_merge_deletion_and_anonymisation(
    control: httpx.AsyncClient, receiver: Any, account: Account
) -> None:  # 9.4
    await register(control, receiver)
    first, second, third = account["candidates"].ids()[:3]
    job_id = in_process(account)["job_id"]
    body = {"first_name": "New", "application": {"job_id": job_id}}
    created = (await control.post("/candidates", json=body)).json()
    await control.post(f"/candidates/{first}/merge", json={"secondary_candidate_id": second})
    await control.post(f"/candidates/{first}/anonymize", json={"fields": ["full_name"]})
    applications = account["applications"].keyed("candidate_id", third)
    await control.delete(f"/candidates/{third}")
    await settled(control)
    assert sorted(receiver.actions()) == [
        "candidate_anonymized",
        "delete_candidate",
        "merge_candidate",
        "new_candidate_application",
    ]
    new = receiver.payload("new_candidate_application")["application"]
    assert new["candidate"]["id"] == created["id"]
    merged = receiver.payload("merge_candidate")["person"]
    assert (merged["id"], merged["new_candidate_id"]) == (second, first)
    deleted = receiver.payload("delete_candidate")["person"]
    assert (deleted["id"], deleted["deleted_application_ids"]) == (third, applications)
    anonymised = receiver.payload("candidate_anonymized")
    assert anonymised == {"candidate_id": first, "anonymized_fields": ["full_name"]}


async def test_jobs_tell_their_life(control: httpx.AsyncClient, receiver: Any) -> None:  # 9.4
    await register(control, receiver)
    job = (await control.post("/jobs", json={"name": "Brand new", "status": "open"})).json()
    await control.patch(f"/jobs/{job['id']}", json={"name": "Renamed"})
    await control.delete(f"/jobs/{job['id']}")
    await settled(control)
    assert sorted(receiver.actions()) == ["job_created", "job_deleted", "job_updated"]
    assert receiver.payload("job_updated")["job"]["name"] == "Renamed"


async def test_a_webhook_is_told_only_what_it_asked_for(
    control: httpx.AsyncClient, receiver: Any, account: Account
) -> None:  # 9.4
    await register(control, receiver, events=["delete_candidate"])
    first, second = account["candidates"].ids()[:2]
    await control.patch(f"/candidates/{first}", json={"title": "x"})
    await control.delete(f"/candidates/{second}")
    await settled(control)
    assert receiver.actions() == ["delete_candidate"]


async def test_deliveries_can_be_dropped_doubled_and_kept_quiet(
    greenhouse: GreenhouseSimulator, control: httpx.AsyncClient, receiver: Any, account: Account
) -> None:  # 13
    await register(control, receiver)
    path = f"/candidates/{account['candidates'].ids()[0]}"
    await control.patch(path, json={"title": "quiet"}, params={"webhooks": "false"})
    greenhouse.settings.webhook_drop = 1.0
    await control.patch(path, json={"title": "dropped"})
    greenhouse.settings.webhook_drop = 0.0
    greenhouse.settings.webhook_duplicate = 1.0
    await control.patch(path, json={"title": "twice"})
    deliveries = await settled(control)
    assert [d["state"] for d in deliveries] == ["dropped", "delivered"]
    assert len({body for _, body in receiver.taken[1:]}) == 1
    assert len(receiver.taken[1:]) == 2
    outcomes = (await control.get("/counters")).json()["webhooks"]
    assert outcomes == {"delivered": 3, "dropped": 1}  # the ping is one
    await control.post(f"/deliveries/{deliveries[1]['event_id']}/resend")
    await settled(control)
    assert receiver.taken[-1][1] == receiver.taken[-2][1]


async def test_deliveries_overtake_one_another(
    greenhouse: GreenhouseSimulator, control: httpx.AsyncClient, receiver: Any, account: Account
) -> None:  # 13
    await register(control, receiver)
    greenhouse.settings.webhook_reorder_s = 0.3
    path = f"/candidates/{account['candidates'].ids()[0]}"
    titles = [str(number) for number in range(12)]
    for title in titles:
        await control.patch(path, json={"title": title})
    await settled(control)
    seen = [json.loads(b)["payload"]["candidate"]["title"] for _, b in receiver.taken[1:]]
    assert sorted(seen, key=int) == titles
    assert seen != titles


async def test_any_event_can_be_sent_correctly_signed(control: httpx.AsyncClient, receiver: Any) -> None:  # 13
    await register(control, receiver, username="u", password="p")
    await control.post("/events", json={"action": "brand_new_event", "payload": {"x": 1}})
    await settled(control)
    assert receiver.payload("brand_new_event") == {"x": 1}
    assert receiver.taken[-1][0]["Authorization"] == "Basic dTpw"
