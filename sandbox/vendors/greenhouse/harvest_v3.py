"""Harvest v3: who may call, the lists and the single records (sections 2 to 4 and 8)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.auth import Authority
from sandbox.vendors.greenhouse.calls import Call, answer, read_body
from sandbox.vendors.greenhouse.errors import Refusal, forbidden, invalid, not_found
from sandbox.vendors.greenhouse.filters import read_selection
from sandbox.vendors.greenhouse.limits import WindowLimiter
from sandbox.vendors.greenhouse.paging import Cursors, read_page, read_position
from sandbox.vendors.greenhouse.presenting import Presenter
from sandbox.vendors.greenhouse.resources import RESOURCES, Resource

Handler = Callable[[Call], Awaitable[Response]]


class HarvestV3:
    """The v3 face of an account."""

    def __init__(self, account: Account, authority: Authority, presenter: Presenter) -> None:
        self.account = account
        self.limiter = WindowLimiter("v3")
        self._authority = authority
        self._presenter = presenter
        self._cursors = Cursors(account.settings.admin_token.encode())
        self._kept: dict[str, tuple[int, Response]] = {}

    def routes(self) -> list[Route]:
        """All reads."""
        routes = []
        for resource in RESOURCES.values():
            path, scope = f"/v3/{resource.name}", f"harvest:{resource.name}:list"
            routes.append(self.route("GET", path, scope, self._list_of(resource)))
            single = self._single_of(resource)
            routes.append(self.route("GET", path + "/{row_id:int}", scope, single))
        return routes

    def route(self, method: str, path: str, scope: str, handler: Handler) -> Route:
        """A route whose caller has a live token, calls left in the window, and the scope."""

        async def endpoint(request: Request) -> Response:
            user = self._authority.user_of(request.headers.get("authorization", ""))
            headers = self._admit()
            try:
                self._authority.check_scope(user, scope)
                if "on-behalf-of" in request.headers:
                    raise invalid("On-Behalf-Of", "is not a header of v3; use the token's sub")
                body = {} if method == "GET" else await read_body(request)
                response = await handler(Call(request, self.account, user, body))
            except Refusal as refusal:
                refusal.headers = {**headers, **refusal.headers}
                raise
            response.headers.update(headers)
            return response

        return Route(path, endpoint, methods=[method])

    def _admit(self) -> dict[str, str]:
        settings = self.account.settings
        return self.limiter.admit(
            settings.client_id,
            now=self.account.clock.seconds(),
            length_s=settings.window_s,
            limit=settings.window_limit,
            enforced=settings.limiter,
        )

    def _list_of(self, resource: Resource) -> Handler:
        async def handler(call: Call) -> Response:
            key = str(call.request.url)
            version, kept = self._kept.get(key, (-1, None))
            if kept is not None and version == self.account.version:
                return Response(kept.body, headers=dict(kept.headers))
            response = self._list(resource, call)
            if self.account.settings.static_answers:
                self._kept[key] = (self.account.version, response)
                return Response(response.body, headers=dict(response.headers))
            return response

        return handler

    def _list(self, resource: Resource, call: Call) -> Response:
        settings = self.account.settings
        now = self.account.clock.seconds()
        parameters = read_parameters(call.request)
        position = read_position(self._cursors, resource.name, parameters, now=now)
        selection = read_selection(self.account, resource, position.parameters)
        if resource.name == "candidates" and not self._authority.sees_private:
            selection.tests.append(lambda row: not row["private"])
        page = read_page(self.account[resource.name], selection, position)
        response = answer(self._presenter.page(resource.name, page.rows, selection.columns, call.base))
        if page.following is not None:
            # Kept answers need cursors that come out alike each time.
            expires_at = 1e12 if settings.static_answers else now + settings.cursor_lifetime_s
            cursor = self._cursors.write(resource.name, page.following, expires_at=expires_at)
            address = f"{call.base}/v3/{resource.name}?cursor={cursor}"
            response.headers["Link"] = f'<{address}>; rel="next"'
        return response

    def _single_of(self, resource: Resource) -> Handler:
        async def handler(call: Call) -> Response:
            raw = self.account[resource.name].raw(call.row_id)
            if raw is None:
                raise not_found(resource.name.removesuffix("s").replace("_", " ").capitalize())
            if resource.name == "candidates" and not self._authority.sees_private:
                self.check_visible(call.row_id)
            return answer(self._presenter.record(resource.name, raw, None, call.base))

        return handler

    def check_visible(self, candidate_id: int) -> None:
        """Raises Refusal (403) for a private candidate the token's user may not see (2.5)."""
        row = self.account.fetch("candidates", candidate_id)
        if row["private"] and not self._authority.sees_private:
            raise forbidden("This candidate is private")

    def shown(self, resource: str, row: Mapping[str, Any], call: Call) -> bytes:
        """A row just written, as the single GET would show it."""
        raw = self.account[resource].raw(row["id"])
        if raw is None:
            raise not_found(resource)
        return self._presenter.record(resource, raw, None, call.base)


def read_parameters(request: Request) -> dict[str, str]:
    """The query, each parameter once. Raises Refusal (422) for a repeated one."""
    pairs = request.query_params.multi_items()
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise invalid("base", "a parameter is given twice")
    return parameters
