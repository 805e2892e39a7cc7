"""Which function stands for which SQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType
from typing import Any, TypeVar

import orjson

from tests.simulation.store.tables import Row

Result = list[dict[str, Any]] | int
"""Rows, or how many were touched."""


Imitation = Callable[..., Awaitable[Result]]
"""Takes the session, and the statement's parameters by name; does what the statement does."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of production."""

    label: str
    begins: str
    ends: str
    imitation: Imitation


_statements: dict[str, Statement] = {}
_By = TypeVar("_By", bound=Imitation)


def imitates(module: ModuleType, name: str) -> Callable[[_By], _By]:
    """Register a function for the SQL that stands in *module* under *name*: `ledger`, `_CLAIM` is `ledger.claim`."""
    text = getattr(module, name)

    def register(function: _By) -> _By:
        label = f"{module.__name__.rpartition('.')[2]}.{name.strip('_').lower()}"
        _statements.setdefault(text, Statement(label, f"{label}:begin", f"{label}:end", function))
        return function

    return register


def statement_of(query: str) -> Statement:
    """Return the imitation of *query*. Raises NotImplementedError: somebody has to write it."""
    found = _statements.get(query)
    if found is None:
        raise NotImplementedError(f"nothing in tests/simulation/store imitates this statement: {query.strip()}")
    return found


def statements() -> Mapping[str, Statement]:
    """Return every imitation by its SQL."""
    return _statements


def is_imitated(query: str) -> bool:
    """Whether *query* has an imitation."""
    return query in _statements


def shown(rows: Iterable[Row], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return *columns* of *rows*, as a SELECT or RETURNING names them."""
    return [{name: row[name] for name in columns} for row in rows]


def recordset(text: str) -> list[dict[str, Any]]:
    """`jsonb_to_recordset`: the objects of a JSON array."""
    rows: list[dict[str, Any]] = orjson.loads(text)
    return rows


def moment(text: str | None) -> datetime | None:
    """Read a timestamp of a record set."""
    return None if text is None else datetime.fromisoformat(text)


def greatest(*values: Any) -> Any:
    """`greatest`: nulls do not count."""
    return max((value for value in values if value is not None), default=None)


def least(*values: Any) -> Any:
    """`least`: nulls do not count."""
    return min((value for value in values if value is not None), default=None)


def text_of(data: Any, name: str) -> str | None:
    """`data ->> name`."""
    value = data.get(name) if isinstance(data, dict) else None
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
