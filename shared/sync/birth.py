"""
The link of a record that a vendor has just made for us.

What the answer shows as we hold it is agreed; what the vendor is known to make of it later is expected. What it shows
otherwise was not carried by the create (a stage, say): it counts as changed here since, so that the next reconcile
brings it to the vendor.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID, uuid4

from pydantic import JsonValue

from shared.adapters.protocol import Written
from shared.merge.base_codec import encode_base
from shared.merge.draft import expected_print
from shared.merge.fingerprints import alike, norm_of, print_of
from shared.merge.marks import signed
from shared.merge.references import REFERENCES, named
from shared.merge.state import NEVER, Rules, StoredBase, UnitBase
from shared.model import FIELDS, UNITS, Kind, Record, Unit
from shared.store.links import LinkWrite, Ticket
from shared.store.records import StoredRecord
from shared.sync.observations import RuleBook, observe


def born_link(record: StoredRecord, written: Written, book: RuleBook, ticket: Ticket) -> LinkWrite:
    """Return the new link of *record*, based on what the vendor's answer shows. *ticket* was taken after the answer."""
    link_id = uuid4()
    rules = book.for_link(link_id, written.record)
    base = StoredBase()
    version = None
    if written.record is not None:
        (answer,) = observe([written.record], ticket, context=book.context, is_fresh_fetch=True)
        version = answer.version
    shown = written.record.visible() if written.record is not None else {}
    for unit in UNITS[record.entity].values():
        if unit in REFERENCES[record.entity]:
            base[unit.name] = named(record.data, unit, rules, ticket.at)
            continue
        visible = tuple(name for name in unit.members if name in shown)
        if visible and _is_held(record, unit):
            base[unit.name] = _unit_base(record, unit, shown, visible, rules, ticket)
    link = _link(link_id, record, written.external_id, base, rules, ticket)
    link.vendor_version, link.was_written = version, True
    return link


def found_link(sent: StoredRecord, found: Record, book: RuleBook, ticket: Ticket) -> LinkWrite:
    """
    Return the link of a record that an earlier call made, and a search has found. *sent*: ours, as that call had it.

    What is there as it was sent is agreed, so that what was edited here since goes out. Of the rest nobody knows who
    made it what it is: it meets as of two records that were found to be one.
    """
    link_id = uuid4()
    rules = book.for_link(link_id, found)
    shown = found.visible()
    base = StoredBase()
    for unit in UNITS[sent.entity].values():
        if unit in REFERENCES[sent.entity]:
            base[unit.name] = named(sent.data, unit, rules, ticket.at)
            continue
        visible = tuple(name for name in unit.members if name in shown)
        if len(visible) == len(unit.members) and _is_held(sent, unit):
            ours, theirs = (print_of(rules, unit, side, visible) for side in (sent.data, shown))
            if alike(ours, theirs, unit):
                base[unit.name] = UnitBase(ours, theirs, ticket.at, norm=norm_of(rules, unit), key_id=rules.key_id)
    return _link(link_id, sent, found.external_id, base, rules, ticket)


def _link(
    link_id: UUID, record: StoredRecord, external_id: str, base: StoredBase, rules: Rules, ticket: Ticket
) -> LinkWrite:
    """Return the link with *base*; without a digest, so that the next look compares everything."""
    return LinkWrite(link_id, record.id, external_id, None, signed(encode_base(base), rules.marks), fence=ticket.number)


def _is_held(record: StoredRecord, unit: Unit) -> bool:
    return any(record.data.get(name) not in (None, "", []) for name in unit.members)


def _unit_base(
    record: StoredRecord,
    unit: Unit,
    shown: Mapping[str, JsonValue],
    visible: tuple[str, ...],
    rules: Rules,
    ticket: Ticket,
) -> UnitBase:
    if FIELDS[record.entity][unit.members[0]].kind is Kind.SET:
        answered = print_of(rules, unit, shown, visible)
        return UnitBase({}, answered, ticket.at, norm=norm_of(rules, unit), key_id=rules.key_id)
    ours, answered = (print_of(rules, unit, side, visible) for side in (record.data, shown))
    values = {name: record.data.get(name) for name in unit.members}
    expects = expected_print(rules, unit, values)
    is_kept = alike(answered, ours, unit) or alike(answered, expects, unit)
    if not is_kept or expects is None or alike(expects, answered, unit):
        expects = None
    ours = ours if is_kept else NEVER
    return UnitBase(ours, answered, ticket.at, norm=norm_of(rules, unit), key_id=rules.key_id, expects=expects)
