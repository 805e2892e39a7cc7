"""Who the vendor's records without a link are: parents first, then matching, then what people decided before."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from pydantic import JsonValue

from shared.merge.matching import (
    SHARED_BY,
    Ambiguous,
    Arrival,
    Match,
    Matched,
    New,
    NewButPossibleDuplicate,
    Person,
    identity_keys,
    match_page,
    name_and_employer,
    name_identity,
    phone_digits,
    phone_identity,
    phone_lock,
)
from shared.model import EntityType
from shared.security.keys import Keys, Purpose
from shared.store.database import Transaction
from shared.store.namesakes import KnownPerson
from shared.store.records import Namesake
from shared.store.store import Store
from shared.sync.merging.observations import Observation
from shared.sync.merging.work import Shown, Sorted

NEW = "new"
"""A person's decision on an ambiguous match: it is nobody of ours."""

COMMON_NAME = 10
"""A name that so many have suggests nobody: nobody of it is looked at, whatever their employer."""


@dataclass(frozen=True, slots=True)
class Identified:
    """What became of a set of unlinked records, by external id."""

    matches: Mapping[str, Match] = field(default_factory=dict)
    being_created: frozenset[str] = frozenset()
    """A create of ours may be what made them; they wait until that is known."""
    unsettled: Mapping[str, frozenset[UUID]] = field(default_factory=dict)
    """
    Applications that creates of ours, for the same job and for somebody else, may have made: only if the vendor has
    merged the two candidates since, which nobody here knows yet. By external id, the applications of ours.
    """


def identity_hash(keys: Keys, entity: EntityType, identity: str) -> str:
    """Return a keyed hash of what a record is searched by, for create intents."""
    key = keys.derive(Purpose.FINGERPRINTS)
    return hmac.digest(key, f"create {entity.value} {identity}".encode(), "sha256")[:16].hex()


def candidate_identity(values: Mapping[str, JsonValue]) -> str | None:
    """Return the normal form of a candidate's e-mail, where it is well-formed."""
    found = identity_keys(values)
    return found[0][1] if found else None


def application_identity(values: Mapping[str, JsonValue]) -> str | None:
    """Return what tells an application apart: our candidate and job."""
    candidate, job = values.get("candidate_id"), values.get("job_id")
    return f"{candidate} {job}" if candidate and job else None


async def identify(
    tx: Transaction,
    store: Store,
    keys: Keys,
    integration_id: UUID,
    entity: EntityType,
    arrivals: Sequence[tuple[Observation, Mapping[str, JsonValue]]],
) -> Identified:
    """
    Decide who *arrivals* (observation, resolved values) are.

    Locks their identities for the rest of the transaction, so that two vendors that bring the same new person at once
    make one record.
    """
    if not arrivals:
        return Identified()
    if entity is EntityType.JOB:
        return Identified({observation.external_id: New() for observation, _ in arrivals})
    identity_of = candidate_identity if entity is EntityType.CANDIDATE else application_identity
    identities = {
        observation.external_id: identity
        for observation, values in arrivals
        if (identity := identity_of(values)) is not None
    }
    phones = _phones(arrivals) if entity is EntityType.CANDIDATE else {}
    locks = {*identities.values(), *(phone_lock(phone) for phone in phones.values())}
    await store.records.lock_identities(tx, sorted(locks))
    hidden = [each.external_id for each, values in arrivals if entity is EntityType.CANDIDATE and "email" not in values]
    being_created = await _being_created(tx, store, keys, integration_id, entity, identities, hidden)
    if entity is EntityType.APPLICATION:
        matches = await _match_applications(tx, store, integration_id, identities)
        for observation, _ in arrivals:
            matches.setdefault(observation.external_id, New())
        return Identified(matches, being_created, await _unsettled(tx, store, integration_id, arrivals))
    matches = await _match_candidates(tx, store, integration_id, arrivals, identities, phones)
    return Identified(matches, being_created)


def settled(
    found: Sorted,
    arrivals: Sequence[Shown],
    identified: Identified,
    others: Collection[UUID] | None,
) -> list[tuple[Observation, Mapping[str, JsonValue], UUID | None]]:
    """Return the arrivals that may come in, each with the record of ours that it is, if any; sort the others."""
    ready: list[tuple[Observation, Mapping[str, JsonValue], UUID | None]] = []
    for observation, values in arrivals:
        external_id = observation.external_id
        match = identified.matches[external_id]
        if external_id in identified.being_created:
            found.being_created.append(external_id)
        elif identified.unsettled.get(external_id, frozenset()).difference(others or ()):
            (found.again if others is None else found.being_created).append(external_id)
        elif isinstance(match, Ambiguous):
            found.unclear[external_id] = match
        else:
            if isinstance(match, NewButPossibleDuplicate):
                found.duplicates[external_id] = match
            ready.append((observation, values, UUID(match.record_id) if isinstance(match, Matched) else None))
    return ready


async def _being_created(
    tx: Transaction,
    store: Store,
    keys: Keys,
    integration_id: UUID,
    entity: EntityType,
    identities: Mapping[str, str],
    hidden: Sequence[str],
) -> frozenset[str]:
    """
    Return the external ids of those who may be what a create of ours, still open, has made.

    That is each of *identities* that one is made of, and of *hidden*, whose address the vendor does not show, each.
    """
    if not await store.create_intents.any_open(tx, integration_id, entity):
        return frozenset()  # nearly always, and a page's hashes are a fifth of what telling its records apart costs
    hashes = {external: identity_hash(keys, entity, identity) for external, identity in identities.items()}
    open_hashes = await store.create_intents.open_identities(tx, integration_id, list(hashes.values()))
    return frozenset([*(external for external, value in hashes.items() if value in open_hashes), *hidden])


async def _unsettled(
    tx: Transaction,
    store: Store,
    integration_id: UUID,
    arrivals: Sequence[tuple[Observation, Mapping[str, JsonValue]]],
) -> dict[str, frozenset[UUID]]:
    """Return which creates of ours under way may have made the applications *arrivals*, if their vendor moved them."""
    if not await store.create_intents.any_open(tx, integration_id, EntityType.APPLICATION):
        return {}
    pairs = {
        observation.external_id: (UUID(str(values["candidate_id"])), UUID(str(values["job_id"])))
        for observation, values in arrivals
        if application_identity(values) is not None
    }
    jobs = sorted({job_id for _, job_id in pairs.values()})
    sent = await store.create_intents.sent_applications(tx, integration_id, jobs)
    found = {
        external: frozenset(each.id for each in sent if each.job_id == job_id and each.candidate_id != candidate_id)
        for external, (candidate_id, job_id) in pairs.items()
    }
    return {external: ids for external, ids in found.items() if ids}


async def _match_candidates(
    tx: Transaction,
    store: Store,
    integration_id: UUID,
    arrivals: Sequence[tuple[Observation, Mapping[str, JsonValue]]],
    identities: Mapping[str, str],
    phones: Mapping[str, str],
) -> dict[str, Match]:
    found = await _candidates(tx, store, integration_id, arrivals, identities, phones)
    matches = match_page(found)
    doubtful = [external for external, match in matches.items() if not isinstance(match, New)]
    apart = await store.identity_pairs.apart_from(tx, integration_id, EntityType.CANDIDATE, doubtful)
    if apart:
        matches = match_page([_without(each, apart.get(each.external_id, frozenset())) for each in found])
    unclear = [external for external, match in matches.items() if isinstance(match, Ambiguous)]
    decided = await store.conflicts.decided_matches(tx, integration_id, EntityType.CANDIDATE, unclear)
    chosen = {external: UUID(decision) for external, decision in decided.items() if decision != NEW}
    survivors = await store.record_merges.survivors(tx, sorted(chosen.values()))
    chosen = {external: survivors.get(each, each) for external, each in chosen.items()}
    links = await store.links.of_records(tx, sorted(chosen.values()))
    here = {
        each
        for each, of_record in links.items()
        if any(link.integration_id == integration_id and link.state == "live" for link in of_record)
    }
    return {
        **matches,
        **{external: New() for external in decided},
        **{external: _as_chosen(each, is_linked=each in here) for external, each in chosen.items()},
    }


def _as_chosen(record_id: UUID, *, is_linked: bool) -> Match:
    """Return what a person's choice comes to: of two of one vendor's who are one of ours, a merge here makes one."""
    return NewButPossibleDuplicate((str(record_id),)) if is_linked else Matched(str(record_id))


async def _candidates(
    tx: Transaction,
    store: Store,
    integration_id: UUID,
    arrivals: Sequence[tuple[Observation, Mapping[str, JsonValue]]],
    identities: Mapping[str, str],
    phones: Mapping[str, str],
) -> list[Arrival]:
    """Return *arrivals* with those of ours who have one of their keys, in a fixed number of queries."""
    by_email = await store.records.find_by_email(tx, integration_id, sorted(set(identities.values())))
    digits = {each for phone in phones.values() for each in phone_digits(phone)}
    by_phone: dict[str | None, list[Person]] = {}
    for known in await store.namesakes.by_phone(tx, integration_id, sorted(digits), most=SHARED_BY):
        person = _known(known)
        by_phone.setdefault(phone_identity(person.values), []).append(person)
    names = {observation.external_id: name_identity(values) for observation, values in arrivals}
    spelled = {
        (str(values["last_name"]), str(values["first_name"]), str(values["current_company"]))
        for observation, values in arrivals
        if names[observation.external_id] is not None
    }
    by_name: dict[tuple[str, str, str] | None, list[Person]] = {}
    for known in await store.namesakes.by_name(tx, integration_id, sorted(spelled), below=COMMON_NAME):
        person = _known(known)
        by_name.setdefault(name_and_employer(person.values), []).append(person)
    return [
        Arrival(
            observation.external_id,
            values,
            [_person(each) for each in by_email.get(identities.get(observation.external_id, ""), ())],
            by_phone.get(phones[observation.external_id], ()) if observation.external_id in phones else (),
            by_name.get(name, ()) if (name := names[observation.external_id]) is not None else (),
        )
        for observation, values in arrivals
    ]


def _phones(arrivals: Sequence[tuple[Observation, Mapping[str, JsonValue]]]) -> dict[str, str]:
    found = {observation.external_id: phone_identity(values) for observation, values in arrivals}
    return {external: phone for external, phone in found.items() if phone is not None}


def _without(arrival: Arrival, others: Collection[UUID]) -> Arrival:
    """Return *arrival* less those of whom a person said that it is not them."""
    if not others:
        return arrival
    names = {str(each) for each in others}
    people, same_phone, namesakes = (
        [person for person in people if person.record_id not in names]
        for people in (arrival.people, arrival.same_phone, arrival.namesakes)
    )
    return Arrival(arrival.external_id, arrival.values, people, same_phone, namesakes)


async def _match_applications(
    tx: Transaction, store: Store, integration_id: UUID, identities: Mapping[str, str]
) -> dict[str, Match]:
    """An application of the same candidate for the same job that has no link here is the one that was submitted."""
    pairs = sorted(set(identities.values()))
    unlinked = await store.records.unlinked_applications(tx, integration_id, pairs)
    matches: dict[str, Match] = {}
    for external, pair in sorted(identities.items()):
        record_id = unlinked.pop(pair, None)
        if record_id is not None:
            matches[external] = Matched(str(record_id))
    return matches


def _person(namesake: Namesake) -> Person:
    return Person(
        str(namesake.id), namesake.first_name, namesake.last_name, is_linked=namesake.linked_external_id is not None
    )


def _known(known: KnownPerson) -> Person:
    return Person(
        str(known.id),
        known.first_name,
        known.last_name,
        is_linked=known.is_linked,
        email=known.email,
        phone=known.phone,
        current_company=known.current_company,
    )
