"""
Lists in which the place means nothing: additions and removals of both sides are kept (docs/merge.md, Sets).

    O' = (O | added_t) - (removed_t - added_o)        T' = (T | added_o) - (removed_o - added_t)

Elements are told apart by identity, and add beats remove. One identity whose other members differ is merged as a value
of its own: the later one wins. Everything here is in *our* identities: where the vendor is known to change one (it
cuts at 40 signs), `UnitBase.aliases` translates what it shows. Where it makes one of two of ours, one of them stands
for both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from shared.merge.details import Element, landed_details, merge_details
from shared.merge.draft import Draft
from shared.merge.elements import Listed, crowds, elements_of, is_pending, listed, spread_base
from shared.merge.fingerprints import norm_of
from shared.merge.rows import Row
from shared.merge.state import Elements, Fingerprint, Rules, UnitBase
from shared.merge.times import theirs_at
from shared.model.fields import Field, Policy, Unit

Aliases = Mapping[Fingerprint, Fingerprint]


@dataclass(slots=True)
class _Sides:
    """One set, as both sides show it and as it shall be."""

    ours: Listed
    theirs: Listed
    base_ours: Elements
    base_theirs: Elements
    unseen_ours: Elements = field(default_factory=dict)
    """Of the base, what this record does not show; it is neither changed nor compared."""
    unseen_theirs: Elements = field(default_factory=dict)
    alike: Mapping[Fingerprint, tuple[Fingerprint, JsonValue]] = field(default_factory=dict)
    """Elements that the vendor can't tell from another one of ours: the one that stands for both, and the element."""
    crowded: Collection[Fingerprint] = ()
    """Identities that several elements share somewhere, which are told apart by all that they say."""
    next_ours: Listed = field(default_factory=dict)
    next_theirs: Listed = field(default_factory=dict)


def merge_set(draft: Draft, unit: Unit, base: UnitBase | None) -> None:
    """Decide *unit*, a visible set that is decided element by element."""
    rules, what = draft.rules, draft.rules.field_of(unit.name)
    sides, aliases, intent = _sides_of(draft, unit, what, base)
    theirs_now = elements_of(sides.theirs)
    if base is not None and draft.theirs.observed_at < base.seen_at and theirs_now != sides.base_theirs:
        draft.decided(unit, Row.OUTDATED)
        return
    if intent is not None:
        _answered(draft, unit, what, sides, intent)
    _unite(draft, unit, sides)
    new_ours, new_theirs = _agreed(draft, unit, sides)
    new_ours |= sides.unseen_ours
    new_theirs |= sides.unseen_theirs
    _merge_details(draft, unit, what, sides, new_ours, new_theirs)
    _write(draft, unit, sides, new_theirs)
    seen_at = draft.theirs.observed_at if base is None else max(base.seen_at, draft.theirs.observed_at)
    known = base or UnitBase(new_ours, new_theirs, seen_at)
    draft.base[unit.name] = replace(
        known,
        ours=new_ours,
        theirs=new_theirs,
        seen_at=seen_at,
        norm=norm_of(rules, unit),
        key_id=rules.key_id,
        intent=None,
        intent_expects=None,
        aliases=_aliases_kept(rules, what, sides, aliases, new_ours),
    )
    draft.settled.append(unit.name)


def elements_now_and_then(
    draft: Draft, unit: Unit, base: UnitBase | None
) -> tuple[Elements, Elements, Elements, Elements]:
    """Return the visible set *unit* as it stands here and there, and as *base* has the two, told apart alike."""
    sides, _, _ = _sides_of(draft, unit, draft.rules.field_of(unit.name), base)
    return elements_of(sides.ours), elements_of(sides.theirs), sides.base_ours, sides.base_theirs


def _sides_of(draft: Draft, unit: Unit, what: Field, base: UnitBase | None) -> tuple[_Sides, Aliases, Elements | None]:
    """Return the set as it stands, and the open intent, all with the same elements told apart."""
    rules, version = draft.rules, draft.rules.forms.get(what.normal)
    values = (draft.ours.values.get(unit.name), draft.theirs.values[unit.name])
    ours, theirs = (listed(what, value, rules.hasher, version) for value in values)
    halves = () if base is None else (base.ours, base.theirs, base.intent or "")
    crowded = crowds(ours, theirs, *(half for half in halves if not isinstance(half, str)))
    if crowded:
        ours, theirs = (listed(what, value, rules.hasher, version, crowded=crowded) for value in values)
    stands_for = _taken_for_one(rules, what, ours, base)
    alike = {each: (other, ours[each][1]) for each, other in stands_for.items() if each in ours}
    ours = {each: shown for each, shown in ours.items() if each not in alike}
    aliases = aliases_of(rules, what, ours, base, crowded)
    theirs = _shown_as_one(translated(theirs, aliases), stands_for)
    base_ours, base_theirs, intent = ({}, {}, None) if base is None else spread_base(base, crowded)
    base_ours, base_theirs = (_as_one(half, stands_for) for half in (base_ours, base_theirs))
    (base_ours, unseen_ours), (base_theirs, unseen_theirs) = (
        _split(rules, what, half) for half in (base_ours, base_theirs)
    )
    sides = _Sides(ours, theirs, base_ours, base_theirs, unseen_ours, unseen_theirs, alike, crowded)
    return sides, aliases, None if intent is None else _as_one(intent, stands_for)


def _split(rules: Rules, what: Field, half: Elements) -> tuple[Elements, Elements]:
    """Return the elements of *half* that can be compared, and those that are not shown."""
    forms = rules.unseen.get(what.name)
    if not forms:
        return half, {}
    unseen = {rules.hasher(what.name, form) for form in forms}
    hidden = {each: whole for each, whole in half.items() if each in unseen}
    return {each: whole for each, whole in half.items() if each not in hidden}, hidden


def _taken_for_one(rules: Rules, what: Field, ours: Listed, base: UnitBase | None) -> Mapping[Fingerprint, Fingerprint]:
    """Return the elements that the vendor can't tell from another one of ours → the one that stands for both."""
    known = base.aliases if base is not None and base.aliases is not None else {}
    met = base.theirs if base is not None and not isinstance(base.theirs, str) else {}
    if what.members or (len(ours) <= 1 and not known):
        return {}
    version = rules.forms.get(what.normal)
    shown_as: dict[Fingerprint, list[Fingerprint]] = {}
    for identity, (_, element) in ours.items():
        made = rules.expected(what.name, [element])
        for shown in [identity] if made == [element] else listed(what, made, rules.hasher, version):
            shown_as.setdefault(shown, []).append(identity)
    # One of ours that took the very spelling of the vendor's is no other than the one that was known by it.
    stands_for = {each: shown for shown, each in known.items() if shown in ours and each not in ours}
    for several in shown_as.values():
        stands = next((each for each in several if each in met), min(several))
        stands_for |= {each: stands for each in several if each != stands}
    return {each: stands_for.get(other, other) for each, other in stands_for.items()}


def _shown_as_one(shown: Listed, stands_for: Mapping[Fingerprint, Fingerprint]) -> Listed:
    """Return *shown* with the elements that are one to the vendor as one."""
    wholes = _as_one(elements_of(shown), stands_for)
    elements = {stands_for.get(each, each): element for each, (_, element) in shown.items()}
    return {each: (wholes[each], element) for each, element in elements.items()}


def _as_one(half: Elements, stands_for: Mapping[Fingerprint, Fingerprint]) -> Elements:
    """Return *half* of a base with the elements that are one to the vendor as one."""
    found = {each: whole for each, whole in half.items() if each not in stands_for}
    for each, whole in half.items():
        if each in stands_for:
            found.setdefault(stands_for[each], stands_for[each] if whole == each else whole)
    return found


def aliases_of(
    rules: Rules, what: Field, ours: Listed, base: UnitBase | None, crowded: Collection[Fingerprint] = ()
) -> Aliases:
    """Return which of our elements the vendor is known to show under another identity: theirs → ours."""
    aliases = dict(base.aliases or {}) if base is not None else {}
    version = rules.forms.get(what.normal)
    for identity, (_, element) in ours.items():
        made = rules.expected(what.name, [element])
        if made == [element]:
            continue
        for shown in listed(what, made, rules.hasher, version, crowded=crowded):
            if shown not in ours:
                aliases[shown] = identity
    return aliases


def _aliases_kept(
    rules: Rules, what: Field, sides: _Sides, aliases: Aliases, new_ours: Collection[Fingerprint]
) -> Aliases | None:
    """Return the aliases of what is held or agreed on, and of what this merge takes: it may be dropped here soon."""
    if sides.next_ours.keys() - sides.ours.keys():
        aliases = {**aliases_of(rules, what, sides.next_ours, None, sides.crowded), **aliases}
    return {theirs: ours for theirs, ours in aliases.items() if ours in new_ours or ours in sides.ours} or None


def translated(shown: Listed, aliases: Aliases) -> Listed:
    """
    Return *shown* with each element under our identity; one that the vendor shows under both keeps its own.

    A whole that is the identity, of an element that says nothing else or of a namesake, follows it.
    """
    if not aliases:
        return shown
    names = {theirs_: ours_ for theirs_, ours_ in aliases.items() if ours_ not in shown}
    found: Listed = {}
    for identity, (whole, element) in shown.items():
        ours = names.get(identity, identity)
        found[ours] = (ours if whole == identity else whole, element)
    return found


def _answered(draft: Draft, unit: Unit, what: Field, sides: _Sides, intent: Elements) -> None:
    """Row 2, element by element: what of a write whose answer was lost has landed counts as agreed."""
    ours_then, theirs_then, theirs = dict(sides.base_ours), dict(sides.base_theirs), elements_of(sides.theirs)
    landed = False
    for each, whole in intent.items():
        if each not in theirs:
            continue
        if each not in theirs_then:
            ours_then[each], theirs_then[each], landed = whole, theirs[each], True
        elif is_pending(ours_then.get(each)):
            pending = ours_then[each], theirs_then[each]
            ours_then[each], theirs_then[each] = landed_details(what, each, pending, whole, theirs[each])
            landed = landed or pending != (ours_then[each], theirs_then[each])
    removed = {each for each in sides.base_theirs if each not in intent and each not in theirs}
    if landed or removed:
        draft.decided(unit, Row.OWN_WRITE)
    sides.base_ours = {each: whole for each, whole in ours_then.items() if each not in removed}
    sides.base_theirs = {each: whole for each, whole in theirs_then.items() if each not in removed}


def _unite(draft: Draft, unit: Unit, sides: _Sides) -> None:
    """Fill in what either side shall hold."""
    is_cut, only_adds = unit.name in draft.theirs.cut, draft.policy(unit) is Policy.APPEND
    may_add, may_remove = _may(draft, unit)
    added_o = sides.ours.keys() - sides.base_ours.keys()
    removed_o = set() if only_adds else sides.base_ours.keys() - sides.ours.keys()
    added_t = sides.theirs.keys() - sides.base_theirs.keys()
    # Of a list that is shown in part nothing is known to be gone.
    removed_t = set() if is_cut or only_adds else sides.base_theirs.keys() - sides.theirs.keys()
    sides.next_ours, sides.next_theirs = dict(sides.ours), dict(sides.theirs)
    if draft.rules.inbound:
        dropped = removed_t - added_o
        sides.next_ours = {each: shown for each, shown in sides.ours.items() if each not in dropped}
        sides.next_ours |= {each: shown for each, shown in sides.theirs.items() if each in added_t - sides.ours.keys()}
    if may_remove and not is_cut:
        dropped = removed_o - added_t
        sides.next_theirs = {each: shown for each, shown in sides.theirs.items() if each not in dropped}
    if may_add:
        # From what ours shall be: an element that this very merge takes away is not sent out.
        new = added_o - sides.theirs.keys()
        sides.next_theirs |= {each: shown for each, shown in sides.next_ours.items() if each in new}


def _agreed(
    draft: Draft, unit: Unit, sides: _Sides
) -> tuple[dict[Fingerprint, Fingerprint], dict[Fingerprint, Fingerprint]]:
    """
    Return the base that transaction 1 writes: what both sides hold once ours is written, less what both have dropped.

    An element that only ours shows and the vendor can't add (or, refused earlier, already stands in our half alone)
    belongs to our half; one that it can't remove, to theirs. Neither is tried again.
    """
    rules, is_cut = draft.rules, unit.name in draft.theirs.cut
    may_add, may_remove = _may(draft, unit)
    both = sides.next_ours.keys() & sides.theirs.keys()
    ours = {
        each: whole
        for each, whole in sides.base_ours.items()
        if each in sides.next_ours or each in sides.theirs or is_cut
    }
    theirs = {
        each: whole
        for each, whole in sides.base_theirs.items()
        if each in sides.theirs or is_cut or (not rules.inbound and each in sides.next_ours)
    }
    for each in both:
        ours.setdefault(each, sides.next_ours[each][0])
        theirs.setdefault(each, sides.theirs[each][0])
    if rules.outbound and not may_add:
        ours |= {each: whole for each, (whole, _) in sides.next_ours.items() if each not in ours}
    if rules.outbound and not may_remove and not is_cut:
        ours = {each: whole for each, whole in ours.items() if each in sides.next_ours}
    return ours, theirs


def _merge_details(
    draft: Draft,
    unit: Unit,
    what: Field,
    sides: _Sides,
    new_ours: dict[Fingerprint, Fingerprint],
    new_theirs: dict[Fingerprint, Fingerprint],
) -> None:
    """Merge the elements that both sides hold under one identity and with unlike details."""
    for each in sides.ours.keys() & sides.theirs.keys() & sides.next_ours.keys() & sides.next_theirs.keys():
        (o, ours), (t, theirs) = sides.ours[each], sides.theirs[each]
        then = sides.base_ours.get(each), sides.base_theirs.get(each)
        if then == (o, t):
            continue
        merged = merge_details(draft, unit, what, Element(each, ours, theirs, o, t, *then))
        new_ours[each], new_theirs[each] = merged.base_ours, merged.base_theirs
        sides.next_ours[each], sides.next_theirs[each] = merged.ours, merged.theirs


def _write(draft: Draft, unit: Unit, sides: _Sides, new_theirs: Elements) -> None:
    """Note what is to be written on either side, and the intent."""
    ours, theirs = elements_of(sides.next_ours), elements_of(sides.next_theirs)
    is_taken, is_pushed = ours != elements_of(sides.ours), theirs != elements_of(sides.theirs)
    if is_taken:
        also = [element for stands, element in sides.alike.values() if stands in sides.next_ours]
        draft.take[unit.name] = [element for _, element in sides.next_ours.values()] + also
        draft.decided(unit, Row.UNION, theirs_at(unit.name, draft.theirs, draft.base.get(unit.name)))
    if is_pushed:
        # Elements of theirs that we neither hold nor agreed on are none of our doing, and so of no intent.
        intent = {each: whole for each, whole in theirs.items() if each in ours or each in new_theirs}
        # What is not shown though agreed (the list is cut, or its removal may not come in) is not ours to remove.
        intent |= {each: whole for each, whole in new_theirs.items() if each not in sides.theirs}
        draft.pushed(unit, {unit.name: [element for _, element in sides.next_theirs.values()]}, intent, None)
        if not is_taken:
            draft.decided(unit, Row.UNION)


def _may(draft: Draft, unit: Unit) -> tuple[bool, bool]:
    """Return whether elements may be added and removed at the vendor."""
    writable = draft.writable(unit)
    return draft.rules.outbound and writable.add, draft.rules.outbound and writable.remove
