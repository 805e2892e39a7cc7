"""
Creates and updates in Harvest, call by call. docs/vendors/greenhouse.md, section 6.

No call here is repeated: Greenhouse has no idempotency keys, so after a lost answer the caller searches first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from shared.adapters import wire
from shared.adapters.greenhouse.answers import is_record, read_answer, shown_by
from shared.adapters.greenhouse.applications import ApplicationCalls, reference
from shared.adapters.greenhouse.capabilities import CAPABILITIES
from shared.adapters.greenhouse.config import Config
from shared.adapters.greenhouse.contact_writing import documented
from shared.adapters.greenhouse.custom_writing import CustomFieldWriter
from shared.adapters.greenhouse.lists import Lists
from shared.adapters.greenhouse.names import Names
from shared.adapters.greenhouse.reading import PATHS, Reader
from shared.adapters.greenhouse.write import Body, candidate_body
from shared.adapters.http import Answer
from shared.adapters.protocol import Written
from shared.errors import InvalidInput, LiaisonError, NotFound, OutcomeUnknown, Rejected
from shared.model import EntityType, JsonValue, Record
from shared.model.fields import CUSTOM_FIELDS

Step = tuple[frozenset[str], Written]

SEARCH_WAITS_S = (0.5, 1.0, 2.0)
"""Between looks for a candidate that Greenhouse makes later."""


class Writer:
    """Everything that is written to one account."""

    def __init__(self, lists: Lists, names: Names, reader: Reader, config: Config) -> None:
        self._lists = lists
        self._names = names
        self._reader = reader
        self._config = config
        self._custom = {
            entity: CustomFieldWriter(lists, names, entity, config.custom_fields.get(entity, ()))
            for entity in (EntityType.CANDIDATE, EntityType.APPLICATION)
        }
        self._applications = ApplicationCalls(lists, names, reader, self._write, self._custom[EntityType.APPLICATION])

    async def create(self, entity: EntityType, fields: Mapping[str, JsonValue]) -> Written:
        """
        Create a candidate with its first application, or an application.

        A candidate's *fields* may hold `job_id` and `source` for that application; without a job it is a prospect.
        `related` then names the application, where Greenhouse shows it at once.
        """
        match entity:
            case EntityType.CANDIDATE:
                return await self._create_candidate(fields)
            case EntityType.APPLICATION:
                return await self._create_application(fields)
            case EntityType.JOB:
                raise Rejected("requisitions are read from Greenhouse and never written")

    async def update(self, entity: EntityType, record: Record, changes: Mapping[str, JsonValue]) -> AsyncIterator[Step]:
        """Write *changes*, yielding after each call the fields that it sent and the answer."""
        capability = CAPABILITIES.entities[entity].fields
        for name in changes:
            if name not in capability or not capability[name].writable:
                raise Rejected("Greenhouse doesn't take this field", field=name)
        if entity is EntityType.APPLICATION:
            async for step in self._applications.update(record, changes):
                yield step
        elif changes:
            async for step in self._patch_candidate(record, changes):
                yield step

    async def delete(self, entity: EntityType, external_id: str) -> None:
        """Delete the record (6.3). Raises NotFound when it is gone already, and its list is still offered."""
        if not CAPABILITIES.entities[entity].delete:
            raise Rejected("requisitions are read from Greenhouse and never deleted")
        path = PATHS[entity]
        try:
            await self._write("DELETE", f"{path}/{external_id}", None, action="destroy")
        except NotFound:
            await self._lists.confirm(path)
            raise

    async def _patch_candidate(self, record: Record, changes: Mapping[str, JsonValue]) -> AsyncIterator[Step]:
        self._check_version(changes)
        body = candidate_body(changes, record.raw)
        answer: Answer | None
        refusal: Rejected | None = None

        async def send(said: Body) -> Answer:
            return await self._write_as_shown(f"/candidates/{record.external_id}", said)

        if CUSTOM_FIELDS in changes:
            answer, refusal = await self._custom[EntityType.CANDIDATE].write(
                send, record.raw, changes[CUSTOM_FIELDS], body
            )
        else:
            answer = await send(body)
        if sent := frozenset(changes) - ({CUSTOM_FIELDS} if refusal is not None else frozenset()):
            yield sent, self._written(EntityType.CANDIDATE, answer, record.external_id)
        if refusal is not None:
            raise refusal

    async def _write_as_shown(self, path: str, body: Body) -> Answer:
        """
        Change a candidate; where Greenhouse refuses words for types that it shows itself, without them (6.13).

        Which entry was to blame a refusal need not say. One of a custom field is about no type.
        """
        plain = documented(body)
        try:
            return await self._write("PATCH", path, body, action="update")
        except Rejected as exc:
            if plain == body or exc.field == CUSTOM_FIELDS:
                raise
        return await self._write("PATCH", path, plain, action="update")

    def _check_version(self, changes: Mapping[str, JsonValue]) -> None:
        if self._lists.is_legacy:
            hidden = next((name for name in ("preferred_name", "time_zone") if name in changes), None)
            if hidden is not None:
                raise Rejected("Harvest v1 doesn't show this field", field=hidden)

    async def _create_candidate(self, fields: Mapping[str, JsonValue]) -> Written:
        application = await self._applications.body_of_new(fields)
        own = {
            name: fields[name]
            for name in fields
            if name not in {"job_id", "source", "stage"} and _is_filled(fields[name])
        }
        body = {**candidate_body(own, {}), "applications": [application]}
        body |= await self._custom[EntityType.CANDIDATE].first(own.get(CUSTOM_FIELDS))
        answer = await self._write("POST", "/candidates", body, action="create")
        if is_record(answer.body):
            written = self._written(EntityType.CANDIDATE, answer, None)
            return await self._with_application(written, answer)
        found = await self._look_for(fields.get("email"))
        return await self._with_application(Written(found.external_id, found, answer.request_id), answer)

    async def _look_for(self, email: JsonValue) -> Record:
        """Return the candidate that Greenhouse said it will make. Raises OutcomeUnknown while there is none."""
        if isinstance(email, str) and email:
            for wait_s in (0.0, *SEARCH_WAITS_S):
                await self._lists.api.http.clock.sleep(wait_s)
                found = await self._reader.find(EntityType.CANDIDATE, {"email": email})
                if len(found) == 1:
                    return found[0]
        raise OutcomeUnknown("Greenhouse makes the candidate later and doesn't show it yet")

    async def _with_application(self, written: Written, answer: Answer) -> Written:
        """
        Return *written* with the id of the application that was made along.

        The candidate is there whatever comes of this look, so its failure is not the create's: the application is
        then found by the next pull.
        """
        body = answer.body if is_record(answer.body) else {}
        ids: Sequence[Any] = wire.items(body, "application_ids")
        if not ids and not self._lists.is_legacy:
            try:
                rows, _ = await self._lists.everything("/applications", {"candidate_ids": written.external_id})
            except LiaisonError:
                return written
            ids = [row.get("id") for row in rows]
        if len(ids) != 1:
            return written
        application_id = wire.required_id({"id": ids[0]})
        return Written(
            written.external_id, written.record, written.request_id, {EntityType.APPLICATION: application_id}
        )

    async def _create_application(self, fields: Mapping[str, JsonValue]) -> Written:
        candidate_id = reference(fields, "candidate_id")
        if candidate_id is None:
            raise InvalidInput("candidate_id: is missing", field="candidate_id")
        body = await self._applications.body_of_new(fields)
        body |= await self._custom[EntityType.APPLICATION].first(fields.get(CUSTOM_FIELDS))
        path = f"/candidates/{candidate_id}/applications" if self._lists.is_legacy else "/applications"
        if not self._lists.is_legacy:
            body = {"candidate_id": candidate_id, **body}
        answer = await self._write("POST", path, body, action="create")
        if not is_record(answer.body):
            raise OutcomeUnknown("Greenhouse makes the application later", request_id=answer.request_id)
        named, _ = await self._names.add(EntityType.APPLICATION, [answer.body])
        record = read_answer(answer, self._reader, EntityType.APPLICATION, named[0])
        return Written(record.external_id, record, answer.request_id)

    def _written(self, entity: EntityType, answer: Answer | None, external_id: str | None) -> Written:
        if answer is None:
            return Written(external_id or "")
        record = shown_by(answer, self._reader, entity)
        known_id = external_id or "" if record is None else record.external_id
        return Written(known_id, record, answer.request_id)

    async def _write(self, method: str, path: str, body: Any, *, action: str) -> Answer:
        headers: dict[str, str] = {}
        if self._lists.is_legacy:
            if self._config.user_id is None:
                raise InvalidInput(
                    "config.user_id: Harvest v1 writes on behalf of a user",
                    field="config.user_id",
                    remedy="set the number of the Greenhouse user who acts",
                )
            headers["On-Behalf-Of"] = self._config.user_id
        needs = self._lists.permission(path, action)
        return await self._lists.api.write(method, path, body, needs=needs, headers=headers)


def _is_filled(value: JsonValue) -> bool:
    return value not in (None, [], "")
