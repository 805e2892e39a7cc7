"""
What can be done to an application: it is moved, rejected, reopened and hired, each by a call of its own.

docs/vendors/greenhouse.md, 6.4 to 6.7. A move may set off the customer's own rules, e-mails to the candidate among
them; a rejection is sent without one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from shared.adapters import wire
from shared.adapters.greenhouse.answers import shown_by
from shared.adapters.greenhouse.custom_writing import CustomFieldWriter
from shared.adapters.greenhouse.lists import Lists
from shared.adapters.greenhouse.names import Names
from shared.adapters.greenhouse.read import is_withdrawal
from shared.adapters.greenhouse.reading import Reader
from shared.adapters.greenhouse.write import application_patch
from shared.adapters.http import Answer
from shared.adapters.protocol import Written
from shared.errors import AuthFailed, Conflict, InvalidInput, InvalidPayload, NotFound, Rejected
from shared.model import EntityType, JsonValue, Record
from shared.model.fields import CUSTOM_FIELDS

Step = tuple[frozenset[str], Written]
Body = dict[str, Any]

_STAGE = frozenset({"stage_id", "job_interview_stage_id"})
_STANDING = _STAGE | {"status", "job_id"}
"""What an act on an application is decided by, and what Greenhouse refuses it for once somebody has changed it."""


class Write(Protocol):
    """One write of this account."""

    async def __call__(self, method: str, path: str, body: Any, *, action: str) -> Answer:
        """Send it once."""
        ...


class ApplicationCalls:
    """The calls that change applications."""

    def __init__(
        self, lists: Lists, names: Names, reader: Reader, write: Write, custom_fields: CustomFieldWriter
    ) -> None:
        self._lists = lists
        self._names = names
        self._reader = reader
        self._write = write
        self._custom_fields = custom_fields

    async def body_of_new(self, fields: Mapping[str, JsonValue]) -> Body:
        """Return the body of a new application of *fields*: of a candidate for a job, else of a prospect."""
        job_id = reference(fields, "job_id")
        if job_id is None:
            return {"prospect": True}
        body: Body = {"job_id": job_id}
        if isinstance(source := fields.get("source"), str) and source:
            rows, _ = await self._names.rows(self._names.sources)
            source_id = _by_name(rows or {}, source)
            body |= {} if source_id is None else {"source_id": source_id}
        if isinstance(stage := fields.get("stage"), str) and stage:
            body["initial_stage_id"] = await self._stage_id(str(job_id), stage)
        return body

    async def update(self, record: Record, changes: Mapping[str, JsonValue]) -> AsyncIterator[Step]:
        """
        Write *changes* in the order in which Greenhouse can take them: its fields, then reopen, move, and end.

        Each call's answer shows nothing of the record in v3 (204), so the caller fetches it afterwards. Raises Conflict
        when somebody has moved, ended or reopened it since *record* was fetched: what to do has to be decided anew.
        """
        if CUSTOM_FIELDS in changes:
            yield await self._change_fields(record, changes[CUSTOM_FIELDS])
        patch = application_patch(changes)
        raw, was = record.raw, _status(record.raw)
        target = patch.get("status", was)
        if target == "in_process" and was != "in_process":
            yield await self._reopen(record, raw, was, changes)
            raw, was = (await self._reader.fetch(EntityType.APPLICATION, record.external_id)).raw, "in_process"
        stage = patch.get("stage_name")
        ends = target in {"rejected", "hired"} and target != was
        if "stage" in changes and (stage is not None or not ends):
            yield await self._move(record, raw, was, stage)
            raw = {name: value for name, value in raw.items() if name not in _STAGE}  # our own doing from here on
        if target == "hired" and was != "hired":
            yield await self._hire(record, raw, was, changes)
        elif target == "rejected" and was != "rejected":
            yield await self._reject(record, raw, was, patch, changes)
        elif target == "rejected" and {"status", "rejection_reason"} & changes.keys():
            yield await self._change_reason(record, patch, changes)
        elif changes.get("rejection_reason") is not None:
            raise Rejected("only a rejected application has a reason", field="rejection_reason")

    async def _change_fields(self, record: Record, value: JsonValue) -> Step:
        async def send(body: Body) -> Answer:
            return await self._write("PATCH", f"/applications/{record.external_id}", body, action="update")

        answer, refusal = await self._custom_fields.write(send, record.raw, value, {})
        if refusal is not None:
            raise refusal
        shown = None if answer is None else shown_by(answer, self._reader, EntityType.APPLICATION)
        request_id = None if answer is None else answer.request_id
        return frozenset({CUSTOM_FIELDS}), Written(record.external_id, shown, request_id)

    async def _reopen(self, record: Record, raw: Mapping[str, Any], was: str, changes: Mapping[str, JsonValue]) -> Step:
        if was != "rejected":
            raise Rejected(f"the API can't reopen an application that is {was}", field="status")
        sent = {"status"} | ({"rejection_reason"} if changes.get("rejection_reason", "") is None else set())
        return await self._act(record, raw, "unreject", {}, sent)

    async def _move(self, record: Record, raw: Mapping[str, Any], was: str, stage: Any) -> Step:
        if was != "in_process":
            raise Rejected("an application that has ended has no stage", field="stage")
        job_id = wire.identifier(raw, "job_id")
        if job_id is None or not isinstance(stage, str):
            raise Rejected("this application can't be without or on this stage", field="stage")
        # The guard: v3 wants the row of the application's own stage, v1 the stage of the job.
        from_id = wire.identifier(raw, "job_interview_stage_id" if self._lists.is_legacy else "stage_id")
        if from_id is None:
            raise Rejected("this application is on no stage", field="stage")
        body = {"from_stage_id": int(from_id), "to_stage_id": await self._stage_id(job_id, stage)}
        return await self._act(record, raw, "move", body, {"stage"})

    async def _hire(self, record: Record, raw: Mapping[str, Any], was: str, changes: Mapping[str, JsonValue]) -> Step:
        if was != "in_process":
            raise Rejected(f"an application that is {was} can't be hired", field="status")
        body: Body = {}
        job_id = wire.identifier(raw, "job_id")
        if job_id is not None and not self._lists.is_legacy:
            opening_id = await self._opening(job_id)
            body |= {} if opening_id is None else {"opening_id": opening_id}
        return await self._act(record, raw, "hire", body, _with_stage({"status"}, changes))

    async def _opening(self, job_id: str) -> int | None:
        """Return the first open opening where the job has several, which must then be named; else None."""
        try:
            rows, _ = await self._lists.everything("/openings", {"job_ids": job_id, "open": "true"})
        except AuthFailed as exc:
            if not exc.lacks_permission:
                raise
            return None
        order = sorted((wire.whole(row, "sort_order", default=0), int(wire.required_id(row))) for row in rows)
        return order[0][1] if len(order) > 1 else None

    async def _reject(
        self, record: Record, raw: Mapping[str, Any], was: str, patch: Body, changes: Mapping[str, JsonValue]
    ) -> Step:
        if was != "in_process":
            raise Rejected(f"an application that is {was} can't be rejected", field="status")
        body = {"rejection_reason_id": await self._reason_id(patch)}
        sent = {name for name in ("status", "rejection_reason") if name in changes}
        return await self._act(record, raw, "reject", body, _with_stage(sent, changes))

    async def _change_reason(self, record: Record, patch: Body, changes: Mapping[str, JsonValue]) -> Step:
        """Give another reason to an application that is rejected already; a withdrawal is nothing but a reason."""
        if self._lists.is_legacy:
            raise Rejected("Harvest v1 can't change the reason of a rejection", field="rejection_reason")
        if "status" not in changes:
            patch = {**patch, "withdrawn": None}
        reason_id = await self._reason_id(patch)
        details, _ = await self._lists.everything("/rejection_details", {"application_ids": record.external_id})
        if not details:
            raise Rejected("Greenhouse shows no details of this rejection", field="rejection_reason")
        path = f"/rejection_details/{wire.required_id(details[0])}"
        answer = await self._write("PATCH", path, {"rejection_reason_id": reason_id}, action="update")
        sent = frozenset(name for name in ("status", "rejection_reason") if name in changes)
        return sent, Written(record.external_id, None, answer.request_id)

    async def _reason_id(self, patch: Body) -> int:
        """
        Return the reason that *patch* names, or the first one of its kind.

        `withdrawn` in *patch*: True and False are told apart by the kind of the reason alone; None takes either.
        """
        rows, _ = await self._names.rows(self._names.reasons)
        if rows is None:
            needs = self._lists.permission("/rejection_reasons", "list")
            raise AuthFailed(
                f"Greenhouse hides the reasons of rejection ({needs})", remedy=f"grant {needs}", status=403
            )
        wanted = patch.get("withdrawn")
        name = patch.get("rejection_reason")
        if isinstance(name, str):
            reason_id = _by_name(rows, name)
            if reason_id is None:
                raise Rejected("Greenhouse has no such reason of rejection", field="rejection_reason")
            if wanted is not None and is_withdrawal(rows[str(reason_id)]) is not wanted:
                raise Rejected("this reason contradicts the status", field="rejection_reason")
            return reason_id
        if wanted is None:
            raise Rejected("a rejection can't be without a reason", field="rejection_reason")
        ids = sorted(int(one) for one, row in rows.items() if is_withdrawal(row) is wanted)
        if not ids:
            raise Rejected("Greenhouse has no reason of rejection for this status", field="status")
        return ids[0]

    async def _stage_id(self, job_id: str, name: str) -> int:
        """Return the job's active stage of that name. Raises Rejected."""
        stages, _ = await self._names.stages([job_id])
        if stages is None:
            needs = self._lists.permission("/job_interview_stages", "list")
            raise AuthFailed(f"Greenhouse hides the stages of jobs ({needs})", remedy=f"grant {needs}", status=403)
        active = {wire.required_id(row): row for row in stages.get(job_id, []) if row.get("active") is not False}
        stage_id = _by_name(active, name)
        if stage_id is None:
            raise Rejected("the job has no active stage of this name", field="stage")
        return stage_id

    async def _act(self, record: Record, seen: Mapping[str, Any], action: str, body: Body, sent: set[str]) -> Step:
        """Call *action* on the application as it was *seen*. Raises Conflict when it no longer stands so, Rejected."""
        path = f"/applications/{record.external_id}/{action}"
        try:
            answer = await self._write("POST", path, body, action=action)
        except Rejected as exc:
            if await self._stands_otherwise(record.external_id, seen):
                raise Conflict(
                    "somebody changed the application at Greenhouse first", status=exc.status, request_id=exc.request_id
                ) from exc
            if exc.field in sent:
                raise
            field = "stage" if action == "move" else "status"
            raise Rejected(str(exc), field=field, status=exc.status, request_id=exc.request_id) from exc
        shown = shown_by(answer, self._reader, EntityType.APPLICATION) if self._lists.is_legacy else None
        return frozenset(sent), Written(record.external_id, shown, answer.request_id)

    async def _stands_otherwise(self, external_id: str, seen: Mapping[str, Any]) -> bool:
        """Whether the application has been moved, ended, reopened or deleted since it was *seen*."""
        try:
            now = (await self._reader.fetch(EntityType.APPLICATION, external_id)).raw
        except (NotFound, InvalidPayload):
            return True
        return any(seen[name] != now.get(name) for name in _STANDING & seen.keys())


def reference(fields: Mapping[str, JsonValue], name: str) -> int | None:
    """Return the external id at *name* as Greenhouse's number. Raises InvalidInput."""
    value = fields.get(name)
    if value is None:
        return None
    text = str(value)
    if not wire.is_identifier(text):
        raise InvalidInput(f"{name}: is not a number of Greenhouse", field=name)
    return int(text)


def _status(raw: Mapping[str, Any]) -> str:
    word = str(raw.get("status") or "in_process")
    return "in_process" if word == "active" else word


def _with_stage(sent: set[str], changes: Mapping[str, JsonValue]) -> set[str]:
    """Add `stage` where its clearing was wanted: an application that ends has none."""
    return sent | {"stage"} if "stage" in changes and changes["stage"] is None else sent


def _by_name(rows: Mapping[str, Mapping[str, Any]], name: str) -> int | None:
    """Return the id of the row called *name*, exactly or else but for case; the lowest of several."""
    called = {int(one): str(row.get("name") or row.get("public_name")) for one, row in rows.items()}
    wanted = name.strip()
    exact = [one for one, text in called.items() if text == wanted]
    alike = [one for one, text in called.items() if text.casefold() == wanted.casefold()]
    return min(exact or alike, default=None)
