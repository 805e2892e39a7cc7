"""Attachment contents: addresses that expire and redirect to a store of their own (section 7)."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.errors import Refusal, forbidden, not_found
from sandbox.vendors.greenhouse.tables import Row

STORE_LINK_LIFETIME_S = 60
MEDIA_TYPES = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "rtf": "application/rtf",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}


class Files:
    """Signs addresses and serves what they name."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def routes(self) -> list[Route]:
        """The public file address and the store behind it."""
        return [
            Route("/files/{expires:int}/{seal}/{row_id:int}/{name}", self.redirect),
            Route("/store/{expires:int}/{seal}/{row_id:int}/{name}", self.content),
        ]

    def address(self, attachment: Row, base: str) -> str:
        """A fresh address, made at each read; it expires after `file_url_lifetime_s`."""
        lifetime_s = self._account.settings.file_url_lifetime_s
        return self._signed("files", attachment, base, lifetime_s)

    async def redirect(self, request: Request) -> Response:
        """Answer 302 to the store. No authorisation is asked (section 7.1)."""
        row = self._checked(request, "files")
        base = str(request.base_url).rstrip("/")
        return RedirectResponse(self._signed("store", row, base, STORE_LINK_LIFETIME_S), 302)

    async def content(self, request: Request) -> Response:
        """The bytes. A request that also carries a bearer token is refused (section 7.1)."""
        if "authorization" in request.headers:
            raise Refusal(400, "Only one auth mechanism allowed")
        row = self._checked(request, "store")
        extension = row["filename"].rpartition(".")[2].lower()
        return Response(self.bytes_of(row), media_type=MEDIA_TYPES.get(extension, "application/octet-stream"))

    def bytes_of(self, attachment: Row) -> bytes:
        """What was uploaded, or a text made from the id for generated people."""
        uploaded = self._account.files.get(attachment["id"])
        return uploaded if uploaded is not None else generated_content(attachment)

    def _signed(self, kind: str, row: Row, base: str, lifetime_s: float) -> str:
        expires = int(self._account.clock.seconds() + lifetime_s)
        name = quote(row["filename"], safe="")
        return f"{base}/{kind}/{expires}/{self._seal(kind, row['id'], expires)}/{row['id']}/{name}"

    def _checked(self, request: Request, kind: str) -> Row:
        row_id: int = request.path_params["row_id"]
        expires: int = request.path_params["expires"]
        seal = self._seal(kind, row_id, expires)
        if not hmac.compare_digest(seal.encode(), request.path_params["seal"].encode()):
            raise forbidden("Signature does not match")
        if expires <= self._account.clock.seconds():
            raise forbidden("Request has expired")
        row = self._account["attachments"].find(row_id)
        if row is None:
            raise not_found("File")
        return row

    def _seal(self, kind: str, row_id: int, expires: int) -> str:
        key = self._account.settings.admin_token.encode()
        return hmac.digest(key, f"{kind}/{row_id}/{expires}".encode(), hashlib.sha256).hex()[:32]


def generated_content(attachment: Row) -> bytes:
    """A small file of the right first bytes that differs from every other."""
    text = f"Attachment {attachment['id']}, {attachment['type']}\n".encode()
    if attachment["filename"].lower().endswith(".pdf"):
        return b"%PDF-1.4\n%" + text + b"trailer<</Root 1 0 R>>\n%%EOF\n"
    return text
