"""
Fields of one value, references and groups: the decision table of docs/merge.md.

    o, t    prints of what the two sides hold now
    co, ct  whether that differs from what they last agreed on

The first row that fits wins. Sets whose policy is not `union` are decided here too, as one value.
"""

from __future__ import annotations

from dataclasses import replace

from shared.merge.draft import Draft
from shared.merge.fingerprints import (
    HIDDEN,
    alike,
    covers,
    is_empty,
    is_made_of,
    mark_of,
    narrowed,
    norm_of,
    overlaid,
    parts_of,
    pending,
    print_of,
    reopened,
    unmet_print,
)
from shared.merge.pins import is_decision, is_rejected
from shared.merge.rows import Row
from shared.merge.state import EMPTY, NEVER, Fingerprint, Held, Print, Stamp, State, UnitBase
from shared.merge.times import ours_is_later, theirs_at
from shared.model.fields import Party, Policy, Unit

OSCILLATION_AFTER = 2
"""So often one change of the vendor's is taken since a person's last edit; the next time it is stopped."""

Shown = tuple[str, ...]


def merge_value(draft: Draft, unit: Unit, shown: Shown, base: UnitBase | None) -> None:
    """Decide *unit*, of which the vendor shows the members *shown*."""
    o = print_of(draft.rules, unit, draft.ours.values, shown)
    t = print_of(draft.rules, unit, draft.theirs.values, shown)
    if base is not None:
        if draft.theirs.observed_at < base.seen_at and _their_change(unit, base, t):
            draft.decided(unit, Row.OUTDATED)
            return
        base = _answered(draft, unit, base, t)
    if base is not None:
        base = _forgiven(draft, unit, base)
    expects = None if is_empty(o) else draft.expected(unit, draft.ours, shown)
    if is_made_of(t, o, expects, unit):
        _agree(draft, unit, base, o, t, expects)
    elif base is None or not _has_met(unit, base, t):
        _first_meeting(draft, unit, shown, base, o, t)
    else:
        _three_way(draft, unit, shown, base, o, t)


def push_blind(draft: Draft, unit: Unit, base: UnitBase | None) -> None:
    """Row 1 for a write-only field: push what differs from what was last sent."""
    members = unit.members
    o = print_of(draft.rules, unit, draft.ours.values, members)
    if base is not None and base.intent is not None:
        # Whether the write whose answer was lost has landed is shown nowhere: what we hold now is sent once more.
        base = replace(base, ours=NEVER, intent=None, intent_expects=None)
        draft.keep(unit, base)
    known: Print = EMPTY if base is None else base.ours
    if o == known or (base is not None and base.blocked == mark_of(o)):
        return
    draft.keep(unit, _based(draft, unit, base, NEVER if base is None else base.ours, EMPTY))
    draft.pushed(unit, {name: draft.ours.values.get(name) for name in members}, o, None)
    draft.decided(unit, Row.WRITE_ONLY)


def _answered(draft: Draft, unit: Unit, base: UnitBase, t: Print) -> UnitBase | None:
    """
    Row 2: a fresh fetch tells whether the write whose answer was lost has landed; either way the intent ends.

    None where that write was a create and did not land: the two have never met in the unit.
    """
    intent = base.intent
    if intent is None:
        return base
    landed = is_made_of(t, intent, base.intent_expects, unit)
    if not landed and base.theirs == unmet_print(unit):
        del draft.base[unit.name]
        return None
    # Of a member that was sent and is not shown nobody has seen whether it has landed.
    ours = reopened(base.ours, intent, t, unit)
    if not landed and _their_change(unit, base, t):
        # Whoever changed it there may have replaced what we sent: should it go back to what was agreed on, that is
        # their word on ours, and no sign that nothing has happened.
        base = replace(base, theirs=overlaid(pending(t), base.theirs), expects=None)
    base = replace(base, ours=ours, intent=None, intent_expects=None)
    draft.base[unit.name] = base
    if landed:
        # A member that was not sent may have changed there since, and one that is not shown tells nothing.
        draft.keep(unit, _based(draft, unit, base, narrowed(intent, t, unit), narrowed(t, intent, unit)))
        draft.decided(unit, Row.OWN_WRITE)
    return draft.base[unit.name]


def _forgiven(draft: Draft, unit: Unit, base: UnitBase) -> UnitBase:
    """A person's edit ends the count of bounces."""
    if not base.bounces:
        return base
    stamp = draft.ours.stamps.get(unit.name)
    if stamp is None or stamp.rank:
        return base
    base = replace(base, bounces=0, bounce=None)
    draft.base[unit.name] = base
    return base


def _their_change(unit: Unit, base: UnitBase, t: Print) -> bool:
    if base.expects is None or len(unit.members) == 1:
        return narrowed(base.theirs, t, unit) != t and t != base.expects
    # Each member by itself: what is expected may cover fewer of them than are shown.
    halves = (parts_of(each, unit) for each in (t, base.theirs, base.expects))
    return any(part not in (HIDDEN, *known) for part, *known in zip(*halves, strict=True))


def _has_met(unit: Unit, base: UnitBase, t: Print) -> bool:
    """Tell whether the base covers all that the vendor shows of a group; a member newly visible has never been met."""
    return len(unit.members) == 1 or (covers(base.ours, t, unit) and covers(base.theirs, t, unit))


def _agree(draft: Draft, unit: Unit, base: UnitBase | None, o: Print, t: Print, expects: Print | None) -> None:
    """Row 3: both hold the same, or theirs is what the vendor makes of ours."""
    if base is None or not (alike(base.ours, o, unit) and alike(base.theirs, t, unit)):
        draft.decided(unit, Row.EQUAL)
    draft.keep(unit, _based(draft, unit, base, o, t, expects=None if expects == t else expects))
    draft.settled.append(unit.name)


def _first_meeting(draft: Draft, unit: Unit, shown: Shown, base: UnitBase | None, o: Print, t: Print) -> None:
    """Rows 4 and 5: a first meeting never clears; where both are filled, the policy decides."""
    if _fills(unit, t, o):
        _take(draft, unit, shown, base, t, Row.FIRST_VALUE)
    elif _fills(unit, o, t):
        _push(draft, unit, shown, base, o, t, Row.FIRST_VALUE)
    else:
        _policy(draft, unit, shown, base, o, t, Row.FIRST_MEETING)


def _three_way(draft: Draft, unit: Unit, shown: Shown, base: UnitBase, o: Print, t: Print) -> None:
    """Rows 6 to 15."""
    our_change = narrowed(base.ours, o, unit) != o
    their_change = _their_change(unit, base, t)
    if not their_change and not our_change:
        if base.blocked == mark_of(o) and _goes_back(draft, unit):
            _restore(draft, unit, shown, base, t)
        else:
            _unchanged(draft, unit, base)
    elif their_change and _is_overruled(draft, unit, shown):
        if our_change or base.state is State.DIVERGED:
            _push(draft, unit, shown, base, o, t, Row.PINNED)
        else:
            _hold(draft, unit, shown, o, t, Row.PUT_BACK)
    elif their_change and (our_change or base.state is State.DIVERGED):
        _policy(draft, unit, shown, base, o, t, Row.BOTH_CHANGED)
    elif their_change:
        _take_change(draft, unit, shown, base, o, t)
    else:
        _push(draft, unit, shown, base, o, t, Row.OUR_CHANGE)


def _is_overruled(draft: Draft, unit: Unit, shown: Shown) -> bool:
    """Rows 7 and 8: a person saw what the vendor shows, and decided on what we hold."""
    pin = draft.ours.pins.get(unit.name)
    return (
        pin is not None
        and is_decision(pin, draft.rules, unit, draft.ours.values, shown)
        and is_rejected(pin, draft.rules, unit, draft.theirs.values, shown)
    )


def _unchanged(draft: Draft, unit: Unit, base: UnitBase) -> None:
    """Row 6: nothing to do, even where the two differ; the agreed value was seen once more."""
    if base.seen_at < draft.theirs.observed_at:
        draft.base[unit.name] = replace(base, seen_at=draft.theirs.observed_at)
    draft.settled.append(unit.name)


def _policy(draft: Draft, unit: Unit, shown: Shown, base: UnitBase | None, o: Print, t: Print, row: Row) -> None:
    """Rows 5, 13, 14 and 15: both sides have something to say."""
    rules, policy = draft.rules, draft.policy(unit)
    if row is Row.FIRST_MEETING and rules.first_link is not None:
        ours_stays = rules.first_link is Party.PORTAL
    elif policy is Policy.CRITICAL:
        _hold(draft, unit, shown, o, t, row)
        return
    elif policy is Policy.AUTHORITY:
        ours_stays = rules.is_authority(Party.PORTAL, unit)
        row = Row.AUTHORITY if row is Row.BOTH_CHANGED else row
    else:
        at = theirs_at(unit.name, draft.theirs, base)
        stamp = draft.ours.stamps.get(unit.name)
        stood_before = base is not None and row is Row.BOTH_CHANGED and _stood_before(unit, base, o, stamp)
        ours_stays = ours_is_later(stamp, at, draft.theirs, stood_before=stood_before)
    if ours_stays:
        _push(draft, unit, shown, base, o, t, row)
    else:
        _take(draft, unit, shown, base, t, row)


def _stood_before(unit: Unit, base: UnitBase, o: Print, stamp: Stamp | None) -> bool:
    """
    Tell whether ours was there when theirs was last seen as it was: what has come since is later within one tick, too.

    Ours is what the two were known to differ by, or it was entered here before that look, as what a create has sent.
    """
    was_entered = stamp is not None and not stamp.rank and stamp.at < base.seen_at
    return was_entered or narrowed(base.ours, o, unit) == o


def _hold(draft: Draft, unit: Unit, shown: Shown, o: Print, t: Print, row: Row) -> None:
    """Row 13: a person decides; neither side is written meanwhile and the base stays."""
    draft.held.append(
        Held(
            unit=unit.name,
            ours={name: draft.ours.values.get(name) for name in shown},
            theirs={name: draft.theirs.values[name] for name in shown},
            inputs=(o, t),
            theirs_at=theirs_at(unit.name, draft.theirs, draft.base.get(unit.name)),
            rule=row,
        )
    )
    draft.decided(unit, row)


def _take_change(draft: Draft, unit: Unit, shown: Shown, base: UnitBase, o: Print, t: Print) -> None:
    """Row 10: their change alone is taken, unless it is the same one a third time."""
    change = Fingerprint(draft.rules.hasher("bounce", f"{mark_of(o)}>{mark_of(t)}"))
    bounces = base.bounces if base.bounce == change else 0
    if bounces < OSCILLATION_AFTER:
        counted = replace(base, bounces=bounces + 1, bounce=change)
        _take(draft, unit, shown, counted, t, Row.THEIR_CHANGE)
        return
    draft.keep(unit, _based(draft, unit, base, o, t, State.DIVERGED))
    draft.issues.append(unit.name)
    draft.settled.append(unit.name)
    draft.decided(unit, Row.OSCILLATION)


def _take(draft: Draft, unit: Unit, shown: Shown, base: UnitBase | None, t: Print, row: Row) -> None:
    draft.settled.append(unit.name)
    if not draft.rules.inbound:
        draft.decided(unit, Row.NOT_INBOUND)
        return
    for name in shown:
        draft.take[name] = draft.theirs.values[name]
    draft.decided(unit, row, theirs_at(unit.name, draft.theirs, base))
    expects = None if is_empty(t) else draft.expected(unit, draft.theirs, shown)
    draft.keep(unit, _based(draft, unit, base, t, t, expects=None if expects == t else expects))


def _push(draft: Draft, unit: Unit, shown: Shown, base: UnitBase | None, o: Print, t: Print, row: Row) -> None:
    """Row 11, or row 12 where the vendor can't take ours."""
    draft.settled.append(unit.name)
    if not draft.rules.outbound:
        draft.decided(unit, Row.NOT_OUTBOUND)
        return
    is_refused = base is not None and base.blocked == mark_of(o)
    if is_refused or not draft.writable(unit).value:
        if base is not None and row is Row.OUR_CHANGE and _goes_back(draft, unit):
            _restore(draft, unit, shown, base, t)
            return
        draft.keep(unit, _based(draft, unit, base, o, t, State.DIVERGED))
        draft.decided(unit, Row.REFUSED if is_refused else Row.CANNOT_WRITE)
        return
    # Until the vendor answers, ours stays a change: a crash before the call must find it to be one.
    # Where theirs moved as well, going back to the old agreed value must be a change too.
    is_new = base is None or alike(base.ours, o, unit) or _their_change(unit, base, t)
    ours = pending(o) if base is None or is_new else base.ours
    state = State.AGREED if base is None else base.state
    expects = None if base is None else base.expects
    draft.keep(unit, _based(draft, unit, base, ours, t, state, expects=expects))
    values = {name: draft.ours.values.get(name) for name in shown}
    draft.pushed(unit, values, o, draft.expected(unit, draft.ours, shown))
    draft.decided(unit, row)


def _goes_back(draft: Draft, unit: Unit) -> bool:
    """Tell whether a change of ours that the vendor does not take is taken back: it was a request to the authority."""
    return draft.rules.inbound and draft.rules.is_authority(Party.INTEGRATION, unit)


def _restore(draft: Draft, unit: Unit, shown: Shown, base: UnitBase, t: Print) -> None:
    """Take the authority's value back and tell people. Asked for once more, the same change is a new request."""
    _take(draft, unit, shown, replace(base, blocked=None, blocked_reason=None), t, Row.RESTORED)
    draft.issues.append(unit.name)


def _based(
    draft: Draft,
    unit: Unit,
    base: UnitBase | None,
    o: Print,
    t: Print,
    state: State = State.AGREED,
    *,
    expects: Print | None = None,
) -> UnitBase:
    """Return the base (o, t) as this observation shows it; what else is known of the unit stays."""
    seen_at = draft.theirs.observed_at
    norm, key_id = norm_of(draft.rules, unit), draft.rules.key_id
    if base is None:
        return UnitBase(o, t, seen_at, state, norm, expects=expects, key_id=key_id)
    seen_at = max(seen_at, base.seen_at)
    return replace(
        base,
        ours=o,
        theirs=t,
        seen_at=seen_at,
        state=state,
        norm=norm,
        key_id=key_id,
        expects=expects,
        decided=base.decided and NEVER in o,
    )


def _fills(unit: Unit, fuller: Print, other: Print) -> bool:
    """Tell whether *fuller* holds all that *other* holds, and more."""
    if len(unit.members) == 1:
        return is_empty(other)
    pairs = zip(parts_of(fuller, unit), parts_of(other, unit), strict=True)
    return all(mine == theirs or theirs in (EMPTY, HIDDEN) for mine, theirs in pairs)
