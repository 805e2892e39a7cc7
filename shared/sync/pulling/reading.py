"""
Reading ahead: the next page is fetched, digested and, in a first pull, foreseen while this one is merged and written.

Exactly one page ahead, so that a pull cut short fetches two pages again at most. Who reads is the puller's choice: this
process (`PageReader`), or another one that it asks for pages.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from shared.adapters.protocol import Adapter, Cursor, Page
from shared.store.database import Database
from shared.store.store import Store
from shared.sync.applying.apply import Applier
from shared.sync.merging.observations import Observation, RuleBook, observe
from shared.sync.merging.one_record import Merged
from shared.sync.merging.work import Work

YOUNG_OBJECTS = 200_000
"""Made between two looks of the garbage collector. A page makes some 100,000, all gone with it and none in a cycle; at
the default of 700 the collector walked every page forty times, a third of a first sync's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is read, from where on, and under which rules."""

    work: Work
    book: RuleBook
    adapter: Adapter
    start: Cursor | None = None
    is_first: bool = False
    """No pull of this entity has come to its end yet, so that what is read is likely to be new."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a page showed. The vendor's own records are gone by now: they are most of a page's memory."""

    page: Page
    """Without its records."""
    observations: Sequence[Observation]
    foreseen: Mapping[str, Merged]


Opened = Callable[[], Read]
"""Opens a page that is here. What that takes is spent while the next page is on its way already."""


class Reader(Protocol):
    """Reads pages, each when it is asked for it."""

    def pages(self, source: Source) -> AsyncGenerator[Opened, None]:
        """Yield every page of *source*. Raises as the adapter does."""


@dataclass(frozen=True, slots=True)
class PageReader:
    """Reads in this process."""

    database: Database
    store: Store
    applier: Applier

    async def pages(self, source: Source) -> AsyncGenerator[Opened, None]:
        """Yield every page of *source*. Raises as the adapter does."""
        pages = source.adapter.pages(source.work.entity, source.start)
        try:
            while True:
                async with self.database.dispatch() as tx:
                    ticket = await self.store.links.ticket(tx)
                page = await anext(pages, None)
                if page is None:
                    return
                observations = observe(page.records, ticket, context=source.book.context)
                page = replace(page, records=())
                foreseen: Mapping[str, Merged] = {}
                if source.is_first:
                    foreseen = await self.applier.foresee(source.work, observations, source.book)
                yield partial(Read, page, observations, foreseen)
        finally:
            close = getattr(pages, "aclose", None)
            if close is not None:
                await close()


@asynccontextmanager
async def one_ahead(pages: AsyncGenerator[Opened, None]) -> AsyncIterator[AsyncIterator[Read]]:
    """Yield *pages*, each asked for while the one before is being taken in; close them when the block ends."""
    ahead: asyncio.Task[Opened | None] | None = None

    async def read() -> Opened | None:
        return await anext(pages, None)

    async def reads() -> AsyncIterator[Read]:
        nonlocal ahead
        ahead = asyncio.create_task(read())
        while (opened := await ahead) is not None:
            ahead = asyncio.create_task(read())
            await asyncio.sleep(0)  # it is asked for before this one is opened
            yield opened()
        ahead = None

    try:
        yield reads()
    finally:
        if ahead is not None:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)
        await pages.aclose()


def collect_seldom() -> None:
    """Let this process's garbage collector look once a page or two."""
    if gc.get_threshold()[0] < YOUNG_OBJECTS:
        gc.freeze()  # what a process has loaded by now it keeps
        gc.set_threshold(YOUNG_OBJECTS)
