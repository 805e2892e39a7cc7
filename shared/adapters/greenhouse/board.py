"""
The customer's Job Board: what the public reads of a job. docs/vendors/greenhouse.md, section 11.

The board lists its live posts without pages, so one call shows them all. A job with several posts is shown by the one
with the lowest id, the first that was made: another language or place that is added later changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared import telemetry
from shared.adapters import wire
from shared.adapters.breaker import OwnBreaker
from shared.adapters.errors_of_http import Dialect
from shared.adapters.greenhouse.dialect import words
from shared.adapters.greenhouse.read import BOARD_ERROR, EXTRAS, POST
from shared.adapters.http import Answer, StaticAuth, VendorApi, VendorHttp
from shared.errors import (
    AuthFailed,
    InvalidInput,
    InvalidPayload,
    NeedsHuman,
    NotFound,
    RateLimited,
    Rejected,
    Unavailable,
)

JOB_BOARD = Dialect("Greenhouse's Job Board", words=words)
LOOK_BACK = timedelta(days=1)
"""How far before its moment an incremental pull still minds a post: a board that was down so long costs no change."""
_UNREADABLE = (AuthFailed, InvalidInput, InvalidPayload, NeedsHuman, NotFound, RateLimited, Rejected, Unavailable)
"""What one look may come to. A lost lease is none of these: it ends the job."""
_OF_POST = ("id", "content", "location", "updated_at")

log = telemetry.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Posts:
    """What one look at the board showed."""

    by_job: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The live post of each job."""
    error: str | None = None
    """Why the board can't be read."""
    requests: int = 0
    is_connected: bool = True

    def onto(self, rows: Iterable[Any]) -> list[Any]:
        """Return *rows* of jobs with their posts under `_liaison`, as `read_job` takes them."""
        if not self.is_connected:
            return list(rows)
        return [self._onto(row) if isinstance(row, Mapping) else row for row in rows]

    def _onto(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        extras = {BOARD_ERROR: self.error} if self.error is not None else {POST: self.by_job.get(str(row.get("id")))}
        return {**row, EXTRAS: {**(row.get(EXTRAS) or {}), **extras}}

    def changed_since(self, moment: datetime) -> set[int]:
        """Return the jobs whose post has changed at or after *moment*, or shortly before it (`LOOK_BACK`)."""
        return {
            int(job_id)
            for job_id, post in self.by_job.items()
            if (updated_at := wire.moment(post, "updated_at")) is not None and updated_at >= moment - LOOK_BACK
        }


NO_BOARD = Posts(is_connected=False)


@dataclass(frozen=True, slots=True)
class Board:
    """One customer's board."""

    api: VendorApi

    @classmethod
    def open(cls, url: str, http: VendorHttp) -> Board:
        """
        Return the board at *url*. Reading it needs no key, so none is sent there.

        Its breaker is its own: a board that hangs must not shut Harvest off, nor one that answers vouch for Harvest.
        """
        breaker = OwnBreaker(http.clock.now)
        account = f"greenhouse:{url}"
        return cls(http.bind(base_url=url, auth=StaticAuth({}), dialect=JOB_BOARD, account=account, breaker=breaker))

    async def posts(self) -> Posts:
        """Return what the board shows now, in one call; a board that can't be read is told, not raised."""
        try:
            answer = await self.look(content=True)
            return Posts(_by_job(answer.body), requests=answer.requests)
        except _UNREADABLE as exc:
            log.warning("job_board_unreadable", code=exc.code, status=exc.status)
            return Posts(error=str(exc) or exc.code, requests=1)

    async def look(self, *, content: bool) -> Answer:
        """Return the list of posts, with their texts where *content* says so. Raises as `VendorApi.get`."""
        try:
            return await self.api.get("/jobs", {"content": "true"} if content else None)
        except (NotFound, NeedsHuman, AuthFailed) as exc:
            remedy = "check config.board_token and config.job_board_url"
            raise NeedsHuman(str(exc), remedy=remedy, status=exc.status) from exc


def _by_job(body: Any) -> dict[str, Mapping[str, Any]]:
    """Return the posts by their job. Posts of no job are for prospects. Raises InvalidPayload."""
    found: dict[str, Mapping[str, Any]] = {}
    listed = wire.mapping(body, "job board")
    if listed.get("jobs") is None:
        raise InvalidPayload("jobs: is missing")  # no list is not an empty one, which would take every text away
    for path, post in wire.objects(listed, "jobs"):
        post_id, job_id = wire.required_id(post, path=path), wire.identifier(post, "internal_job_id", path=path)
        wire.moment(post, "updated_at", path=path)
        if job_id is None or (job_id in found and int(post_id) > int(found[job_id]["id"])):
            continue
        found[job_id] = {key: post[key] for key in _OF_POST if key in post} | {"id": post_id}
    return found
