"""
Typed readers of vendors' JSON. Each raises InvalidPayload that names the path and the rule, never the value.

`null` and a missing key are told apart by the caller (`"phone" in payload`); these readers answer None for both.
Strings lose NUL, which PostgreSQL can't store, and surrounding white space.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from unicodedata import is_normalized, normalize

from shared.errors import InvalidPayload

Object = Mapping[str, Any]
_ID = re.compile(r"[0-9]{1,38}")


def required_id(payload: Object, key: str = "id", *, path: str = "") -> str:
    """Return the identifier at *key* as text. Raises when there is none."""
    value = identifier(payload, key, path=path)
    if value is None:
        raise InvalidPayload(f"{path}{key}: is missing")
    return value


def identifier(payload: Object, key: str, *, path: str = "") -> str | None:
    """Return a positive integer of any size, or digits in a string, as text without leading zeros."""
    value = payload.get(key)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return number_text(value, f"{path}{key}")
    if isinstance(value, str) and _ID.fullmatch(digits := value.strip()) and (digits := digits.lstrip("0")):
        return digits
    raise InvalidPayload(f"{path}{key}: is not a positive integer")


def is_identifier(text: str) -> bool:
    """Return whether *text* is an identifier in plain digits. Other scripts' digits, which Python takes, are none."""
    return _ID.fullmatch(text) is not None


def number_text(value: int, path: str) -> str:
    """Return *value* in digits; a number beyond 38 of them is no identifier of any vendor."""
    if abs(value) >= 10**38:
        raise InvalidPayload(f"{path}: is too large a number")
    return str(value)


def text(payload: Object, key: str, *, path: str = "") -> str | None:
    """Return the trimmed text at *key*; None for null, missing and blank. A whole number is taken as its digits."""
    value = payload.get(key)
    if value is None:
        return None
    # Nearly all there is: told apart here, because a pull reads dozens of texts a record.
    if type(value) is str and value.isascii() and "\x00" not in value:
        return value.strip() or None
    return clean(value, f"{path}{key}")


def name(payload: Object, key: str, *, path: str = "") -> str | None:
    """Return the text at *key* in NFC; the person's spelling and case are kept."""
    value = text(payload, key, path=path)
    return value if value is None or value.isascii() or is_normalized("NFC", value) else normalize("NFC", value)


def clean(value: object, path: str) -> str | None:
    """Return *value* as trimmed text, None when it is null or blank; a whole number is taken as its digits."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return number_text(value, path)
    if not isinstance(value, str):
        raise InvalidPayload(f"{path}: is not text")
    if "\x00" in value:
        value = value.replace("\x00", "")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            # `from None`: the cause's text holds the value.
            raise InvalidPayload(f"{path}: is not valid Unicode") from None
    return value.strip() or None


def flag(payload: Object, key: str, *, path: str = "") -> bool | None:
    """Return the boolean at *key*. Raises for everything else but null."""
    value = payload.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise InvalidPayload(f"{path}{key}: is not true or false")


def whole(payload: Object, key: str, *, default: int, path: str = "") -> int:
    """Return the integer at *key*, also from digits in a string; *default* for null and missing."""
    value = payload.get(key)
    if value is None:
        return default
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31:
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value.strip()):
        return int(value)
    raise InvalidPayload(f"{path}{key}: is not a whole number")


def moment(payload: Object, key: str, *, path: str = "") -> datetime | None:
    """
    Return the instant at *key* in UTC.

    ISO 8601 with any offset, at second precision or finer. A time without an offset is refused: in whose zone it
    is can't be known.
    """
    value = payload.get(key)
    if value is None or value == "":
        return None
    where = f"{path}{key}"
    if not isinstance(value, str):
        raise InvalidPayload(f"{where}: is not a time")
    try:
        parsed = datetime.fromisoformat(value.strip())
    except ValueError:
        raise InvalidPayload(f"{where}: is not an ISO 8601 time") from None
    if parsed.tzinfo is None:
        raise InvalidPayload(f"{where}: has no offset from UTC")
    try:
        return parsed.astimezone(UTC)
    except OverflowError:
        raise InvalidPayload(f"{where}: is outside of the years 1 to 9999") from None


def day(payload: Object, key: str, *, path: str = "") -> date | None:
    """Return the UTC day of the instant at *key*, or the day itself where it is given as `YYYY-MM-DD`."""
    value = payload.get(key)
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise InvalidPayload(f"{path}{key}: is not a day") from None
    instant = moment(payload, key, path=path)
    return None if instant is None else instant.date()


def mapping(value: object, path: str) -> Object:
    """Return *value* if it is a JSON object."""
    if isinstance(value, Mapping):
        return value
    raise InvalidPayload(f"{path}: is not an object")


def optional(payload: Object, key: str, *, path: str = "") -> Object | None:
    """Return the object at *key*, None for null and missing."""
    value = payload.get(key)
    return None if value is None else mapping(value, f"{path}{key}")


def items(payload: Object, key: str, *, path: str = "") -> Sequence[Any]:
    """Return the list at *key*; an empty one for null and missing."""
    value = payload.get(key)
    if value is None:
        return ()
    if isinstance(value, (list, tuple)):
        return value
    raise InvalidPayload(f"{path}{key}: is not a list")


def objects(payload: Object, key: str, *, path: str = "") -> Iterator[tuple[str, Object]]:
    """Yield (path, object) for the list at *key*; elements that are null are passed over."""
    for index, value in enumerate(items(payload, key, path=path)):
        if value is not None:
            where = f"{path}{key}[{index}]"
            yield f"{where}.", mapping(value, where)
