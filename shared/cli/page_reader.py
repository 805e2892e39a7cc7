"""
`python -m shared.cli.page_reader`: reads pages for the command that started it, which alone can talk to it.

It ends with its standard input: nothing is left behind by a command that was killed. Its standard output is for frames
(`shared.cli.reader_process`); what anybody prints goes to standard error.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
import sys
from collections.abc import Callable
from functools import partial

from shared.cli.__main__ import LOADED_OBJECTS

PIPE_BYTES = 1024 * 1024
"""As much as Linux gives to anybody."""


def main() -> int:
    """Answer until standard input ends; return the exit code."""
    gc.set_threshold(LOADED_OBJECTS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted command tells by ending what it talks through
    answers = os.dup(1)
    os.dup2(2, 1)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # by default it holds a twentieth of a page, and both sides take turns
            fcntl.fcntl(answers, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return asyncio.run(_until_alone(answers, limiter_off="--no-limiter" in sys.argv[1:]))


async def _until_alone(answers: int, *, limiter_off: bool) -> int:
    """Serve until there is nobody to serve; 1 when something happened that nobody foresaw."""
    from shared import telemetry
    from shared.cli.reader_process import frame_from

    questions = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    asked = asyncio.Queue[tuple[bytes, bytes]]()
    serving = asyncio.create_task(_serve(asked, partial(_write, answers), limiter_off=limiter_off))

    async def listen() -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                asked.put_nowait(await frame_from(questions))
        serving.cancel()

    listening = asyncio.create_task(listen())
    try:
        await serving
    except (asyncio.CancelledError, BrokenPipeError):
        return 0
    except Exception:  # noqa: BLE001 - the other side sees the end alone, and tries again
        telemetry.get_logger(__name__).exception("page_not_read")
        return 1
    finally:
        listening.cancel()
    return 0


async def _serve(
    asked: asyncio.Queue[tuple[bytes, bytes]], answer: Callable[[bytes, bytes], None], *, limiter_off: bool
) -> None:
    """Read the pages that are asked for, each when it is."""
    from shared.cli.memory import peak_rss_bytes
    from shared.cli.reader_process import ERROR, LAST, PAGE
    from shared.cli.session import composed
    from shared.errors import LiaisonError
    from shared.sync.merging.work import Work
    from shared.sync.pulling.page_frames import pack, pack_error, unpack_source
    from shared.sync.pulling.reading import PageReader, Source, collect_seldom

    try:
        async with composed(limiter_off=limiter_off) as services:
            reader = PageReader(services.database, services.store, services.applier)
            adapters = services.adapters
            collect_seldom()
            integration, entity, job, run_id, start, is_first = unpack_source((await asked.get())[1])
            async with adapters.connected(integration) as adapter:
                work = Work(integration, type(adapter), entity, job, run_id)
                book = services.applier.book(work)
                source = Source(work=work, book=book, adapter=adapter, start=start, is_first=is_first)
                await asked.get()
                async for opened in reader.pages(source):
                    answer(PAGE, pack(opened()))
                    await asked.get()
            answer(LAST, str(peak_rss_bytes()).encode())
    except LiaisonError as error:
        answer(ERROR, pack_error(error))


def _write(answers: int, kind: bytes, content: bytes) -> None:
    """Write a frame; waits while nobody reads, since there is nothing else to do. Raises BrokenPipeError."""
    from shared.cli.reader_process import HEAD

    frame = memoryview(HEAD.pack(kind, len(content)) + content)
    while frame:
        frame = frame[os.write(answers, frame) :]


if __name__ == "__main__":
    sys.exit(main())
