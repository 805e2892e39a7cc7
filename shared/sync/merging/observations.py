"""
Observations: what one request showed of one record, numbered before it was sent, and ready for a merge.

References of a vendor's record are that vendor's ids; they become ours here, since a merge compares like with like.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from zlib import crc32

import orjson
from pydantic import JsonValue

from shared.adapters.protocol import Adapter, FieldCapability
from shared.mapping.reading import mappings_of
from shared.merge.fingerprints import link_hasher
from shared.merge.marks import marks_of_units
from shared.merge.normal_forms import form_of, phone_version
from shared.merge.policies import Overrides, first_link_of, overrides_of
from shared.merge.state import Rules, Theirs, Writable
from shared.model import FIELDS, UNITS, Direction, EntityType, Field, NormalForm, Record, Reference
from shared.model.fields import CUSTOM_FIELDS
from shared.security.keys import Keys, Purpose
from shared.store.connections import IntegrationRow
from shared.store.links import Link, Ticket

DIGEST_BYTES = 16

MAPPING = 1
"""Rises when a release reads more, or otherwise, out of a vendor's payload: every record is then merged once again."""


@dataclass(slots=True)
class Observation:
    """One record as one request showed it. Never changed; not frozen only because a page makes hundreds."""

    record: Record
    values: Mapping[str, JsonValue]
    """Visible fields but references."""
    digest: bytes
    """Of all that a merge looks at: equal digests need no merge."""
    version: str | None
    """The vendor's own count or time of changes; later is greater (`Record.vendor_version`)."""
    ticket: Ticket
    is_fresh_fetch: bool
    external_id: str
    """The vendor's id."""


def observe(
    records: Iterable[Record], ticket: Ticket, *, context: bytes, is_fresh_fetch: bool = False
) -> list[Observation]:
    """
    Return what *records* show, one of each id (the last), in the order of arrival.

    *context* is `RuleBook.context`: what else a digest depends on.
    """
    found = {
        record.external_id: _observation(record, ticket, context, is_fresh_fetch=is_fresh_fetch) for record in records
    }
    return list(found.values())


def _observation(record: Record, ticket: Ticket, context: bytes, *, is_fresh_fetch: bool) -> Observation:
    values = record.visible()
    references = {name: reference.external_id for name, reference in record.references.items()}
    looked_at: list[object] = [values, references, record.anonymized]
    if record.unseen_custom_fields:
        looked_at.append(record.unseen_custom_fields)
    content = orjson.dumps(looked_at, option=orjson.OPT_SORT_KEYS)
    return Observation(
        # Only whole-list writes need the vendor's payload, and they fetch first.
        record=record if is_fresh_fetch else record.without_raw(),
        values=values,
        digest=hashlib.blake2b(content, digest_size=DIGEST_BYTES, person=context).digest(),
        version=record.vendor_version or _as_version(record.updated_at),
        ticket=ticket,
        is_fresh_fetch=is_fresh_fetch,
        external_id=record.external_id,
    )


def _as_version(updated_at: datetime | None) -> str | None:
    return None if updated_at is None else updated_at.astimezone(UTC).isoformat(timespec="microseconds")


def is_admitted(observation: Observation, link: Link) -> bool:
    """Whether nothing newer has been seen of the link: an older observation never beats a newer one."""
    return observation.ticket.number >= link.fence and not is_outdated(observation, link)


def is_outdated(observation: Observation, link: Link) -> bool:
    """Whether the vendor has shown a later version already; versions of two kinds tell nothing of one another."""
    shown, known = observation.version, link.vendor_version
    if not shown or not known:
        return False
    return _kind_of(shown) == _kind_of(known) and shown < known


def _kind_of(version: str) -> str:
    """Return what *version* is one of: what stands before its `=`; without one it is the vendor's own of the record."""
    return version.rpartition("=")[0]


def may_lag(observation: Observation, link: Link, lag: timedelta) -> bool:
    """
    Whether a list that is up to *lag* behind may show the record as it was before we saw or wrote it last.

    A replica that lags answers a new request with old data; where the vendor tells no version, or none of all the parts
    that a record is read in, only a fetch by id does not take it for a change back. What a link says was known by the
    time it was written down, and no earlier: an answer may come a minute after it was asked for.
    """
    return not observation.is_fresh_fetch and observation.ticket.at - link.last_synced_at < lag


def is_below_gone(observation: Observation, parents: Mapping[EntityType, Mapping[str, tuple[object, ...]]]) -> bool:
    """
    Whether a list shows a record with a parent that the vendor does not have any more: it may be older than that.

    *parents*: by the vendor's id what we know of each reference, its link's state last.
    """
    references = () if observation.is_fresh_fetch else observation.record.references.values()
    return any(parents[each.entity][each.external_id][-1] != "live" for each in references)


def references_of(observations: Sequence[Observation]) -> dict[EntityType, set[str]]:
    """Return the external ids that *observations* refer to, by entity."""
    found: dict[EntityType, set[str]] = {}
    for observation in observations:
        for reference in observation.record.references.values():
            found.setdefault(reference.entity, set()).add(reference.external_id)
    return found


def resolved(
    observation: Observation, ids: Mapping[EntityType, Mapping[str, object]]
) -> tuple[dict[str, JsonValue], list[Reference]]:
    """Return the visible values with references as our ids, and those that have no link yet: these are not shown."""
    values, missing = dict(observation.values), []
    for name, reference in observation.record.references.items():
        internal = ids.get(reference.entity, {}).get(reference.external_id)
        if internal is None:
            missing.append(reference)
            values.pop(name, None)  # adapters may show the vendor's id as the value
        else:
            values[name] = str(internal)
    return values, missing


class RuleBook:
    """The rules of one entity at one integration; what differs by link is its key alone."""

    def __init__(self, adapter: type[Adapter], integration: IntegrationRow, entity: EntityType, keys: Keys) -> None:
        self._entity = entity
        self._integration = integration
        self._inbound = integration.allows(entity, Direction.INBOUND)
        self._outbound = integration.allows(entity, Direction.OUTBOUND)
        self._expected = partial(adapter.expected, entity)
        self._writable = writable_units(adapter, entity)
        (self._key_id, self._key), *self._retired = (
            (crc32(kid.encode()), key) for kid, key in keys.every(Purpose.FINGERPRINTS).items()
        )
        self._resolution = adapter.capabilities.time_resolution
        self._source = str(integration.id)
        self._skew = timedelta(milliseconds=integration.clock_skew_ms)
        self._overrides = overrides_of(integration.config).get(entity, Overrides())
        self._first_link = first_link_of(integration.config)
        region = integration.default_region
        self._forms = {} if region is None else {NormalForm.PHONE: phone_version(region)}
        mapping = mappings_of(integration.config).get(entity)
        self._fields = {} if mapping is None else _kept_in_step(entity, mapping.custom_fields)
        self._custom_fields = {} if mapping is None else mapping.custom_fields
        self.marks = {} if mapping is None else marks_of_units(entity, mapping.marks())
        """By unit: how the integration maps it."""
        # A record that was looked at under other directions, policies or maps, or by an older reader, wants another
        # look.
        forms = {form.value: version for form, version in self._forms.items()}
        decided: list[object] = [self._overrides.policies, self._overrides.authorities, self._first_link, forms]
        if mapping is not None:
            decided.append([self.marks, sorted(mapping.unwritable)])
        policies = crc32(orjson.dumps(decided, option=orjson.OPT_SORT_KEYS))
        self.context = f"{MAPPING}/{self._inbound:d}{self._outbound:d}/{policies:08x}".encode()
        """What a digest depends on besides the record: by content, however the code and the config spell it."""

    def for_link(self, link_id: object, record: Record | None = None) -> Rules:
        """Return the rules of one link, for a merge of what the vendor shows as *record*."""
        name = str(link_id)
        fields, unseen = self._fields, frozenset[str]()
        if record is not None and record.unseen_custom_fields and CUSTOM_FIELDS in fields:
            names = [self._custom_fields[key] for key in record.unseen_custom_fields if key in self._custom_fields]
            fields, unseen = _less(fields[CUSTOM_FIELDS], names)
        return Rules(
            entity=self._entity,
            hasher=link_hasher(self._key, name),
            policies=self._overrides.policies,
            authorities=self._overrides.authorities,
            first_link=self._first_link,
            writable=self._writable,
            expected=self._expected,
            inbound=self._inbound,
            outbound=self._outbound,
            key_id=self._key_id,
            fields=fields,
            unseen={CUSTOM_FIELDS: unseen} if unseen else {},
            forms=self._forms,
            marks=self.marks,
            retired={key_id: link_hasher(key, name) for key_id, key in self._retired},
        )

    def theirs(self, observation: Observation, values: Mapping[str, JsonValue]) -> Theirs:
        """Return *observation* for a merge, its time corrected by the vendor's measured clock skew."""
        updated_at = observation.record.updated_at
        return Theirs(
            values=values,
            observed_at=observation.ticket.at,
            updated_at=None if updated_at is None else updated_at - self._skew,
            field_times=self._unit_times(observation.record.field_times),
            rank=self._integration.rank,
            source=self._source,
            resolution=self._resolution,
            is_fresh_fetch=observation.is_fresh_fetch,
        )

    def _unit_times(self, by_field: Mapping[str, datetime]) -> dict[str, datetime]:
        """Return times by unit, corrected by the skew: a group is as young as the youngest of its members."""
        times: dict[str, datetime] = {}
        for unit in UNITS[self._entity].values() if by_field else ():
            told = [by_field[name] for name in unit.members if name in by_field]
            if told:
                times[unit.name] = max(told) - self._skew
        return times


def _kept_in_step(entity: EntityType, custom_fields: Mapping[str, str]) -> dict[str, Field]:
    """Return the sets of which an integration keeps but a part in step, given its names of *custom_fields*."""
    if not custom_fields:
        return {}
    field = FIELDS[entity][CUSTOM_FIELDS]
    form = form_of(field.members[field.identity[0]])
    return {CUSTOM_FIELDS: replace(field, only=frozenset(map(form, custom_fields.values())))}


def _less(field: Field, names: Iterable[str]) -> tuple[dict[str, Field], frozenset[str]]:
    """Return the custom fields that are kept in step as *field* has them, less *names*, and the forms of those."""
    unseen = frozenset(map(form_of(field.members[field.identity[0]]), names))
    return {field.name: replace(field, only=(field.only or frozenset()) - unseen)}, unseen


def writable_units(adapter: type[Adapter], entity: EntityType) -> dict[str, Writable]:
    """Return what may be written of each unit at the adapter's vendor; a unit is writable if all its members are."""
    capability = adapter.capabilities.entities.get(entity)
    if capability is None or not capability.update:
        return {}
    nothing = FieldCapability(readable=False)
    found = {}
    for unit in UNITS[entity].values():
        members = [capability.fields.get(name, nothing) for name in unit.members]
        if all(member.writable for member in members):
            found[unit.name] = Writable(
                value=True,
                add=all(member.add for member in members),
                remove=all(member.remove for member in members),
            )
    return found
