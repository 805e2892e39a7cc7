"""Uploads (section 6.9): exactly one of `content` and `url`, and the silent re-typing."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import httpx

from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.candidates import note_activity
from sandbox.vendors.greenhouse.errors import invalid
from sandbox.vendors.greenhouse.tables import Row
from sandbox.vendors.greenhouse.webhooks import tls

TYPES = frozenset(
    {
        "resume", "cover_letter", "take_home_test", "offer_packet", "offer_letter",
        "signed_offer_letter", "midfunnel_agreement", "automated_agreement",
        "form_attachment", "other",
    }
)  # fmt: skip
REPLACED = frozenset({"resume", "cover_letter"})
REFUSED_EXTENSIONS = frozenset({"html", "htm", "exe", "js", "svg", "bat", "sh"})
VISIBILITIES = frozenset({"public", "admin_only", "private"})
FETCH_TIMEOUT_S = 5.0


async def read_upload(body: Mapping[str, Any]) -> tuple[str, str, bytes]:
    """Filename, type and bytes of an upload; a `url` is fetched. Raises Refusal (422)."""
    filename, kind = body.get("filename"), body.get("type")
    content, url = body.get("content"), body.get("url")
    if not isinstance(filename, str) or "." not in filename:
        raise invalid("filename", "is required, with an extension")
    if filename.rpartition(".")[2].lower() in REFUSED_EXTENSIONS:
        raise invalid("filename", "has an extension that is not allowed")
    if kind not in TYPES:
        raise invalid("type", f"Must be one of: {', '.join(sorted(TYPES))}")
    if body.get("visibility", "public") not in VISIBILITIES:
        raise invalid("visibility", f"Must be one of: {', '.join(sorted(VISIBILITIES))}")
    if isinstance(content, str) and url is None:
        try:
            return filename, kind, base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise invalid("content", "is not base64") from error
    if isinstance(url, str) and content is None:
        return filename, kind, await _fetch(url)
    raise invalid("content", "give exactly one of content and url")


def attach(
    account: Account,
    application: Row,
    filename: str,
    kind: str,
    content: bytes,
) -> Row:
    """Hang the file on the application; an earlier resume or cover letter becomes `other`."""
    if kind in REPLACED:
        for earlier in account["attachments"].rows("application_id", application["id"]):
            if earlier["type"] == kind:
                account.save("attachments", earlier | {"type": "other"})
    row = account.add(
        "attachments",
        application_id=application["id"],
        candidate_id=application["candidate_id"],
        filename=filename,
        type=kind,
        url=None,  # made at each read
    )
    account.files[row["id"]] = content
    note_activity(account, application["candidate_id"])
    return row


async def _fetch(url: str) -> bytes:
    try:
        async with httpx.AsyncClient(trust_env=False, follow_redirects=True, verify=tls()) as client:
            answer = await client.get(url, timeout=FETCH_TIMEOUT_S)
            answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise invalid("url", "cannot be fetched") from error
    return answer.content
