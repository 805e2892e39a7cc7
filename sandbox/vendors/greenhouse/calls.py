"""One request as handlers see it, and the answers they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.errors import Refusal, invalid
from sandbox.vendors.greenhouse.tables import Row


@dataclass
class Call:
    """An authorised request: who asks, and the parsed body of a write."""

    request: Request
    account: Account
    user: Row
    body: dict[str, Any]

    @property
    def row_id(self) -> int:
        """The id in the path."""
        row_id: int = self.request.path_params["row_id"]
        return row_id

    @property
    def base(self) -> str:
        """Scheme, host and port that the caller used, without a slash at the end."""
        return str(self.request.base_url).rstrip("/")

    def integer(self, name: str) -> int:
        """A required integer of the body. Raises Refusal (422)."""
        value = self.optional_integer(name)
        if value is None:
            raise invalid(name, "is required")
        return value

    def optional_integer(self, name: str) -> int | None:
        """An integer of the body, or None. Digits in a string are accepted too."""
        value = self.body.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise invalid(name, "must be an integer")
        return value

    def text(self, name: str) -> str | None:
        """A string of the body, or None. Raises Refusal (422) for other types."""
        value = self.body.get(name)
        if value is not None and not isinstance(value, str):
            raise invalid(name, "must be a string")
        return value


async def read_body(request: Request) -> dict[str, Any]:
    """The JSON object a request carries; {} for an empty body. Raises Refusal (400)."""
    content = await request.body()
    if not content.strip():
        return {}
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, "Malformed JSON in the request body") from error
    if not isinstance(body, dict):
        raise Refusal(400, "The request body must be a JSON object")
    return body


def answer(body: object, status: int = 200) -> Response:
    """A JSON answer; bytes are taken to be JSON already."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return Response(content, status, media_type="application/json")


def no_content() -> Response:
    """204."""
    return Response(status_code=204)
