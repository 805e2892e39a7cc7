"""Records and their links, a row at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from shared.model import EntityType
from shared.store.links import LinkWrite
from shared.store.records import RecordWrite, StoredRecord
from tests.contract.store.ground import Place


async def insert(place: Place, entity: EntityType, data: Mapping[str, Any], **how: Any) -> UUID:
    record_id = uuid4()
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.records.insert(tx, entity, [RecordWrite(record_id, entity, data, {}, **how)])
    return record_id


async def fetch(place: Place, entity: EntityType, record_id: UUID) -> StoredRecord:
    async with place.ground.database.company(place.company_id) as tx:
        return await place.ground.store.records.fetch(tx, entity, record_id)


async def update(place: Place, *writes: RecordWrite) -> None:
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.records.update(tx, writes[0].entity, writes)


async def link(place: Place, entity: EntityType, record_id: UUID, external_id: str, state: str = "live") -> None:
    write = LinkWrite(uuid4(), record_id, external_id, None, {})
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.links.insert(tx, place.integration_id, entity, [write])
    await place.ground.change("external_entity_map", {"id": write.id}, state=state)
