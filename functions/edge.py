"""
The edge of the REST API: what every endpoint shares, so that an endpoint is what it asks and what it answers.

    @endpoint(bp, "get_job", "GET", "api/jobs/{id}")
    async def get_job(call: Call) -> Answer: ...

Bearer token → caller → permission table → handler; errors become problem+json, and every answer carries the request's
id. A company's own ids are the only ones that exist here: another company's are 404, like made-up ones.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid4

import azure.functions as func
import orjson
from pydantic import BaseModel, ValidationError

from functions import problem
from functions.callers import authenticator_of
from functions.paging import Window, decode_cursor, read_limit
from shared import telemetry
from shared.errors import InvalidInput, LiaisonError, NotFound, StaleVersion
from shared.security.identity import Principal
from shared.security.permissions import require

if TYPE_CHECKING:
    from shared.composition import Services

log = telemetry.get_logger(__name__)

MAX_BODY_BYTES = 1024 * 1024
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_ESCAPED_NUL = b"\\u0000"
"""As JSON may hold one; a bare one is no JSON."""
_ETAG = re.compile(r'(?:W/)?"(\d{1,9})"')

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answers. *version* becomes the ETag."""

    body: object = None
    status: int = 200
    version: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a caller who is known and may make it."""

    request: func.HttpRequest
    services: Services
    principal: Principal
    request_id: str
    takes: frozenset[str]
    """Query items that the endpoint has declared; a request with any other was refused already."""

    @property
    def company_id(self) -> UUID:
        """The caller's company."""
        return self.principal.company_id

    def own_company(self) -> UUID:
        """Return the company in the path. Raises NotFound unless it is the caller's."""
        if self.path_id("company_id") != self.company_id:
            raise NotFound("there is no such company")
        return self.company_id

    def path_id(self, name: str = "id") -> UUID:
        """Return an id in the path. Raises NotFound for what can't be one."""
        return _uuid(self.request.route_params.get(name, "")) or _not_found()

    def body(self, model: type[Model]) -> Model:
        """Return the body as *model*; no body is an empty one. Raises MalformedJson, ValidationError."""
        raw = self.request.get_body()
        if len(raw) > MAX_BODY_BYTES:
            raise problem.BodyTooLarge(remedy=f"send at most {MAX_BODY_BYTES} bytes")
        try:
            content = orjson.loads(raw) if raw.strip() else {}
        except orjson.JSONDecodeError:
            raise problem.MalformedJson(remedy="send a JSON object, UTF-8") from None
        if not isinstance(content, dict):
            raise problem.MalformedJson(remedy="send a JSON object")
        if _ESCAPED_NUL in raw:
            refuse_nul(content, "")
        return model.model_validate(content)

    def expected_version(self) -> int | None:
        """Return the version that If-Match names; None if it names none. Raises InvalidInput."""
        text = (self.request.headers.get("if-match") or "").strip()
        if text in ("", "*"):
            return None
        found = _ETAG.fullmatch(text)
        if found is None:
            raise InvalidInput(
                "If-Match: is no ETag of ours", field="If-Match", remedy='send the ETag of your last read, like "3"'
            )
        return int(found.group(1))

    def item(self, name: str) -> str | None:
        """Return a query item, or None. Raises LookupError for one that the endpoint has not declared."""
        if name not in self.takes:
            raise LookupError(f"the endpoint reads {name!r} from the query without declaring it")
        value: str | None = self.request.params.get(name)
        return value

    def window(self) -> Window:
        """Return the page that was asked for. Raises InvalidInput."""
        cursor = self.item("cursor")
        return Window(read_limit(self.item("limit")), decode_cursor(cursor) if cursor else None)

    def choice(self, name: str, allowed: Collection[str]) -> str | None:
        """Return a query item that is one of *allowed*, or None. Raises InvalidInput."""
        value = self.item(name)
        if value is not None and value not in allowed:
            raise InvalidInput(f"{name}: is not known", field=name, remedy=f"use one of: {', '.join(sorted(allowed))}")
        return value

    def moment(self, name: str) -> datetime | None:
        """Return a query item that is an aware moment, or None. Raises InvalidInput."""
        value = self.item(name)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value.replace(" ", "+"))
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise InvalidInput(f"{name}: is no moment", field=name, remedy="give it like 2026-11-22T09:30:00Z")
        return moment

    def query_id(self, name: str) -> UUID | None:
        """Return a query item that is an id, or None. Raises InvalidInput."""
        value = self.item(name)
        if value is None:
            return None
        found = _uuid(value)
        if found is None:
            raise InvalidInput(f"{name}: is no id", field=name, remedy="give an id as the API shows it")
        return found


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An HTTP function as it was declared."""

    name: str
    permission: str
    takes: frozenset[str]
    handler: Handler


ENDPOINTS: dict[str, str] = {}
"""Registered function → permission. Filled by `endpoint`; a test holds it against the app and the permission table."""


PAGED = ("limit", "cursor")
"""Query items of a list that comes a page at a time."""


def endpoint(
    blueprint: func.Blueprint,
    name: str,
    method: str,
    route: str,
    *,
    permission: str | None = None,
    query: Collection[str] = (),
) -> Callable[[Handler], Handler]:
    """
    Register *handler* as the HTTP function *name*; *permission* is by default the one of the same name.

    *query* names every query item that it takes: a request with another one is refused, since a filter or a dry run
    was meant.
    """
    allowed = permission or name
    ENDPOINTS[name] = allowed

    def register(handler: Handler) -> Handler:
        served = Endpoint(name, allowed, frozenset(query), handler)

        async def shell(req: func.HttpRequest) -> func.HttpResponse:
            return await serve(req, served)

        shell.__name__ = shell.__qualname__ = name
        shell.__doc__ = handler.__doc__
        routed = blueprint.route(route=route, methods=[method], auth_level=func.AuthLevel.ANONYMOUS)(shell)
        blueprint.function_name(name)(routed)
        return handler

    return register


async def serve(req: func.HttpRequest, served: Endpoint) -> func.HttpResponse:
    """Answer one request, whatever happens."""
    request_id = request_id_of(req)
    began = time.perf_counter()
    with (
        telemetry.continued(req.headers.get("traceparent")),
        telemetry.bound(request_id=request_id, function=served.name),
    ):
        status, body, headers = await _outcome(req, request_id, served)
        duration_ms = round((time.perf_counter() - began) * 1000)
        log.info("request_answered", method=req.method, status=status, duration_ms=duration_ms)
    return respond(status, body, {**headers, "x-request-id": request_id})


async def _outcome(req: func.HttpRequest, request_id: str, served: Endpoint) -> tuple[int, object, Mapping[str, str]]:
    try:
        answer = await _handle(req, request_id, served)
    except ValidationError as error:
        return *problem.invalid(error, request_id), {}
    except LiaisonError as error:
        status, body = problem.problem(error, request_id)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:  # the caller is told to name the request's id to operators
            log.exception("request_failed", code=error.code)
        return status, body, problem.headers(error)
    except Exception:  # the HTTP edge: what nobody foresaw is logged and told as that
        log.exception("request_failed")
        return 500, problem.unexpected(request_id), {}
    headers = dict(answer.headers)
    if answer.version is not None:
        headers["ETag"] = f'"{answer.version}"'
    return answer.status, answer.body, headers


async def _handle(req: func.HttpRequest, request_id: str, served: Endpoint) -> Answer:
    from shared import composition

    services = composition.services()
    principal = await authenticator_of(services).authenticate(req.headers.get("authorization"))
    require(principal, served.permission)
    refuse_nul(dict(req.params), "")
    _refuse_unknown(req.params, served.takes)
    with telemetry.bound(company_id=principal.company_id):
        return await served.handler(Call(req, services, principal, request_id, served.takes))


@contextmanager
def versioned(call: Call) -> Iterator[int | None]:
    """
    Give the version that the caller has read; with one, its being stale is 412. Every other conflict stays 409.

    What else is in the way is there whatever the version: to read it again and send its new ETag would change nothing.
    """
    expected = call.expected_version()
    try:
        yield expected
    except StaleVersion as error:
        if expected is None:
            raise
        raise problem.PreconditionFailed(str(error), remedy="read it again and send its new ETag") from error


def _refuse_unknown(params: Mapping[str, str], takes: Collection[str]) -> None:
    for name in params:
        if name not in takes:
            remedy = f"use one of: {', '.join(sorted(takes))}" if takes else "leave it out: this call takes none"
            raise InvalidInput(f"{name}: is no query item of this call", field=name, remedy=remedy)


def refuse_nul(value: object, path: str) -> None:
    """Raise InvalidInput with the path of a text that has a NUL in it: PostgreSQL stores none."""
    if isinstance(value, str) and "\0" in value:
        raise InvalidInput(f"{path}: has a NUL character in it", field=path, remedy="send the text without it")
    if isinstance(value, dict):
        for name, each in value.items():
            refuse_nul(name, path)
            refuse_nul(each, f"{path}.{name}".removeprefix("."))
    if isinstance(value, list):
        for index, each in enumerate(value):
            refuse_nul(each, f"{path}.{index}")


def respond(status: int, body: object, headers: Mapping[str, str]) -> func.HttpResponse:
    """Return the HTTP answer with *body* as JSON."""
    content = b"" if body is None else orjson.dumps(body, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
    is_problem = status >= HTTPStatus.BAD_REQUEST and isinstance(body, dict) and "type" in body
    media_type = problem.MEDIA_TYPE if is_problem else "application/json"
    return func.HttpResponse(
        content, status_code=status, mimetype=media_type, headers={"cache-control": "no-store", **headers}
    )


def request_id_of(req: func.HttpRequest) -> str:
    """Return the id by which this request is found again: the caller's own if it can be one, else a new one."""
    given = req.headers.get("x-request-id") or ""
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _not_found() -> Any:
    raise NotFound("there is nothing of this id")
