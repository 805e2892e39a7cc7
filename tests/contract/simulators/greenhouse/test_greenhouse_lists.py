"""Pages, filters and shapes of v3's lists (docs/vendors/greenhouse.md, sections 3 and 8)."""

from __future__ import annotations

import itertools
from typing import Any

import httpx
import pytest

from sandbox.vendors.greenhouse import GreenhouseSimulator
from sandbox.vendors.greenhouse.resources import RESOURCES
from tests.fixtures.waiting import until


async def read_all(v3: httpx.AsyncClient, path: str, **params: Any) -> list[dict[str, Any]]:
    """All pages, as a client should follow them."""
    rows: list[dict[str, Any]] = []
    answer = await v3.get(path, params=params)
    while True:
        assert answer.status_code == 200, answer.text
        rows += answer.json()
        if "next" not in answer.links:
            return rows
        answer = await v3.get(answer.links["next"]["url"])


async def test_pages_hold_everything_once_highest_id_first(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient
) -> None:  # 3.2
    rows = await read_all(v3, "/candidates", per_page=7)
    assert [row["id"] for row in rows] == greenhouse.simulator.account["candidates"].ids()[::-1]
    assert rows == list(greenhouse.simulator.account["candidates"])[::-1]


@pytest.mark.parametrize("per_page", ["0", "501", "-1", "x", ""])
async def test_per_page_has_bounds(lasting_v3: httpx.AsyncClient, per_page: str) -> None:  # 3.2
    answer = await lasting_v3.get("/candidates", params={"per_page": per_page})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "per_page"


async def test_a_page_holds_one_hundred_by_default_and_500_at_most(
    v3: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:  # 3.2
    await control.post("/fill", json={"people": 500})
    assert len((await v3.get("/candidates")).json()) == 100
    assert len((await v3.get("/candidates", params={"per_page": 500})).json()) == 500


async def test_a_cursor_stands_alone_expires_and_cannot_be_made(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient
) -> None:  # 3.2
    address = (await v3.get("/candidates", params={"per_page": 5})).links["next"]["url"]
    assert (await v3.get(address)).status_code == 200
    assert (await v3.get(address + "&per_page=5")).status_code == 422
    cursor = address.partition("cursor=")[2]
    assert (await v3.get("/applications", params={"cursor": cursor})).status_code == 422
    assert (await v3.get("/candidates", params={"cursor": "AAAA" + cursor})).status_code == 422
    assert (await v3.get("/candidates", params={"cursor": "€"})).status_code == 422
    greenhouse.settings.clock_offset_s = 601
    expired = await v3.get(address)
    assert expired.status_code == 422
    assert "expired" in expired.json()["errors"][0]["message"]


async def test_pain_23_a_record_deleted_between_pages_shifts_nothing(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:  # 3.2
    ids = greenhouse.simulator.account["candidates"].ids()[::-1]
    first = await v3.get("/candidates", params={"per_page": 10})
    assert (await control.delete(f"/candidates/{ids[3]}")).status_code == 204
    second = await v3.get(first.links["next"]["url"])
    assert [row["id"] for row in second.json()] == ids[10:20]


async def test_fifty_ids_and_no_more(greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient) -> None:  # 3.3
    ids = greenhouse.simulator.account["candidates"].ids()[:3]
    listed = ",".join(map(str, ids))
    assert [r["id"] for r in (await v3.get(f"/candidates?ids={listed}")).json()] == ids[::-1]
    children = (await v3.get(f"/applications?candidate_ids={listed}")).json()
    assert {child["candidate_id"] for child in children} == set(ids)
    too_many = ",".join(map(str, range(1, 52)))
    assert (await v3.get(f"/candidates?ids={too_many}")).status_code == 422
    assert (await v3.get(f"/applications?candidate_ids={too_many}")).status_code == 422


async def test_times_take_piped_operators(v3: httpx.AsyncClient) -> None:  # 3.3
    rows = await read_all(v3, "/candidates", per_page=500)
    by_time = sorted(rows, key=lambda row: str(row["updated_at"])[:19])
    bound, end = by_time[10]["updated_at"], by_time[30]["updated_at"]
    since = await read_all(v3, "/candidates", updated_at=f"gte|{bound}")
    assert {r["id"] for r in since} == {r["id"] for r in by_time[10:]}
    after = await read_all(v3, "/candidates", updated_at=f"gt|{bound}")
    assert {r["id"] for r in after} == {r["id"] for r in by_time[11:]}
    between = await read_all(v3, "/candidates", updated_at=f"gte|{bound}|lte|{end}", per_page=4)
    assert {r["id"] for r in between} == {r["id"] for r in by_time[10:31]}


@pytest.mark.parametrize("text", ["gte", "2026-01-01", "ge|2026-01-01T00:00:00Z", "gte|soon", ""])
async def test_other_time_filters_are_refused(lasting_v3: httpx.AsyncClient, text: str) -> None:  # 3.3
    assert (await lasting_v3.get("/candidates", params={"updated_at": text})).status_code == 422


async def test_asked_active_told_in_process(greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient) -> None:  # 3.5
    rows = await read_all(v3, "/applications", status="active")
    assert {row["status"] for row in rows} == {"in_process"}
    kept = [r for r in greenhouse.simulator.account["applications"] if r["status"] == "in_process"]
    assert len(rows) == len(kept)
    assert (await v3.get("/applications?status=in_process")).status_code == 422
    rejected = await read_all(v3, "/applications", status="rejected")
    assert {row["status"] for row in rejected} == {"rejected"}


async def test_email_is_exact_but_for_case(greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient) -> None:  # 3.3
    row = next(
        row
        for row in greenhouse.simulator.account["candidates"]
        if any(e["value"].startswith("Person.") for e in row["email_addresses"])
    )
    value = next(e["value"] for e in row["email_addresses"] if e["value"].startswith("Person."))
    found = await read_all(v3, "/candidates", email=value.swapcase())
    assert row["id"] in [candidate["id"] for candidate in found]
    assert await read_all(v3, "/candidates", email=value[:-1]) == []


async def test_fields_trims_the_answer(v3: httpx.AsyncClient) -> None:  # 3.4
    rows = (await v3.get("/candidates", params={"fields": "id,updated_at,nonsense"})).json()
    assert {tuple(row) for row in rows} == {("id", "updated_at")}
    names = ",".join(f"f{n}" for n in range(51))
    assert (await v3.get("/candidates", params={"fields": names})).status_code == 422


async def test_unknown_parameters_are_refused(v3: httpx.AsyncClient) -> None:  # 3.3
    answer = await v3.get("/candidates", params={"page": "2"})
    assert answer.json()["errors"][0]["field"] == "page"
    assert (await v3.get("/applications?updated_after=2026-01-01T00:00:00Z")).status_code == 422


async def test_every_list_is_an_array_of_what_the_state_holds(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient
) -> None:  # 3.2, 8
    for name in RESOURCES:
        rows = await read_all(v3, f"/{name}", per_page=500)
        table = greenhouse.simulator.account[name]
        hidden = 1 if name == "users" else 0  # the service user
        assert len(rows) == len(table) - hidden, name
        ids = [row["id"] for row in rows]
        assert all(higher > lower for higher, lower in itertools.pairwise(ids)), name
        for row in rows[:1]:
            single = (await v3.get(f"/{name}/{row['id']}")).json()
            assert single.keys() == row.keys()
            assert {"created_at", "updated_at"} <= row.keys()
        assert (await v3.get(f"/{name}/999999999999999")).status_code == 404


async def test_service_users_are_hidden_unless_asked_for(v3: httpx.AsyncClient) -> None:  # 3.3
    assert all(row["primary_email"] for row in (await v3.get("/users")).json())
    rows = (await v3.get("/users", params={"show_service_accounts": "true"})).json()
    assert [row["name"] for row in rows if not row["primary_email"]] == ["Integration Service"]


async def test_more_filters_narrow_as_told(v3: httpx.AsyncClient) -> None:  # 3.3
    jobs = await read_all(v3, "/jobs", status="open")
    assert {job["status"] for job in jobs} == {"open"}
    stages = await read_all(v3, "/job_interview_stages", job_ids=str(jobs[0]["id"]))
    assert [stage["sort_order"] for stage in stages] == [5, 4, 3, 2, 1, 0]
    prospects = await read_all(v3, "/applications", prospect="true")
    assert prospects
    assert all(row["prospect"] and row["stage_id"] is None for row in prospects)
    resumes = await read_all(v3, "/attachments", type="resume")
    assert {row["type"] for row in resumes} == {"resume"}
    current = await read_all(v3, "/application_stages", current="true")
    assert all(row["exited_at"] is None for row in current)
    options = await read_all(v3, "/custom_field_options", custom_field_key="degree")
    assert "Master's Degree" in [option["name"] for option in options]
    tagged = await read_all(v3, "/candidates", tag="Python")
    assert all("Python" in row["tags"] for row in tagged)
    assert tagged


async def test_a_lagging_replica_lists_the_past_and_gets_the_present(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:  # 3.6
    edited, deleted = greenhouse.simulator.account["candidates"].ids()[:2]
    greenhouse.settings.replica_lag_s = 3600.0
    await control.patch(f"/candidates/{edited}", json={"title": "Changed just now"})
    await control.delete(f"/candidates/{deleted}")
    rows = {row["id"]: row for row in (await v3.get("/candidates?per_page=500")).json()}
    assert rows[edited]["title"] != "Changed just now"
    assert deleted in rows
    assert (await v3.get(f"/candidates/{edited}")).json()["title"] == "Changed just now"
    assert (await v3.get(f"/candidates/{deleted}")).status_code == 404

    greenhouse.settings.replica_lag_s = 0.1

    async def caught_up() -> bool:
        listed = {row["id"]: row for row in (await v3.get("/candidates?per_page=500")).json()}
        return listed[edited]["title"] == "Changed just now" and deleted not in listed

    await until(caught_up)


async def test_oddities_can_be_switched_on(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:  # 3.1
    plain = (await v3.get("/candidates")).json()[0]
    await control.patch(
        "/settings",
        json={
            "extra_fields": True,
            "null_lists": True,
            "hidden_fields": {"candidates": ["title", "custom_fields.headline"]},
        },
    )
    odd = (await v3.get("/candidates")).json()[0]
    assert {name for name in odd if name.startswith("new_property_")}
    assert "title" not in odd
    assert "headline" in plain["custom_fields"]
    assert "headline" not in odd["custom_fields"]
    assert odd["linked_user_ids"] is None
    assert greenhouse.settings.extra_fields


async def test_ready_made_answers_change_when_the_data_does(
    greenhouse: GreenhouseSimulator, v3: httpx.AsyncClient, control: httpx.AsyncClient
) -> None:  # 13
    greenhouse.settings.static_answers = True
    first = await v3.get("/candidates?per_page=5")
    again = await v3.get("/candidates?per_page=5")
    assert (first.content, first.headers["link"]) == (again.content, again.headers["link"])
    newest = first.json()[0]["id"]
    await control.patch(f"/candidates/{newest}", json={"title": "Other"})
    assert (await v3.get("/candidates?per_page=5")).json()[0]["title"] == "Other"
