"""
The link of a record that a vendor has just made for us.

What the answer shows as it was sent is agreed, so that what was edited here meanwhile goes out; what the vendor is
known to make of it later is expected. What it shows otherwise was not carried by the create (a stage, say): it counts
as changed here since, so that the next reconcile brings it to the vendor. Of what the answer does not show an intent
stays: the first look that finds it as it was sent has found our own write, and no value of the vendor's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID, uuid4

from pydantic import JsonValue

from shared.adapters.protocol import Written
from shared.merge.base_codec import encode_base
from shared.merge.details import whole_made
from shared.merge.draft import expected_print
from shared.merge.elements import crowds, is_pending, listed, parts_of_whole, whole_of_parts
from shared.merge.fingerprints import alike, is_made_of, is_set, norm_of, print_of, unmet_print
from shared.merge.marks import signed
from shared.merge.references import REFERENCES, named
from shared.merge.sets import aliases_of, translated
from shared.merge.state import EMPTY, NEVER, Rules, StoredBase, UnitBase
from shared.model import UNITS, Record, Unit
from shared.model.fields import SET_POLICIES
from shared.store.links import LinkWrite, Ticket
from shared.store.records import StoredRecord
from shared.sync.merging.observations import RuleBook, observe


def born_link(record: StoredRecord, written: Written, book: RuleBook, ticket: Ticket) -> LinkWrite:
    """Return the new link of *record*, based on what the vendor's answer shows. *ticket* was taken after the answer."""
    link_id = uuid4()
    rules = book.for_link(link_id, written.record)
    version = None
    if written.record is not None:
        (answer,) = observe([written.record], ticket, context=book.context, is_fresh_fetch=True)
        version = answer.version
    shown = written.record.visible() if written.record is not None else {}
    base = StoredBase()
    for unit in UNITS[record.entity].values():
        if unit in REFERENCES[record.entity]:
            base[unit.name] = named(record.data, unit, rules, ticket.at)
        elif _is_held(record, unit):
            known = _shown_base(record, unit, shown, rules, ticket)
            _keep(base, unit, _with_intent(record, unit, shown, rules, ticket, known))
    link = _link(link_id, record, written.external_id, base, rules, ticket)
    link.vendor_version = version
    return link


def found_link(sent: StoredRecord, found: Record, book: RuleBook, ticket: Ticket) -> LinkWrite:
    """
    Return the link of a record that an earlier call made, and a search has found. *sent*: ours, as that call had it.

    What is there as it was sent is agreed, so that what was edited here since goes out, and so is what the search does
    not show, once a look has found it. Of the rest nobody knows who made it what it is: it meets as of two records that
    were found to be one.
    """
    link_id = uuid4()
    rules = book.for_link(link_id, found)
    shown = found.visible()
    base = StoredBase()
    for unit in UNITS[sent.entity].values():
        if unit in REFERENCES[sent.entity]:
            base[unit.name] = named(sent.data, unit, rules, ticket.at)
        elif _is_held(sent, unit):
            met = _shown_base(sent, unit, shown, rules, ticket)
            known = None if met is None else _as_sent(met)
            if met is None or known is not None:
                _keep(base, unit, _with_intent(sent, unit, shown, rules, ticket, known))
    return _link(link_id, sent, found.external_id, base, rules, ticket)


def _link(
    link_id: UUID, record: StoredRecord, external_id: str, base: StoredBase, rules: Rules, ticket: Ticket
) -> LinkWrite:
    """Return the link with *base*; without a digest, so that the next look compares everything."""
    return LinkWrite(link_id, record.id, external_id, None, signed(encode_base(base), rules.marks), fence=ticket.number)


def _is_held(record: StoredRecord, unit: Unit) -> bool:
    return any(record.data.get(name) not in (None, "", []) for name in unit.members)


def _is_united(rules: Rules, unit: Unit) -> bool:
    """Whether the unit is a list that is merged element by element."""
    return is_set(rules, unit) and rules.policy_of(unit) in SET_POLICIES


def _keep(base: StoredBase, unit: Unit, known: UnitBase | None) -> None:
    if known is not None:
        base[unit.name] = known


def _shown_base(
    record: StoredRecord, unit: Unit, shown: Mapping[str, JsonValue], rules: Rules, ticket: Ticket
) -> UnitBase | None:
    """Return the base of *unit* by what is *shown* of it; None where that is nothing."""
    visible = tuple(name for name in unit.members if name in shown)
    if not visible:
        return None
    if _is_united(rules, unit):
        return _set_base(record, unit, shown, rules, ticket)
    return _unit_base(record, unit, shown, visible, rules, ticket)


def _with_intent(
    record: StoredRecord,
    unit: Unit,
    shown: Mapping[str, JsonValue],
    rules: Rules,
    ticket: Ticket,
    known: UnitBase | None,
) -> UnitBase | None:
    """Return *known* with an intent of what was sent of *record* and is not *shown*; none of what can't be written."""
    values = {name: record.data.get(name) for name in unit.members if name not in shown}
    if not values or unit.name not in rules.writable:
        return known
    if known is None and _is_united(rules, unit):
        known = _set_base(record, unit, {}, rules, ticket)
    elif known is None:
        unmet = unmet_print(unit)
        known = UnitBase(unmet, unmet, ticket.at, norm=norm_of(rules, unit), key_id=rules.key_id)
    intent = print_of(rules, unit, values, values.keys())
    # Which of its elements the vendor makes others of, a set's aliases say.
    expects = None if _is_united(rules, unit) else expected_print(rules, unit, values)
    return replace(known, intent=intent, intent_expects=expects)


def _as_sent(base: UnitBase) -> UnitBase | None:
    """Return *base* less what is not there as it was sent; None where that is all of a value."""
    if isinstance(base.ours, str) or isinstance(base.theirs, str):
        return None if NEVER in base.ours else base
    kept = {each: whole for each, whole in base.ours.items() if not is_pending(whole)}
    return replace(base, ours=kept, theirs={each: base.theirs[each] for each in kept})


def _set_base(
    record: StoredRecord, unit: Unit, shown: Mapping[str, JsonValue], rules: Rules, ticket: Ticket
) -> UnitBase:
    """An element that was sent and is shown is agreed; what else is shown is the vendor's own addition."""
    what = rules.field_of(unit.name)
    version = rules.forms.get(what.normal)
    values = record.data.get(unit.name), shown.get(unit.name)
    sides = [listed(what, value, rules.hasher, version) for value in values]
    crowded = crowds(*sides)
    if crowded:
        sides = [listed(what, value, rules.hasher, version, crowded=crowded) for value in values]
    sent, answered = sides
    aliases = aliases_of(rules, what, sent, None, crowded)
    answered = translated(answered, aliases)
    ours, theirs = {}, {}
    for each, (whole, element) in sent.items():
        if each in answered:
            theirs[each] = answered[each][0]
            wholes = whole, theirs[each], whole_made(rules, what, each, element)
            details = zip(*(parts_of_whole(what, each, one) for one in wholes), strict=True)
            agreed = [mine or EMPTY if seen in (mine, made) else NEVER for mine, seen, made in details]
            ours[each] = whole_of_parts(what, each, agreed)
    return UnitBase(
        ours, theirs, ticket.at, norm=norm_of(rules, unit), key_id=rules.key_id, aliases=dict(aliases) or None
    )


def _unit_base(
    record: StoredRecord,
    unit: Unit,
    shown: Mapping[str, JsonValue],
    visible: tuple[str, ...],
    rules: Rules,
    ticket: Ticket,
) -> UnitBase:
    ours, answered = (print_of(rules, unit, side, visible) for side in (record.data, shown))
    values = {name: record.data.get(name) for name in unit.members}
    expects = expected_print(rules, unit, values)
    is_kept = is_made_of(answered, ours, expects, unit)
    if not is_kept or expects is None or alike(expects, answered, unit):
        expects = None
    ours = ours if is_kept else NEVER
    return UnitBase(ours, answered, ticket.at, norm=norm_of(rules, unit), key_id=rules.key_id, expects=expects)
