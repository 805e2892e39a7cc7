"""Pulls, fetches and searches in Harvest; jobs with what the Job Board shows of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from shared.adapters import wire
from shared.adapters.greenhouse.board import NO_BOARD, Board, Posts
from shared.adapters.greenhouse.lists import ListPage, Lists
from shared.adapters.greenhouse.names import LEGACY_STAGES, MOST_IDS, STAGES, Names
from shared.adapters.greenhouse.paging import Position, read_cursor
from shared.adapters.greenhouse.read import read
from shared.adapters.protocol import Cursor, Page, Refused
from shared.errors import AuthFailed, InvalidInput, InvalidPayload, NotFound, Rejected
from shared.model import EntityType, JsonValue, Record

PATHS: Mapping[EntityType, str] = {
    EntityType.JOB: "/jobs",
    EntityType.CANDIDATE: "/candidates",
    EntityType.APPLICATION: "/applications",
}


class Reader:
    """Everything that is read of one account."""

    def __init__(
        self,
        lists: Lists,
        names: Names,
        board: Board | None = None,
        custom_fields: Mapping[EntityType, Collection[str]] = MappingProxyType({}),
    ) -> None:
        self._lists = lists
        self._names = names
        self._board = board
        self._custom_fields = custom_fields

    def read(self, entity: EntityType, payload: Mapping[str, Any]) -> Record:
        """Map *payload* with the custom fields that the integration names. Raises InvalidPayload."""
        return read(entity, payload, self._custom_fields.get(entity, ()))

    async def pages(self, entity: EntityType, cursor: Cursor | None) -> AsyncIterator[Page]:
        """
        Yield the pages that follow *cursor*, newest record first; a request is made when its page is asked for.

        An incremental pull of jobs ends with those of which a stage or the public post alone has changed. v1 can't
        list applications by their change, so they are read in full (docs/vendors/greenhouse.md, 10.3).
        """
        position = read_cursor(cursor)
        posts = await self._posts(entity)
        unpaid = posts.requests
        seen: set[str] = set()
        while position.after is None:
            page, following = await self._listed(entity, position, seen, posts)
            page, unpaid = replace(page, requests=page.requests + unpaid), 0
            yield page
            del page  # or this page would stay in memory until the next one is there
            if following is None:
                return
            position = following
        async for page in self._jobs_of_changed_parts(position, posts, unpaid):
            yield page

    async def _posts(self, entity: EntityType) -> Posts:
        """Return what the Job Board shows, for jobs of an account that has one."""
        return NO_BOARD if self._board is None or entity is not EntityType.JOB else await self._board.posts()

    async def _listed(
        self, entity: EntityType, position: Position, seen: set[str], posts: Posts
    ) -> tuple[Page, Position | None]:
        """Return the page at *position* and what follows it; *seen* holds the queries of earlier pages."""
        listed = await self._lists.page(PATHS[entity], position.query or self._first(entity, position.since))
        if listed.following in seen:
            raise InvalidPayload("Link: the cursor did not advance")
        seen |= {listed.following} if listed.following else set()
        following = self._following(entity, position, listed)
        return await self._page(entity, listed, following, posts), following

    async def fetch(self, entity: EntityType, external_id: str) -> Record:
        """
        Return the record as it is now. Raises NotFound, once its list has shown that the API is still there.

        A refusal of one record alone, while its list is allowed, is about a private or confidential one: Rejected.
        """
        path = PATHS[entity]
        if not wire.is_identifier(external_id):
            raise NotFound("Greenhouse has numbers for ids")
        try:
            answer = await self._lists.one(path, external_id)
        except AuthFailed as exc:
            if not exc.lacks_permission:
                raise
            await self._lists.confirm(path)
            raise Rejected("Greenhouse keeps this record from the acting user", status=403) from exc
        named, _ = await self._names.add(entity, [wire.mapping(answer.body, path)])
        if _is_template(entity, named[0]):
            raise NotFound("this job is a template")
        if entity is EntityType.JOB:
            named = (await self._posts(entity)).onto(named)
        return self.read(entity, named[0])

    async def find(self, entity: EntityType, fields: Mapping[str, JsonValue]) -> Sequence[Record]:
        """Return the candidates with an e-mail address, or the applications of a candidate for a job."""
        if entity is EntityType.JOB:
            raise InvalidInput("jobs are found by their id", field="entity")
        if entity is EntityType.CANDIDATE:
            rows = await self._everything("/candidates", {"email": _text(fields, "email")})
        else:
            rows = await self._applications(_text(fields, "candidate_id"), _text(fields, "job_id"))
        named, _ = await self._names.add(entity, rows)
        return [self.read(entity, row) for row in named]

    async def _applications(self, candidate_id: str, job_id: str) -> list[Mapping[str, Any]]:
        if not self._lists.is_legacy:
            return await self._everything("/applications", {"candidate_ids": candidate_id, "job_ids": job_id})
        answer = await self._lists.one("/candidates", candidate_id)
        nested = wire.objects(wire.mapping(answer.body, "/candidates"), "applications")
        return [row for _, row in nested if any(str(job.get("id")) == job_id for _, job in wire.objects(row, "jobs"))]

    async def _everything(self, path: str, params: Mapping[str, str]) -> list[Mapping[str, Any]]:
        rows, _ = await self._lists.everything(path, params)
        return rows

    def _first(self, entity: EntityType, since: str | None) -> dict[str, str]:
        if since is None or (self._lists.is_legacy and entity is EntityType.APPLICATION):
            return {}
        return {"updated_after": since} if self._lists.is_legacy else {"updated_at": f"gte|{since}"}

    @staticmethod
    def _following(entity: EntityType, position: Position, listed: ListPage) -> Position | None:
        if listed.following is not None:
            return position.moved(listed.following)
        return Position(position.since, after=0) if entity is EntityType.JOB and position.since is not None else None

    async def _page(self, entity: EntityType, listed: ListPage, following: Position | None, posts: Posts) -> Page:
        named, requests = await self._names.add(entity, listed.rows)
        records, refused = map_rows(entity, posts.onto(named), self.read)
        return Page(
            records=records,
            refused=refused,
            following=None if following is None else following.cursor(),
            requests=listed.answer.requests + requests,
            size_bytes=listed.answer.size_bytes,
            request_id=listed.answer.request_id,
        )

    async def _jobs_of_changed_parts(self, position: Position, posts: Posts, unpaid: int) -> AsyncIterator[Page]:
        """
        Yield the jobs above `position.after` of which a stage or the post has changed, fifty a page.

        *unpaid*: requests made before, counted with the first page.
        """
        try:
            stages, requests = await self._lists.everything(
                LEGACY_STAGES if self._lists.is_legacy else STAGES, self._first(EntityType.JOB, position.since)
            )
        except AuthFailed as exc:
            if not exc.lacks_permission:
                raise
            stages, requests = [], 1
        changed = {int(wire.required_id(row, "job_id")) for row in stages}
        if position.since is not None:
            changed |= posts.changed_since(datetime.fromisoformat(position.since))
        requests += unpaid
        waiting = sorted(one for one in changed if one > (position.after or 0))
        while True:
            batch, waiting = waiting[:MOST_IDS], waiting[MOST_IDS:]
            rows, more = await self._jobs(batch)
            named, named_requests = await self._names.add(EntityType.JOB, rows)
            records, refused = map_rows(EntityType.JOB, posts.onto(named), self.read)
            following = Position(position.since, after=batch[-1]).cursor() if waiting else None
            yield Page(records, refused, following, requests + more + named_requests)
            requests = 0
            if following is None:
                return

    async def _jobs(self, ids: Sequence[int]) -> tuple[list[Any], int]:
        if not ids:
            return [], 0
        if not self._lists.is_legacy:
            return await self._lists.everything("/jobs", {"ids": ",".join(map(str, ids))})
        # v1 can't list jobs by id; the whole list is fewer calls than one per job.
        rows, requests = await self._lists.everything("/jobs", {})
        wanted = {str(one) for one in ids}
        return [row for row in rows if str(row.get("id")) in wanted], requests


def map_rows(
    entity: EntityType, rows: Iterable[Any], mapped: Callable[[EntityType, Mapping[str, Any]], Record] = read
) -> tuple[list[Record], list[Refused]]:
    """Return the records of *rows* and those that can't be mapped; templates of jobs are no jobs."""
    records: list[Record] = []
    refused: list[Refused] = []
    for index, row in enumerate(rows):
        if _is_template(entity, row):
            continue
        try:
            records.append(mapped(entity, row))
        except InvalidPayload as exc:
            refused.append(Refused(_id_of(row), f"[{index}]: {exc}"))
    return records, refused


def since_cursor(moment: datetime) -> Cursor:
    """Return the cursor of what changed at or after *moment*, which must be aware."""
    if moment.tzinfo is None:
        raise InvalidInput("since: has no offset from UTC", field="since")
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Position(since=text).cursor()


def _is_template(entity: EntityType, row: Any) -> bool:
    return entity is EntityType.JOB and isinstance(row, Mapping) and row.get("is_template") is True


def _id_of(row: Any) -> str | None:
    try:
        return wire.identifier(row, "id") if isinstance(row, Mapping) else None
    except InvalidPayload:
        return None


def _text(fields: Mapping[str, JsonValue], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{name}: is needed to find it", field=name)
    return value
