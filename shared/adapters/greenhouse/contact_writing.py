"""
Contact lists and tags on their way to Greenhouse, which replaces each as a whole. docs/vendors/greenhouse.md, 6.2.

What a write doesn't change is said as the vendor last showed it: handles of messengers, a value that stands there
twice, the spelling of a tag, and the words for types. A word that Greenhouse's documents don't name is said where the
very list shows it already, and is `other` everywhere else. Whether such a word is taken again is not told (6.13):
`documented` is what to say if it isn't.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from shared.adapters import wire
from shared.adapters.greenhouse import contacts
from shared.errors import Rejected
from shared.merge.normal_forms import normal
from shared.model import FIELDS, EntityType, JsonValue
from shared.model.records import Contact

Body = dict[str, Any]

_ORDERS: Mapping[str, tuple[str, ...]] = {
    contacts.EMAILS: contacts.EMAIL_TYPES,
    contacts.PHONES: contacts.PHONE_TYPES,
    contacts.ADDRESSES: contacts.ADDRESS_TYPES,
    contacts.WEBSITES: contacts.WEBSITE_TYPES,
}
_NONE: frozenset[str | None] = frozenset()


def ranked_list(
    raw: Mapping[str, Any], key: str, changes: Mapping[str, JsonValue], first_name: str, rest_name: str
) -> list[dict[str, Any]]:
    """
    Return the whole list at *key* so that reading it back gives the wanted first entry and rest.

    The type decides which entry is the first, so the first one gets the type that comes before all others where
    its own would not do. It takes over the type of the entry that it replaces.
    """
    order, shown = _ORDERS[key], contacts.entries(raw, key)
    foreign = [entry for entry in shown if key == contacts.PHONES and not contacts.is_phone(entry)]
    own = [entry for entry in shown if key != contacts.PHONES or contacts.is_phone(entry)]
    before = contacts.primary(own, order)
    others = contacts.without(own, before)
    first = changes[first_name] if first_name in changes else before and before["value"]
    rest = given(changes[rest_name]) if rest_name in changes else others
    known = {contacts.same(entry["value"]): entry for entry in ([] if before is None else [before]) + others}
    wanted: list[Contact] = []
    if isinstance(first, str) and first.strip():
        kept = known.get(contacts.same(first)) or before
        kind = order[0] if kept is None else kept.get("type")
        wanted.append({"value": first.strip(), "type": kind})
    said = _said([*wanted, *rest], order, {entry.get("type") for entry in own})
    said += _repeats(own, before, said, rest_name)
    if wanted and contacts.primary(said, order) is not said[0]:
        said[0]["type"] = order[min(contacts.rank(entry.get("type"), order) for entry in said)]
    return [dict(entry) for entry in (*said, *foreign)]


def plain_list(raw: Mapping[str, Any], key: str, value: JsonValue) -> list[dict[str, Any]]:
    """Return the whole list at *key* with the entries of *value*."""
    shown = contacts.entries(raw, key)
    said = _said(given(value), _ORDERS[key], {entry.get("type") for entry in shown})
    return [dict(entry) for entry in (*said, *_repeats(shown, None, said, key))]


def links(raw: Mapping[str, Any], changes: Mapping[str, JsonValue]) -> Body:
    """
    Return both link lists. LinkedIn's own goes first in the list in which it stood, among the untyped ones if new.

    A link with a type is a website, one without is a social address: that is all that Greenhouse tells them apart by. A
    website that it shows without a type stays one.
    """
    social, websites = contacts.entries(raw, contacts.SOCIAL), contacts.entries(raw, contacts.WEBSITES)
    shown = [*social, *websites]
    before = next((link for link in shown if contacts.is_linkedin(link["value"])), None)
    linkedin = changes["linkedin_url"] if "linkedin_url" in changes else before and before["value"]
    rest = given(changes["links"]) if "links" in changes else contacts.without(shown, before)
    # Reading looks among the untyped ones first, so another LinkedIn link there would take its place.
    stays = before is not None and not any(
        contacts.is_linkedin(link["value"]) and not link.get("type") for link in rest
    )
    if isinstance(linkedin, str) and linkedin.strip():
        if raw and not contacts.is_linkedin(linkedin):
            raise Rejected("this is not an address at LinkedIn", field="linkedin_url")
        kind = before.get("type") if before is not None and stays else None
        rest = [{"value": linkedin, "type": kind}, *rest]
    bare = {contacts.same(entry["value"]) for entry in websites if not entry.get("type")}
    if isinstance(linkedin, str) and not stays:
        bare.discard(contacts.same(linkedin))
    untyped, typed = _split(rest, {entry.get("type") for entry in websites}, bare)
    repeats = _repeats(shown, before, [*untyped, *typed], "links")
    untyped += [entry for entry in repeats if any(entry is each for each in social)]
    typed += [entry for entry in repeats if any(entry is each for each in websites)]
    return {
        contacts.SOCIAL: [{"value": entry["value"]} for entry in untyped],
        contacts.WEBSITES: [dict(entry) for entry in typed],
    }


def tags(raw: Mapping[str, Any], value: JsonValue) -> list[str]:
    """Return the tags of *value*, each in the vendor's own spelling where it shows it: it knows a tag by its name."""
    shown: dict[str, list[str]] = {}
    for index, tag in enumerate(wire.items(raw, contacts.TAGS)):
        if (name := wire.clean(tag, f"{contacts.TAGS}[{index}]")) is not None:
            shown.setdefault(name, []).append(tag if isinstance(tag, str) else name)
    names = [tag.strip() for tag in value if isinstance(tag, str) and tag.strip()] if isinstance(value, list) else []
    return list(dict.fromkeys(spelling for name in names for spelling in shown.get(name, [name])))


def documented(body: Mapping[str, Any]) -> Body:
    """Return *body* without words for types that Greenhouse's documents don't name: `other` stands for them."""
    plain = dict(body)
    for key, order in _ORDERS.items():
        if key in body:
            plain[key] = [{**entry, "type": _documented(key, entry.get("type"), order)} for entry in body[key]]
    if contacts.WEBSITES in body:
        untyped, typed = _split(body[contacts.WEBSITES], _NONE)
        plain[contacts.SOCIAL] = [*body.get(contacts.SOCIAL, ()), *untyped]
        plain[contacts.WEBSITES] = typed
    return plain


def shown_list(key: str, value: JsonValue) -> JsonValue:
    """Return what Greenhouse shows of the list at *key* after *value* was written, by its documents."""
    return _as_shown(_said(given(value), _ORDERS[key], _NONE))


def shown_links(value: JsonValue) -> JsonValue:
    """Return what Greenhouse shows of the links of *value* after they were written, by its documents."""
    untyped, typed = _split(given(value), _NONE)
    return _as_shown([*untyped, *typed])


def given(value: JsonValue) -> list[Contact]:
    """Return the entries of *value* that hold something. None is the empty list."""
    elements = value if isinstance(value, list) else []
    found: list[Contact] = []
    for entry in elements:
        if isinstance(entry, Mapping) and isinstance(text := entry.get("value"), str) and text.strip():
            kind = entry.get("type")
            found.append({"value": text, "type": kind if isinstance(kind, str) else None})
    return found


def _said(wanted: Sequence[Contact], order: tuple[str, ...], held: Collection[str | None]) -> list[Contact]:
    """Return *wanted* with words for types that Greenhouse names, or that its list *held* already."""
    return [
        {"value": entry["value"].strip(), "type": _word(entry.get("type"), order, held)}
        for entry in contacts.without(wanted, None)
    ]


def _word(kind: str | None, order: tuple[str, ...], held: Collection[str | None]) -> str | None:
    return kind if kind in held else order[contacts.rank(kind, order)]


def _repeats(shown: Sequence[Contact], first: Contact | None, said: Sequence[Contact], name: str) -> list[Contact]:
    """
    Return what of *shown* repeats an entry that is *said* as it stood; *first* is a field of its own, beside *name*.

    We hold one entry of a value, however it is spelled; Greenhouse may show several, and those are not ours to drop.
    """
    field = FIELDS[EntityType.CANDIDATE][name]
    kept = {_as_it_stands(entry) for entry in said}
    rest = contacts.without(shown, first)
    forms = {normal(field, entry["value"]) for entry in rest if _as_it_stands(entry) in kept}
    # As the merge tells entries apart, and as reading does, which leaves out what repeats an earlier value.
    alike = [entry for entry in rest if normal(field, entry["value"]) in forms]
    values = {contacts.same(entry["value"]) for entry in alike}
    if first is not None and _as_it_stands(first) in kept:
        values.add(contacts.same(first["value"]))
    left_out = [entry for entry in shown if entry is not first and not any(entry is each for each in rest)]
    return [
        *(entry for entry in alike if _as_it_stands(entry) not in kept),
        *(entry for entry in left_out if contacts.same(entry["value"]) in values),
    ]


def _as_it_stands(entry: Contact) -> tuple[str, str | None]:
    return entry["value"], entry.get("type")


def _split(
    wanted: Sequence[Contact], held: Collection[str | None], bare: Collection[str] = ()
) -> tuple[list[Contact], list[Contact]]:
    """Return (social addresses, websites) of *wanted*; *bare*: values that are websites though they have no type."""
    untyped: list[Contact] = []
    sites: list[Contact] = []
    for entry in contacts.without(wanted, None):
        if entry.get("type") or contacts.same(entry["value"]) in bare:
            sites.append(entry)
        else:
            untyped.append({"value": entry["value"].strip()})
    return untyped, _said(sites, contacts.WEBSITE_TYPES, held)


def _documented(key: str, kind: str | None, order: tuple[str, ...]) -> str:
    word = (kind or "").casefold()
    if key == contacts.PHONES and word == contacts.NOT_A_PHONE:
        return word
    return order[contacts.rank(kind, order)]


def _as_shown(entries: Sequence[Contact]) -> JsonValue:
    return [{"value": entry["value"], "type": entry.get("type")} for entry in entries]
