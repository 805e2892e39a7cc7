"""
Elements of lists in which the place means nothing: told apart by identity, compared by what else they say.

    identity   fingerprint of the members that tell elements apart (`value`; employer and start)
    whole      fingerprint of the element; equal to the identity where it says nothing else. Of objects whose members
               are merged one by one: a short fingerprint for each of those, joined by dots

Where several elements of one list share an identity (two posts at one employer, dates unknown), nothing of it may be
lost: they are told apart by all that they say, `identity~rest`, on both sides and in the base.
"""

from __future__ import annotations

import hashlib
from binascii import b2a_base64
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import JsonValue

from shared.merge.normal_forms import canonical_json, member_forms, normal
from shared.merge.state import EMPTY, NEVER, Elements, Fingerprint, Hasher, UnitBase
from shared.model.fields import Field

Listed = dict[Fingerprint, tuple[Fingerprint, JsonValue]]
"""A set as one side shows it: identity → (whole element, the element itself), in that side's order."""

_MEMBER_SIGNS = 8  # 48 bits tell a change within one element of one link
_APART = "~"
_BETWEEN = "."
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def listed(
    field: Field,
    value: JsonValue,
    hasher: Hasher,
    version: int | None = None,
    *,
    crowded: Collection[Fingerprint] = (),
) -> Listed:
    """
    Return the elements of the list *value* by identity, as `told_apart` tells them apart.

    Objects whose members are merged one by one are all kept: those with one identity, or with one that is *crowded* on
    the other side, are told apart by all that they say.
    """
    if field.members:
        return _objects(field, value if isinstance(value, list) else (), hasher, version, crowded)
    found: Listed = {}
    for form, (whole, element) in told_apart(field, value, version).items():
        identity = hasher(field.name, form)
        print_ = hasher(whole_name(field.name), whole_form(form, whole)) if whole else identity
        found[identity] = (print_, element)
    return found


def told_apart(field: Field, value: JsonValue, version: int | None = None) -> dict[str, tuple[str, JsonValue]]:
    """
    Return the elements of the list *value*: normal form of the identity → (form of the rest, the element itself).

    Empty elements are left out. Of two with one identity the one with the smaller form is kept, wherever in the list
    it stands; of objects whose members have forms of their own both are, by all that they say.
    """
    found: dict[str, tuple[str, JsonValue]] = {}
    elements = value if isinstance(value, list) else ()
    if field.members:
        return _objects_by_form(field, elements, version)
    own = field.identity[0] if field.identity else None
    for element in elements:
        key, whole = element, ""
        if own is not None and isinstance(element, dict):
            key, whole = element.get(own), _rest(own, element)
        form = normal(field, key, version=version)
        if form is None:
            continue
        if form not in found or whole < found[form][0]:
            found[form] = (whole, element)
    return found


def _objects_by_form(
    field: Field, elements: Sequence[JsonValue], version: int | None
) -> dict[str, tuple[str, JsonValue]]:
    groups: dict[str, dict[str, JsonValue]] = {}
    for element in elements:
        forms = member_forms(field, element, version=version)
        if forms and _counts(field, forms):
            key = "\0".join(forms.pop(name, "") for name in field.identity)
            groups.setdefault(key, {}).setdefault(canonical_json(forms).decode() if forms else "", element)
    return {
        f"{key}\0{rest}" if len(group) > 1 else key: (rest, element)
        for key, group in groups.items()
        for rest, element in group.items()
    }


def with_left_out(field: Field, value: JsonValue, ours: JsonValue) -> JsonValue:
    """Return the list *value* with the elements of *ours* that `field.only` leaves out: nobody here decides on them."""
    others = ours if isinstance(ours, list) else []
    left_out = [each for each in others if (forms := member_forms(field, each)) and not _counts(field, forms)]
    return [*(value if isinstance(value, list) else []), *left_out] if left_out else value


def whole_name(name: str) -> str:
    """Return the name under which the print of a whole element is made."""
    return name + "*"


def whole_form(form: str, whole: str) -> str:
    """Return what the print of a whole element is made of."""
    return f"{form}\0{whole}"


def elements_of(shown: Listed) -> Elements:
    """Return what a base keeps of a set."""
    return {identity: whole for identity, (whole, _) in shown.items()}


def crowds(*keys: Collection[Fingerprint]) -> frozenset[Fingerprint]:
    """Return the identities that several elements share, by the identities in *keys*."""
    return frozenset(
        Fingerprint(key.partition(_APART)[0]) for collection in keys for key in collection if _APART in key
    )


def spread(elements: Elements, crowded: Collection[Fingerprint]) -> Elements:
    """Return *elements* with each one of a *crowded* identity told apart by all that it says."""
    if not crowded:
        return elements
    found: dict[Fingerprint, Fingerprint] = {}
    for each, whole in elements.items():
        key = _apart(each, whole) if each in crowded else each
        found[key] = whole if key == each else key
    return found


def spread_base(base: UnitBase, crowded: Collection[Fingerprint]) -> tuple[Elements, Elements, Elements | None]:
    """Return the halves and the intent of *base*, a set's, with the elements of *crowded* identities told apart."""
    ours, theirs, intent = base.ours, base.theirs, base.intent
    if isinstance(ours, str) or isinstance(theirs, str):
        return {}, {}, None  # met as one value, under another policy
    # What is yet to be agreed on has no print of its own; the element is the one that they show.
    settled = {each: theirs.get(each, whole) if NEVER in whole else whole for each, whole in ours.items()}
    ours = {**ours, **{each: settled[each] for each in crowded if each in ours}}
    asked = None if intent is None or isinstance(intent, str) else spread(intent, crowded)
    return spread(ours, crowded), spread(theirs, crowded), asked


def details_of(field: Field) -> tuple[str, ...]:
    """Return the members that are merged one by one within an element; none where it is one value."""
    return tuple(name for name in field.members if name not in field.identity)


def parts_of_whole(field: Field, identity: Fingerprint, whole: Fingerprint | None) -> Sequence[str | None]:
    """Return what *whole* keeps of each detail, of an element that is one value in one part; None = never met."""
    count = len(details_of(field)) or 1
    if whole is None:
        return [None] * count
    if not field.members:
        return [whole]
    if whole == identity:
        return [EMPTY] * count
    parts = whole.split(_BETWEEN)
    return parts if len(parts) == count else [NEVER] * count


def whole_of_parts(field: Field, identity: Fingerprint, parts: Sequence[str]) -> Fingerprint:
    """Return the whole whose parts these are."""
    if not field.members:
        return Fingerprint(parts[0])
    return Fingerprint(_BETWEEN.join(parts)) if any(parts) else identity


def is_pending(whole: Fingerprint | None) -> bool:
    """Tell whether something of an element in a base is yet to be agreed on."""
    return whole is not None and NEVER in whole


def with_details(element: JsonValue, other: JsonValue, names: Collection[str]) -> JsonValue:
    """Return the object *element* with the members *names* as the object *other* has them."""
    mine: Any = element
    theirs: Any = other
    return {**mine, **{name: theirs.get(name) for name in names}}


def _objects(
    field: Field,
    elements: Sequence[JsonValue],
    hasher: Hasher,
    version: int | None,
    crowded: Collection[Fingerprint],
) -> Listed:
    details = details_of(field)
    seen: dict[tuple[Fingerprint, Fingerprint], JsonValue] = {}
    count: dict[Fingerprint, int] = {}
    for element in elements:
        forms = member_forms(field, element, version=version)
        if not forms or not _counts(field, forms):
            continue
        identity = hasher(field.name, "\0".join(forms.get(name, "") for name in field.identity))
        parts = [_short(hasher(f"{field.name}*{name}", forms[name])) if name in forms else "" for name in details]
        key = identity, whole_of_parts(field, identity, parts)
        if key not in seen:
            seen[key] = element
            count[identity] = count.get(identity, 0) + 1
    found: Listed = {}
    for (identity, whole), element in seen.items():
        if count[identity] > 1 or identity in crowded:
            own = _apart(identity, whole)
            found[own] = (own, element)
        else:
            found[identity] = (whole, element)
    return found


def _counts(field: Field, forms: Mapping[str, str]) -> bool:
    return field.only is None or forms.get(field.identity[0]) in field.only


def _apart(identity: Fingerprint, whole: Fingerprint) -> Fingerprint:
    return Fingerprint(f"{identity}{_APART}{_short(whole)}")


def _short(text: str) -> str:
    state = hashlib.blake2b(text.encode(), digest_size=_MEMBER_SIGNS * 6 // 8)
    return b2a_base64(state.digest(), newline=False).translate(_URL_SAFE).decode("ascii")


def _rest(own: str, element: Mapping[str, JsonValue]) -> str:
    """Return the normal form of the members beside the identity *own*; "" when there are none."""
    rest = {name: value for name, value in element.items() if name != own and (value or value not in (None, ""))}
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
