"""
Fingerprints: short keyed hashes by which "changed since we last agreed" is told without a second copy of anyone's data.

The key is one link's own. Under an app-wide key equal phone numbers could be matched across people, and a short field
could be looked up.
"""

from __future__ import annotations

import hashlib
import hmac
from binascii import b2a_base64
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from pydantic import JsonValue

from shared.merge.normal_forms import VERSIONS, canonical_json, normal
from shared.merge.state import EMPTY, NEVER, Elements, Fingerprint, Hasher, Print, Rules
from shared.model.fields import FIELDS, Field, Kind, Unit

_DIGEST_BYTES, _SIGNS = 12, 16
"""96 bits: 16 signs of base64 without padding."""
_URL_SAFE = bytes.maketrans(b"+/", b"-_")

HIDDEN = "?"
"""In a group's print: a member that was not visible."""
_BETWEEN = "."

Listed = dict[Fingerprint, tuple[Fingerprint, JsonValue]]
"""A set as one side shows it: identity → (whole element, the element itself), in that side's order."""


class LinkHasher:
    """The hasher of one link: keyed BLAKE2b-96."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        # Keying costs a block of hashing; a copy of the keyed state costs nothing.
        self._keyed = hashlib.blake2b(key=key, digest_size=_DIGEST_BYTES)

    def __call__(self, name: str, form: str) -> Fingerprint:
        """Return the fingerprint of *form* under *name*."""
        return self.many((f"{name}\0{form}",))[0]

    def many(self, texts: Sequence[str]) -> list[Fingerprint]:
        """Return a fingerprint for each of *texts*: name, NUL, normal form."""
        copy, digests = self._keyed.copy, []
        for text in texts:
            state = copy()
            state.update(text.encode("utf-8", "surrogatepass"))
            digests.append(state.digest())
        # 12 bytes are 16 signs, so that the digests of a whole record can be written out at once.
        signs = b2a_base64(b"".join(digests), newline=False).translate(_URL_SAFE).decode("ascii")
        return cast("list[Fingerprint]", [signs[start : start + _SIGNS] for start in range(0, len(signs), _SIGNS)])


def link_hasher(app_key: bytes, link_id: str) -> LinkHasher:
    """Return the hasher of one link: BLAKE2b-96 keyed with HMAC-SHA256(*app_key*, *link_id*)."""
    return LinkHasher(hmac.digest(app_key, link_id.encode(), "sha256"))


def digest_of(payload: Mapping[str, Any], volatile: Collection[str] = ()) -> str:
    """
    Return a digest of a vendor's whole payload, less its top-level *volatile* keys.

    Equal digests mean that nothing changed; unkeyed, so keep it with the link and delete it with the link.
    """
    kept = {key: value for key, value in payload.items() if key not in volatile} if volatile else payload
    state = hashlib.blake2b(canonical_json(kept), digest_size=_DIGEST_BYTES)
    return b2a_base64(state.digest(), newline=False).translate(_URL_SAFE).decode("ascii")


def norm_of(rules: Rules, unit: Unit) -> int:
    """Return the version of *unit*'s normal form. All members of a group have one form."""
    return VERSIONS[FIELDS[rules.entity][unit.members[0]].normal]


def is_set(rules: Rules, unit: Unit) -> bool:
    """Tell whether *unit* is a list in which the place means nothing."""
    return FIELDS[rules.entity][unit.members[0]].kind is Kind.SET


def print_of(
    rules: Rules,
    unit: Unit,
    values: Mapping[str, JsonValue],
    visible: Collection[str],
    *,
    version: int | None = None,
    hasher: Hasher | None = None,
) -> Print:
    """
    Return the print of *unit* in *values*.

    A scalar: one fingerprint. A set: its elements. A group: its members' fingerprints in order, joined by dots, with
    `?` for each that is not in *visible*; so two prints of different coverage can still be compared member by member.
    *version* and *hasher* are those of an older print. Raises LookupError when that version is gone.
    """
    fields = FIELDS[rules.entity]
    use = hasher or rules.hasher
    if len(unit.members) == 1:
        field = fields[unit.name]
        if field.kind is Kind.SET:
            return elements_of(listed(field, values.get(unit.name), use, version))
        return _scalar(field, values.get(unit.name), use, version)
    parts = [
        _scalar(fields[member], values.get(member), use, version) if member in visible else HIDDEN
        for member in unit.members
    ]
    return joined(parts)


def listed(field: Field, value: JsonValue, hasher: Hasher, version: int | None = None) -> Listed:
    """Return the elements of the list *value* by identity, as `told_apart` tells them apart."""
    found: Listed = {}
    for form, (whole, element) in told_apart(field, value, version).items():
        identity = hasher(field.name, form)
        print_ = hasher(whole_name(field.name), whole_form(form, whole)) if whole else identity
        found[identity] = (print_, element)
    return found


def told_apart(field: Field, value: JsonValue, version: int | None = None) -> dict[str, tuple[str, JsonValue]]:
    """
    Return the elements of the list *value*: normal form of the identity → (form of the rest, the element itself).

    Empty ones are left out. Of two elements with one identity the one with the smaller form is kept, wherever in the
    list it stands.
    """
    found: dict[str, tuple[str, JsonValue]] = {}
    for element in value if isinstance(value, list) else ():
        key = element.get(field.identity) if field.identity and isinstance(element, dict) else element
        form = normal(field, key, version=version)
        if form is None:
            continue
        whole = _details(field, element)
        if form not in found or whole < found[form][0]:
            found[form] = (whole, element)
    return found


def whole_name(name: str) -> str:
    """Return the name under which the print of a whole element is made."""
    return name + "*"


def whole_form(form: str, whole: str) -> str:
    """Return what the print of a whole element is made of."""
    return f"{form}\0{whole}"


def elements_of(shown: Listed) -> Elements:
    """Return what a base keeps of a set."""
    return {identity: whole for identity, (whole, _) in shown.items()}


def has_details(field: Field, element: JsonValue) -> bool:
    """Tell whether *element* says anything beyond its identity."""
    return bool(_details(field, element))


def is_empty(value: Print) -> bool:
    """Tell whether *value* is the print of nothing, over whatever members it covers."""
    return not (value.strip("?.") if isinstance(value, str) else value)


def mark_of(value: Print) -> Fingerprint:
    """Return one fingerprint for *value*, a set's too."""
    if isinstance(value, str):
        return value
    state = hashlib.blake2b(canonical_json(dict(value)), digest_size=_DIGEST_BYTES)
    return Fingerprint(b2a_base64(state.digest(), newline=False).translate(_URL_SAFE).decode("ascii"))


def parts_of(value: Print, unit: Unit) -> list[str]:
    """Return the members' fingerprints in a group's print; `HIDDEN` for each that it does not cover."""
    if value == EMPTY:
        return [EMPTY] * len(unit.members)
    if value == NEVER:
        return [NEVER] * len(unit.members)
    return str(value).split(_BETWEEN)


def narrowed(value: Print, shown: Print, unit: Unit) -> Print:
    """Return the group print *value* over no more members than *shown* covers."""
    if value == NEVER or HIDDEN not in shown:
        return value
    parts = zip(parts_of(value, unit), parts_of(shown, unit), strict=True)
    return joined([HIDDEN if part == HIDDEN else kept for kept, part in parts])


def covers(value: Print, shown: Print, unit: Unit) -> bool:
    """Tell whether the group print *value* covers every member that *shown* does."""
    parts = zip(parts_of(value, unit), parts_of(shown, unit), strict=True)
    return all(kept != HIDDEN or part == HIDDEN for kept, part in parts)


def overlaid(value: Print, older: Print, unit: Unit) -> Print:
    """Return the group print *value*, with *older* for members that it does not cover."""
    if HIDDEN not in value or older == NEVER:
        return value
    parts = zip(parts_of(value, unit), parts_of(older, unit), strict=True)
    return joined([kept if part == HIDDEN else part for part, kept in parts])


def alike(one: Print, other: Print | None, unit: Unit) -> bool:
    """Tell whether two prints agree in all members that both cover, of which there must be one."""
    if other is None or one == other or len(unit.members) == 1:
        return one == other
    pairs = zip(parts_of(one, unit), parts_of(other, unit), strict=True)
    both = [(left, right) for left, right in pairs if HIDDEN not in (left, right)]
    return bool(both) and all(left == right != NEVER for left, right in both)


def _scalar(field: Field, value: JsonValue, hasher: Hasher, version: int | None) -> Fingerprint:
    form = normal(field, value, version=version)
    return EMPTY if form is None else hasher(field.name, form)


def _details(field: Field, element: JsonValue) -> str:
    """Return the normal form of the members beside the identity; "" when there are none."""
    if field.identity is None or not isinstance(element, dict):
        return ""
    rest = {name: value for name, value in element.items() if name != field.identity and value not in (None, "")}
    if not rest:
        return ""
    if len(rest) == 1:
        ((name, value),) = rest.items()
        if type(value) is str:
            return _one_detail(name, value)
    return canonical_json(rest).decode("utf-8", "surrogatepass")


@lru_cache(maxsize=1024)
def _one_detail(name: str, value: str) -> str:
    # Mostly a vendor's word for a type, of which there are few.
    return canonical_json({name: value}).decode("utf-8", "surrogatepass")


def joined(parts: list[str]) -> Fingerprint:
    """Return the print of a group whose members have *parts*."""
    return Fingerprint(_BETWEEN.join(parts)) if any(parts) else EMPTY
