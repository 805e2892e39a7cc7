"""Harvest v3: the writes (section 6)."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from sandbox.vendors.greenhouse import applications, attachments, candidates, checking
from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.calls import Call, answer, no_content
from sandbox.vendors.greenhouse.errors import invalid
from sandbox.vendors.greenhouse.harvest_v3 import HarvestV3

NOTE_VISIBILITIES = {
    "admin_only": "admin_only_visible",
    "private": "privately_visible",
    "public": "publicly_visible",
}
NOTE_TYPES = frozenset({"NOTE", "ACTIVITY", "EMAIL"})
Upload = tuple[str, str, bytes]


class HarvestV3Write:
    """The endpoints that change something."""

    def __init__(self, v3: HarvestV3) -> None:
        self._v3 = v3
        self._account: Account = v3.account
        self._later: set[asyncio.TimerHandle] = set()

    def routes(self) -> list[Route]:
        """Method, path, scope and handler of each write."""
        table = (
            ("POST", "/candidates", "candidates:create", self.create_candidate),
            ("PATCH", "/candidates/{row_id:int}", "candidates:update", self.update_candidate),
            ("DELETE", "/candidates/{row_id:int}", "candidates:destroy", self.delete_candidate),
            ("POST", "/candidates/{row_id:int}/merge", "candidates:merge", self.merge),
            ("PATCH", "/candidates/{row_id:int}/anonymize", "candidates:anonymize", self.anonymize),
            ("POST", "/applications", "applications:create", self.create_application),
            ("PATCH", "/applications/{row_id:int}", "applications:update", self.update_application),
            ("DELETE", "/applications/{row_id:int}", "applications:destroy", self.delete_app),
            ("POST", "/applications/{row_id:int}/move", "applications:move", self.move),
            ("POST", "/applications/{row_id:int}/reject", "applications:reject", self.reject),
            ("POST", "/applications/{row_id:int}/unreject", "applications:unreject", self.unreject),
            ("POST", "/applications/{row_id:int}/hire", "applications:hire", self.hire),
            (
                "POST",
                "/applications/{row_id:int}/convert_to_candidate",
                "applications:convert_to_candidate",
                self.convert,
            ),
            ("PATCH", "/rejection_details/{row_id:int}", "rejection_details:update", self.change_reason),
            ("POST", "/notes", "notes:create", self.create_note),
            ("POST", "/attachments", "attachments:create", self.create_attachment),
            ("DELETE", "/attachments/{row_id:int}", "attachments:destroy", self.delete_attachment),
            ("POST", "/candidate_educations", "candidate_educations:create", self.add_education),
            (
                "DELETE",
                "/candidate_educations/{row_id:int}",
                "candidate_educations:destroy",
                self.delete_education,
            ),
            ("POST", "/candidate_employments", "candidate_employments:create", self.add_employment),
            (
                "DELETE",
                "/candidate_employments/{row_id:int}",
                "candidate_employments:destroy",
                self.delete_employment,
            ),
        )
        return [
            self._v3.route(method, f"/v3{path}", f"harvest:{scope}", handler) for method, path, scope, handler in table
        ]

    async def create_candidate(self, call: Call) -> Response:
        """201 with the candidate, or 202 with a message while it is made (section 6.1)."""
        values = checking.candidate_values(call.account, call.body)
        if not values.get("first_name") and not values.get("last_name"):
            raise invalid("first_name", "is required")
        given = call.body.get("applications", call.body.get("application"))
        bodies = [given] if isinstance(given, dict) else given
        if not isinstance(bodies, list) or not bodies:
            raise invalid("applications", "at least one application is required")
        placements = []
        for body in bodies:
            if not isinstance(body, dict):
                raise invalid("applications", "must be objects")
            checked = checking.application_values(call.account, body, candidate_id=None)
            uploads = [await attachments.read_upload(upload) for upload in body.get("attachments", ())]
            placements.append((checked, uploads))

        def create() -> dict[str, Any]:
            row = candidates.create(call.account, values)
            for checked, uploads in placements:
                application = applications.create(call.account, row["id"], checked)
                for upload in uploads:
                    attachments.attach(call.account, application, *upload)
            return row

        if call.account.settings.async_create:
            delay_s = call.account.settings.async_create_delay_s
            self._later.add(asyncio.get_running_loop().call_later(delay_s, create))
            return answer({"message": "Candidate creation is being processed"}, 202)
        return answer(self._v3.shown("candidates", create(), call), HTTPStatus.CREATED)

    def close(self) -> None:
        """Forget creations that have not happened yet."""
        for handle in self._later:
            handle.cancel()

    async def update_candidate(self, call: Call) -> Response:
        """200; arrays and the set of custom fields are replaced wholesale (section 6.2)."""
        self._v3.check_visible(call.row_id)
        current = call.account.fetch("candidates", call.row_id)
        values = checking.candidate_values(call.account, call.body, current=current)
        row = candidates.update(call.account, call.row_id, values)
        return answer(self._v3.shown("candidates", row, call))

    async def delete_candidate(self, call: Call) -> Response:
        """204 (section 6.3)."""
        self._v3.check_visible(call.row_id)
        candidates.delete(call.account, call.row_id)
        return no_content()

    async def merge(self, call: Call) -> Response:
        """200 with the winner, who is the one in the path (section 6.3)."""
        names = ("secondary_candidate_id", "duplicate_candidate_id")
        name = next((name for name in names if name in call.body), names[0])
        row = candidates.merge(call.account, call.row_id, call.integer(name))
        return answer(self._v3.shown("candidates", row, call))

    async def anonymize(self, call: Call) -> Response:
        """200 with what is left (section 6.3)."""
        names = checking.checked_names(call.body.get("fields"))
        row = candidates.anonymize(call.account, call.row_id, names)
        return answer(self._v3.shown("candidates", row, call))

    async def create_application(self, call: Call) -> Response:
        """201 (section 6.4)."""
        candidate_id = call.integer("candidate_id")
        if candidate_id not in call.account["candidates"]:
            raise invalid("candidate_id", "does not exist")
        values = checking.application_values(call.account, call.body, candidate_id=candidate_id)
        uploads = [await attachments.read_upload(upload) for upload in call.body.get("attachments", ())]
        row = applications.create(call.account, candidate_id, values)
        for upload in uploads:
            attachments.attach(call.account, row, *upload)
        return answer(self._v3.shown("applications", row, call), HTTPStatus.CREATED)

    async def update_application(self, call: Call) -> Response:
        """200."""
        row = call.account.fetch("applications", call.row_id)
        values = checking.application_values(call.account, call.body, candidate_id=row["candidate_id"], current=row)
        row = applications.update(call.account, call.row_id, values)
        return answer(self._v3.shown("applications", row, call))

    async def delete_app(self, call: Call) -> Response:
        """204."""
        applications.delete(call.account, call.row_id)
        return no_content()

    async def move(self, call: Call) -> Response:
        """
        204. `from_stage_id` is the guard: the id of the current `application_stages` row.

        Whether a stage definition's id is accepted too is unconfirmed (section 12); it is not
        here. Raises Refusal (422) when stale.
        """
        row = call.account.fetch("applications", call.row_id)
        applications.check_is_open(row)
        if call.integer("from_stage_id") != row["stage_id"]:
            raise invalid("from_stage_id", "is not the application's current stage")
        applications.move(
            call.account,
            call.row_id,
            stage_id=call.optional_integer("to_stage_id"),
            job_id=call.optional_integer("to_job_id"),
        )
        return no_content()

    async def reject(self, call: Call) -> Response:
        """204; a reason is required (section 6.6)."""
        applications.reject(
            call.account,
            call.row_id,
            reason_id=call.integer("rejection_reason_id"),
            notes=call.text("notes"),
            user_id=call.user["id"],
        )
        return no_content()

    async def unreject(self, call: Call) -> Response:
        """204; the prior stage is back (section 6.6)."""
        applications.reopen(call.account, call.row_id, from_status="rejected")
        return no_content()

    async def change_reason(self, call: Call) -> Response:
        """200 with the detail; nothing but its reason can be changed (section 6.6)."""
        row = applications.change_reason(call.account, call.row_id, call.integer("rejection_reason_id"))
        return answer(self._v3.shown("rejection_details", row, call))

    async def hire(self, call: Call) -> Response:
        """204 (section 6.7)."""
        applications.hire(call.account, call.row_id, values=call.body)
        return no_content()

    async def convert(self, call: Call) -> Response:
        """200 with the new application (section 6.10)."""
        row = applications.convert(
            call.account,
            call.row_id,
            job_id=call.integer("job_id"),
            stage_id=call.optional_integer("to_job_interview_stage_id"),
        )
        return answer(self._v3.shown("applications", row, call))

    async def create_note(self, call: Call) -> Response:
        """201; the words of `visibility` differ on read (section 6.8)."""
        candidate_id = call.integer("candidate_id")
        visibility = call.body.get("visibility", "admin_only")
        kind = call.body.get("type", call.body.get("note_type", "NOTE"))
        body = call.text("body")
        if candidate_id not in call.account["candidates"]:
            raise invalid("candidate_id", "does not exist")
        if not body:
            raise invalid("body", "is required")
        if visibility not in NOTE_VISIBILITIES:
            raise invalid("visibility", f"Must be one of: {', '.join(NOTE_VISIBILITIES)}")
        if kind not in NOTE_TYPES:
            raise invalid("type", f"Must be one of: {', '.join(sorted(NOTE_TYPES))}")
        row = applications.add_note(
            call.account,
            candidate_id,
            call.optional_integer("application_id"),
            body,
            call.optional_integer("user_id") or call.user["id"],
            note_type=kind,
            visibility=NOTE_VISIBILITIES[visibility],
        )
        return answer(self._v3.shown("notes", row, call), HTTPStatus.CREATED)

    async def create_attachment(self, call: Call) -> Response:
        """201; files hang on an application (section 6.9)."""
        application = call.account["applications"].find(call.integer("application_id"))
        if application is None:
            raise invalid("application_id", "does not exist")
        filename, kind, content = await attachments.read_upload(call.body)
        row = attachments.attach(call.account, application, filename, kind, content)
        return answer(self._v3.shown("attachments", row, call), HTTPStatus.CREATED)

    async def delete_attachment(self, call: Call) -> Response:
        """204."""
        return self._delete("attachments", call)

    async def add_education(self, call: Call) -> Response:
        """201; there is no update, only delete and create (section 6.11)."""
        columns = (
            "school_name_custom_field_option_id",
            "degree_custom_field_option_id",
            "discipline_custom_field_option_id",
        )
        for name in columns:
            option_id = call.optional_integer(name)
            if option_id is not None and option_id not in call.account["custom_field_options"]:
                raise invalid(name, "does not exist")
        others = ("start_at", "end_at", "start_date_month", "start_date_year")
        return self._add_child("candidate_educations", call, (*columns, *others, "end_date_month", "end_date_year"))

    async def delete_education(self, call: Call) -> Response:
        """204."""
        return self._delete("candidate_educations", call)

    async def add_employment(self, call: Call) -> Response:
        """201."""
        columns = ("company_name", "title", "start_date", "end_date")
        return self._add_child("candidate_employments", call, columns)

    async def delete_employment(self, call: Call) -> Response:
        """204."""
        return self._delete("candidate_employments", call)

    def _add_child(self, table: str, call: Call, columns: tuple[str, ...]) -> Response:
        candidate_id = call.integer("candidate_id")
        if candidate_id not in call.account["candidates"]:
            raise invalid("candidate_id", "does not exist")
        for sibling in call.account[table].rows("candidate_id", candidate_id):
            if sibling["latest"]:
                call.account.save(table, sibling | {"latest": False})
        values = {name: call.body.get(name) for name in columns}
        row = call.account.add(table, candidate_id=candidate_id, **values, latest=True)
        return answer(self._v3.shown(table, row, call), HTTPStatus.CREATED)

    def _delete(self, table: str, call: Call) -> Response:
        call.account.fetch(table, call.row_id)
        call.account.remove(table, call.row_id)
        return no_content()
