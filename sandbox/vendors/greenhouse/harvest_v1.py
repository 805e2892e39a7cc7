"""Harvest v1: the older, nested API; it can be switched to its removal (section 10)."""

from __future__ import annotations

import operator
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.auth import Authority
from sandbox.vendors.greenhouse.calls import Call, answer, read_body
from sandbox.vendors.greenhouse.clock import seconds_of
from sandbox.vendors.greenhouse.errors import Refusal, forbidden, invalid
from sandbox.vendors.greenhouse.files import Files
from sandbox.vendors.greenhouse.harvest_v3 import read_parameters
from sandbox.vendors.greenhouse.legacy_shapes import LEGACY_STATUS, LegacyShapes
from sandbox.vendors.greenhouse.limits import WindowLimiter
from sandbox.vendors.greenhouse.paging import read_per_page
from sandbox.vendors.greenhouse.tables import Row, Table

Handler = Callable[[Call], Awaitable[Response]]
Shape = Callable[[LegacyShapes, Row], dict[str, Any]]
MADE = ("created_before", "created_after")
CHANGED = ("updated_before", "updated_after")
PAGING = frozenset({"page", "per_page", "skip_count"})


@dataclass(frozen=True)
class LegacyList:
    """One v1 list endpoint, its filters and its shape."""

    path: str
    table: str
    shape: Shape
    filters: tuple[str, ...] = (*MADE, *CHANGED)


LISTS = (
    LegacyList(
        "candidates",
        "candidates",
        LegacyShapes.candidate,
        (*MADE, *CHANGED, "email", "job_id", "candidate_ids"),
    ),
    # There is no updated_after on applications (section 10.3).
    LegacyList(
        "applications",
        "applications",
        LegacyShapes.application,
        (*MADE, "last_activity_after", "job_id", "status"),
    ),
    LegacyList(
        "jobs",
        "jobs",
        LegacyShapes.job,
        (*MADE, *CHANGED, "status", "requisition_id", "department_id"),
    ),
    LegacyList("job_stages", "job_interview_stages", LegacyShapes.stage),
    LegacyList("users", "users", LegacyShapes.legacy_user, (*MADE, *CHANGED, "email")),
    LegacyList("departments", "departments", lambda _, row: row, ()),
    LegacyList("offices", "offices", lambda _, row: row, ()),
    LegacyList("sources", "sources", lambda _, row: row, ()),
    LegacyList("rejection_reasons", "rejection_reasons", lambda _, row: row, ("include_defaults",)),
)


class HarvestV1:
    """The v1 face of the same account."""

    def __init__(self, account: Account, authority: Authority, files: Files) -> None:
        self.account = account
        self.limiter = WindowLimiter("v1")
        self._authority = authority
        self._files = files

    def routes(self) -> list[Route]:
        """All reads."""
        routes = []
        for legacy in LISTS:
            routes.append(self.route("GET", f"/v1/{legacy.path}", self._list_of(legacy)))
            if legacy.table != "job_interview_stages":
                path = f"/v1/{legacy.path}/{{row_id:int}}"
                routes.append(self.route("GET", path, self._single_of(legacy)))
        routes.append(self.route("GET", "/v1/job_stages/{row_id:int}", self._single_of(LISTS[3])))
        routes.append(self.route("GET", "/v1/jobs/{row_id:int}/stages", self._stages_of_job))
        routes.append(self.route("GET", "/v1/custom_fields/{field_type:str}", self._custom_fields))
        return routes

    def route(self, method: str, path: str, handler: Handler) -> Route:
        """A route with Basic key, window, and for writes On-Behalf-Of (section 2.6)."""

        async def endpoint(request: Request) -> Response:
            if self.account.settings.legacy == "removed":
                raise removed(self.account)
            key = self.account.settings.api_key
            self._authority.check_key(request.headers.get("authorization", ""), key)
            headers = self._admit(key)
            try:
                response = await handler(await self._call(request, method))
            except Refusal as refusal:
                refusal.headers = {**headers, **refusal.headers}
                raise
            response.headers.update(headers)
            return response

        return Route(path, endpoint, methods=[method])

    def shapes(self, call: Call) -> LegacyShapes:
        """The shapes, with file addresses the caller can reach."""
        return LegacyShapes(self.account, self._files, call.base)

    async def _call(self, request: Request, method: str) -> Call:
        if method == "GET":
            if await request.body():
                raise forbidden("A GET request must not have a body")
            admin = self.account.fetch("users", self.account.admin_user_id)
            return Call(request, self.account, admin, {})
        named = request.headers.get("on-behalf-of", "")
        user = self.account["users"].find(int(named)) if named.isdigit() else None
        if user is None or user["deactivated"]:
            raise forbidden("On-Behalf-Of must be the id of a user")
        return Call(request, self.account, user, await read_body(request))

    def _admit(self, key: str) -> dict[str, str]:
        settings = self.account.settings
        return self.limiter.admit(
            key,
            now=self.account.clock.seconds(),
            length_s=settings.legacy_window_s,
            limit=settings.legacy_window_limit,
            enforced=settings.limiter,
        )

    def _list_of(self, legacy: LegacyList) -> Handler:
        async def handler(call: Call) -> Response:
            parameters = read_parameters(call.request)
            table = self.account[legacy.table]
            ids = select(self.account, table, legacy, parameters)
            return self._page(call, legacy, ids, parameters)

        return handler

    def _page(self, call: Call, legacy: LegacyList, ids: list[int], parameters: Mapping[str, str]) -> Response:
        per_page = read_per_page(parameters)
        text = parameters.get("page", "1")
        if not text.isdigit() or int(text) < 1:
            raise invalid("page", "must be a positive integer")
        page = int(text)
        last = max(1, -(-len(ids) // per_page))
        shapes = self.shapes(call)
        chosen = ids[(page - 1) * per_page : page * per_page]
        rows = [row for row_id in chosen if (row := self.account[legacy.table].find(row_id))]
        response = answer([legacy.shape(shapes, row) for row in rows])
        links = {"next": page + 1} if page < last else {}
        links |= {"prev": page - 1} if page > 1 else {}
        # skip_count=true saves the count, and with it rel="last" (section 10.2).
        links |= {"last": last} if parameters.get("skip_count") != "true" and last > 1 else {}
        address = f"{call.base}/v1/{legacy.path}?"
        if links:
            response.headers["Link"] = ",".join(
                f'<{address}{urlencode({**parameters, "page": number})}>; rel="{relation}"'
                for relation, number in links.items()
            )
        return response

    def _single_of(self, legacy: LegacyList) -> Handler:
        async def handler(call: Call) -> Response:
            row = self.account.fetch(legacy.table, call.row_id)
            return answer(legacy.shape(self.shapes(call), row))

        return handler

    async def _stages_of_job(self, call: Call) -> Response:
        self.account.fetch("jobs", call.row_id)
        shapes = self.shapes(call)
        return answer([shapes.stage(stage) for stage in self.account.stages_of(call.row_id)])

    async def _custom_fields(self, call: Call) -> Response:
        """The definitions of one kind of record with their options, inactive ones if asked for (section 10.6)."""
        wanted = call.request.path_params["field_type"]
        with_inactive = call.request.query_params.get("include_inactive") == "true"
        fields = [
            field
            for field in self.account["custom_fields"]
            if field["field_type"] == wanted and (field["active"] or with_inactive)
        ]
        return answer([self.shapes(call).custom_field(field) for field in fields])


def removed(account: Account) -> Refusal:
    """What is left of v1 and v2 after their removal (section 10.1)."""
    return Refusal(
        account.settings.legacy_removed_status,
        "Harvest v1 and v2 have been removed. Use Harvest v3.",
    )


def select(account: Account, table: Table, legacy: LegacyList, parameters: Mapping[str, str]) -> list[int]:
    """The ids that the filters want, ascending. Raises Refusal (422)."""
    tests: list[Callable[[Row], bool]] = []
    for name, text in parameters.items():
        if name in PAGING or name == "include_defaults":
            continue
        if name not in legacy.filters:
            raise invalid(name, "is not a supported parameter")
        tests.append(_test(account, name, text))
    if not tests:
        return table.ids()
    return [row["id"] for row in table if all(test(row) for test in tests)]


def _test(account: Account, name: str, text: str) -> Callable[[Row], bool]:
    match name:
        case "email":
            wanted = text.strip().casefold()
            return lambda row: wanted in _emails(row)
        case "job_id":
            candidates = {row["candidate_id"] for row in account["applications"].rows(name, int(text))}
            return lambda row: row.get(name) == int(text) or row["id"] in candidates
        case "candidate_ids":
            ids = {int(part) for part in text.split(",") if part.isdigit()}
            return lambda row: row["id"] in ids
        case "status":  # an unknown status is an empty list, not an error (section 10.3)
            return lambda row: LEGACY_STATUS.get(row["status"], row["status"]) == text
        case "requisition_id" | "department_id":
            return lambda row: str(row[name]) == text
        case _:
            return _time_test(name, text)


def _time_test(name: str, text: str) -> Callable[[Row], bool]:
    stem, _, side = name.rpartition("_")
    column = stem if stem.endswith("_at") else f"{stem}_at"
    holds = operator.ge if side == "after" else operator.lt
    try:
        bound = seconds_of(text)
    except ValueError as error:
        raise invalid(name, "is not an ISO-8601 time") from error
    return lambda row: row[column] is not None and holds(seconds_of(row[column]), bound)


def _emails(row: Row) -> list[str]:
    if "primary_email" in row:
        return [row["primary_email"].casefold()]
    return [str(entry["value"]).strip().casefold() for entry in row["email_addresses"]]


def created(body: object) -> Response:
    """201, as v1 answers a POST that made something."""
    return answer(body, HTTPStatus.CREATED)
