"""
People who were erased stay away: what a vendor brings is tested by keyed hashes before anybody is matched or made.

The hashes have a key of their own, so they can't be compared with any other print and outlive the person's keys. What
is suppressed is counted and nothing of it is stored. A registration of their own, with consent, lets them in again.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

from pydantic import JsonValue

from shared.merge.normal_forms import form_of, phone_forms
from shared.model import EntityType
from shared.model.fields import NormalForm
from shared.security.keys import Keys, Purpose
from shared.store.companies import Companies
from shared.store.database import Transaction
from shared.store.store import Store
from shared.store.suppressions import Mark
from shared.sync.merging.observations import Observation

HASH_BYTES = 16
EXTERNAL, EMAIL, PHONE = "external", "email", "phone"

_EMAIL_FIELDS, _PHONE_FIELDS = ("email", "further_emails"), ("phone", "further_phones")


def external_marks(keys: Keys, integration_id: UUID, external_ids: Iterable[str]) -> list[Mark]:
    """Return the marks of candidates by a vendor's ids, under every key that is known."""
    return [mark for each in external_ids for mark in _marks(keys, EXTERNAL, f"{integration_id} {each}")]


def identity_marks(keys: Keys, values: Mapping[str, JsonValue], region: str | None) -> list[Mark]:
    """
    Return the marks of a candidate's e-mail addresses and phone numbers, under every key that is known.

    A number of the company's *region* has two: a vendor may write it with its country or without.
    """
    emails = {form_of(NormalForm.EMAIL)(each) for each in _contacts(values, _EMAIL_FIELDS)}
    phones = {form for each in _contacts(values, _PHONE_FIELDS) for form in phone_forms(each, region)}
    return [
        mark
        for kind, forms in ((EMAIL, emails), (PHONE, phones))
        for form in sorted(forms - {""})
        for mark in _marks(keys, kind, form)
    ]


class Suppression:
    """Tells who is to stay away. Holds no state but keys."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys
        self._companies = Companies()

    async def hidden(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, observations: Sequence[Observation]
    ) -> frozenset[str]:
        """Return whose of *observations*, by external id, are suppressed; an application is its candidate's."""
        return frozenset(await self._known_by(tx, integration_id, entity, observations))

    async def shut_out(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, observations: Sequence[Observation]
    ) -> frozenset[str]:
        """
        Return what `hidden` does; from now on these candidates are known by the vendor's id as well.

        An application names its candidate by nothing else, and would wait for one who never comes in.
        """
        found = await self._known_by(tx, integration_id, entity, observations)
        if entity is EntityType.CANDIDATE:
            following = {
                self._newest(external_marks(self._keys, integration_id, [external_id]))[0]: mark.hash
                for external_id, mark in found.items()
                if mark.kind != EXTERNAL
            }
            if following:
                await self._store.suppressions.add_following(tx, following)
        return frozenset(found)

    async def _known_by(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, observations: Sequence[Observation]
    ) -> dict[str, Mark]:
        """Return of each of *observations* that is suppressed, by external id, the first mark that says so."""
        if entity is EntityType.JOB or not observations or not await self._store.suppressions.any(tx):
            return {}
        region = await self._companies.region(tx)
        marks = {each.external_id: self._marks_of(integration_id, entity, each, region) for each in observations}
        known = await self._store.suppressions.known(tx, (mark for each in marks.values() for mark in each))
        firsts = {
            external_id: next((mark for mark in own if mark.hash in known), None) for external_id, own in marks.items()
        }
        return {external_id: mark for external_id, mark in firsts.items() if mark is not None}

    async def hidden_ids(
        self, tx: Transaction, integration_id: UUID, entity: EntityType, external_ids: Sequence[str]
    ) -> frozenset[str]:
        """Return those of *external_ids* that are of suppressed candidates, where nothing but the id is known."""
        if entity is not EntityType.CANDIDATE or not external_ids or not await self._store.suppressions.any(tx):
            return frozenset()
        marks = {each: external_marks(self._keys, integration_id, [each]) for each in external_ids}
        known = await self._store.suppressions.known(tx, (mark for each in marks.values() for mark in each))
        return frozenset(each for each, own in marks.items() if any(mark.hash in known for mark in own))

    async def holds(self, tx: Transaction, values: Mapping[str, JsonValue]) -> bool:
        """Whether a candidate with *values* is suppressed."""
        return await self.field_held(tx, values) is not None

    async def field_held(
        self, tx: Transaction, values: Mapping[str, JsonValue], *, known: Mapping[str, JsonValue] = MappingProxyType({})
    ) -> str | None:
        """Return the first of `fields_held`, or None."""
        return next(iter(await self.fields_held(tx, values, known=known)), None)

    async def fields_held(
        self, tx: Transaction, values: Mapping[str, JsonValue], *, known: Mapping[str, JsonValue] = MappingProxyType({})
    ) -> list[str]:
        """Return the fields of *values* with a suppressed address or number that is not among the *known* ones."""
        if not await self._store.suppressions.any(tx):
            return []
        given = [name for name in (*_EMAIL_FIELDS, *_PHONE_FIELDS) if values.get(name)]
        before = {mark.hash for mark in await self._of_person(tx, known)}
        marks = {name: await self._of_person(tx, {name: values[name]}) for name in given}
        new = {name: [mark for mark in own if mark.hash not in before] for name, own in marks.items()}
        held = await self._store.suppressions.known(tx, (mark for own in new.values() for mark in own))
        return [name for name, own in new.items() if any(mark.hash in held for mark in own)]

    async def suppress(self, tx: Transaction, record_id: UUID, *, reason: str) -> int:
        """
        Suppress a candidate of ours by every identifier that record, links and those merged into it hold; return how
        many are new.

        To be called before the record is erased: afterwards nothing tells what the person could come back by.
        """
        record = await self._store.records.fetch(tx, EntityType.CANDIDATE, record_id)
        merged = (await self._store.record_merges.merged_into(tx, [record_id])).get(record_id, [])
        parts = await self._store.records.get(tx, EntityType.CANDIDATE, merged)
        region = await self._companies.region(tx)
        marks = [mark for each in (record, *parts.values()) for mark in identity_marks(self._keys, each.data, region)]
        for link in (await self._store.links.of_records(tx, [record_id])).get(record_id, []):
            marks += external_marks(self._keys, link.integration_id, [link.external_id])
        return await self._store.suppressions.add(tx, self._newest(marks), reason=reason)

    async def suppress_identity(self, tx: Transaction, values: Mapping[str, JsonValue], *, reason: str) -> int:
        """Suppress whoever holds the e-mail addresses and phones of *values*; return how many marks are new."""
        marks = await self._of_person(tx, values)
        return await self._store.suppressions.add(tx, self._newest(marks), reason=reason)

    async def lift(self, tx: Transaction, values: Mapping[str, JsonValue]) -> int:
        """Let whoever holds the e-mail addresses and phones of *values* in again; return how many marks went."""
        return await self._store.suppressions.lift(tx, await self._of_person(tx, values))

    async def _of_person(self, tx: Transaction, values: Mapping[str, JsonValue]) -> list[Mark]:
        return identity_marks(self._keys, values, await self._companies.region(tx))

    def _marks_of(
        self, integration_id: UUID, entity: EntityType, observation: Observation, region: str | None
    ) -> list[Mark]:
        if entity is EntityType.APPLICATION:
            candidate = observation.record.references.get("candidate_id")
            return [] if candidate is None else external_marks(self._keys, integration_id, [candidate.external_id])
        own = external_marks(self._keys, integration_id, [observation.external_id])
        return own + identity_marks(self._keys, observation.values, region)

    def _newest(self, marks: Sequence[Mark]) -> list[Mark]:
        """Of the marks of one identifier, which stand together, the first is the newest key's."""
        return list(marks[:: len(self._keys.every(Purpose.SUPPRESSION))])


def _marks(keys: Keys, kind: str, form: str) -> list[Mark]:
    text = f"{kind} {form}".encode("utf-8", "surrogatepass")
    every = keys.every(Purpose.SUPPRESSION).values()
    return [Mark(kind, hmac.digest(key, text, "sha256")[:HASH_BYTES]) for key in every]


def _contacts(values: Mapping[str, JsonValue], names: Sequence[str]) -> list[str]:
    found = []
    for name in names:
        value = values.get(name)
        for each in value if isinstance(value, list) else [value]:
            contact = each.get("value") if isinstance(each, dict) else each
            if isinstance(contact, str) and contact.strip():
                found.append(contact)
    return found
