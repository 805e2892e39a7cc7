"""
The form in which two values are compared: formatting never counts as a change.

What is written is always the person's own spelling. Every form has a version, which is stored beside each print; when
a form changes, its version rises here and its previous function moves to `PREVIOUS` for one release, so that stored
prints can be compared as they were made and then be made anew (`shared.merge.restamp`).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import orjson
from pydantic import JsonValue

from shared.model.fields import Field, NormalForm

Form = Callable[[str], str]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_PHONES_KEPT = 65_536
_EXTENSION = re.compile(r"(?:;?\s*ext(?:ension)?[.:=\s]*|\s*x[.:\s]*|#)(\d{1,7})\s*$", re.IGNORECASE)
_PLAIN_PHONE = re.compile(
    r"\+(?:1[2-9]\d{9}|(?:27|3[1-4]|39|4[13-9]|91|35[13]|420)[1-9]\d{6,10})",
    re.ASCII,
)
"""A North American number of full length, or one of a country without a prefix that could begin with another digit than
0, is its own E.164 form."""
_PHONE_SIGNS = str.maketrans("", "", " ().-")
_PATH = re.compile(r"[/?#]")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def normal(field: Field, value: JsonValue, *, version: int | None = None) -> str | None:
    """
    Return the form in which *value* of *field* is compared; None = empty.

    None, "", white space and [] are empty; False and 0 are values. *version* is that of a stored print; None = the
    current one. Raises LookupError when this release no longer has that version.
    """
    if isinstance(value, str):
        if not value or value.isspace():
            return None
        return (_FORMS[field.normal] if version is None else form_of(field.normal, version))(value)
    if value is True:
        return "true"
    return None if value is None or value == [] else _canonical_text(value)


def form_of(name: NormalForm, version: int | None = None) -> Form:
    """Return the function of the form *name*. Raises LookupError when *version* is not to be had any more."""
    if version is None or version == VERSIONS[name]:
        return _FORMS[name]
    return PREVIOUS[name, version]


def canonical_json(value: object) -> bytes:
    """Return *value* as JSON with sorted keys and no white space: equal values, equal bytes."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # Half a surrogate pair or an integer beyond 64 bits, which orjson refuses and vendors do send.
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode("utf-8", "surrogatepass")


def _canonical_text(value: object) -> str:
    return canonical_json(value).decode("utf-8", "surrogatepass")


def _text(value: str) -> str:
    collapsed = " ".join(value.split())
    return collapsed if collapsed.isascii() else unicodedata.normalize("NFC", collapsed)


def _folded(value: str) -> str:
    # Folding may take a composed letter apart, hence composed again afterwards.
    return unicodedata.normalize("NFC", _text(value).casefold())


def _url(value: str) -> str:
    text = _text(value)
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = "", text
    scheme = scheme.lower()
    path = _PATH.search(rest)
    cut = len(rest) if path is None else path.start()
    host = rest[:cut].lower().removesuffix(_DEFAULT_PORTS.get(scheme, "\0"))
    return f"{scheme}{mark}{host}{rest[cut:].rstrip('/')}"


@lru_cache(maxsize=_PHONES_KEPT)
def _phone(value: str) -> str:
    """`+44 (0)20 7946 0018` → `+442079460018`; without a country: `(020) 7946-0018 x7` → `02079460018x7`."""
    text = _text(value)
    if not text.isascii():
        text = "".join(_ascii_digit(sign) for sign in unicodedata.normalize("NFKC", text))
    if not text.startswith("+"):
        return _digits(text)
    bare = text.translate(_PHONE_SIGNS)
    # Reading it properly costs 30 times as much (tests/property/merge/test_phones.py holds the two together).
    return bare if _PLAIN_PHONE.fullmatch(bare) else _international(text)


def _international(text: str) -> str:
    import phonenumbers  # its tables cost some 100 ms at start, which most processes never need

    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return "+" + _digits(text)
    form = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{form}x{number.extension}" if number.extension else form


def _digits(text: str) -> str:
    found = _EXTENSION.search(text)
    body, extension = (text[: found.start()], "x" + found[1]) if found else (text, "")
    signs = "".join(sign for sign in body.casefold() if sign.isalnum())
    return signs + extension if signs else text.casefold()


def _ascii_digit(sign: str) -> str:
    digit = unicodedata.decimal(sign, None)
    return sign if digit is None else str(digit)


def _moment(value: str) -> str:
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return _text(value)
    if moment.tzinfo is None:
        return _text(value)
    return str((moment - _EPOCH) // _MILLISECOND)


def _date(value: str) -> str:
    text = value.strip()
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return _moment_day(text)


def _moment_day(text: str) -> str:
    try:
        return datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        return _text(text)


def _exact(value: str) -> str:
    # As it is; the quote tells a text from the number or truth value that reads alike.
    return '"' + value


_FORMS: dict[NormalForm, Form] = {
    NormalForm.TEXT: _text,
    NormalForm.NAME: _text,
    NormalForm.EMAIL: _folded,
    NormalForm.PHONE: _phone,
    NormalForm.URL: _url,
    NormalForm.WORD: _folded,
    NormalForm.MOMENT: _moment,
    NormalForm.DATE: _date,
    NormalForm.EXACT: _exact,
}

VERSIONS: dict[NormalForm, int] = dict.fromkeys(NormalForm, 1)
"""The current version of each form. Raise it when its function gives another answer for any value."""

PREVIOUS: dict[tuple[NormalForm, int], Form] = {}
"""The function of the version before, by form and version, for one release."""
