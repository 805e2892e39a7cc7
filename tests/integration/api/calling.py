"""Calling the app's HTTP functions as the host would: by method and path, with the request it would build."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

Handler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


@dataclass(frozen=True)
class HttpFunction:
    """One registered HTTP function."""

    name: str
    method: str
    route: str
    handler: Handler

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the route's parameters."""
        return tuple(re.findall(r"{(\w+)", self.route))

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        """Return the route's parameters if this function answers *method* *path*."""
        pattern = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", self.route)
        found = re.fullmatch(pattern, path.strip("/"), re.IGNORECASE)
        return found.groupdict() if found and method == self.method else None


@cache
def http_functions() -> tuple[HttpFunction, ...]:
    """Return every registered HTTP function. The app can be asked once."""
    from function_app import app

    return tuple(
        HttpFunction(
            str(function.get_function_name()),
            str(getattr(method, "value", method)),
            str(trigger["route"]),
            cast("Handler", function.get_user_function()),
        )
        for function in app.get_functions()
        if (trigger := _trigger(function))["type"] == "httpTrigger"
        for method in trigger["methods"]
    )


def _trigger(function: Any) -> dict[str, Any]:
    return dict(function.get_trigger().get_dict_repr())


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: Any
    text: str


@dataclass(frozen=True)
class Caller:
    """Somebody with a token, or without one."""

    token: str | None

    async def __call__(
        self, method: str, url: str, body: object = None, *, headers: Mapping[str, str] | None = None, raw: bytes = b""
    ) -> Reply:
        """Call *method* *url* (`/api/candidates?limit=5`) with *body* as JSON, or *raw* as it is."""
        parts = urlsplit(url)
        matches = [
            (function, parameters)
            for function in http_functions()
            if (parameters := function.match(method, parts.path)) is not None
        ]
        if not matches:
            return Reply(404, {}, None, "")
        function, parameters = min(matches, key=lambda found: len(found[1]))  # literal segments win
        answer = await function.handler(
            func.HttpRequest(
                method=method,
                url=f"http://localhost:7071{url}",
                headers={**self._authorization(), **(headers or {})},
                params={name: value for name, value in parse_qsl(parts.query) if value},
                route_params=dict(parameters),
                body=raw or (b"" if body is None else json.dumps(body).encode()),
            )
        )
        content = answer.get_body()
        return Reply(
            answer.status_code,
            {"content-type": answer.mimetype, **{name.lower(): value for name, value in answer.headers.items()}},
            json.loads(content) if content else None,
            content.decode(),
        )

    def _authorization(self) -> Mapping[str, str]:
        return {} if self.token is None else {"authorization": f"Bearer {self.token}"}
