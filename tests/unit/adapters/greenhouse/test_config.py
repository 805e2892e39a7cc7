"""What an integration's configuration says, and cursors that travel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from shared.adapters import get
from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.adapters.greenhouse.config import read_config
from shared.adapters.greenhouse.paging import Position, next_query, read_cursor
from shared.adapters.http import VendorHttp
from shared.adapters.protocol import Connection, Cursor
from shared.errors import CursorExpired, InvalidInput, InvalidPayload
from shared.model import EntityType

BASE = "https://harvest.example/v3"


def connection(config: dict[str, Any], secrets: dict[str, str], url: str | None = None) -> Connection:
    return Connection("i", url, config, secrets)


@pytest.mark.parametrize(
    ("config", "secrets", "version", "key"),
    [
        ({"client_id": "c"}, {"client_secret": "s"}, "v3", None),
        ({"client_id": "c"}, {"client_secret": "s", "api_key": "k"}, "v3", "k"),
        ({}, {"api_key": "k"}, "v1", "k"),
        ({}, {"api_key": "board", "harvest_api_key": "k"}, "v1", "k"),
        ({"client_id": "c"}, {"api_key": "k"}, "v1", "k"),
        ({"client_id": "c", "api_version": "v1"}, {"client_secret": "s", "api_key": "k"}, "v1", "k"),
    ],
)
def test_the_version_follows_from_what_is_given(
    config: dict[str, Any], secrets: dict[str, str], version: str, key: str | None
) -> None:
    found = read_config(connection(config, secrets))
    assert (found.version, found.key) == (version, key)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        (None, "https://harvest.greenhouse.io/v3"),
        ("https://h.example", "https://h.example/v3"),
        ("https://h.example/", "https://h.example/v3"),
        ("https://h.example/v1", "https://h.example/v3"),
        ("https://h.example/v3/", "https://h.example/v3"),
        ("http://127.0.0.1:8/greenhouse/v2", "http://127.0.0.1:8/greenhouse/v3"),
    ],
)
def test_the_base_url_may_name_a_version(url: str | None, base: str) -> None:
    assert read_config(connection({"client_id": "c"}, {"client_secret": "s"}, url)).base_url == base


@pytest.mark.parametrize(
    ("url", "base"),
    [
        (None, "https://boards-api.greenhouse.io/v1/boards/acme"),
        ("https://b.example", "https://b.example/v1/boards/acme"),
        ("https://b.example/v1/", "https://b.example/v1/boards/acme"),
        ("https://b.example/v1/boards", "https://b.example/v1/boards/acme"),
        ("https://b.example/v1/boards/acme/", "https://b.example/v1/boards/acme"),
    ],
)
def test_the_board_is_found_by_its_token(url: str | None, base: str) -> None:
    config = {"client_id": "c", "board_token": "acme", "job_board_url": url}
    assert read_config(connection(config, {"client_secret": "s"})).board_url == base


def test_no_token_no_board() -> None:
    config = {"client_id": "c", "job_board_url": "https://b.example"}
    assert read_config(connection(config, {"client_secret": "s"})).board_url is None


def test_a_token_can_not_lead_elsewhere() -> None:
    found = read_config(connection({"client_id": "c", "board_token": "../x?y"}, {"client_secret": "s"}))
    assert found.board_url == "https://boards-api.greenhouse.io/v1/boards/..%2Fx%3Fy"


@pytest.mark.parametrize(
    ("config", "secrets", "field"),
    [
        ({}, {}, "config.client_id"),
        ({"client_id": "c"}, {}, "config.client_secret"),
        ({"api_version": "v1"}, {}, "api_key"),
        ({"api_version": "v2"}, {"api_key": "k"}, "config.api_version"),
        ({"client_id": "c", "user_id": "ann"}, {"client_secret": "s"}, "config.user_id"),
        ({"client_id": ["c"]}, {"client_secret": "s"}, "config.client_id"),
        (
            {"client_id": "c", "board_token": "acme", "job_board_url": "https://b.example/v1/boards/other"},
            {"client_secret": "s"},
            "config.job_board_url",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_named(config: dict[str, Any], secrets: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        GreenhouseAdapter.open(
            connection(config, secrets),
            VendorHttp(integration_id="i", transport=httpx.MockTransport(lambda _: httpx.Response(200))),
        )
    assert raised.value.field == field


def test_no_secret_shows() -> None:
    found = read_config(connection({"client_id": "c"}, {"client_secret": "hush", "api_key": "hush"}))
    assert "hush" not in repr(found) + found.credential
    assert "hush" not in read_config(connection({}, {"api_key": "hush"})).credential


def test_the_registry_knows_the_adapter() -> None:
    assert get("greenhouse") is GreenhouseAdapter


@pytest.mark.parametrize(
    ("link", "query"),
    [
        (None, None),
        ("", None),
        (f'<{BASE}/candidates?cursor=abc%3D>; rel="next"', "cursor=abc%3D"),
        (f'<{BASE}/x?page=9>; rel="last",<{BASE}/x?page=2&per_page=5>; rel="next"', "page=2&per_page=5"),
        (f'<{BASE}/x?page=1>; rel="prev", <{BASE}/x?page=9>; rel=last', None),
        (f"<{BASE}/x?cursor=a>; title=x; rel=next", "cursor=a"),
        (f'<{BASE}/x?cursor=a>; rel="last next"', "cursor=a"),
        ('</v3/x?cursor=a>; rel="next"', "cursor=a"),
        ("https://harvest.example/x?cursor=a", None),
    ],
)
def test_the_next_page_is_what_the_link_header_says(link: str | None, query: str | None) -> None:
    assert next_query(link, BASE) == query


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v3/x?cursor=a",
        "http://harvest.example/v3/x?cursor=a",
        "https://harvest.example:8443/x?cursor=a",
        "//evil.example/x?c=1",
        f"{BASE}/x",
    ],
)
def test_a_next_page_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(InvalidPayload):
        next_query(f'<{url}>; rel="next"', BASE)


@pytest.mark.parametrize(
    "position",
    [
        Position(),
        Position("2026-01-01T00:00:00Z"),
        Position("x", "cursor=a"),
        Position("x", None, 0),
        Position(None, "page=2"),
    ],
)
def test_a_cursor_comes_back_as_it_was(position: Position) -> None:
    assert read_cursor(position.cursor()) == position
    assert read_cursor(None) == Position()


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"v":2}', "null", "7"])
def test_a_foreign_cursor_starts_the_pull_again(text: str) -> None:
    with pytest.raises(CursorExpired):
        read_cursor(Cursor(text))


def test_an_incremental_pull_starts_at_a_moment_with_an_offset() -> None:
    adapter = GreenhouseAdapter.open(
        connection({}, {"api_key": "k"}),
        VendorHttp(integration_id="i", transport=httpx.MockTransport(lambda _: httpx.Response(200))),
    )
    cursor = adapter.since(EntityType.JOB, datetime(2026, 11, 1, 12, 0, 0, 123456, UTC))
    assert read_cursor(cursor) == Position("2026-11-01T12:00:00.123Z")
    with pytest.raises(InvalidInput):
        adapter.since(EntityType.JOB, datetime(2026, 11, 1))  # noqa: DTZ001 - that is the point
