"""
Names that Harvest v3 shows as ids only: departments, offices, sources, rejection reasons, stages.

Each dictionary is a list of a few requests, read once and kept for a while; stages are asked for by job, fifty jobs
at a time. Never one call per record. What the account's permissions hide stays hidden: the fields are not visible.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.adapters import wire
from shared.adapters.greenhouse.lists import Lists
from shared.adapters.greenhouse.read import EXTRAS
from shared.errors import AuthFailed, InvalidPayload
from shared.model import EntityType

KEPT_S = 900.0
AGAIN_AFTER_S = 60.0
"""A dictionary that lacks an id is read again, but not more often than this."""
MOST_IDS = 50
STAGES, LEGACY_STAGES = "/job_interview_stages", "/job_stages"
_OF_STAGE = ("id", "name", "sort_order", "priority", "active")

Row = Mapping[str, Any]


@dataclass(slots=True)
class Dictionary:
    """One list of names. *rows* is None while it may not be read."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, Row] | None = None
    read_at: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Names:
    """The dictionaries of one account."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists
        self._clock = lists.api.http.clock
        self.departments = Dictionary("/departments")
        self.offices = Dictionary("/offices")
        self.sources = Dictionary("/sources")
        self.reasons = Dictionary("/rejection_reasons", {"include_defaults": "true"})
        self._stages_hidden_at = float("-inf")

    async def rows(self, dictionary: Dictionary, wanted: Iterable[str] = ()) -> tuple[Mapping[str, Row] | None, int]:
        """Return (rows by id or None if hidden, requests made); read again if it is old or lacks a *wanted* id."""
        async with dictionary.lock:
            age = self._clock.now() - dictionary.read_at
            rows = dictionary.rows
            is_lacking = rows is not None and any(one not in rows for one in wanted) and age > AGAIN_AFTER_S
            if age <= KEPT_S and not is_lacking:
                return rows, 0
            try:
                found, requests = await self._lists.everything(dictionary.path, dictionary.params)
            except AuthFailed as exc:
                if not exc.lacks_permission:
                    raise
                dictionary.rows, requests = None, 1
            else:
                dictionary.rows = {wire.required_id(row): row for row in found}
            dictionary.read_at = self._clock.now()
            return dictionary.rows, requests

    async def add(self, entity: EntityType, rows: Sequence[Any]) -> tuple[list[Any], int]:
        """Return *rows* with what is known by name under `_liaison`, and the requests that it took."""
        objects = [row for row in rows if isinstance(row, Mapping)]
        if entity is EntityType.JOB and self._lists.is_legacy:
            stages, requests = await self.stages(_ids(objects, "id"))
            return [_job(row, None, None, stages) for row in rows], requests
        if self._lists.is_legacy:
            return list(rows), 0
        if entity is EntityType.JOB:
            departments, first = await self.rows(self.departments, _ids(objects, "department_id"))
            offices, second = await self.rows(self.offices, _office_ids(objects))
            stages, third = await self.stages(_ids(objects, "id"))
            named = [_job(row, departments, offices, stages) for row in rows]
            return named, first + second + third
        if entity is EntityType.APPLICATION:
            reasons, first = await self.rows(self.reasons, _ids(objects, "rejection_reason_id"))
            sources, second = await self.rows(self.sources, _ids(objects, "source_id"))
            return [_application(row, reasons, sources) for row in rows], first + second
        return list(rows), 0

    async def stages(self, job_ids: Sequence[str]) -> tuple[Mapping[str, list[Row]] | None, int]:
        """Return (stages by job or None if hidden, requests made)."""
        if self._clock.now() - self._stages_hidden_at < KEPT_S:
            return None, 0
        try:
            answers = await self._stage_lists(job_ids)
        except AuthFailed as exc:
            if not exc.lacks_permission:
                raise
            self._stages_hidden_at = self._clock.now()
            return None, 1
        stages: dict[str, list[Row]] = {job_id: [] for job_id in job_ids}
        for found, _ in answers:
            for row in found:
                if (job_id := wire.required_id(row, "job_id")) in stages:
                    stages[job_id].append(row)
        return stages, sum(requests for _, requests in answers)

    async def _stage_lists(self, job_ids: Sequence[str]) -> Sequence[tuple[list[Row], int]]:
        """Ask for the stages of *job_ids*, fifty jobs a call; v1 has no such filter and gives all, or one job's."""
        if not self._lists.is_legacy:
            batches = [job_ids[start : start + MOST_IDS] for start in range(0, len(job_ids), MOST_IDS)]
            calls = [self._lists.everything(STAGES, {"job_ids": ",".join(batch)}) for batch in batches]
            return await asyncio.gather(*calls)
        if len(job_ids) != 1:
            return [await self._lists.everything(LEGACY_STAGES, {})]
        found, requests = await self._lists.everything(f"/jobs/{job_ids[0]}/stages", {})
        return [([{"job_id": job_ids[0], **row} for row in found], requests)]


def _ids(rows: Iterable[Row], key: str) -> list[str]:
    """Return the ids at *key*; what is no id is left to the reader, which refuses its record alone."""
    found: dict[str, None] = {}
    for row in rows:
        try:
            one = wire.identifier(row, key)
        except InvalidPayload:
            continue
        if one is not None:
            found[one] = None
    return list(found)


def _office_ids(rows: Iterable[Row]) -> list[str]:
    lists = (row.get("office_ids") for row in rows)
    return _ids(({"id": one} for ids in lists if isinstance(ids, list) for one in ids), "id")


def _name(rows: Mapping[str, Row], row: Row, key: str) -> dict[str, Row]:
    """Return the row that *row* names at *key* as {key: row}; empty if it names none or an unknown one."""
    ids = _ids([row], key)
    return {key: rows[ids[0]]} if ids and ids[0] in rows else {}


def _job(
    row: Any,
    departments: Mapping[str, Row] | None,
    offices: Mapping[str, Row] | None,
    stages: Mapping[str, list[Row]] | None,
) -> Any:
    if not isinstance(row, Mapping):
        return row
    extras: dict[str, Any] = {}
    if departments is not None and (found := _name(departments, row, "department_id")):
        extras["department"] = found["department_id"].get("name")
    ids = _office_ids([row])
    if offices is not None and ids and all(one in offices for one in ids):
        extras["location"] = ", ".join(str(offices[one].get("name")) for one in ids)
    if stages is not None and (own := _ids([row], "id")):
        extras["stages"] = [{key: stage[key] for key in _OF_STAGE if key in stage} for stage in stages.get(own[0], [])]
    return {**row, EXTRAS: extras}


def _application(row: Any, reasons: Mapping[str, Row] | None, sources: Mapping[str, Row] | None) -> Any:
    if not isinstance(row, Mapping):
        return row
    extras: dict[str, Any] = {}
    if reasons is not None and (found := _name(reasons, row, "rejection_reason_id")):
        reason = found["rejection_reason_id"]
        extras["rejection_reason"] = {"name": reason.get("name"), "type": reason.get("type")}
    if sources is not None and (found := _name(sources, row, "source_id")):
        extras["source"] = found["source_id"].get("name")
    return {**row, EXTRAS: extras}
