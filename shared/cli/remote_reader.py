"""Pages of a first pull, read by a process beside this one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial

from shared.adapters.http import before_call
from shared.cli.reader_process import ERROR, LAST, NEXT, SOURCE, ReaderGone, ReaderProcess
from shared.errors import Unavailable
from shared.sync.pulling.page_frames import pack_source, unpack, unpack_error
from shared.sync.pulling.reading import Opened, Source


@dataclass(slots=True)
class RemoteReader:
    """Asks *process* for pages, one at a time."""

    process: ReaderProcess
    peak_rss_bytes: int | None = None
    """The most memory that the process has held; None until it has read to the end."""

    async def pages(self, source: Source) -> AsyncGenerator[Opened, None]:
        """Yield every page of *source*. Raises as the adapter does, and Unavailable when the process ends too soon."""
        try:
            await self.process.start()
            await self.process.tell(SOURCE, pack_source(source))
            while True:
                lease_test = before_call.get()
                if lease_test is not None:
                    await lease_test()
                await self.process.tell(NEXT)
                kind, content = await self.process.hear()
                if kind == LAST:
                    self.peak_rss_bytes = int(content)
                    return
                if kind == ERROR:
                    raise unpack_error(content)
                yield partial(unpack, content, source)
        except ReaderGone as error:
            raise Unavailable(str(error), remedy="it is started again with the next attempt") from error
        finally:
            await self.process.end()
