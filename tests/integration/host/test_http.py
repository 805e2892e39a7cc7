"""HTTP functions over the wire (docs/local-host.md, sections 2, 3 and 7)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.fixtures.storage import StorageAccount
from tests.integration.host.conftest import StartHost
from tests.integration.host.hosting import HostProcess


@pytest.fixture(scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HostProcess]:
    """One host for all tests that only ask: it needs no storage then."""
    made = HostProcess(
        "UseDevelopmentStorage=true",
        root=_http_only(tmp_path_factory.mktemp("app")),
        FUNCTIONS_REQUEST_BODY_SIZE_LIMIT="1000",
        **{"AzureWebJobs.literal.Disabled": "true"},
    )
    yield made
    await made.close()


def _http_only(folder: Path) -> Path:
    """Copy the sample app without the functions that need storage."""
    from tests.integration.host.hosting import APP

    text = (APP / "function_app.py").read_text()
    blocks = text.split("\n\n\n")
    kept = [block for block in blocks if "queue_" not in block and "timer_trigger" not in block]
    (folder / "function_app.py").write_text("\n\n\n".join(kept))
    (folder / "host.json").write_text((APP / "host.json").read_text())
    return folder


async def test_a_function_sees_the_request_as_the_host_hands_it_over(host: HostProcess) -> None:
    response = await host.client.post(
        "/echo/7?a=1&a=2&empty=&c=%20x%2By",
        content=b"\x00body\xff",
        headers=[("X-Twice", "1"), ("x-twice", "2"), ("Content-Type", "application/x")],
    )
    seen = response.json()
    assert response.headers["content-type"] == "application/json"
    assert seen["method"] == "POST"
    assert seen["url"] == f"{host.announced['url']}/echo/7?a=1&a=2&empty=&c=%20x%2By"
    assert seen["headers"]["x-twice"] == "1,2"
    assert seen["params"] == {"a": "1,2", "c": " x+y"}
    assert seen["route_params"] == {"id": "7"}
    assert seen["body"].encode("latin-1") == b"\x00body\xff"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/echo", 200),
        ("GET", "/ECHO/12", 200),
        ("GET", "/echo/12/", 200),
        ("GET", "/echo/twelve", 404),
        ("GET", "/echo/12/13", 404),
        ("GET", "/unknown", 404),
        ("POST", "/plain", 404),
        ("OPTIONS", "/plain", 404),
        ("HEAD", "/plain", 404),
    ],
)
async def test_routes_and_methods_that_do_not_fit_are_an_empty_404(
    host: HostProcess, method: str, path: str, status: int
) -> None:
    response = await host.client.request(method, path)
    assert response.status_code == status
    if status == 404:
        assert response.content == b""


async def test_a_disabled_function_is_there_for_the_master_key_alone(host: HostProcess) -> None:
    assert (await host.get("/echo/literal")).status_code == 404
    response = await host.get("/echo/literal", headers=host.master)
    assert response.json() == {"matched": "literal"}


async def test_keys_open_what_they_are_for(host: HostProcess) -> None:
    master = host.announced["master_key"]
    keys = {}
    for name in ("guarded", "plain", "admin_only"):
        answer = await host.get(f"/admin/functions/{name}/keys", headers=host.master)
        keys[name] = answer.json()["keys"][0]["value"]
    host_key = host.announced["host_key"]
    for path, key, status in [
        ("/guarded", None, 401),
        ("/guarded", "wrong", 401),
        ("/guarded", keys["plain"], 401),
        ("/guarded", keys["guarded"], 200),
        ("/guarded", host_key, 200),
        ("/guarded", master, 200),
        ("/admin-only", keys["admin_only"], 401),
        ("/admin-only", host_key, 401),
        ("/admin-only", master, 200),
    ]:
        headers = {"x-functions-key": key} if key else {}
        response = await host.get(path, headers=headers)
        assert response.status_code == status, (path, key)
        assert status == 200 or response.content == b""


async def test_the_key_header_comes_before_the_code_parameter(host: HostProcess) -> None:
    right = {"code": host.announced["host_key"]}
    assert (await host.get("/guarded", params=right)).status_code == 200
    wrong = {"x-functions-key": "wrong"}
    assert (await host.get("/guarded", params=right, headers=wrong)).status_code == 401


@pytest.mark.parametrize("path", ["/raises", "/nothing"])
async def test_a_failure_is_an_empty_500(host: HostProcess, path: str) -> None:
    response = await host.get(path)
    assert (response.status_code, response.content) == (500, b"")


async def test_each_cookie_gets_a_header_of_its_own(host: HostProcess) -> None:
    response = await host.get("/cookies")
    assert response.status_code == 201
    assert response.headers.get_list("set-cookie") == ["a=1; HttpOnly; Path=/x", "b=2; Path=/"]


async def test_a_sync_function_runs_in_a_thread_and_may_return_a_string(host: HostProcess) -> None:
    response = await host.get("/plain")
    assert response.text == "thread"
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


async def test_the_context_names_the_invocation_and_follows_the_trace(host: HostProcess) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    context = (await host.get("/context", headers=headers)).json()
    assert context["function_name"] == "context_of"
    assert context["invocation_id"] == context["local_id"]
    version, same_trace, span, flags = context["trace_parent"].split("-")
    assert (version, same_trace, flags) == ("00", trace, "01")
    assert span != "b7ad6b7169203331"


async def test_a_body_over_the_limit_is_refused(host: HostProcess) -> None:
    assert (await host.client.post("/echo", content=b"x" * 1000)).status_code == 200
    response = await host.client.post("/echo", content=b"x" * 1001)
    assert (response.status_code, response.content) == (413, b"")


async def _chunks() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"


async def test_a_body_without_a_length_arrives_empty(host: HostProcess) -> None:
    response = await host.client.post("/echo", content=_chunks())
    assert response.json()["headers"]["transfer-encoding"] == "chunked"
    assert response.json()["body"] == ""


async def test_a_front_end_that_buffers_brings_a_body_without_a_length(
    storage: StorageAccount, start_host: StartHost
) -> None:
    host = start_host(SANDBOX_HOST_BUFFER_CHUNKED="1", AzureWebJobsDisableHomepage="true")
    response = await host.client.post("/echo", content=_chunks())
    assert response.json()["body"] == "onetwo"
    assert (await host.get("/")).status_code == 404


async def test_the_host_has_endpoints_of_its_own(host: HostProcess) -> None:
    assert (await host.get("/")).status_code == 200
    assert (await host.get("/admin/host/ping")).status_code == 200
    for path in ("/admin/host/status", "/admin/functions", "/admin/host/keys", "/runtime/x"):
        assert (await host.get(path)).status_code == 401
    status = (await host.get("/admin/host/status", headers=host.master)).json()
    assert (status["id"], status["state"]) == ("test", "Running")
    listed = (await host.get("/admin/functions", headers=host.master)).json()
    disabled = {each["name"] for each in listed if each["isDisabled"]}
    assert disabled == {"literal"}
    assert (await host.get("/runtime/x", headers=host.master)).status_code == 404


async def test_many_requests_at_once_are_answered_each_with_its_own(host: HostProcess) -> None:
    import asyncio

    async def one(number: int) -> int:
        answer: httpx.Response = await host.client.post(f"/echo/{number}")
        return int(answer.json()["route_params"]["id"])

    assert await asyncio.gather(*(one(n) for n in range(200))) == list(range(200))
