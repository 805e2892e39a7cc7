"""Who the vendor's records without a link are: parents first, then matching, then what people decided before."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from pydantic import JsonValue

from shared.merge.matching import (
    Ambiguous,
    Arrival,
    Match,
    Matched,
    New,
    Person,
    identity_keys,
    match_page,
)
from shared.model import EntityType
from shared.security.keys import Keys, Purpose
from shared.store.database import Transaction
from shared.store.records import Namesake
from shared.store.store import Store
from shared.sync.observations import Observation

NEW = "new"
"""A person's decision on an ambiguous match: it is nobody of ours."""


@dataclass(frozen=True, slots=True)
class Identified:
    """What became of a set of unlinked records, by external id."""

    matches: Mapping[str, Match] = field(default_factory=dict)
    being_created: frozenset[str] = frozenset()
    """A create of ours may be what made them; they wait until that is known."""


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
    await store.records.lock_identities(tx, list(identities.values()))
    hashes = {external: identity_hash(keys, entity, identity) for external, identity in identities.items()}
    open_hashes = await store.create_intents.open_identities(tx, integration_id, list(hashes.values()))
    being_created = frozenset(external for external, value in hashes.items() if value in open_hashes)
    if entity is EntityType.APPLICATION:
        matches = await _match_applications(tx, store, integration_id, identities)
        for observation, _ in arrivals:
            matches.setdefault(observation.external_id, New())
        return Identified(matches, being_created)
    matches = await _match_candidates(tx, store, integration_id, arrivals, identities)
    return Identified(matches, being_created)


async def _match_candidates(
    tx: Transaction,
    store: Store,
    integration_id: UUID,
    arrivals: Sequence[tuple[Observation, Mapping[str, JsonValue]]],
    identities: Mapping[str, str],
) -> dict[str, Match]:
    namesakes = await store.records.find_by_email(tx, integration_id, sorted(set(identities.values())))
    matches = match_page(
        [
            Arrival(
                observation.external_id,
                values,
                [_person(each) for each in namesakes.get(identities.get(observation.external_id, ""), ())],
            )
            for observation, values in arrivals
        ]
    )
    unclear = [external for external, match in matches.items() if isinstance(match, Ambiguous)]
    decided = await store.conflicts.decided_matches(tx, integration_id, EntityType.CANDIDATE, unclear)
    return {**matches, **{external: _decided(decision) for external, decision in decided.items()}}


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


def _decided(decision: str) -> Match:
    return New() if decision == NEW else Matched(decision)
