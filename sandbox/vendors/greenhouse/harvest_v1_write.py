"""Harvest v1: the writes (section 10.5). Each is done on behalf of a user."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from sandbox.vendors.greenhouse import applications, attachments, candidates, checking
from sandbox.vendors.greenhouse.calls import Call, answer
from sandbox.vendors.greenhouse.errors import invalid
from sandbox.vendors.greenhouse.harvest_v1 import HarvestV1, created

VISIBILITIES = {
    "admin_only": "admin_only_visible",
    "private": "privately_visible",
    "public": "publicly_visible",
}


class HarvestV1Write:
    """The v1 endpoints that change something."""

    def __init__(self, v1: HarvestV1) -> None:
        self._v1 = v1

    def routes(self) -> list[Route]:
        """Method, path and handler of each write."""
        person, application = "/v1/candidates/{row_id:int}", "/v1/applications/{row_id:int}"
        table = (
            ("POST", "/v1/candidates", self.create_candidate),
            ("PATCH", person, self.update_candidate),
            ("DELETE", person, self.delete_candidate),
            ("PUT", "/v1/candidates/merge", self.merge),
            ("PUT", f"{person}/anonymize", self.anonymize),
            ("POST", f"{person}/applications", self.create_application),
            ("POST", f"{person}/attachments", self.attach_to_candidate),
            ("POST", f"{person}/activity_feed/notes", self.create_note),
            ("PATCH", application, self.update_application),
            ("DELETE", application, self.delete_application),
            ("POST", f"{application}/attachments", self.attach_to_application),
            ("POST", f"{application}/advance", self.advance),
            ("POST", f"{application}/move", self.move),
            ("POST", f"{application}/transfer_to_job", self.transfer),
            ("POST", f"{application}/reject", self.reject),
            ("POST", f"{application}/unreject", self.unreject),
            ("POST", f"{application}/hire", self.hire),
        )
        return [self._v1.route(method, path, handler) for method, path, handler in table]

    async def create_candidate(self, call: Call) -> Response:
        """201; both names and at least one application are needed."""
        values = checking.candidate_values(call.account, call.body, legacy=True)
        for name in ("first_name", "last_name"):
            if not values.get(name):
                raise invalid(name, "is required")
        bodies = call.body.get("applications")
        if not isinstance(bodies, list) or not bodies:
            raise invalid("applications", "at least one application is required")
        placements = [
            checking.application_values(call.account, body, candidate_id=None, legacy=True) for body in bodies
        ]
        row = candidates.create(call.account, values)
        for placement in placements:
            applications.create(call.account, row["id"], placement)
        return created(self._candidate(call, row["id"]))

    async def update_candidate(self, call: Call) -> Response:
        """200; arrays are replaced wholesale, custom fields are changed one by one."""
        current = call.account.fetch("candidates", call.row_id)
        values = checking.candidate_values(call.account, call.body, current=current, legacy=True)
        candidates.update(call.account, call.row_id, values)
        return answer(self._candidate(call, call.row_id))

    async def delete_candidate(self, call: Call) -> Response:
        """200 with a message."""
        candidates.delete(call.account, call.row_id)
        return answer({"message": f"Candidate {call.row_id} has been deleted"})

    async def merge(self, call: Call) -> Response:
        """200 with the primary candidate."""
        winner_id = call.integer("primary_candidate_id")
        candidates.merge(call.account, winner_id, call.integer("duplicate_candidate_id"))
        return answer(self._candidate(call, winner_id))

    async def anonymize(self, call: Call) -> Response:
        """200; the names are in the query."""
        names = checking.checked_names(call.request.query_params.get("fields", ""))
        candidates.anonymize(call.account, call.row_id, names)
        return answer(self._candidate(call, call.row_id))

    async def create_application(self, call: Call) -> Response:
        """201."""
        call.account.fetch("candidates", call.row_id)
        values = checking.application_values(call.account, call.body, candidate_id=call.row_id, legacy=True)
        row = applications.create(call.account, call.row_id, values)
        return created(self._application(call, row["id"]))

    async def update_application(self, call: Call) -> Response:
        """200."""
        row = call.account.fetch("applications", call.row_id)
        values = checking.application_values(
            call.account, call.body, candidate_id=row["candidate_id"], current=row, legacy=True
        )
        applications.update(call.account, call.row_id, values)
        return answer(self._application(call, call.row_id))

    async def delete_application(self, call: Call) -> Response:
        """200 with a message."""
        applications.delete(call.account, call.row_id)
        return answer({"message": f"Application {call.row_id} has been deleted"})

    async def attach_to_candidate(self, call: Call) -> Response:
        """201; the file hangs on the candidate's newest application."""
        call.account.fetch("candidates", call.row_id)
        rows = call.account["applications"].rows("candidate_id", call.row_id)
        if not rows:
            raise invalid("base", "the candidate has no application")
        return await self._attach(call, rows[-1])

    async def attach_to_application(self, call: Call) -> Response:
        """201."""
        return await self._attach(call, call.account.fetch("applications", call.row_id))

    async def create_note(self, call: Call) -> Response:
        """201."""
        call.account.fetch("candidates", call.row_id)
        body, visibility = call.text("body"), call.body.get("visibility")
        if not body:
            raise invalid("body", "is required")
        if visibility not in VISIBILITIES:
            raise invalid("visibility", f"Must be one of: {', '.join(VISIBILITIES)}")
        row = applications.add_note(
            call.account,
            call.row_id,
            None,
            body,
            call.integer("user_id"),
            visibility=VISIBILITIES[visibility],
        )
        return created(
            {
                "id": row["id"],
                "created_at": row["created_at"],
                "body": row["body"],
                "user": self._v1.shapes(call).user(row["user_id"]),
                "private": visibility == "private",
                "visibility": visibility,
            }
        )

    async def advance(self, call: Call) -> Response:
        """200; one stage on from `from_stage_id`, a stage definition's id in v1."""
        self._check_stage(call)
        applications.move(call.account, call.row_id, stage_id=None, job_id=None)
        return answer(self._application(call, call.row_id))

    async def move(self, call: Call) -> Response:
        """200; both stage ids are those of stage definitions."""
        self._check_stage(call)
        stage_id = call.integer("to_stage_id")
        applications.move(call.account, call.row_id, stage_id=stage_id, job_id=None)
        return answer(self._application(call, call.row_id))

    async def transfer(self, call: Call) -> Response:
        """200; to the first stage of another job, or to `new_stage_id` there."""
        applications.move(
            call.account,
            call.row_id,
            stage_id=call.optional_integer("new_stage_id"),
            job_id=call.integer("new_job_id"),
        )
        return answer(self._application(call, call.row_id))

    async def reject(self, call: Call) -> Response:
        """200; v1 has `rejection_reason_id` and `notes`."""
        applications.reject(
            call.account,
            call.row_id,
            reason_id=call.integer("rejection_reason_id"),
            notes=call.text("notes"),
            user_id=call.user["id"],
        )
        return answer(self._application(call, call.row_id))

    async def unreject(self, call: Call) -> Response:
        """200."""
        applications.reopen(call.account, call.row_id, from_status="rejected")
        return answer(self._application(call, call.row_id))

    async def hire(self, call: Call) -> Response:
        """200."""
        applications.hire(call.account, call.row_id, values=call.body)
        return answer(self._application(call, call.row_id))

    def _check_stage(self, call: Call) -> None:
        row = call.account.fetch("applications", call.row_id)
        applications.check_is_open(row)
        if call.integer("from_stage_id") != row["job_interview_stage_id"]:
            raise invalid("from_stage_id", "is not the application's current stage")

    async def _attach(self, call: Call, application: dict[str, Any]) -> Response:
        row = attachments.attach(call.account, application, *await attachments.read_upload(call.body))
        shown = self._v1.shapes(call).application(application)["attachments"]
        return created(next(a for a in shown[::-1] if a["filename"] == row["filename"]))

    def _candidate(self, call: Call, candidate_id: int) -> dict[str, Any]:
        row = call.account.fetch("candidates", candidate_id)
        return self._v1.shapes(call).candidate(row)

    def _application(self, call: Call, application_id: int) -> dict[str, Any]:
        row = call.account.fetch("applications", application_id)
        return self._v1.shapes(call).application(row)
