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
from typing import cast

from pydantic import JsonValue

from shared.merge.elements import elements_of, listed
from shared.merge.normal_forms import canonical_json, normal, version_of
from shared.merge.state import EMPTY, NEVER, Fingerprint, Hasher, Print, Rules
from shared.model.fields import FIELDS, Field, Kind, Unit

_DIGEST_BYTES, _SIGNS = 12, 16
"""96 bits: 16 signs of base64 without padding."""
_URL_SAFE = bytes.maketrans(b"+/", b"-_")

HIDDEN = "?"
"""In a group's print: a member that was not visible."""
_BETWEEN = "."


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


def norm_of(rules: Rules, unit: Unit) -> int:
    """Return the version of *unit*'s normal form. All members of a group have one form."""
    field = FIELDS[rules.entity][unit.members[0]]
    return rules.forms.get(field.normal) or version_of(field)


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
        version = version or rules.forms.get(field.normal)
        if field.kind is Kind.SET:
            return elements_of(listed(rules.field_of(unit.name), values.get(unit.name), use, version))
        return _scalar(field, values.get(unit.name), use, version)
    parts = [
        _scalar(fields[member], values.get(member), use, version) if member in visible else HIDDEN
        for member in unit.members
    ]
    return joined(parts)


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


def overlaid(value: Print, older: Print) -> Print:
    """Return the group print *value*, with *older* for members that it does not cover."""
    if HIDDEN not in value:
        return value
    parts = str(value).split(_BETWEEN)
    kept = [str(older)] * len(parts) if older in (EMPTY, NEVER) else str(older).split(_BETWEEN)
    return joined([old if part == HIDDEN else part for part, old in zip(parts, kept, strict=True)])


def pending(shown: Print) -> Print:
    """Return `NEVER` for what *shown* covers: of a group shown in part, for that part alone."""
    if HIDDEN not in shown:
        return NEVER
    return joined([part if part == HIDDEN else NEVER for part in str(shown).split(_BETWEEN)])


def unmet_print(unit: Unit) -> Print:
    """Return the half of a base in which the two have not met yet: a create of ours alone tells of *unit*."""
    return joined([HIDDEN] * len(unit.members)) if len(unit.members) > 1 else NEVER


def reopened(known: Print, other: Print, shown: Print, unit: Unit) -> Print:
    """
    Return the group print *known* with `NEVER` for every member that is something else in *other* and not *shown*.

    It is not agreed on, whatever either side holds: going back to what was agreed on is a change, too.
    """
    if HIDDEN not in shown:
        return known
    parts = zip(parts_of(known, unit), parts_of(other, unit), parts_of(shown, unit), strict=True)
    return joined([NEVER if seen == HIDDEN and new not in (HIDDEN, old) else old for old, new, seen in parts])


def part_unseen(shown: Print, ours: Print, theirs: Print, unit: Unit) -> bool:
    """Tell whether *ours* and *theirs* differ in a member that the group print *shown* does not cover."""
    parts = (parts_of(each, unit) for each in (shown, ours, theirs))
    return any(seen == HIDDEN and mine != other for seen, mine, other in zip(*parts, strict=True))


def alike(one: Print, other: Print | None, unit: Unit) -> bool:
    """Tell whether two prints agree in all members that both cover, of which there must be one."""
    if other is None or one == other or len(unit.members) == 1:
        return one == other
    pairs = zip(parts_of(one, unit), parts_of(other, unit), strict=True)
    both = [(left, right) for left, right in pairs if HIDDEN not in (left, right)]
    return bool(both) and all(left == right != NEVER for left, right in both)


def is_made_of(shown: Print, sent: Print, expects: Print | None, unit: Unit) -> bool:
    """
    Tell whether *shown* is what was *sent*, or what the vendor is known to make of it (*expects*).

    Each member by itself: a vendor may respell some of a group at once and the rest later.
    """
    if expects is None or shown == sent or len(unit.members) == 1:
        return alike(shown, sent, unit) or alike(shown, expects, unit)
    triples = zip(*(parts_of(each, unit) for each in (shown, sent, expects)), strict=True)
    both = [(seen, known) for seen, *known in triples if seen != HIDDEN and known != [HIDDEN, HIDDEN]]
    return bool(both) and all(seen in known for seen, known in both)


def _scalar(field: Field, value: JsonValue, hasher: Hasher, version: int | None) -> Fingerprint:
    form = normal(field, value, version=version)
    return EMPTY if form is None else hasher(field.name, form)


def joined(parts: list[str]) -> Fingerprint:
    """Return the print of a group whose members have *parts*."""
    return Fingerprint(_BETWEEN.join(parts)) if any(parts) else EMPTY
