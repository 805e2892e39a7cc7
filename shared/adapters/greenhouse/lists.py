"""List calls of Harvest: one page, or all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.adapters import wire
from shared.adapters.greenhouse.paging import next_query
from shared.adapters.http import Answer, VendorApi
from shared.errors import CursorExpired, InvalidPayload, NeedsHuman, NotFound, Rejected

PAGE_SIZE = 500
_UNPROCESSABLE = 422


@dataclass(frozen=True, slots=True)
class ListPage:
    """The rows of one list call, and the query of the next one."""

    rows: list[Any]
    following: str | None
    answer: Answer


@dataclass(frozen=True, slots=True)
class Lists:
    """The list endpoints of one account."""

    api: VendorApi
    is_legacy: bool

    async def page(self, path: str, params: Mapping[str, str] | str) -> ListPage:
        """
        Return one page: *params* of a first call, or the query string that the page before named.

        Raises CursorExpired, InvalidPayload (no list, a foreign next page), and as `VendorApi.get`.
        """
        query = params if isinstance(params, str) else self._first(params)
        try:
            answer = await self.api.get(path, query, needs=self.permission(path, "list"))
        except Rejected as exc:
            if isinstance(params, str) and exc.status == _UNPROCESSABLE:
                raise CursorExpired("Greenhouse no longer knows this cursor", status=exc.status) from exc
            raise
        except NotFound as exc:
            raise self._gone(exc) from exc
        if not isinstance(answer.body, list):
            raise InvalidPayload(f"{path}: the answer is not a list")
        following = next_query(answer.headers.get("link"), self.api.base_url)
        if following is not None and following == params:
            raise InvalidPayload("Link: the cursor did not advance")
        return ListPage(answer.body, following, answer)

    async def everything(self, path: str, params: Mapping[str, str]) -> tuple[list[Mapping[str, Any]], int]:
        """Return all objects of a list, and the requests that they took."""
        rows: list[Mapping[str, Any]] = []
        query: Mapping[str, str] | str = params
        seen: set[str] = set()
        requests = 0
        while True:
            page = await self.page(path, query)
            requests += page.answer.requests
            rows += (wire.mapping(row, f"{path}[{index}]") for index, row in enumerate(page.rows))
            if page.following is None:
                return rows, requests
            if page.following in seen:
                raise InvalidPayload("Link: the cursor did not advance")
            seen.add(page.following)
            query = page.following

    async def one(self, path: str, external_id: str) -> Answer:
        """
        Return the answer to a GET of one record of the list at *path*.

        Raises NotFound when Greenhouse has all but this record, NeedsHuman when it does not offer the list either,
        and as `VendorApi.get`.
        """
        try:
            return await self.api.get(f"{path}/{external_id}", needs=self.permission(path, "list"))
        except NotFound:
            await self.confirm(path)
            raise

    async def confirm(self, path: str) -> None:
        """
        Return while the list at *path* is offered, else raise NeedsHuman.

        An API that was taken away, or a gateway that has lost its way, answers 404 or 410 to every id: that is no word
        about a record.
        """
        await self.page(path, {"per_page": "1"})

    def permission(self, path: str, action: str) -> str:
        """Return what must be granted for *action* on *path*, as Greenhouse calls it."""
        resource = path.strip("/").split("/")[0]
        return f"Harvest v1: {resource}" if self.is_legacy else f"harvest:{resource}:{action}"

    def _first(self, params: Mapping[str, str]) -> dict[str, str]:
        page: dict[str, str] = {"per_page": str(PAGE_SIZE)}
        return {**page, **({"skip_count": "true"} if self.is_legacy else {}), **params}

    def _gone(self, error: NotFound) -> NeedsHuman:
        """A list can't be unknown: the address is wrong, or the old API was taken away as announced."""
        remedy = "set api_version to v3 with OAuth client credentials" if self.is_legacy else "check api_base_url"
        return NeedsHuman("Greenhouse doesn't offer this API here", remedy=remedy, status=error.status)
