"""Does the connection work, and what of it: one cheap call per permission."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from dataclasses import dataclass

from shared.adapters.greenhouse.board import Board
from shared.adapters.greenhouse.config import V1, Config
from shared.adapters.greenhouse.lists import Lists
from shared.adapters.http import Answer
from shared.adapters.limits import Clock, read_date
from shared.adapters.protocol import Check, ConnectionReport
from shared.errors import LiaisonError, RateLimited
from shared.model import EntityType

CHECK_S = 5.0
SIGN_IN = "/users"
"""Answers Site Admins alone, like every list of v3."""
NEEDED_LEGACY = ("/candidates", "/applications", "/jobs")
NEEDED = (*NEEDED_LEGACY, "/rejection_reasons")
"""The kind of its reason alone tells a withdrawal from a rejection; v1 shows it with the application."""
HELPFUL = ("/job_interview_stages", "/sources", "/departments", "/offices")
"""Without these the fields that they name are not visible; the rest works."""
HELPFUL_LEGACY = ("/job_stages", "/rejection_reasons")
CUSTOM = ("/custom_fields", "/custom_field_options")
"""Without these no custom field is written; they are read all the same. Asked for where a mapping names some."""
JOB_BOARD = "job board"
"""Without it jobs show no description and no location (`config.board_token`)."""


@dataclass(frozen=True, slots=True)
class _Tried:
    check: Check
    skew_s: float | None = None


async def check_connection(lists: Lists, config: Config, board: Board | None = None) -> ConnectionReport:
    """
    Sign in, then try each list in parallel, each within 5 s. Never raises for what Greenhouse refuses.

    The report is ok when all that is needed works; what is missing besides costs fields and stands in its line.
    """
    needed = NEEDED_LEGACY if lists.is_legacy else NEEDED
    signed_in = await _try_list(lists, SIGN_IN)
    tried = [signed_in]
    if signed_in.check.ok:
        helpful: tuple[str, ...] = HELPFUL_LEGACY if lists.is_legacy else HELPFUL
        if written := sorted(config.custom_fields.keys() - {EntityType.JOB}):
            helpful += (f"{CUSTOM[0]}/{written[0].value}",) if lists.is_legacy else CUSTOM
        tries = [_try_list(lists, path) for path in (*needed, *helpful)]
        if board is not None:
            tries.append(_try(lists.api.http.clock, JOB_BOARD, board.look(content=False)))
        tried += await asyncio.gather(*tries)
    checks = [one.check for one in tried]
    if config.version == V1 and config.user_id is None:
        detail = "set config.user_id: Harvest v1 writes on behalf of a user"
        checks.append(Check("write", ok=False, detail=detail))
    decisive = {_name(path) for path in (SIGN_IN, *needed)}
    return ConnectionReport(
        ok=all(one.ok for one in checks if one.name in decisive),
        checks=checks,
        clock_skew_s=next((one.skew_s for one in tried if one.skew_s is not None), None),
        account=_account(config),
    )


async def _try_list(lists: Lists, path: str) -> _Tried:
    async def call() -> Answer:
        return (await lists.page(path, {"per_page": "1"})).answer

    return await _try(lists.api.http.clock, _name(path), call())


async def _try(clock: Clock, name: str, call: Awaitable[Answer]) -> _Tried:
    started_at = clock.now()
    try:
        async with asyncio.timeout(CHECK_S):
            answer = await call
    except TimeoutError:
        return _Tried(Check(name, ok=False, detail=f"no answer within {CHECK_S:.0f} s"))
    except RateLimited as exc:
        detail = f"Greenhouse's limit is used up for {math.ceil(exc.wait_s)} s"
        return _Tried(Check(name, ok=False, detail=detail))
    except LiaisonError as exc:
        detail = str(exc) if exc.remedy is None else f"{exc}; {exc.remedy}"
        return _Tried(Check(name, ok=False, detail=detail))
    now = clock.now()
    check = Check(name, ok=True, latency_ms=round((now - started_at) * 1000))
    told = read_date(answer.headers.get("date"))
    return _Tried(check, None if told is None else skew_s(told, started_at, now))


def skew_s(told: float, started_at: float, now: float) -> float:
    """
    Return how far the vendor's clock is ahead of ours at the least, in seconds, from its `Date` header.

    The header is cut to the second, and servers make one only once a second. A skew that could as well be none is
    none: it decides which of two edits is the later one, and a guess would set the vendor's a second too late.
    """
    lowest, highest = told - now, told + 2.0 - started_at
    return round(max(lowest, min(highest, 0.0)), 1)


def _name(path: str) -> str:
    return "sign in" if path == SIGN_IN else path.strip("/").replace("_", " ")


def _account(config: Config) -> str:
    """
    Return what names the account.

    Greenhouse tells no name of an organisation; its board is one, else the client or the key stands for it.
    """
    if config.board_token is not None:
        return f"board:{config.board_token}"
    if config.user_id is not None:
        return f"user:{config.user_id}"
    return config.credential
