"""
Rows kept as JSON bytes, so that a page is a join and 20,000 people fit in memory.

A table knows nothing of Greenhouse but that rows have `id`, `created_at` and `updated_at`.
With a replica lag it also remembers what each row was, and `listed` shows that (section 3.6).
"""

from __future__ import annotations

import time
from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

import orjson

from sandbox.vendors.greenhouse.clock import seconds_of
from sandbox.vendors.greenhouse.settings import Settings

Row = dict[str, Any]
KeysOf = Callable[[Row], Iterable[Hashable]]


class Table:
    """Rows by id, with the indexes that *keys* declares: name → the keys of a row."""

    def __init__(self, name: str, *, first_id: int, keys: Mapping[str, KeysOf], settings: Settings) -> None:
        self.name = name
        self._settings = settings
        self._keys = keys
        self._next_id = first_id
        self._rows: dict[int, bytes] = {}
        self._ids: list[int] = []  # ascending
        self._updated: dict[int, float] = {}
        self._index: dict[str, dict[Hashable, list[int]]] = {key: {} for key in keys}
        self._past: dict[int, list[tuple[float, bytes | None]]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, row_id: object) -> bool:
        return row_id in self._rows

    def __iter__(self) -> Iterator[Row]:
        return (orjson.loads(self._rows[row_id]) for row_id in self._ids)

    def ids(self) -> list[int]:
        """All ids, ascending. The caller must not change the list."""
        return self._ids

    def new_id(self) -> int:
        """An id never given before, above all earlier ones."""
        row_id = self._next_id
        self._next_id += 1
        return row_id

    def find(self, row_id: object) -> Row | None:
        """A copy of the row, or None."""
        raw = self._rows.get(row_id) if isinstance(row_id, int) else None
        return None if raw is None else orjson.loads(raw)

    def raw(self, row_id: int) -> bytes | None:
        """The row's JSON, or None."""
        return self._rows.get(row_id)

    def updated(self, row_id: int) -> float:
        """Epoch seconds of the row's `updated_at`."""
        return self._updated[row_id]

    def keyed(self, index: str, key: Hashable) -> list[int]:
        """Ids of the rows with *key*, in no order."""
        return list(self._index[index].get(key, ()))

    def rows(self, index: str, key: Hashable) -> list[Row]:
        """Copies of the rows with *key*, by id."""
        return [orjson.loads(self._rows[i]) for i in sorted(self._index[index].get(key, ()))]

    def is_indexed(self, index: str) -> bool:
        """Whether `keyed` knows *index*."""
        return index in self._index

    def put(self, row: Row) -> None:
        """Insert or replace *row* by its `id`."""
        row_id: int = row["id"]
        old = self._rows.get(row_id)
        self._remember(row_id, old)
        if old is None:
            if not self._ids or row_id > self._ids[-1]:
                self._ids.append(row_id)
            else:
                insort(self._ids, row_id)
            self._next_id = max(self._next_id, row_id + 1)
        elif self._keys:
            self._unindex(row_id, orjson.loads(old))
        # A copy: orjson's own bytes keep the spare room they were written in.
        self._rows[row_id] = bytes(memoryview(orjson.dumps(row)))
        self._updated[row_id] = seconds_of(row["updated_at"])
        for name, keys_of in self._keys.items():
            index = self._index[name]
            for key in keys_of(row):
                index.setdefault(key, []).append(row_id)

    def remove(self, row_id: int) -> None:
        """Forget the row, if it is there."""
        old = self._rows.pop(row_id, None)
        if old is None:
            return
        self._remember(row_id, old)
        del self._ids[bisect_left(self._ids, row_id)]
        del self._updated[row_id]
        self._unindex(row_id, orjson.loads(old))

    def _unindex(self, row_id: int, row: Row) -> None:
        for name, keys_of in self._keys.items():
            for key in keys_of(row):
                self._index[name][key].remove(row_id)

    # What a lagging replica shows.

    def is_lagging(self) -> bool:
        """Whether `listed` may differ from the rows."""
        return self._settings.replica_lag_s > 0 and bool(self._past)

    def listed(self, row_id: int) -> bytes | None:
        """The row's JSON as a list shows it: `replica_lag_s` old. None: not there then."""
        if not self.is_lagging():
            return self._rows.get(row_id)
        horizon = time.monotonic() - self._settings.replica_lag_s
        for changed_at, before in self._past.get(row_id, ()):
            if changed_at > horizon:
                return before
        return self._rows.get(row_id)

    def listed_ids(self) -> list[int]:
        """Ids that `listed` may know, ascending."""
        if not self.is_lagging():
            return self._ids
        return sorted({*self._ids, *self._past})

    def _remember(self, row_id: int, before: bytes | None) -> None:
        if self._settings.replica_lag_s <= 0:
            self._past.clear()
            return
        horizon = time.monotonic() - self._settings.replica_lag_s
        kept = [past for past in self._past.get(row_id, ()) if past[0] > horizon]
        self._past[row_id] = [*kept, (time.monotonic(), before)]
