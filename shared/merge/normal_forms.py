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
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import orjson
from pydantic import JsonValue

from shared.model.fields import Field, NormalForm

if TYPE_CHECKING:
    import phonenumbers

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
_LETTERS, _REGION_STEP = 36, 1000
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_THOUSANDS = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_PATH = re.compile(r"[/?#]")
_WITH_NUMBERS = frozenset({NormalForm.AMOUNT, NormalForm.VALUE})
"""Forms in which 3 and 3.0 are one number; of a text `_amount` takes more for one, so a VALUE's text is only a text."""
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def normal(field: Field, value: JsonValue, *, version: int | None = None) -> str | None:
    """
    Return the form in which *value* of *field* is compared; None = empty.

    None, "", white space, [] and an object of nothing else are empty; False and 0 are values. *version* is that of a
    stored print; None = the current one. Raises LookupError when this release no longer has that version.
    """
    if isinstance(value, str):
        if not value or value.isspace():
            return None
        return (_FORMS[field.normal] if version is None else form_of(field.normal, version))(value)
    if value is True:
        return "true"
    if value is None or value == []:
        return None
    if field.members and isinstance(value, dict):
        forms = member_forms(field, value, version=version)
        return _canonical_text(forms) if forms else None
    return _untexted(field.normal, value)


def member_forms(field: Field, value: JsonValue, *, version: int | None = None) -> dict[str, str]:
    """
    Return the forms of the members of the object *value*, less the empty ones.

    Their versions are one with the field's (`version_of`). Raises LookupError when *version* is another.
    """
    if version is not None and version != version_of(field):
        raise LookupError(field.name, version)
    if not isinstance(value, dict):
        return {}
    forms = {name: normal(_as_field(field.name, form), value.get(name)) for name, form in field.members.items()}
    return {name: form for name, form in forms.items() if form is not None}


def version_of(field: Field) -> int:
    """Return the version of *field*'s normal form; it rises with that of any of its members."""
    return VERSIONS[field.normal] + sum(VERSIONS[form] - 1 for form in field.members.values())


def form_of(name: NormalForm, version: int | None = None) -> Form:
    """Return the function of the form *name*. Raises LookupError when *version* is not to be had any more."""
    if version is None or version == VERSIONS[name]:
        return _FORMS[name]
    if name is NormalForm.PHONE and version > _REGION_STEP:
        region, version = divmod(version, _REGION_STEP)
        return _phone_in(region) if version == VERSIONS[name] else PREVIOUS[name, version]
    return PREVIOUS[name, version]


def phone_version(region: str) -> int:
    """
    Return the version of the form of phones for a company whose numbers without a country belong to *region*.

    The region (ISO 3166, two letters) is part of the version: when a company changes it, stored prints are compared
    as they were made, and then made anew.
    """
    return VERSIONS[NormalForm.PHONE] + _REGION_STEP * int(region, _LETTERS)


def phone_forms(value: str, region: str | None) -> set[str]:
    """
    Return every form that the number *value* may have at a company of *region*: as written, E.164, and national.

    For whoever keeps forms longer than the company keeps its region, or its vendors their way of writing.
    """
    plain = form_of(NormalForm.PHONE)(value)
    if region is None:
        return {plain}
    full = form_of(NormalForm.PHONE, phone_version(region))(value)
    return {plain, full} | _national(full, region)


def canonical_json(value: object) -> bytes:
    """Return *value* as JSON with sorted keys and no white space: equal values, equal bytes."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # Half a surrogate pair or an integer beyond 64 bits, which orjson refuses and vendors do send.
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode("utf-8", "surrogatepass")


@cache
def _as_field(name: str, form: NormalForm) -> Field:
    return Field(name, normal=form)


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


@cache
def _phone_in(number: int) -> Form:
    """Return the form of phones in the region that `phone_version` made a number of."""
    region = "".join("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[each] for each in divmod(number, _LETTERS))

    @lru_cache(maxsize=_PHONES_KEPT)
    def phone_in(value: str) -> str:
        import phonenumbers

        plain = _phone(value)
        if plain.startswith("+"):
            return plain
        try:
            known = phonenumbers.parse(_text(value), region)
        except phonenumbers.NumberParseException:
            return plain
        # What is no number there (an extension, half a number) is left as it is.
        return _as_e164(known) if phonenumbers.is_valid_number(known) else plain

    return phone_in


def _national(phone: str, region: str) -> set[str]:
    """Return the form in which *region* itself writes *phone*; nothing for a number of another country, or none."""
    import phonenumbers

    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return set()
    is_theirs = number.country_code == phonenumbers.country_code_for_region(region)
    if not is_theirs or not phonenumbers.is_valid_number(number):
        return set()
    return {_digits(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL))}


def _international(text: str) -> str:
    import phonenumbers  # its tables cost some 100 ms at start, which most processes never need

    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return "+" + _digits(text)
    return _as_e164(number)


def _as_e164(number: phonenumbers.PhoneNumber) -> str:
    import phonenumbers

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


def _month(value: str) -> str:
    day = _date(value)
    return day[:7] if _ISO_DATE.fullmatch(day) else day


def _amount(value: str) -> str:
    """`50,000.00` → `50000`. A comma before other than three digits may mean a fraction, and is left alone."""
    text = _text(value)
    bare = text.replace(",", "") if _THOUSANDS.fullmatch(text) else text
    try:
        number = Decimal(bare)
    except InvalidOperation:
        return text
    return f"{number.normalize():f}" if number.is_finite() else text


def _untexted(form: NormalForm, value: JsonValue) -> str | None:
    """Return the form of what is no text: a number, a list, an object."""
    if form is NormalForm.VALUE and isinstance(value, list):
        return _texts(value)
    return _amount(_canonical_text(value)) if form in _WITH_NUMBERS else _canonical_text(value)


def _texts(value: list[JsonValue]) -> str | None:
    """`["Java ", "Go"]` → `["Go","Java"]`: a choice of several has no order."""
    forms = {_text(each) if isinstance(each, str) else _canonical_text(each) for each in value}
    return _canonical_text(sorted(forms - {""})) if forms - {""} else None


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
    NormalForm.MONTH: _month,
    NormalForm.AMOUNT: _amount,
    NormalForm.VALUE: _text,
    NormalForm.EXACT: _exact,
}

VERSIONS: dict[NormalForm, int] = dict.fromkeys(NormalForm, 1)
"""The current version of each form. Raise it when its function gives another answer for any value."""

PREVIOUS: dict[tuple[NormalForm, int], Form] = {}
"""The function of the version before, by form and version, for one release."""
