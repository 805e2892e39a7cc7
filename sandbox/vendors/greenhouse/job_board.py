"""The Job Board API: public posts, and applications by form (section 11)."""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.vendors.greenhouse import applications, attachments, candidates
from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.auth import Authority
from sandbox.vendors.greenhouse.calls import answer, read_body
from sandbox.vendors.greenhouse.errors import invalid, not_found
from sandbox.vendors.greenhouse.tables import Row

LONGEST_TEXT = 255
REQUIRED = ("first_name", "last_name", "email")
WITHOUT_ADDRESSES = ("first_name", "last_name", "phone")  # must not contain a URL
ACCEPTED_FILES = frozenset({"pdf", "doc", "docx", "txt", "rtf"})
ADDRESS = re.compile(r"https?://|www\.", re.IGNORECASE)
Upload = tuple[str, str, bytes]


class JobBoard:
    """The board of one account under its token."""

    def __init__(self, account: Account, authority: Authority) -> None:
        self._account = account
        self._authority = authority

    def routes(self) -> list[Route]:
        """Everything under `/v1/boards/{token}`."""
        board = "/v1/boards/{token}"
        return [
            Route(board, self.board),
            Route(f"{board}/jobs", self.posts),
            Route(f"{board}/jobs/{{post_id:int}}", self.post),
            Route(f"{board}/jobs/{{post_id:int}}", self.apply, methods=["POST"]),
            Route(f"{board}/departments", self.departments),
            Route(f"{board}/offices", self.offices),
        ]

    async def board(self, request: Request) -> Response:
        """The board's name and text. No authentication."""
        self._check_token(request)
        name = self._account.settings.board_token
        return answer({"name": name, "content": html.escape(f"<p>Work at {name}</p>")})

    async def posts(self, request: Request) -> Response:
        """All live posts, without pages; `content=true` adds the escaped text."""
        self._check_token(request)
        full = request.query_params.get("content") == "true"
        jobs = [self._post(row, full=full) for row in self._live()]
        return answer({"jobs": jobs, "meta": {"total": len(jobs)}})

    async def post(self, request: Request) -> Response:
        """One live post; `questions=true` adds the form."""
        self._check_token(request)
        shown = self._post(self._find(request), full=True)
        if request.query_params.get("questions") == "true":
            shown["questions"] = [
                {"label": name, "required": True, "fields": [{"name": name, "type": "input_text"}]} for name in REQUIRED
            ]
        return answer(shown)

    async def departments(self, request: Request) -> Response:
        """Departments with their posts."""
        self._check_token(request)
        return answer({"departments": self._grouped("departments")})

    async def offices(self, request: Request) -> Response:
        """Offices with their posts."""
        self._check_token(request)
        return answer({"offices": self._grouped("offices")})

    async def apply(self, request: Request) -> Response:
        """200 with a message and no ids (section 11.2). Basic with the job board's key."""
        self._check_token(request)
        settings = self._account.settings
        key = settings.job_board_key or settings.api_key
        self._authority.check_key(request.headers.get("authorization", ""), key)
        post = self._find(request)
        fields, uploads = await _read_form(request)
        values = _checked(fields)
        candidate = candidates.create(self._account, values)
        application = applications.create(
            self._account,
            candidate["id"],
            {
                "job_id": post["job_id"],
                "prospect": post["job_id"] is None,
                "job_post_id": post["id"],
                "location_address": _location(fields),
            },
        )
        for filename, kind, content in uploads:
            attachments.attach(self._account, application, filename, kind, content)
        return answer({"success": "Candidate saved successfully"})

    def _check_token(self, request: Request) -> None:
        if request.path_params["token"] != self._account.settings.board_token:
            raise not_found("Board")

    def _live(self) -> list[Row]:
        return [row for row in self._account["job_posts"] if row["live"] and not row["internal"]]

    def _find(self, request: Request) -> Row:
        row = self._account["job_posts"].find(request.path_params["post_id"])
        if row is None or not row["live"] or row["internal"]:
            raise not_found("Job")
        return row

    def _post(self, row: Row, *, full: bool) -> dict[str, Any]:
        job = self._account["jobs"].find(row["job_id"])
        department = self._account["departments"].find(job and job["department_id"])
        office_ids = (job and job["office_ids"]) or []
        offices = [o for i in office_ids if (o := self._account["offices"].find(i))]
        shown: dict[str, Any] = {
            "id": row["id"],  # the post's id; the job's is internal_job_id
            "internal_job_id": row["job_id"],
            "title": row["title"],
            "updated_at": row["updated_at"],
            "requisition_id": job and job["requisition_id"],
            "location": {"name": row.get("location") or (offices[0]["location"] if offices else "Remote")},
            "absolute_url": row["public_url"],
            "language": row["language"],
            "metadata": None,
        }
        if full:
            shown["content"] = html.escape(row["content"] or "")  # escaped HTML (section 11.1)
            shown["departments"] = [_named(department)] if department else []
            shown["offices"] = [_named(o) | {"location": o["location"]} for o in offices]
        return shown

    def _grouped(self, table: str) -> list[dict[str, Any]]:
        posts = [self._post(row, full=True) for row in self._live()]
        return [
            _named(row) | {"jobs": [p for p in posts if row["id"] in {part["id"] for part in p[table]}]}
            for row in self._account[table]
        ]


def _named(row: Row) -> dict[str, Any]:
    return {"id": row["id"], "name": row["name"]}


def _location(fields: Mapping[str, Any]) -> str | None:
    """`location` counts only with both coordinates (section 11.2)."""
    return fields.get("location") if fields.get("latitude") and fields.get("longitude") else None


def _checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    for name in REQUIRED:
        value = fields.get(name)
        if not isinstance(value, str) or not 0 < len(value.strip()) <= LONGEST_TEXT:
            raise invalid(name, f"is required, with at most {LONGEST_TEXT} characters")
    for name in WITHOUT_ADDRESSES:
        if ADDRESS.search(str(fields.get(name) or "")):
            raise invalid(name, "must not contain a URL")
    if "@" not in fields["email"]:
        raise invalid("email", "is not an e-mail address")
    phone = fields.get("phone")
    return {
        "first_name": fields["first_name"],
        "last_name": fields["last_name"],
        "email_addresses": [{"value": fields["email"], "type": "personal"}],
        "phone_numbers": [{"value": phone, "type": "mobile"}] if phone else [],
    }


async def _read_form(request: Request) -> tuple[dict[str, Any], list[Upload]]:
    """The fields and the files, of a multipart form or of a JSON body (section 11.2)."""
    uploads: list[Upload] = []
    if request.headers.get("content-type", "").startswith("application/json"):
        fields = await read_body(request)
    else:
        fields = {}
        async with request.form() as form:
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    uploads.append(_accepted(value.filename or "", name, await value.read()))
                else:
                    fields[name] = value
    for kind in ("resume", "cover_letter"):
        if f"{kind}_content" in fields:
            try:
                content = base64.b64decode(fields[f"{kind}_content"], validate=True)
            except (binascii.Error, TypeError) as error:
                raise invalid(f"{kind}_content", "is not base64") from error
            uploads.append(_accepted(fields.get(f"{kind}_content_filename", ""), kind, content))
        elif f"{kind}_text" in fields:
            uploads.append((f"{kind}.txt", kind, str(fields[f"{kind}_text"]).encode()))
    return fields, uploads


def _accepted(filename: str, kind: str, content: bytes) -> Upload:
    if filename.rpartition(".")[2].lower() not in ACCEPTED_FILES or not content:
        raise invalid(kind, f"must be a file of {', '.join(sorted(ACCEPTED_FILES))}, not empty")
    return filename, kind if kind in attachments.TYPES else "other", content
