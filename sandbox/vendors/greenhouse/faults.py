"""Answers gone wrong on purpose, and the log of what was asked (section 5)."""

from __future__ import annotations

import asyncio
import random
import re
from collections import deque
from dataclasses import dataclass, field, fields
from typing import Any

from sandbox.vendors.greenhouse.errors import Refusal

KINDS = frozenset(
    {
        "latency",  # wait `seconds` (up to `seconds_more` longer), then answer as usual
        "error",  # answer `status` without doing anything
        "throttle",  # answer 429 with Retry-After `seconds` (none if null), doing nothing
        "ignore",  # answer 200 with an empty object, doing nothing
        "overtaken",  # somebody is faster: the control plane's `meanwhile` {method, path, body} is done, then answer
        "lost_answer",  # do it, then wait `seconds` or for the caller to leave; answer nothing
        "cut",  # do it, then break the connection half way through the body
        "truncate",  # do it, and answer half the body as if that were all
        "empty",  # answer a list with [] and no next page
        "stuck_cursor",  # the next page is always this one
        "not_json",  # answer 200 with a page of HTML
        "garble",  # do it, and answer with the text `old` replaced by `new` in the body's bytes
    }
)


@dataclass
class Fault:
    """One rule; the first that matches a request is applied to it."""

    id: int
    kind: str
    method: str | None = None
    path: str = ".*"  # the whole path must match this expression
    times: int | None = 1  # None: until removed
    after: int = 0  # so many matching requests go by first
    status: int = 500
    seconds: float | None = 1.0
    seconds_more: float = 0.0
    meanwhile: dict[str, Any] = field(default_factory=dict)
    old: str = ""
    new: str = ""
    applied: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Whether the rule speaks of this request (its counts aside)."""
        return (self.method in {None, method}) and re.fullmatch(self.path, path) is not None

    async def wait(self, chance: random.Random) -> None:
        """Wait as long as the rule says."""
        await asyncio.sleep((self.seconds or 0.0) + chance.random() * self.seconds_more)


@dataclass
class Faults:
    """The rules in force."""

    rules: list[Fault] = field(default_factory=list)
    given: int = 0

    def add(self, values: dict[str, Any]) -> Fault:
        """Put a rule in force. Raises Refusal (422)."""
        known = {f.name for f in fields(Fault)} - {"id", "applied"}
        if values.get("kind") not in KINDS or not known.issuperset(values):
            raise Refusal(422, f"kind must be one of {sorted(KINDS)}, fields of {sorted(known)}")
        self.given += 1
        rule = Fault(id=self.given, **values)
        self.rules.append(rule)
        return rule

    def claim(self, method: str, path: str) -> Fault | None:
        """The rule for this request, counted down, or None."""
        for rule in self.rules:
            if not rule.matches(method, path):
                continue
            if rule.after > 0:
                rule.after -= 1
                continue
            if rule.times is not None and rule.applied >= rule.times:
                continue
            rule.applied += 1
            return rule
        return None


@dataclass
class Journal:
    """The last requests, oldest first; `total` counts all since the last reset."""

    entries: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=100_000))
    total: int = 0

    def write(self, entry: dict[str, Any]) -> None:
        """Note one request."""
        self.total += 1
        self.entries.append({"number": self.total} | entry)

    def reset(self) -> None:
        """Forget everything."""
        self.entries.clear()
        self.total = 0
