"""
Where windows are counted: slices leased from rows that all processes share, spent here.

Callers use a window up as fast as they like, then everybody waits for its end. At that moment one call of all processes
asks whether the window has turned while the others wait for its answer, so that a clock which is a little off costs one
call and not a refusal.

Rows that can't be reached cost speed, never the vendor's patience: this process then goes on by itself with an eighth
of the share, and looks for the rows again every few seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar
from uuid import uuid4

from shared import telemetry
from shared.adapters.holding import Holding, Permit, Slice
from shared.adapters.window import Report, Told, Window
from shared.errors import Unavailable

AWAY_S = 5.0
"""How long rows that could not be reached are left alone."""
LOCAL_PART = 1 / 8
"""Part of the share that each process takes by itself while the rows are away."""
TRIES = 6

T = TypeVar("T")

log = telemetry.get_logger(__name__)


class WindowStore(Protocol):
    """Where the windows of vendor accounts are counted."""

    async def reserve(self, account: str, now: float, share: float = 1.0) -> Permit | float:
        """Take one call of *share* of the limit, or return how many seconds to wait before asking again."""
        ...

    async def answered(self, account: str, permit: Permit, told: Told, *, sent_at: float, now: float) -> None:
        """Give back a call that was answered, with what the answer tells."""
        ...

    async def unanswered(self, account: str, permit: Permit, now: float) -> None:
        """Give back a call that got no answer; it counts as used."""
        ...

    async def refused(self, account: str, until: float, now: float) -> None:
        """Let nobody call before *until*, epoch seconds of our clock."""
        ...


class WindowRows(Protocol):
    """Rows that processes share, one an account."""

    async def load(self, account: str) -> tuple[Window, object]:
        """Return the account's window, an empty one if there is none, and this state's mark. Raises Unavailable."""
        ...

    async def save(self, account: str, window: Window, mark: object) -> bool:
        """Replace the state with that *mark*. False: somebody was faster, nothing was written. Raises Unavailable."""
        ...


class MemoryRows:
    """Rows of one process."""

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}

    async def load(self, account: str) -> tuple[Window, object]:
        """Return the account's window and nothing: whoever loads saves before anybody else can."""
        return self._windows.get(account, Window()), None

    async def save(self, account: str, window: Window, mark: object) -> bool:  # noqa: ARG002 - nobody else writes
        """Keep the window."""
        self._windows[account] = window
        return True


class Windows:
    """A WindowStore over *rows*; without, of this process alone. Belongs to one event loop."""

    def __init__(self, rows: WindowRows | None = None) -> None:
        self._rows = rows
        self._memory = MemoryRows()
        self._here: dict[str, Holding] = {}
        self._away_until = 0.0
        self._name = uuid4().hex[:12]

    @property
    def is_alone(self) -> bool:
        """Whether the shared rows are away, and this process goes on with a part of the share."""
        return self._away_until > 0

    async def reserve(self, account: str, now: float, share: float = 1.0) -> Permit | float:
        """Take one call of *share* of the limit, or return how many seconds to wait before asking again."""
        here = self._of(account)
        permit = here.take(now)
        if permit is not None:
            return permit
        here.waiting += 1
        try:
            async with here.lock:
                return here.take(now) or await self._lease(account, here, now, share)
        finally:
            here.waiting -= 1

    async def answered(self, account: str, permit: Permit, told: Told, *, sent_at: float, now: float) -> None:
        """Give back a call that was answered, with what the answer tells."""
        here = self._of(account)
        if told.vendor_now is not None:
            here.clock.learn(told.vendor_now, sent_at, now)
        known = here.window.reset
        is_told = told.limit is not None and told.remaining is not None and told.reset is not None
        if is_told and (known is None or (told.reset or 0.0) > known):
            await self._change(account, here, now, lambda window: self._turned(window, permit, told))
            return
        if is_told and told.reset == known:
            is_stray = bool(permit.ask) or permit.reset != known or (permit.is_local and not self._is_local(now))
            here.report = here.report.plus(told.remaining, is_stray=is_stray)
        elif not is_told and not permit.ask and permit.reset == known:
            here.report = here.report.plus(None, is_stray=permit.is_local and not self._is_local(now))
        if permit.ask:
            after = Window.told_early if is_told else Window.told_nothing
            await self._change(account, here, now, lambda window: after(window, permit.ask))

    async def unanswered(self, account: str, permit: Permit, now: float) -> None:
        """Give back a call that got no answer; it counts as used."""
        if permit.ask:
            await self._change(account, self._of(account), now, lambda window: window.unasked(permit.ask))

    async def refused(self, account: str, until: float, now: float) -> None:
        """Let nobody call before *until*, epoch seconds of our clock."""
        here = self._of(account)
        vendors = until + here.clock.offset_s
        await self._change(account, here, now, lambda window: window.blocked(vendors))

    def _of(self, account: str) -> Holding:
        return self._here.setdefault(account, Holding())

    async def _lease(self, account: str, here: Holding, now: float, share: float) -> Permit | float:
        """Lease a slice and spend one call of it; else return how long to wait."""

        def step(window: Window, rows: WindowRows) -> tuple[Window, Permit | Slice | float]:
            is_shared = rows is self._rows
            part = 1.0 if is_shared or self._rows is None else LOCAL_PART
            return here.step(window, now, share * part, self._name, is_shared=is_shared)

        written = await self._written(account, here, now, step)
        if written is None:
            return here.poll_s(is_shared=True)
        _, found = written
        return found if isinstance(found, float) else here.hold(found, now)

    def _turned(self, window: Window, permit: Permit, told: Told) -> Window:
        if window.reset is None or (told.reset or 0.0) > window.reset:
            return window.turned(told, self._name, was_asked=bool(permit.ask) and permit.ask == window.ask)
        if told.reset == window.reset:  # another process was told first, and did not grant this call
            return window.reported(Report(1, 1, told.remaining))
        return window

    async def _change(self, account: str, here: Holding, now: float, change: Callable[[Window], Window]) -> None:
        async with here.lock:
            if await self._written(account, here, now, lambda window, _: (change(window), None)) is None:
                log.warning("window_not_written", tries=TRIES)

    async def _written(
        self, account: str, here: Holding, now: float, change: Callable[[Window, WindowRows], tuple[Window, T]]
    ) -> tuple[Window, T] | None:
        """
        Apply what was seen here, and *change*, to the row; return it, and what *change* found.

        *change* is told whose row it is. None: others were faster each time, and nothing was written.
        """
        tries = 0
        while tries < TRIES:
            is_shared = not self._is_local(now)
            rows = self._rows if self._rows is not None and is_shared else self._memory
            try:
                window, mark = await rows.load(account)
                here.adopt(window, now)
                told, here.report = here.report, Report()
                following, found = change(window.reported(told), rows)
                is_written = False
                try:
                    is_written = following == window or await rows.save(account, following, mark)
                finally:
                    if not is_written:
                        here.report = told.and_also(here.report)
            except Unavailable as error:
                await self._go_alone(account, here, now, error)
                continue
            if is_shared:
                self._shared_again()
            if is_written:
                here.adopt(following, now)
                return following, found
            tries += 1
        return None

    def _is_local(self, now: float) -> bool:
        return self._rows is None or now < self._away_until

    async def _go_alone(self, account: str, here: Holding, now: float, error: Unavailable) -> None:
        if not self.is_alone:
            log.warning("limits_not_shared", code=error.code, part=LOCAL_PART)
        self._away_until = now + AWAY_S
        known, mark = await self._memory.load(account)
        if (known.reset or 0.0) <= (here.window.reset or 0.0):
            await self._memory.save(account, here.window, mark)

    def _shared_again(self) -> None:
        if self.is_alone:
            self._away_until = 0.0
            log.info("limits_shared_again")
