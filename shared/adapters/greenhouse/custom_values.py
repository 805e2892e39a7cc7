"""
Values of custom fields: Greenhouse's shapes → ours, and back.

v3 shows `custom_fields: {key: {name, type, value}}`, v1 the same as `keyed_custom_fields` beside bare values, webhooks
v1's shapes under v3's name (docs/vendors/greenhouse.md, 8.6, 9.5, 10.4). Ours is a text, a number, true or false, or
several texts: an amount of money is `45000 EUR`, a range `20..40`, `20..` or `..40 EUR`, a user the e-mail address.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import JsonValue

from shared.adapters import wire
from shared.adapters.greenhouse.markup import safe_html
from shared.errors import InvalidPayload, Rejected
from shared.model.fields import CUSTOM_FIELDS

TEXTS = frozenset({"short_text", "long_text", "url"})
SELECTS = frozenset({"single_select", "multi_select"})
FLAGS = frozenset({"yes_no", "boolean"})
"""v1 and webhooks say `boolean` for v3's `yes_no`."""
MASKED = "_hris"
"""Types that end so come with their value masked: what is shown is no data."""
_LARGEST = 2**63
_MOST_PLACES = 38
"""A number with more before or behind its point is none that a person wrote, and dear to compute with."""
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
_AMOUNT = re.compile(rf"(?P<amount>{_NUMBER})\s+(?P<unit>[A-Za-z]{{3}})")
_RANGE = re.compile(rf"(?P<least>{_NUMBER})?\s*\.\.\s*(?P<most>{_NUMBER})?(?:\s+(?P<unit>[A-Za-z]{{3}}))?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WORDS: Mapping[str, bool] = {"true": True, "yes": True, "false": False, "no": False}


def value_of(kind: str | None, value: object) -> JsonValue:
    """
    Return our form of *value* of the type *kind*; None is empty. A type that is not known is taken as it looks.

    Raises InvalidPayload with the rule alone where nothing can be made of it.
    """
    if value is None or value in ("", []):
        return None
    if is_closed(kind):
        raise InvalidPayload(f"its type {kind} holds nothing that can be kept in step")
    read = _READERS.get(kind or "")
    found = None if read is None else read(value)
    return _plain(value) if found is None else found


def is_closed(kind: str | None) -> bool:
    """Whether what is shown of a type is no data: a masked value, or an address that is another one at each look."""
    return kind is not None and (kind == "attachment" or kind.endswith(MASKED))


def _plain(value: object) -> JsonValue:
    """Return a text, a number, true or false, or a list of texts as it is."""
    if isinstance(value, str):
        return wire.clean(value, "value")
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)) and (number := _number(value)) is not None:
        return number
    if isinstance(value, (list, tuple)):
        texts = [wire.clean(_name(each), "value") for each in value]
        return [text for text in dict.fromkeys(texts) if text is not None] or None
    raise InvalidPayload("its value has a shape that is not known")


def _name(option: object) -> object:
    """Return the name of one of several options, which may be told by more than their name."""
    if isinstance(option, Mapping) and option.get("name") is None:
        raise InvalidPayload("one of its options has no name")
    return option["name"] if isinstance(option, Mapping) else option


def _number(value: object) -> JsonValue:
    """Return the number that *value* is or reads as; None where it is none."""
    exact = _decimal(value)
    if exact is None:
        return None
    if exact == exact.to_integral_value():
        whole = int(exact)
        return whole if abs(whole) < _LARGEST else str(whole)
    return float(exact)


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    try:
        exact = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return exact if exact.is_finite() and abs(exact.adjusted()) <= _MOST_PLACES else None


def _digits(value: object) -> str:
    exact = _decimal(value)
    return "" if exact is None else f"{exact.normalize():f}"


def _flag(value: object) -> JsonValue:
    return _WORDS.get(value.strip().casefold()) if isinstance(value, str) else None


def _currency(value: object) -> JsonValue:
    return _with_unit(_digits(value.get("amount")), value) if isinstance(value, Mapping) else None


def _range(value: object) -> JsonValue:
    if not isinstance(value, Mapping):
        return None
    least, most = (_digits(value.get(f"{end}_amount", value.get(f"{end}_value"))) for end in ("min", "max"))
    return _with_unit(f"{least}..{most}" if least or most else "", value)


def _with_unit(amount: str, value: Mapping[str, Any]) -> JsonValue:
    unit = value.get("currency_code", value.get("unit"))
    unit = wire.clean(unit, "unit") if isinstance(unit, str) else None
    return f"{amount} {unit}" if amount and unit else amount or None


def _user(value: object) -> JsonValue:
    if not isinstance(value, Mapping):
        return None
    named = (wire.text(value, key) for key in ("email", "name", "user_id"))
    return next((one for one in named if one is not None), None)


def _markup(value: object) -> JsonValue:
    return safe_html(wire.clean(value, "value")) if isinstance(value, str) else None


_READERS: Mapping[str, Callable[[object], JsonValue]] = {
    **dict.fromkeys(FLAGS, _flag),
    "number": _number,
    "currency": _currency,
    "currency_range": _range,
    "number_range": _range,
    "user": _user,
    "rich_text": _markup,
}
"""Of types whose values need more than a look; each answers None for what doesn't fit its type."""


def body_of(kind: str, value: JsonValue, options: Mapping[str, int], *, is_legacy: bool) -> dict[str, Any]:
    """
    Return what a write says of a field of the type *kind* beside its key; *options*: ids by name, of selects.

    None clears. Raises Rejected with the rule, for what Greenhouse would not take or what is not told how to write.
    """
    if value is None:
        if is_legacy:
            return {"delete_value": "true"}  # null and "" are refused there (10.5)
        return {"value": [] if kind == "multi_select" else None}
    if kind in SELECTS:
        return {"value": _chosen(kind, value, options)}
    if kind in {"currency", "currency_range", "number_range"}:
        return _money(kind, value, is_legacy=is_legacy)
    return {"value": _written(kind, value)}


def respelled(value: JsonValue) -> JsonValue:
    """
    Return how Greenhouse spells *value*, ours, once it is written: `45000.0 eur` is `45000 EUR`, `Yes` is true.

    By its looks, for nobody here knows the field's type: a text field keeps what looks so as it is, like any text. In
    which letters it has the name of an option, its answer tells.
    """
    if not isinstance(value, str):
        return value
    if (flag := _flag(value)) is not None:
        return flag
    text = value.strip()
    if read := _AMOUNT.fullmatch(text):
        return _with_unit(_sent(read["amount"]), {"unit": read["unit"].upper()}) or value
    if (read := _RANGE.fullmatch(text)) and (read["least"] or read["most"]):
        ends = f"{_sent(read['least'])}..{_sent(read['most'])}"
        return _with_unit(ends, {"unit": read["unit"] and read["unit"].upper()})
    return value


def _sent(part: str | None) -> str:
    """Return the number *part* as it reads once it has been sent."""
    return _digits(_number(part))


def refused(rule: str) -> Rejected:
    """Return the refusal of a custom field, whose key the caller puts before *rule*."""
    return Rejected(rule, field=CUSTOM_FIELDS)


def _chosen(kind: str, value: JsonValue, options: Mapping[str, int]) -> int | list[int]:
    names = value if isinstance(value, list) else [value]
    if kind == "single_select" and len(names) != 1:
        raise refused("takes one option alone")
    found = []
    for name in names:
        text = name if isinstance(name, str) else str(name)
        alike = (number for other, number in options.items() if other.casefold() == text.strip().casefold())
        number = options.get(text.strip()) or next(alike, None)
        if number is None:
            raise refused("has no such option in Greenhouse")
        found.append(number)
    return found if kind == "multi_select" else found[0]


def _money(kind: str, value: JsonValue, *, is_legacy: bool) -> dict[str, Any]:
    form, shape = (_AMOUNT, "45000 EUR") if kind == "currency" else (_RANGE, "20..40")
    shape = "40000..50000 EUR" if kind == "currency_range" else shape
    read = form.fullmatch(value.strip()) if isinstance(value, str) else None
    parts = {} if read is None else {name: part for name, part in read.groupdict().items() if part is not None}
    has_unit = "unit" in parts
    if not parts.keys() - {"unit"} or has_unit is (kind == "number_range"):
        raise refused(f"must be written like {shape}")
    numbers = {name: _number(part) for name, part in parts.items() if name != "unit"}
    unit = {"unit" if is_legacy else "currency_code": parts["unit"].upper()} if has_unit else {}
    if kind == "currency":
        amount = numbers["amount"]
        return {"value": amount, **unit} if is_legacy else {"value": {"amount": amount, **unit}}
    word = "value" if is_legacy or kind == "number_range" else "amount"
    ends = {f"min_{word}": numbers.get("least"), f"max_{word}": numbers.get("most"), **unit}
    return ends if is_legacy else {"value": ends}


def _written(kind: str, value: JsonValue) -> JsonValue:
    if kind in TEXTS:
        if isinstance(value, list):
            raise refused("takes one text alone")
        return value.strip() if isinstance(value, str) else json.dumps(value)
    if kind in FLAGS:
        flag = value if isinstance(value, bool) else _flag(value)
        if flag is None:
            raise refused("must be true or false")
        return flag
    if kind == "number":
        if (number := _number(value)) is None:
            raise refused("must be a number")
        return number
    if kind == "date":
        if not isinstance(value, str) or not _DAY.fullmatch(value.strip()):
            raise refused("must be a day like 2026-09-01")
        return value.strip()
    raise refused(f"is of the type {kind}, which is only read")
