"""The host's own endpoints under /admin (§7)."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sandbox.host.indexing import Function
from sandbox.host.invocation import Invoker
from sandbox.host.keys import Keys
from sandbox.host.settings import HostSettings

log = logging.getLogger(__name__)

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
RunByHand = Callable[[str], Awaitable[None]]  # takes the `input` of the request


class Admin:
    """Status, drain, keys and manual runs. Everything but the ping wants the master key."""

    def __init__(self, settings: HostSettings, keys: Keys, invoker: Invoker, functions: list[Function]) -> None:
        self._settings = settings
        self._keys = keys
        self._invoker = invoker
        self._functions = {function.name.lower(): function for function in functions}
        self._started = time.monotonic()
        self._by_hand: set[asyncio.Task[None]] = set()
        self._draining = False
        self.runs_by_hand: Mapping[str, RunByHand] = {}  # by lower-case function name
        self.drain: Callable[[], None] = lambda: None  # stops the listeners

    async def answer(  # noqa: PLR0911 - a table of endpoints
        self, method: str, path: str, key: str | None, body: bytes
    ) -> Answer:
        """Answer one request whose path begins with /admin or /runtime."""
        parts = [part.lower() for part in path.strip("/").split("/")]
        if parts == ["admin", "host", "ping"] and method in {"GET", "POST"}:
            return 200, [], b""
        if not self._keys.opens("admin", "", key):
            return 401, [], b""
        match method, parts:
            case "GET", ["admin", "host", "status"]:
                return _json(self._status())
            case "POST", ["admin", "host", "drain"]:
                self._draining = True
                self.drain()
                return 202, [], b""
            case "GET", ["admin", "host", "drain", "status"]:
                return _json(self._drain_status())
            case "GET", ["admin", "host", "keys"]:
                return _json(_named_keys(self._keys.host))
            case "GET", ["admin", "functions"]:
                return _json([self._described(each) for each in self._functions.values()])
            case "GET", ["admin", "functions", name, "keys"] if name in self._functions:
                return _json(_named_keys(self._keys.of_function(name)))
            case "POST", ["admin", "functions", name] if name in self.runs_by_hand:
                return self._run_by_hand(name, body)
            case _:
                return 404, [], b""

    async def finish(self) -> None:
        """Wait for the runs that were started by hand."""
        await asyncio.gather(*self._by_hand, return_exceptions=True)

    def _run_by_hand(self, name: str, body: bytes) -> Answer:
        try:
            given = json.loads(body)["input"]
        except (ValueError, KeyError, TypeError):
            return 400, [], b""
        task = asyncio.ensure_future(self._quietly(self.runs_by_hand[name](str(given or ""))))
        self._by_hand.add(task)
        task.add_done_callback(self._by_hand.discard)
        return 202, [], b""

    async def _quietly(self, run: Awaitable[None]) -> None:
        try:
            await run
        except Exception:  # noqa: BLE001 - whatever a function raises; the invoker has logged it
            log.warning("a run started by hand has failed")

    def _status(self) -> dict[str, Any]:
        return {
            "id": self._settings.host_id,
            "state": "Running",
            "version": "local stand-in",
            "processUptime": round((time.monotonic() - self._started) * 1000),
        }

    def _drain_status(self) -> dict[str, Any]:
        running = len(self._invoker.running)
        state = "Disabled" if not self._draining else "InProgress" if running else "Completed"
        return {"state": state, "outstandingInvocations": running, "outstandingRetries": 0}

    def _described(self, function: Function) -> dict[str, Any]:
        return {
            "name": function.name,
            "config": {"bindings": [json.loads(raw) for raw in function.raw_bindings]},
            "isDisabled": self._settings.is_disabled(function.name),
        }


def _json(value: object) -> Answer:
    return 200, [(b"content-type", b"application/json")], json.dumps(value).encode()


def _named_keys(value: str) -> dict[str, Any]:
    return {"keys": [{"name": "default", "value": value}], "links": []}
