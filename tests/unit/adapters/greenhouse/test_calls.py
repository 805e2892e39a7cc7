"""Calls that need no simulator: what exactly is sent, and what odd answers become."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.adapters.http import VendorHttp
from shared.adapters.protocol import Connection
from shared.errors import InvalidPayload, OutcomeUnknown, Rejected
from shared.model import EntityType
from tests.unit.adapters.greenhouse import payloads

REASONS = [
    {"id": 901, "name": "Lacking skills", "type": {"id": 1, "key": "WE_REJECTED_THEM"}},
    {"id": 902, "name": "Took another job", "type": {"id": 2, "key": "THEY_REJECTED_US"}},
]
Answers = dict[tuple[str, str], Any]


class Vendor:
    """Answers by (method, path); a callable gets the request. Notes every call but the token's."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.calls: list[tuple[str, str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/token":
            return httpx.Response(200, json={"access_token": "t", "expires_at": "2099-01-01T00:00:00Z"})
        body = json.loads(request.content) if request.content else dict(request.url.params)
        self.calls.append((request.method, path, body))
        answer = self.answers[request.method, path]
        answer = answer(request) if callable(answer) else answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)


def adapter(answers: Answers) -> tuple[GreenhouseAdapter, Vendor]:
    vendor = Vendor(answers)
    http = VendorHttp(integration_id="i", transport=httpx.MockTransport(vendor))
    connection = Connection(
        "i", "https://h.example", {"client_id": "c", "token_url": "https://h.example/token"}, {"client_secret": "s"}
    )
    return GreenhouseAdapter.open(connection, http), vendor


def rejected(reason: dict[str, Any] | None = None) -> Any:
    row = {
        **payloads.APPLICATION,
        "status": "rejected",
        "rejection_reason_id": 901,
        "stage_id": None,
        "stage_name": None,
    }
    return GreenhouseAdapter.to_canonical(
        EntityType.APPLICATION, {**row, "_liaison": {"rejection_reason": reason or REASONS[0]}}
    )


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({"rejection_reason": "took another job"}, {"rejection_reason"}),
        ({"status": "withdrawn"}, {"status"}),
        ({"status": "withdrawn", "rejection_reason": "Took another job"}, {"status", "rejection_reason"}),
    ],
)
async def test_another_reason_is_given_to_the_rejection(changes: dict[str, Any], sent: set[str]) -> None:
    greenhouse, vendor = adapter(
        {
            ("GET", "/v3/rejection_reasons"): REASONS,
            ("GET", "/v3/rejection_details"): [{"id": 55, "application_id": 70_100_900_000}],
            ("PATCH", "/v3/rejection_details/55"): httpx.Response(204),
        }
    )
    steps = [step async for step in greenhouse.update(EntityType.APPLICATION, rejected(), changes)]
    assert [set(fields) for fields, _ in steps] == [sent]
    assert vendor.calls[-1] == ("PATCH", "/v3/rejection_details/55", {"rejection_reason_id": 902})


async def test_a_rejection_without_details_cant_be_changed() -> None:
    greenhouse, _ = adapter({("GET", "/v3/rejection_reasons"): REASONS, ("GET", "/v3/rejection_details"): []})
    with pytest.raises(Rejected) as raised:
        await greenhouse.update(
            EntityType.APPLICATION, rejected(), {"rejection_reason": "Took another job"}
        ).__anext__()
    assert raised.value.field == "rejection_reason"


async def test_a_new_reason_in_the_vendors_list_is_learnt() -> None:
    reasons = list(REASONS)
    row = {**payloads.APPLICATION, "status": "rejected", "rejection_reason_id": 903}
    greenhouse, vendor = adapter(
        {
            ("GET", "/v3/rejection_reasons"): lambda _: reasons,
            ("GET", "/v3/sources"): [{"id": 16, "name": "Referral"}],
            ("GET", "/v3/applications/70100900000"): row,
        }
    )
    first = await greenhouse.fetch(EntityType.APPLICATION, "70100900000")
    assert "rejection_reason" not in first.visible()
    reasons.append({"id": 903, "name": "New", "type": None})
    greenhouse._reader._names.reasons.read_at -= 61
    second = await greenhouse.fetch(EntityType.APPLICATION, "70100900000")
    assert second.visible()["rejection_reason"] == "New"
    assert [path for _, path, _ in vendor.calls].count("/v3/rejection_reasons") == 2
    assert [path for _, path, _ in vendor.calls].count("/v3/sources") == 1


async def test_a_record_that_cant_be_mapped_is_set_aside_and_costs_nothing_else() -> None:
    rows = [payloads.CANDIDATE, {"id": 2, "first_name": {}}, None, "x", {"first_name": "nobody"}, {"id": 3}]
    greenhouse, _ = adapter({("GET", "/v3/candidates"): rows})
    page = await greenhouse.pages(EntityType.CANDIDATE, None).__anext__()
    assert [record.external_id for record in page.records] == ["9000000001", "3"]
    assert [(one.external_id, one.reason) for one in page.refused] == [
        ("2", "[1]: first_name: is not text"),
        (None, "[2]: payload: is not an object"),
        (None, "[3]: payload: is not an object"),
        (None, "[4]: id: is missing"),
    ]


@pytest.mark.parametrize("body", [{"message": "hm"}, "x", None])
async def test_a_list_that_is_none_is_refused(body: Any) -> None:
    greenhouse, _ = adapter({("GET", "/v3/candidates"): body})
    with pytest.raises(InvalidPayload):
        await greenhouse.pages(EntityType.CANDIDATE, None).__anext__()


async def test_a_next_page_elsewhere_is_refused_and_never_asked_for() -> None:
    link = {"Link": '<https://evil.example/v3/candidates?cursor=a>; rel="next"'}
    greenhouse, vendor = adapter({("GET", "/v3/candidates"): httpx.Response(200, json=[], headers=link)})
    with pytest.raises(InvalidPayload, match="another origin"):
        await greenhouse.pages(EntityType.CANDIDATE, None).__anext__()
    assert len(vendor.calls) == 1


async def test_a_cursor_is_the_only_parameter_of_the_next_call() -> None:
    link = {"Link": '<https://h.example/v3/candidates?cursor=a%2Bb>; rel="next"'}

    def candidates(request: httpx.Request) -> httpx.Response:
        is_next = "cursor" in request.url.params
        return httpx.Response(200, json=[{"id": 1 if is_next else 2}], headers={} if is_next else link)

    greenhouse, vendor = adapter({("GET", "/v3/candidates"): candidates})
    pages = [page async for page in greenhouse.pages(EntityType.CANDIDATE, None)]
    assert [record.external_id for page in pages for record in page.records] == ["2", "1"]
    assert [query for _, _, query in vendor.calls] == [{"per_page": "500"}, {"cursor": "a+b"}]
    assert json.loads(pages[0].following or "")["next"] == "cursor=a%2Bb"
    assert pages[1].following is None


async def test_an_application_that_is_made_later_is_of_unknown_outcome() -> None:
    greenhouse, vendor = adapter({("POST", "/v3/applications"): {"message": "later"}})
    with pytest.raises(OutcomeUnknown):
        await greenhouse.create(EntityType.APPLICATION, {"candidate_id": "9", "job_id": "4"})
    assert vendor.calls == [("POST", "/v3/applications", {"candidate_id": 9, "job_id": 4})]


async def test_a_created_candidate_stays_created_when_its_application_cant_be_seen() -> None:
    greenhouse, vendor = adapter(
        {("POST", "/v3/candidates"): {"id": 5, "first_name": "A"}, ("GET", "/v3/applications"): httpx.Response(503)}
    )
    made = await greenhouse.create(EntityType.CANDIDATE, {"first_name": "A", "email": None, "tags": []})
    assert (made.external_id, dict(made.related)) == ("5", {})
    assert vendor.calls[0][2] == {"first_name": "A", "applications": [{"prospect": True}]}
