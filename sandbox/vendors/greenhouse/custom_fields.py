"""Fields that the customer has defined: what records show of them, and what a write of them must be (section 6.12)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.errors import invalid
from sandbox.vendors.greenhouse.tables import Row

TABLES: Mapping[str, str] = {"candidate": "candidates", "application": "applications", "job": "jobs"}
SELECTS = frozenset({"single_select", "multi_select"})
LONGEST_TEXT = 255
Values = dict[str, dict[str, Any]]
_CURRENCY = re.compile(r"[A-Z]{3}")


def blank(account: Account, field_type: str) -> Values:
    """Every active field of that type without a value: null, or [] for multiple ones (section 9.5)."""
    return {
        field["name_key"]: _shown(field, [] if field["value_type"] == "multi_select" else None)
        for field in account["custom_fields"]
        if field["field_type"] == field_type and field["active"]
    }


def define(account: Account, values: Mapping[str, Any]) -> Row:
    """Add a definition with what a new one has; every record of its type shows it from now on."""
    name = values["name"]
    defaults = {
        "field_type": "candidate",
        "name_key": name.lower().replace(" ", "_"),
        "value_type": "short_text",
        "private": False,
        "required": False,
        "active": True,
        "internal_type": None,
    }
    field = account.add("custom_fields", **{**defaults, **values})
    refresh(account, field)
    return field


def refresh(account: Account, field: Row) -> None:
    """Bring all records in line with *field*: what they show reflects the fields that are active (section 8.6)."""
    table = TABLES.get(field["field_type"])
    for row in list(account[table]) if table is not None else ():
        shown = row["custom_fields"]
        if not field["active"]:
            shown.pop(field["name_key"], None)
        elif field["name_key"] not in shown:
            shown[field["name_key"]] = _shown(field, [] if field["value_type"] == "multi_select" else None)
        else:
            continue
        account.save(table or "", row, touch=False)


def written(account: Account, field_type: str, body: object, *, current: Row | None, legacy: bool) -> Values:
    """
    The fields after a write of the array `[{"name_key" or "id", "value", ...}]` (sections 6.12 and 10.5).

    *current*: the row as it is; None for a new one. v3 replaces the whole set, v1 (*legacy*) changes one at a time.
    What a field holds already is taken again, however odd. Raises Refusal (422) that names the field.
    """
    if not isinstance(body, list) or not all(isinstance(entry, Mapping) for entry in body):
        raise invalid("custom_fields", "must be an array of {name_key, value}")
    fields = blank(account, field_type)
    held: Values = {} if current is None else current["custom_fields"]
    if legacy:
        fields |= held
    known = [row for row in account["custom_fields"] if row["field_type"] == field_type and row["active"]]
    for entry in body:
        field = next(
            (row for row in known if row["name_key"] == entry.get("name_key") or row["id"] == entry.get("id")),
            None,
        )
        if field is None:
            raise invalid("custom_fields", f"unknown: {entry.get('name_key', entry.get('id'))}")
        before = held.get(field["name_key"], {}).get("value")
        is_held = before is not None and entry.get("value") == before
        value = before if is_held else _written(account, field, entry, legacy=legacy)
        fields[field["name_key"]] = _shown(field, value)
    for field in known:
        if field["required"] and fields[field["name_key"]]["value"] in (None, []):
            raise invalid("custom_fields", f"{field['name_key']}: is required")
    return fields


def _shown(field: Row, value: Any) -> dict[str, Any]:
    return {"name": field["name"], "type": field["value_type"], "value": value}


def _written(account: Account, field: Row, entry: Mapping[str, Any], *, legacy: bool) -> Any:
    empty: Any = [] if field["value_type"] == "multi_select" else None
    if legacy and entry.get("delete_value") == "true":
        return empty
    value = _ends(entry) if legacy and "_range" in field["value_type"] else entry.get("value")
    if value in (None, "", []):
        if legacy:  # validations want it to be non-blank there (section 10.5)
            raise invalid("custom_fields", f"{field['name_key']}: can't be blank")
        return empty
    if legacy and field["value_type"] == "currency":
        value = {"amount": value, "currency_code": entry.get("unit")}
    read = _READERS.get(field["value_type"])
    found = None if read is None else read(account, field, value)
    if found is None:
        raise invalid("custom_fields", f"{field['name_key']}: is not a {field['value_type']}")
    return found


def _ends(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """The range of v1's `min_value`, `max_value` and `unit`, in v3's words where it is of money."""
    if "min_value" not in entry and "max_value" not in entry:
        return None
    if "unit" not in entry:
        return {"min_value": entry.get("min_value"), "max_value": entry.get("max_value")}
    least, most = entry.get("min_value"), entry.get("max_value")
    return {"min_amount": least, "max_amount": most, "currency_code": entry["unit"]}


def _text(_: Account, field: Row, value: Any) -> str | None:
    is_long = field["value_type"] == "long_text"
    return value if isinstance(value, str) and (is_long or len(value) <= LONGEST_TEXT) else None


def _flag(_account: Account, _field: Row, value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(_account: Account, _field: Row, value: Any) -> float | None:
    return value if _is_number(value) else None


def _day(_account: Account, _field: Row, value: Any) -> str | None:
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        return None


def _currency(_account: Account, _field: Row, value: Any) -> dict[str, Any] | None:
    if not isinstance(value, Mapping) or not _is_number(_as_number(value.get("amount"))):
        return None
    return {"amount": str(value["amount"]), "currency_code": value["currency_code"]} if _has_unit(value) else None


def _range(_: Account, field: Row, value: Any) -> dict[str, Any] | None:
    """Both ends, or one of them; the least is below the most (section 6.12)."""
    is_money = field["value_type"] == "currency_range"
    names = ("min_amount", "max_amount") if is_money else ("min_value", "max_value")
    if not isinstance(value, Mapping) or (is_money and not _has_unit(value)):
        return None
    ends = [_as_number(value.get(name)) for name in names]
    given = [end for end in ends if end is not None]
    if not given or not all(map(_is_number, given)) or (len(given) == len(ends) and given[0] >= given[1]):
        return None
    found = dict(zip(names, ends, strict=True))
    if not is_money:
        return found
    return {name: None if end is None else str(float(end)) for name, end in found.items()} | {
        "currency_code": value["currency_code"]
    }


def _has_unit(value: Mapping[str, Any]) -> bool:
    return _CURRENCY.fullmatch(str(value.get("currency_code"))) is not None


def _as_number(value: Any) -> Any:
    """A number that is written as a text is a number too: that is how they are shown (section 8.6)."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _option(account: Account, field: Row, value: Any) -> str | None:
    """One option by its id or its very name (section 6.12); one that is no longer active can't be chosen."""
    options = account["custom_field_options"].rows("custom_field_id", field["id"])
    names = {key: option["name"] for option in options if option["active"] for key in (option["id"], option["name"])}
    return names.get(value) if isinstance(value, str | int) else None


def _options(account: Account, field: Row, value: Any) -> list[str] | None:
    """Several options by their ids alone (section 6.12)."""
    if not isinstance(value, list) or any(not isinstance(one, int) for one in value):
        return None
    chosen = [_option(account, field, one) for one in value]
    return None if None in chosen else [one for one in chosen if one is not None]


def _user(account: Account, _: Row, value: Any) -> dict[str, Any] | None:
    user = account["users"].find(value) if isinstance(value, int) else None
    if user is None:
        return None
    named = {name: user[name] for name in ("name", "employee_id")}
    return {"user_id": user["id"], "email": user["primary_email"], **named}


_READERS: Mapping[str, Callable[[Account, Row, Any], Any]] = {
    "short_text": _text,
    "long_text": _text,
    "url": _text,
    "yes_no": _flag,
    "number": _number,
    "date": _day,
    "currency": _currency,
    "currency_range": _range,
    "number_range": _range,
    "single_select": _option,
    "multi_select": _options,
    "user": _user,
}
