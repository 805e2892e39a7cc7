"""What a job shows of its public post (docs/vendors/greenhouse.md, 11.1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shared import telemetry
from shared.adapters.breaker import MOST_FAILURES, OPEN_S, NoBreaker
from shared.adapters.greenhouse.board import LOOK_BACK, NO_BOARD, Board, Posts
from shared.adapters.greenhouse.read import read
from shared.adapters.http import VendorHttp
from shared.adapters.limits import Clock
from shared.model import EntityType
from tests.unit.adapters.greenhouse import payloads

URL = "https://boards.example/v1/boards/acme"
Answering = Callable[[httpx.Request], httpx.Response]


def a_post(**changes: Any) -> dict[str, Any]:
    return {
        "id": 88120,
        "internal_job_id": 4410,
        "updated_at": "2026-09-02T05:00:00-04:00",
        "location": {"name": " Leeds or remote "},
        "content": "&lt;p&gt;Join &amp;amp; &lt;b&gt;build&lt;/b&gt;&lt;/p&gt;&lt;script&gt;x()&lt;/script&gt;",
        **changes,
    }


async def look(answer: Answering) -> Posts:
    http = VendorHttp(integration_id="i", transport=httpx.MockTransport(answer))
    try:
        return await Board.open(URL, http).posts()
    finally:
        await http.aclose()


async def posts_of(*jobs: Any) -> Posts:
    return await look(lambda _: httpx.Response(200, json={"jobs": list(jobs), "meta": {"total": len(jobs)}}))


def shown(posts: Posts, job: dict[str, Any]) -> dict[str, Any]:
    (row,) = posts.onto([job])
    return read(EntityType.JOB, row).visible()


@pytest.mark.parametrize("job", [payloads.JOB, payloads.V1_JOB])
async def test_a_live_post_gives_text_and_place(job: dict[str, Any]) -> None:
    posts = await posts_of(a_post())
    assert shown(posts, job) == payloads.JOB_FIELDS | {
        "description": "<p>Join &amp; <b>build</b></p>",
        "location": "Leeds or remote",
    }
    (row,) = posts.onto([job])
    assert read(EntityType.JOB, read(EntityType.JOB, row).raw).visible() == shown(posts, job)


async def test_the_board_is_asked_once_and_without_a_key() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"jobs": [a_post()]})

    assert (await look(answer)).requests == 1
    assert [str(request.url) for request in asked] == [f"{URL}/jobs?content=true"]
    assert "authorization" not in asked[0].headers


@pytest.mark.parametrize("job", [payloads.JOB, payloads.V1_JOB])
async def test_a_job_without_a_live_post_shows_what_harvest_does(job: dict[str, Any]) -> None:
    posts = await posts_of(a_post(internal_job_id=4411), a_post(internal_job_id=None))
    assert shown(posts, job) == payloads.JOB_FIELDS
    assert shown(NO_BOARD, job) == payloads.JOB_FIELDS


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"content": None}, "description"), ({"content": ""}, "description"), ({"location": None}, "location")],
)
async def test_an_empty_part_of_a_post_is_empty(changes: dict[str, Any], name: str) -> None:
    assert shown(await posts_of(a_post(**changes)), payloads.JOB)[name] is None


@pytest.mark.parametrize(("missing", "name"), [("content", "description"), ("location", "location")])
async def test_a_part_that_the_board_does_not_show_is_not_visible(missing: str, name: str) -> None:
    post = {key: value for key, value in a_post().items() if key != missing}
    assert name not in shown(await posts_of(post), payloads.JOB)


async def test_of_several_posts_the_first_made_stands_for_the_job() -> None:
    later = a_post(id=88121, location={"name": "Zürich"})
    for order in ([later, a_post()], [a_post(), later]):
        assert shown(await posts_of(*order), payloads.JOB)["location"] == "Leeds or remote"


def lost(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no route", request=request)


@pytest.mark.parametrize(
    "answer",
    [
        *(lambda _, status=status: httpx.Response(status) for status in (301, 400, 401, 403, 404, 410, 429, 500, 503)),
        lost,
        lambda _: httpx.Response(200, text="<html>"),
        lambda _: httpx.Response(200, json=[]),
        lambda _: httpx.Response(200, json={}),
        lambda _: httpx.Response(200, json={"jobs": {}}),
        lambda _: httpx.Response(200, json={"jobs": ["x"]}),
        lambda _: httpx.Response(200, json={"jobs": [a_post(internal_job_id="secret")]}),
        lambda _: httpx.Response(200, json={"jobs": [a_post(updated_at="secret")]}),
    ],
)
async def test_a_board_that_can_not_be_read_hides_two_fields_and_blanks_none(answer: Answering) -> None:
    with telemetry.captured() as events:
        posts = await look(answer)
    assert [event.event for event in events] == ["job_board_unreadable"]
    assert posts.requests == 1
    (row,) = posts.onto([payloads.JOB])
    job = read(EntityType.JOB, row)
    hidden = {"description", "location"}
    assert job.visible() == {name: value for name, value in payloads.JOB_FIELDS.items() if name not in hidden}
    (warning,) = job.warnings
    assert warning.startswith("job board: ")
    assert "secret" not in warning
    assert posts.changed_since(datetime(2000, 1, 1, tzinfo=UTC)) == set()


async def test_a_post_tells_by_its_own_time_that_it_changed() -> None:
    posts = await posts_of(a_post(), a_post(internal_job_id=7, updated_at=None))
    changed_at = datetime(2026, 9, 2, 9, tzinfo=UTC)
    assert posts.changed_since(changed_at) == {4410}
    assert posts.changed_since(changed_at + LOOK_BACK) == {4410}
    assert posts.changed_since(changed_at + LOOK_BACK + timedelta(seconds=1)) == set()


class Counting(NoBreaker):
    """The integration's breaker, as far as it hears of calls."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def failed(self, probe: str) -> None:  # noqa: ARG002 - whatever it was
        self.heard.append("failed")

    async def answered(self, probe: str) -> None:  # noqa: ARG002 - whatever it was
        self.heard.append("answered")


async def test_a_board_that_hangs_is_left_alone_and_shuts_nothing_else_off() -> None:
    """Neither its failures nor its answers say anything of Harvest."""
    breaker, hour, asked = Counting(), [1_800_000_000.0], list[float]()
    is_down = True

    def answer(_: httpx.Request) -> httpx.Response:
        asked.append(hour[0])
        if is_down:
            raise httpx.ReadTimeout("hangs")
        return httpx.Response(200, json={"jobs": [a_post()]})

    clock = Clock(now=lambda: hour[0])
    http = VendorHttp(integration_id="i", transport=httpx.MockTransport(answer), breaker=breaker, clock=clock)
    board = Board.open(URL, http)
    for _ in range(MOST_FAILURES + 3):
        posts = await board.posts()
        assert posts.error is not None
    assert len(asked) == MOST_FAILURES, "nobody waits for it again and again"
    hour[0] += OPEN_S[0]
    assert (await board.posts()).error is not None
    assert (await board.posts()).error is not None
    assert len(asked) == MOST_FAILURES + 1, "the probe alone"
    is_down = False
    hour[0] += OPEN_S[1]
    for _ in range(2):
        assert (await board.posts()).error is None
    assert len(asked) == MOST_FAILURES + 3
    assert breaker.heard == []
    await http.aclose()
