"""
JSON as vendors send it, and as it goes back to them.

RFC 8259 (8.2) lets a text hold an escaped half of a surrogate pair, as of an emoji that somebody cut in two. orjson
refuses the whole body for it, the standard library reads it: then `wire.clean` refuses the one record that holds it,
and its neighbours on the page come in.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

import orjson

_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""What may be half a pair: only then is a body read a second time, more slowly."""


def parse(body: bytes) -> Any:
    """Return the JSON value of *body*. Raises ValueError where it breaks off, isn't JSON or is nested too deeply."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if _HALF.search(body) is None:
            raise
    try:
        return json.loads(body.decode(), parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise ValueError("the body is nested too deeply") from None


def encode(value: Any) -> bytes:
    """Return *value* as JSON; half a surrogate pair, which can only be the vendor's own, goes back as it came."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, allow_nan=False).encode()


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number
