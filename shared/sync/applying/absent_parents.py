"""
Who lacks a parent, and what becomes of them: some wait for it, some stay out with it, some go on without it.

A parent stays out when the filter leaves it out, or when it is a candidate who was erased; to wait for one would be to
wait for ever. What is new stays out with it. What is here already goes on less that reference: it is *not visible*, so
it stays as it is here, while everything else of the record is kept in step (docs/mapping.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import orjson

from shared.model import EntityType, Reference
from shared.store.connections import IntegrationRow
from shared.store.database import Transaction
from shared.store.left_out import Child
from shared.sync.applying.left_out import LeftOut
from shared.sync.identity.suppression import Suppression
from shared.sync.merging.observations import DIGEST_BYTES, Observation


@dataclass(frozen=True, slots=True)
class Lacking:
    """Records that lack a parent, by external id."""

    parked: Mapping[str, Reference]
    """Those that wait, with what they wait for."""
    left_out: frozenset[str]
    """Those that are new and stay out."""
    going_on: frozenset[str]
    """Those that are here and lack nothing but what stays out."""
    children: Sequence[Child]
    """Of the last two: whom the filter's word on which parent concerns."""


class AbsentParents:
    """Tells which parents stay out. Costs nothing where no record lacks one."""

    def __init__(self, left_out: LeftOut, suppression: Suppression) -> None:
        self._left_out = left_out
        self._suppression = suppression

    async def sort(
        self,
        tx: Transaction,
        integration: IntegrationRow,
        lacking: Mapping[str, Sequence[Reference]],
        known: Collection[str],
    ) -> Lacking:
        """Return what becomes of the records *lacking* others (by external id). *known*: those that are linked."""
        if not lacking:
            return Lacking({}, frozenset(), frozenset(), ())
        filters = await self._left_out.parents(tx, integration, lacking)
        erased = await self._erased(tx, integration, (lacking[each] for each in lacking if each in known))
        parked: dict[str, Reference] = {}
        left_out, going_on = set[str](), set[str]()
        children: list[Child] = []
        for external_id, references in lacking.items():
            is_known = external_id in known
            out = [each for each in references if each in filters]
            awaited = [each for each in references if each not in filters and not (is_known and each in erased)]
            if (is_known and awaited) or not (is_known or out):
                parked[external_id] = awaited[0]
                continue
            (going_on if is_known else left_out).add(external_id)
            children += [Child(external_id, each, filters[each]) for each in out[-1:]]
        return Lacking(parked, frozenset(left_out), frozenset(going_on), children)

    async def _erased(
        self, tx: Transaction, integration: IntegrationRow, lacking: Iterable[Sequence[Reference]]
    ) -> frozenset[Reference]:
        wanted = {
            each.external_id for references in lacking for each in references if each.entity is EntityType.CANDIDATE
        }
        hidden = await self._suppression.hidden_ids(tx, integration.id, EntityType.CANDIDATE, sorted(wanted))
        return frozenset(Reference(EntityType.CANDIDATE, each) for each in hidden)


def less(observation: Observation, references: Sequence[Reference]) -> Observation:
    """
    Return *observation* less *references* that stay out; itself, if there are none.

    Its digest is another one: shown once more it is looked at once more, since what stays out may come in.
    """
    if not references:
        return observation
    names = sorted(f"{each.entity.value} {each.external_id}" for each in references)
    digest = hashlib.blake2b(orjson.dumps(names), digest_size=DIGEST_BYTES, key=observation.digest).digest()
    return replace(observation, digest=digest)
