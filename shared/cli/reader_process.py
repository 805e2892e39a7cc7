"""
A second process that reads pages for a first pull, from the side that asks it.

The two talk in frames on its standard input and output: one byte of kind, eight of length, the content. One question is
open at a time. Nothing that takes time is imported here: the process is to be under way before this one loads the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import sys
from asyncio import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SOURCE, NEXT, PAGE, LAST, ERROR = b"s", b"n", b"p", b"l", b"e"
"""Kinds of frames. What is to be read, the question for a page; the page, the end (the reader's memory), an error."""
HEAD = struct.Struct("!cQ")
BUFFER_BYTES = 4 * 1024 * 1024
ENDING_S = 5.0
PROCESSES = 2
"""This one and the reader: with fewer processors they would only take turns."""


class ReaderGone(Exception):
    """The process has ended, or can't be started."""


class ReaderProcess:
    """One process at a time; a new one is started when it is needed after one has ended."""

    def __init__(self, *, limiter_off: bool) -> None:
        self._options = ["--no-limiter"] if limiter_off else []
        self._process: subprocess.Process | None = None
        self._was_asked = False

    @property
    def process_id(self) -> int | None:
        """The system's number of the process, while there is one."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start the process unless it is there. Raises ReaderGone if the system has none to give."""
        if self._process is not None:
            return
        self._was_asked = False
        try:
            self._process = await subprocess.create_subprocess_exec(
                *(sys.executable, "-m", "shared.cli.page_reader", *self._options),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                limit=BUFFER_BYTES,
            )
        except OSError as error:
            raise ReaderGone(f"no process to read pages: {error.strerror}") from error

    async def tell(self, kind: bytes, content: bytes = b"") -> None:
        """Send a frame. Raises ReaderGone."""
        if self._process is None or self._process.stdin is None:
            raise ReaderGone("there is no process that reads pages")
        self._was_asked = True
        try:
            self._process.stdin.write(HEAD.pack(kind, len(content)) + content)
            await self._process.stdin.drain()
        except OSError as error:
            raise ReaderGone("the process that reads pages has ended") from error

    async def hear(self) -> tuple[bytes, bytes]:
        """Return the next frame. Raises ReaderGone."""
        if self._process is None or self._process.stdout is None:
            raise ReaderGone("there is no process that reads pages")
        try:
            return await frame_from(self._process.stdout)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise ReaderGone("the process that reads pages has ended") from error

    async def end(self) -> None:
        """End the process if it is there. One that was asked for pages may close what it has open."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        if self._was_asked:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), ENDING_S)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def frame_from(stream: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return the next frame of *stream*. Raises asyncio.IncompleteReadError at its end."""
    kind, length = HEAD.unpack(await stream.readexactly(HEAD.size))
    return kind, await stream.readexactly(length)


@asynccontextmanager
async def started(*, limiter_off: bool) -> AsyncIterator[ReaderProcess | None]:
    """Have a process at hand for the block. None where it would gain nothing (one core), or can't be had."""
    if (os.cpu_count() or 1) < PROCESSES:
        yield None
        return
    process = ReaderProcess(limiter_off=limiter_off)
    try:
        await process.start()
    except ReaderGone:
        yield None
        return
    try:
        yield process
    finally:
        await process.end()
