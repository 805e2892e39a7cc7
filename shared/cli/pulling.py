"""
`pull`: what it needs is loaded while the process that may read its pages loads the same beside it.

So nothing that takes time is imported here.
"""

from __future__ import annotations

import argparse

from shared.cli.reader_process import started


async def pull(asked: argparse.Namespace) -> int:
    """Pull one entity to its end; print one line of figures. 1 unless the run is complete or partial."""
    async with started(limiter_off=asked.no_limiter) as reader:
        from shared.cli import syncing

        return await syncing.pull(asked, reader)
