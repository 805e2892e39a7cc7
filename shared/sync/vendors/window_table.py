"""Vendors' rate-limit windows in an Azure Table that all processes share. Losing the table costs speed, no data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from typing import Any, Protocol, cast

import orjson

from shared.adapters.window import Window

TABLE = "ratelimits"
ROW = "window"

_NAMES = frozenset(each.name for each in fields(Window))


class SharedTable(Protocol):
    """What of `shared.store.tables.Tables` this needs."""

    async def find(self, table: str, partition: str, row: str) -> Mapping[str, Any] | None:
        """Return an entity, or None. Raises Unavailable."""
        ...

    async def replace(
        self,
        table: str,
        partition: str,
        row: str,
        properties: Mapping[str, Any],
        *,
        instead_of: Mapping[str, Any] | None,
    ) -> bool:
        """Write in place of what `find` returned; False if somebody was faster. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class WindowTable:
    """`WindowRows` in a table: one entity an account, replaced only as it was read."""

    tables: SharedTable

    async def load(self, account: str) -> tuple[Window, object]:
        """Return the account's window, an empty one if there is none, and the entity. Raises Unavailable."""
        entity = await self.tables.find(TABLE, _partition(account), ROW)
        return (Window() if entity is None else _window(entity)), entity

    async def save(self, account: str, window: Window, mark: object) -> bool:
        """Replace the entity *mark*. False: somebody was faster. Raises Unavailable."""
        properties = {"v": 1, "state": orjson.dumps(asdict(window)).decode()}
        return await self.tables.replace(
            TABLE, _partition(account), ROW, properties, instead_of=cast("Mapping[str, Any] | None", mark)
        )


def _partition(account: str) -> str:
    """Return a key for *account*, which holds an address: keys may have no slash."""
    return blake2b(account.encode(), digest_size=16).hexdigest()


def _window(entity: Mapping[str, Any]) -> Window:
    """Read what another release may have written: names it has in addition are passed over."""
    try:
        state: dict[str, Any] = orjson.loads(entity["state"])
        known = {name: value for name, value in state.items() if name in _NAMES}
        return Window(**{**known, "holders": tuple(known.get("holders", ()))})
    except (KeyError, TypeError, ValueError):
        return Window()
