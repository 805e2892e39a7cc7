"""Rows as a v3 answer shows them: file addresses, chosen fields, and the settings' oddities."""

from __future__ import annotations

import orjson

from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.files import Files
from sandbox.vendors.greenhouse.tables import Row


class Presenter:
    """Turns kept JSON into answered JSON; in the plain case it hands on the bytes."""

    def __init__(self, account: Account, files: Files) -> None:
        self._account = account
        self._files = files

    def page(self, resource: str, rows: list[bytes], columns: list[str] | None, base: str) -> bytes:
        """A bare JSON array (section 3.2), of *columns* only if given (section 3.4)."""
        if columns is None and self._is_plain(resource):
            return b"[" + b",".join(rows) + b"]"
        return b"[" + b",".join(self.record(resource, raw, columns, base) for raw in rows) + b"]"

    def record(self, resource: str, raw: bytes, columns: list[str] | None, base: str) -> bytes:
        """One record."""
        if columns is None and self._is_plain(resource):
            return raw
        row: Row = orjson.loads(raw)
        if resource == "attachments":
            row["url"] = self._files.address(row, base)
        settings = self._account.settings
        for name in settings.hidden_fields.get(resource, ()):
            _hide(row, name)
        if settings.null_lists:
            row = {name: None if value == [] else value for name, value in row.items()}
        if settings.extra_fields:
            row[f"new_property_{row['id'] % 7}"] = {"since": "today", "values": [1, None, "x"]}
        if columns is not None:
            row = {name: row[name] for name in columns if name in row}
        return orjson.dumps(row)

    def _is_plain(self, resource: str) -> bool:
        settings = self._account.settings
        return not (
            resource == "attachments"
            or settings.extra_fields
            or settings.null_lists
            or resource in settings.hidden_fields
        )


def _hide(row: Row, name: str) -> None:
    """Remove `title`, or a part as in `custom_fields.notice_period`."""
    first, _, rest = name.partition(".")
    if not rest:
        row.pop(first, None)
    elif isinstance(row.get(first), dict):
        _hide(row[first], rest)
