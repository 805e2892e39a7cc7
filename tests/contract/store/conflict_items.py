"""Items for people, put, read and ended."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from shared.store.conflicts import ConflictItem, FieldConflict, MatchConflict
from tests.contract.store.ground import CANDIDATE, Place


def held(record_id: UUID, unit: str = "email", **how: Any) -> FieldConflict:
    given: dict[str, Any] = {"kind": "field", "inputs": {"link": ["a", "b"]}, "sealed": b"s", **how}
    return FieldConflict(uuid4(), given.pop("kind"), CANDIDATE, record_id, unit, **given)


async def put(place: Place, *items: FieldConflict) -> int:
    async with place.ground.database.company(place.company_id) as tx:
        return await place.ground.store.conflicts.put(tx, items)


async def open_of(place: Place, record_id: UUID) -> dict[str, ConflictItem]:
    async with place.ground.database.company(place.company_id) as tx:
        found = await place.ground.store.conflicts.open_of(tx, [record_id])
    return {unit: item for (_, unit), item in found.items()}


async def end(place: Place, item_id: UUID, status: str = "closed", **how: Any) -> None:
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.conflicts.end(tx, item_id, status, **how)


def match(place: Place, external_id: str, *matches: UUID, kind: str = "ambiguous_match", **how: Any) -> MatchConflict:
    return MatchConflict(kind, CANDIDATE, place.integration_id, external_id, matches, **how)


async def put_matches(place: Place, *items: MatchConflict) -> None:
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.conflicts.put_matches(tx, items)
