"""
What a vendor's answer to a write changes in the base, and the intents round the call.

An answer settles the fields that were sent and nothing else; whatever more it shows is just a new observation. Taking
the whole answer for the new base would swallow what a person changed at the vendor meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from pydantic import JsonValue

from shared.merge.details import settled_details, whole_made
from shared.merge.draft import expected_print, laid_over
from shared.merge.elements import Listed, crowds, is_pending, listed, spread, spread_base
from shared.merge.fingerprints import (
    alike,
    is_empty,
    is_made_of,
    is_set,
    mark_of,
    narrowed,
    norm_of,
    overlaid,
    print_of,
)
from shared.merge.sets import aliases_of, translated
from shared.merge.state import EMPTY, Base, Elements, Fingerprint, Print, Rules, State, StoredBase, Theirs, UnitBase
from shared.model.fields import UNITS, Field, Unit


def open_intents(base: Base) -> frozenset[str]:
    """Return the units of which a write may be under way or has lost its answer."""
    return frozenset(name for name, unit in base.items() if unit.intent is not None)


def is_apart(base: UnitBase | None) -> bool:
    """Tell whether both sides are known to differ: knowingly, or in elements of ours that theirs lacks."""
    if base is None:
        return False
    if isinstance(base.ours, Mapping) and isinstance(base.theirs, Mapping):
        return base.state is State.DIVERGED or not base.ours.keys() <= base.theirs.keys()
    return base.state is State.DIVERGED


def dropped(base: Base, sent: Mapping[str, Print]) -> list[str]:
    """Return the units of *sent* whose call was answered, by *base* as it is then, and whose value is not there."""
    return [name for name, print_ in sent.items() if base[name].intent is None and _is_dropped(base[name], print_)]


def _is_dropped(base: UnitBase, sent: Print) -> bool:
    if isinstance(sent, Mapping) and isinstance(base.ours, Mapping) and isinstance(base.theirs, Mapping):
        return any(each in base.ours and each not in base.theirs for each in sent)
    return base.state is State.DIVERGED


def with_intents(base: Base, intents: Mapping[str, Print], expects: Mapping[str, Print] | None = None) -> StoredBase:
    """Return *base* with an outcome's *intents* and *expects*; commit it before the vendor is called."""
    known = StoredBase(base)
    for name, intent in intents.items():
        known[name] = replace(known[name], intent=intent, intent_expects=(expects or {}).get(name))
    return known


def settle(
    base: Base,
    sent: Mapping[str, Print],
    values: Mapping[str, JsonValue],
    answer: Theirs | None,
    rules: Rules,
    *,
    is_look: bool = False,
    tried: Base = MappingProxyType({}),
) -> StoredBase:
    """
    Return *base* after the vendor has answered a call that sent the units *sent* (by unit: its intent).

    *values* are the fields as they were sent. A unit that *answer* does not show keeps its intent: only a fresh fetch
    ends it (a write-only one is agreed on by any answer; None = the answer showed nothing). *is_look*: *answer* is no
    answer to the call but a later fetch; a value there that is neither ours nor made of ours is somebody's edit.
    Where a look shows what stood there before the call, the vendor has ignored the write or somebody has undone it
    since: the intent stays open, so that the next fresh fetch sends it again; unless *tried*, the base as it was before
    this call, has it open already. What is not kept twice is not sent a third time.
    """
    known = StoredBase(base)
    for name, print_ in sent.items():
        unit = UNITS[rules.entity][name]
        writable = rules.writable.get(name)
        shown = () if answer is None else tuple(each for each in unit.members if each in answer.values)
        if answer is not None and shown:
            settled = _settled(known[name], unit, print_, values, answer, rules, shown, is_look=is_look)
            if not (is_look and _wants_another_try(print_, settled, tried.get(name), unit)):
                known[name] = settled
        elif writable is not None and writable.blind:
            known[name] = _answered(known[name], unit, rules, print_, EMPTY)
    return known


def refuse(base: Base, units: Collection[str], prints: Mapping[str, Print], reason: str) -> StoredBase:
    """
    Return *base* after the vendor has refused to take *units*, whose intents are *prints*.

    The two sides are apart, knowingly: the same value is not sent again, and an edit of the vendor's side now counts
    as a change of both. *reason* is the vendor's word for it and holds no value.
    """
    known = StoredBase(base)
    for name in units:
        unit, print_ = known[name], prints[name]
        ours, theirs = unit.ours, unit.theirs
        if isinstance(print_, Mapping) and isinstance(theirs, Mapping) and isinstance(ours, Mapping):
            ours = _ours_after(ours, theirs, print_)
        else:
            ours = overlaid(print_, ours)
        known[name] = replace(
            unit,
            ours=ours,
            state=State.DIVERGED,
            intent=None,
            intent_expects=None,
            blocked=mark_of(print_),
            blocked_reason=reason,
        )
    return known


def _settled(
    base: UnitBase,
    unit: Unit,
    sent: Print,
    values: Mapping[str, JsonValue],
    answer: Theirs,
    rules: Rules,
    shown: tuple[str, ...],
    *,
    is_look: bool,
) -> UnitBase:
    if is_set(rules, unit) and isinstance(sent, Mapping) and isinstance(base.theirs, Mapping):
        return _settled_set(base, unit, sent, values, answer, rules)
    answered = narrowed(print_of(rules, unit, answer.values, shown), sent, unit)
    expects = expected_print(rules, unit, {name: values.get(name) for name in unit.members if name in values})
    is_kept = is_made_of(answered, sent, expects, unit)
    # An answer that still shows the value of before has ignored the write: that is no agreement.
    is_ignored = not is_kept and narrowed(base.theirs, answered, unit) == answered
    if not is_kept and not is_ignored and (is_look or is_empty(sent)):
        # What a look shows came after the write, and of nothing a vendor makes nothing: what stands there then is its
        # own, such as the next of several addresses. The next merge finds the vendor's side changed.
        answered = narrowed(sent, answered, unit)
    return _answered(
        base,
        unit,
        rules,
        sent,
        answered,
        seen_at=answer.observed_at,
        state=State.DIVERGED if is_ignored else State.AGREED,
        expects=None if expects is None or alike(expects, answered, unit) else expects,
    )


def _wants_another_try(sent: Print, settled: UnitBase, tried: UnitBase | None, unit: Unit) -> bool:
    """Tell whether some of what was *sent* is not there, and was not as open already when it was sent."""
    before = None if tried is None else tried.intent
    if not isinstance(sent, Mapping):
        return settled.state is State.DIVERGED and not alike(sent, before, unit)
    missing = {each for each in sent if each in settled.ours and each not in settled.theirs}
    return bool(missing) and not (isinstance(before, Mapping) and missing <= before.keys())


def _settled_set(
    base: UnitBase,
    unit: Unit,
    sent: Elements,
    values: Mapping[str, JsonValue],
    answer: Theirs,
    rules: Rules,
) -> UnitBase:
    """Base of theirs := (T | A) & T'. An element that was sent and is absent from A was refused: no second try."""
    what = rules.field_of(unit.name)
    mine, shown, crowded = _answered_elements(rules, what, sent, values, answer, base)
    aliases = aliases_of(rules, what, mine, base, crowded)
    shown = translated(shown, aliases)
    ours, then, _ = spread_base(base, crowded)
    sent = spread(sent, crowded)
    theirs: dict[Fingerprint, Fingerprint] = {}
    for each in sent:
        if each in then and each in shown and is_pending(ours.get(each)):
            theirs[each] = settled_details(what, each, ours[each], then[each], shown[each][0])
        elif each in then and not _is_made_of_it(rules, what, each, mine, shown):
            # Details that were sent and that the answer hides with the element stay as last seen.
            theirs[each] = then[each]
        elif each in shown:
            theirs[each] = shown[each][0]
    return replace(
        base,
        ours=_ours_after(ours, then, sent),
        theirs=theirs,
        seen_at=max(base.seen_at, answer.observed_at),
        state=State.AGREED,
        intent=None,
        intent_expects=None,
        aliases={shown_: ours_ for shown_, ours_ in aliases.items() if ours_ in theirs} or None,
    )


def _is_made_of_it(rules: Rules, what: Field, each: Fingerprint, mine: Listed, shown: Listed) -> bool:
    """Whether an element is shown as the vendor is known to make it of what was sent: that change is our own doing."""
    return each in mine and each in shown and shown[each][0] == whole_made(rules, what, each, mine[each][1])


def _answered_elements(
    rules: Rules,
    what: Field,
    sent: Elements,
    values: Mapping[str, JsonValue],
    answer: Theirs,
    base: UnitBase,
) -> tuple[Listed, Listed, frozenset[Fingerprint]]:
    """Return what was sent and what is shown, and the identities of which either or the base has several elements."""
    version = rules.forms.get(what.normal)
    both = values.get(what.name), answer.values[what.name]
    lists = [listed(what, value, rules.hasher, version) for value in both]
    halves = (half for half in (base.ours, base.theirs) if not isinstance(half, str))
    crowded = crowds(sent, *lists, *halves)
    if crowded:
        lists = [listed(what, value, rules.hasher, version, crowded=crowded) for value in both]
    return lists[0], lists[1], crowded


def _ours_after(ours: Elements, theirs: Elements, sent: Elements) -> Elements:
    """Return our half of a set's base once *sent* has been tried: with all that was added, without what was removed."""
    removed = {each for each in ours if each in theirs and each not in sent}
    # Of an element that both hold only a pending change of details was sent; the rest is none of this call's.
    tried = {each: whole for each, whole in sent.items() if each not in theirs or is_pending(ours.get(each))}
    return {each: whole for each, whole in {**ours, **tried}.items() if each not in removed}


def _answered(
    base: UnitBase,
    unit: Unit,
    rules: Rules,
    ours: Print,
    theirs: Print,
    *,
    seen_at: datetime | None = None,
    state: State = State.AGREED,
    expects: Print | None = None,
) -> UnitBase:
    answered = replace(
        base,
        ours=ours,
        theirs=theirs,
        seen_at=base.seen_at if seen_at is None else max(base.seen_at, seen_at),
        state=state,
        norm=norm_of(rules, unit),
        key_id=rules.key_id,
        intent=None,
        intent_expects=None,
        expects=expects,
        decided=False,
    )
    return laid_over(answered, base, unit)
