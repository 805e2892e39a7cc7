"""
A worker process that does nothing but call a vendor, as fast as the shared limits let it.

`python -m tests.integration.limits.caller '{"storage": …, "base_url": …, "at_once": 2, "share": 0.7}'`. Writes `ready`,
and goes on until it is killed. Writes `stray` and the end of the window that counted it for each call that the window
before had granted: it was on its way as that one turned.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from shared.adapters.errors_of_http import Dialect
from shared.adapters.holding import Permit
from shared.adapters.http import StaticAuth, VendorHttp
from shared.adapters.limits import WindowHeaders
from shared.adapters.window import Told
from shared.adapters.windows import Windows
from shared.store.tables import Tables
from shared.sync.vendors.window_table import WindowTable


class Telling(Windows):
    """Windows that tell which calls another one has counted than the one that granted them."""

    async def answered(self, account: str, permit: Permit, told: Told, *, sent_at: float, now: float) -> None:
        if not permit.ask and None not in (permit.reset, told.reset) and permit.reset != told.reset:
            sys.stdout.write(f"stray {told.reset}\n")
            sys.stdout.flush()
        await super().answered(account, permit, told, sent_at=sent_at, now=now)


async def call(asked: dict[str, Any]) -> None:
    """Call `path` for ever."""
    tables = Tables(asked["storage"], timeout_s=1.5, retries=0)
    http = VendorHttp(
        integration_id="caller",
        allow_loopback=True,
        windows=Telling(WindowTable(tables)),
        rate_share=asked["share"],
    )
    api = http.bind(
        base_url=asked["base_url"],
        auth=StaticAuth({"Authorization": asked["authorization"]}),
        dialect=Dialect("the vendor"),
        account="one account",
        window=WindowHeaders(longest_s=asked["window_s"]),
    )

    async def work() -> None:
        while True:
            await api.get(asked["path"])

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.gather(*(work() for _ in range(asked["at_once"])))


if __name__ == "__main__":
    asyncio.run(call(json.loads(sys.argv[1])))
