"""
Lists in which the place means nothing: additions and removals of both sides are kept (docs/merge.md, Sets).

    O' = (O | added_t) - (removed_t - added_o)        T' = (T | added_o) - (removed_o - added_t)

Elements are told apart by identity, and add beats remove. One identity whose other members differ is merged as a value
of its own: the later one wins. Everything here is in *our* identities: where the vendor is known to change one (it
cuts at 40 signs), `UnitBase.aliases` translates what it shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from shared.merge.draft import Draft
from shared.merge.fingerprints import Listed, elements_of, has_details, listed, norm_of
from shared.merge.rows import Row
from shared.merge.state import NEVER, Elements, Fingerprint, Rules, UnitBase
from shared.merge.times import ours_is_later, theirs_at
from shared.model.fields import FIELDS, Field, Policy, Unit

Aliases = Mapping[Fingerprint, Fingerprint]


@dataclass(slots=True)
class _Sides:
    """One set, as both sides show it and as it shall be."""

    ours: Listed
    theirs: Listed
    base_ours: Elements
    base_theirs: Elements
    next_ours: Listed = field(default_factory=dict)
    next_theirs: Listed = field(default_factory=dict)


def merge_set(draft: Draft, unit: Unit, base: UnitBase | None) -> None:
    """Decide *unit*, a visible set whose policy is `union`."""
    rules, what = draft.rules, FIELDS[draft.rules.entity][unit.name]
    ours = listed(what, draft.ours.values.get(unit.name), rules.hasher)
    aliases = aliases_of(rules, what, ours, base)
    theirs = translated(listed(what, draft.theirs.values[unit.name], rules.hasher), aliases)
    if base is not None and draft.theirs.observed_at < base.seen_at and elements_of(theirs) != base.theirs:
        draft.decided(unit, Row.OUTDATED)
        return
    base_ours, base_theirs = _answered(draft, unit, base, elements_of(theirs))
    sides = _Sides(ours, theirs, base_ours, base_theirs)
    _unite(draft, unit, sides)
    new_ours, new_theirs = _agreed(draft, unit, sides)
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
        aliases={theirs_: ours_ for theirs_, ours_ in aliases.items() if ours_ in new_ours or ours_ in ours} or None,
    )
    draft.settled.append(unit.name)


def aliases_of(rules: Rules, what: Field, ours: Listed, base: UnitBase | None) -> Aliases:
    """Return which of our elements the vendor is known to show under another identity: theirs → ours."""
    aliases = dict(base.aliases or {}) if base is not None else {}
    for identity, (_, element) in ours.items():
        made = rules.expected(what.name, [element])
        if made == [element]:
            continue
        for shown in listed(what, made, rules.hasher):
            if shown != identity and shown not in ours:
                aliases[shown] = identity
    return aliases


def translated(shown: Listed, aliases: Aliases) -> Listed:
    """Return *shown* with each element under our identity; one that the vendor shows under both keeps its own."""
    if not aliases:
        return shown
    return {
        identity if aliases.get(identity, identity) in shown else aliases.get(identity, identity): each
        for identity, each in shown.items()
    }


def _answered(draft: Draft, unit: Unit, base: UnitBase | None, theirs: Elements) -> tuple[Elements, Elements]:
    """Row 2, element by element: what of a write whose answer was lost has landed counts as agreed."""
    if base is None or isinstance(base.ours, str) or isinstance(base.theirs, str):
        return {}, {}  # never met, or met as one value under another policy
    ours_then, theirs_then, intent = dict(base.ours), dict(base.theirs), base.intent
    if intent is None or isinstance(intent, str):
        return ours_then, theirs_then
    added = {each: whole for each, whole in intent.items() if each in theirs and each not in theirs_then}
    detailed = {
        each: whole for each, whole in intent.items() if ours_then.get(each) == NEVER and theirs.get(each) == whole
    }
    removed = {each for each in theirs_then if each not in intent and each not in theirs}
    if added or removed or detailed:
        draft.decided(unit, Row.OWN_WRITE)
    landed = added | detailed
    return (
        {each: whole for each, whole in {**ours_then, **landed}.items() if each not in removed},
        {
            each: whole
            for each, whole in {**theirs_then, **{each: theirs[each] for each in landed}}.items()
            if each not in removed
        },
    )


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
        o, t = sides.ours[each][0], sides.theirs[each][0]
        our_change, their_change = sides.base_ours.get(each) != o, sides.base_theirs.get(each) != t
        if not (our_change or their_change):
            continue
        if o == t or _is_expected(draft.rules, what, sides.ours[each][1], t):
            new_ours[each], new_theirs[each] = o, t
        elif their_change and not (our_change and _ours_stays(draft, unit, what, sides, each)):
            if draft.rules.inbound:
                sides.next_ours[each] = sides.theirs[each]
                new_ours[each] = new_theirs[each] = t
            else:
                new_theirs[each] = sides.base_theirs.get(each, NEVER)
        elif not draft.rules.outbound:
            new_ours[each] = sides.base_ours.get(each, NEVER)
        elif draft.writable(unit).value:
            sides.next_theirs[each] = sides.ours[each]
            # Until the vendor has answered, ours stays a change: a crash before the call must find one.
            new_ours[each], new_theirs[each] = NEVER, t
        else:
            new_ours[each], new_theirs[each] = o, t


def _ours_stays(draft: Draft, unit: Unit, what: Field, sides: _Sides, each: Fingerprint) -> bool:
    """Decide between two unlike details: at a first meeting those that say something, else the later ones."""
    if each not in sides.base_ours and each not in sides.base_theirs:
        ours_says, theirs_says = (has_details(what, side[each][1]) for side in (sides.ours, sides.theirs))
        if ours_says != theirs_says:
            return ours_says
    at = theirs_at(unit.name, draft.theirs, draft.base.get(unit.name))
    return ours_is_later(draft.ours.stamps.get(unit.name), at, draft.theirs)


def _is_expected(rules: Rules, what: Field, element: JsonValue, t: Fingerprint) -> bool:
    """Tell whether *t* is what the vendor is known to make of *element*."""
    made = rules.expected(what.name, [element])
    return made != [element] and any(whole == t for whole, _ in listed(what, made, rules.hasher).values())


def _write(draft: Draft, unit: Unit, sides: _Sides, new_theirs: Elements) -> None:
    """Note what is to be written on either side, and the intent."""
    ours, theirs = elements_of(sides.next_ours), elements_of(sides.next_theirs)
    is_taken, is_pushed = ours != elements_of(sides.ours), theirs != elements_of(sides.theirs)
    if is_taken:
        draft.take[unit.name] = [element for _, element in sides.next_ours.values()]
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
