"""
The gate before a first write at a vendor: outbound of an entity is switched on only after its preview was seen (S-070).

A preview counts as long as the vendor is called as it was then: with other credentials, or at another address, it may
be another world. What is outbound already stays so, whatever becomes of the preview.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from shared.errors import PreviewNeeded
from shared.model import Direction, EntityType, JsonValue

DIRECTIONS = "directions"
"""The key of `config` that says which way an entity travels."""
OUTBOUND = frozenset({Direction.OUTBOUND.value, "both"})
NOT_SEEN: Mapping[str, None] = {"previewed_at": None, "previewed_by": None, "previewed_entities": None}
"""Columns of an integration whose preview no longer counts."""


def check_new(config: Mapping[str, JsonValue]) -> None:
    """Judge an integration to be made. Raises PreviewNeeded if it is to write: nobody can have seen what."""
    _check({}, config, (), "make it inbound, POST /api/integrations/{id}/preview, then PATCH config.directions")


def check_change(
    integration_id: UUID, before: Mapping[str, JsonValue], after: Mapping[str, JsonValue], seen: Collection[str]
) -> None:
    """Judge a change. Raises PreviewNeeded if *after* writes what *before* does not and nobody has *seen*."""
    _check(before, after, seen, f"POST /api/integrations/{integration_id}/preview, look at it, then send this again")


def _check(before: Mapping[str, JsonValue], after: Mapping[str, JsonValue], seen: Collection[str], remedy: str) -> None:
    for entity in EntityType:
        if _is_outbound(after, entity) and not _is_outbound(before, entity) and entity.value not in seen:
            path = f"config.{DIRECTIONS}.{entity.value}"
            raise PreviewNeeded(f"{path}: nobody has seen yet what a first sync would write", field=path, remedy=remedy)


def _is_outbound(config: Mapping[str, JsonValue], entity: EntityType) -> bool:
    directions = config.get(DIRECTIONS)
    return isinstance(directions, dict) and directions.get(entity.value) in OUTBOUND
