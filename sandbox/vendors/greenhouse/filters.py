"""Query parameters of the v3 lists, read into a selection of rows (sections 3.2 and 3.3)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.clock import seconds_of
from sandbox.vendors.greenhouse.errors import invalid
from sandbox.vendors.greenhouse.resources import Resource
from sandbox.vendors.greenhouse.tables import Row, Table

MOST_IDS = 50
MOST_FIELDS = 50
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gte": operator.ge,
    "lte": operator.le,
    "gt": operator.gt,
    "lt": operator.lt,
}
# Asked for as `active`, told as `in_process` (section 3.5).
STATUSES = {
    "active": "in_process",
    "rejected": "rejected",
    "hired": "hired",
    "converted": "converted",
}
Test = Callable[[Row], bool]
PAGING = frozenset({"per_page", "cursor"})


@dataclass
class Selection:
    """Which rows of a table a list call wants."""

    ids: list[int] | None = None  # only these, if not None
    tests: list[Test] = field(default_factory=list)
    updated: list[Callable[[float], bool]] = field(default_factory=list)  # of `updated_at`
    columns: list[str] | None = None  # only these properties, if not None

    def is_updated_within(self, row: Row) -> bool:
        """Whether the row's `updated_at` passes, read from the row itself."""
        moment = seconds_of(row["updated_at"])
        return all(within(moment) for within in self.updated)

    def narrow(self, ids: set[int]) -> None:
        """Keep only rows that are also among *ids*."""
        kept = ids if self.ids is None else ids.intersection(self.ids)
        self.ids = sorted(kept)


def read_selection(  # noqa: C901 - one case per kind of filter
    account: Account, resource: Resource, parameters: Mapping[str, str]
) -> Selection:
    """
    Read *parameters* (without paging) for *resource*. Raises Refusal (422).

    An unknown parameter is a 422 too: what Greenhouse does is unconfirmed (section 12), and
    a filter that is silently ignored would turn a narrow question into a full read.
    """
    table = account[resource.name]
    selection = Selection()
    for name, text in parameters.items():
        if name in PAGING:
            continue
        if name == "ids":
            selection.narrow(set(_ids(name, text)))
        elif name == "fields":
            selection.columns = _columns(text)
        elif name in resource.parents:
            _parent(selection, table, resource.parents[name], _ids(name, text))
        elif name in resource.times:
            _time(selection, name, _bounds(name, text))
        elif name in resource.texts:
            selection.tests.append(_equal(resource.texts[name], text))
        elif name in resource.integers:
            selection.tests.append(_equal(resource.integers[name], _integer(name, text)))
        elif name in resource.booleans:
            selection.tests.append(_equal(resource.booleans[name], _boolean(name, text)))
        elif name in resource.special:
            _special(selection, account, table, name, text)
        else:
            raise invalid(name, "is not a supported parameter")
    if resource.name == "users" and "show_service_accounts" not in parameters:
        selection.tests.append(lambda row: row["primary_email"] != "")
    return selection


def _parent(selection: Selection, table: Table, column: str, ids: list[int]) -> None:
    if table.is_indexed(column) and not table.is_lagging():
        selection.narrow({i for parent in ids for i in table.keyed(column, parent)})
    else:
        wanted = frozenset(ids)
        selection.tests.append(lambda row: row[column] in wanted)


def _special(  # noqa: C901 - one case per parameter
    selection: Selection, account: Account, table: Table, name: str, text: str
) -> None:
    match name:
        case "email":
            selection.narrow(set(table.keyed("email", text.strip().casefold())))
        case "tag":
            selection.narrow(set(table.keyed("tag", text)))
        case "private":
            if not _boolean(name, text):
                selection.tests.append(lambda row: not row["private"])
        case "status":
            if text not in STATUSES:
                raise invalid(name, f"Must be one of: {', '.join(STATUSES)}")
            selection.tests.append(_equal("status", STATUSES[text]))
        case "office_id":
            office = _integer(name, text)
            selection.tests.append(lambda row: office in (row["office_ids"] or ()))
        case "prospective_job_ids":
            jobs = frozenset(_ids(name, text))
            selection.tests.append(lambda row: bool(jobs.intersection(row[name])))
        case "employee_ids":
            employees = frozenset(_listed(name, text))
            selection.tests.append(lambda row: row["employee_id"] in employees)
        case "show_service_accounts" | "include_defaults":
            _boolean(name, text)
        case "custom_field_key":
            selection.tests.append(_of_custom_fields(account, "name_key", text))
        case _:
            _option(selection, account, _integer(name, text))


def _of_custom_fields(account: Account, column: str, value: str) -> Test:
    owners = {row["id"] for row in account["custom_fields"] if row[column] == value}
    return lambda row: row["custom_field_id"] in owners


def _option(selection: Selection, account: Account, option_id: int) -> None:
    option = account["custom_field_options"].find(option_id)
    if option is None:
        selection.narrow(set())
        return
    key = account.fetch("custom_fields", option["custom_field_id"])["name_key"]
    label = option["name"]

    def test(row: Row) -> bool:
        value = row["custom_fields"].get(key, {}).get("value")
        return value == label or (isinstance(value, list) and label in value)

    selection.tests.append(test)


def _bounds(name: str, text: str) -> Callable[[float], bool]:
    parts = text.split("|")
    if len(parts) % 2:
        raise invalid(name, "must be operator|time pairs, as in gte|2026-11-01T00:00:00Z")
    bounds: list[tuple[Callable[[Any, Any], bool], float]] = []
    for word, moment in zip(parts[::2], parts[1::2], strict=True):
        if word not in COMPARISONS:
            raise invalid(name, f"operator must be one of: {', '.join(COMPARISONS)}")
        try:
            bounds.append((COMPARISONS[word], seconds_of(moment)))
        except ValueError as error:
            raise invalid(name, "is not an ISO-8601 time") from error
    return lambda moment: all(holds(moment, bound) for holds, bound in bounds)


def _time(selection: Selection, column: str, within: Callable[[float], bool]) -> None:
    if column == "updated_at":  # kept beside the rows: no need to parse them
        selection.updated.append(within)
        return
    selection.tests.append(lambda row: row[column] is not None and within(seconds_of(row[column])))


def _equal(column: str, value: object) -> Test:
    return lambda row: bool(row[column] == value)


def _listed(name: str, text: str) -> list[str]:
    values = [value.strip() for value in text.split(",") if value.strip()]
    if not values or len(values) > MOST_IDS:
        raise invalid(name, f"must hold 1 to {MOST_IDS} values")
    return values


def _ids(name: str, text: str) -> list[int]:
    return [_integer(name, value) for value in _listed(name, text)]


def _integer(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise invalid(name, "must be an integer")
    return int(text)


def _boolean(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        raise invalid(name, "must be true or false")
    return text == "true"


def _columns(text: str) -> list[str]:
    columns = [column.strip() for column in text.split(",") if column.strip()]
    if not columns or len(columns) > MOST_FIELDS:
        raise invalid("fields", f"must hold 1 to {MOST_FIELDS} names")
    return columns
