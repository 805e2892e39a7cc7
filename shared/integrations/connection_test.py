"""Trying a connection: what the vendor says of credentials, before they are kept and whenever somebody asks."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from shared.adapters.protocol import Adapter, Check, Connection, ConnectionReport
from shared.errors import InvalidInput, LiaisonError, Unavailable
from shared.model import JsonValue
from shared.store.connections import IntegrationRow

LONGEST_S = 25.0
"""A test that takes longer tells nobody anything; each of its calls ends after 5 s by itself."""


class Connector(Protocol):
    """Lends adapters (shared.sync.vendors.adapters)."""

    def trial(self, connection: Connection, platform: str) -> AbstractAsyncContextManager[Adapter]:
        """Lend an adapter for a connection that is not kept yet. Raises InvalidInput."""
        ...

    def connected(self, integration: IntegrationRow) -> AbstractAsyncContextManager[Adapter]:
        """Lend the adapter of an integration as it is kept."""
        ...


async def try_new(connector: Connector, platform: str, connection: Connection) -> ConnectionReport:
    """
    Check a connection that is not kept yet.

    Raises InvalidInput for a `config` that can't be one, Unavailable when the vendor can't be reached.
    """
    try:
        async with asyncio.timeout(LONGEST_S), connector.trial(connection, platform) as adapter:
            return await adapter.check()
    except TimeoutError as error:
        raise Unavailable("the vendor did not answer in time") from error


async def try_kept(connector: Connector, integration: IntegrationRow) -> ConnectionReport:
    """Check a connection as it is kept; whatever goes wrong stands in the report."""
    try:
        async with asyncio.timeout(LONGEST_S), connector.connected(integration) as adapter:
            return await adapter.check()
    except TimeoutError:
        return _failed("connection", f"no answer within {LONGEST_S:.0f} s")
    except LiaisonError as error:
        return _failed(error.code, str(error) + (f"; {error.remedy}" if error.remedy else ""))


def _failed(name: str, detail: str) -> ConnectionReport:
    return ConnectionReport(ok=False, checks=[Check(name=name, ok=False, detail=detail)])


def require_ok(report: ConnectionReport) -> None:
    """Return if the vendor takes the credentials. Raises InvalidInput that tells what it refuses."""
    if report.ok:
        return
    faults = "; ".join(f"{check.name}: {check.detail}" for check in report.checks if not check.ok)
    raise InvalidInput(
        f"the vendor refuses this connection, so nothing was changed: {faults}",
        field="api_key",
        remedy="check the key, its permissions and the address, then send them again",
    )


def report_view(report: ConnectionReport) -> dict[str, JsonValue]:
    """Return a report as the API shows it."""
    checks: list[JsonValue] = [
        {"name": check.name, "ok": check.ok, "detail": check.detail, "latency_ms": check.latency_ms}
        for check in report.checks
    ]
    return {
        "ok": report.ok,
        "checks": checks,
        "missing": [check.detail or check.name for check in report.checks if not check.ok],
        "clock_skew_s": report.clock_skew_s,
        "latency_ms": max((c.latency_ms for c in report.checks if c.latency_ms is not None), default=None),
        "account": report.account,
    }


def skew_ms(report: ConnectionReport) -> int:
    """Return the vendor's clock minus ours in milliseconds; 0 if it did not show."""
    return 0 if report.clock_skew_s is None else round(report.clock_skew_s * 1000)
