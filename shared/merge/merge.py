"""
The one decision of Liaison: bring two sides together, given what they last agreed on.

    base x ours x theirs x rules  →  patch for ours, patch for theirs, items for people, new base

A pure function: no clock, no I/O. Applying its outcome and merging again decides nothing. The rules stand in
docs/merge.md, row by row; a single record and a page of 500 go through the same function.
"""

from __future__ import annotations

from shared.merge.draft import Draft
from shared.merge.fingerprints import is_set
from shared.merge.first import fill, is_blank, meet
from shared.merge.restamp import restamped
from shared.merge.rows import Row
from shared.merge.scalars import merge_value, push_blind
from shared.merge.sets import merge_set
from shared.merge.state import Base, Ours, Outcome, Rules, StoredBase, Theirs
from shared.model.fields import SET_POLICIES, UNITS, Unit


def merge(base: Base, ours: Ours, theirs: Theirs, rules: Rules) -> Outcome:
    """
    Decide what becomes of every unit that *theirs* shows; what it does not show stays as it is on both sides.

    *theirs* must have been admitted (docs/merge.md, Observations). Where a write's outcome is open, only
    `theirs.is_fresh_fetch` ends it; until then the unit counts as not visible and is logged as `intent_open`: its
    record wants a fetch. `Outcome.base` is written in the transaction that writes *take*; with the intents of *push*
    by `with_intents`, or without them when nothing is sent (pages), whose pushes are decided again by a job.
    """
    if rules.inbound and not base and not ours.values:
        return meet(theirs, rules)
    draft = Draft(ours, theirs, rules, StoredBase(base))
    for unit in UNITS[rules.entity].values():
        _merge_unit(draft, unit)
    return draft.outcome()


def _merge_unit(draft: Draft, unit: Unit) -> None:
    members, values = unit.members, draft.theirs.values
    shown = tuple([name for name in members if name in values])
    known = draft.base.get(unit.name)
    if known is not None and known.intent is not None and not draft.theirs.is_fresh_fetch:
        draft.decided(unit, Row.INTENT_OPEN)
        return
    if not shown:
        if draft.rules.outbound and draft.writable(unit).blind:
            push_blind(draft, unit, known)
        return
    is_union = is_set(draft.rules, unit) and draft.policy(unit) in SET_POLICIES
    if known is None and draft.rules.inbound and is_blank(draft.ours.values, unit.members):
        fill(draft, unit, shown, is_union=is_union)
        return
    if known is not None:
        known = restamped(draft, unit, shown, known)
    if is_union:
        merge_set(draft, unit, known)
    else:
        merge_value(draft, unit, shown, known)
