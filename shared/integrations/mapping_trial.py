"""A mapping tried on one record before it is saved: what would come in, what would go back, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from pydantic import JsonValue, ValidationError

from shared.adapters import registry
from shared.adapters.mapped import MappedAdapter, mapped, vendor_of
from shared.adapters.protocol import Adapter
from shared.errors import InvalidInput, InvalidPayload
from shared.mapping.reading import PATH, mapping_of
from shared.mapping.rules import CUSTOM_FIELDS, EntityMapping
from shared.model import EntityType, JsonObject, Record, record_type
from shared.store.connections import Connections
from shared.store.database import Database
from shared.sync.vendors.adapters import Adapters

EXAMPLE = "example"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, where, and what to do about it."""

    path: str
    detail: str
    remedy: str | None = None


@dataclass(slots=True)
class MappingTrial:
    """What a mapping makes of one record."""

    entity: EntityType
    problems: list[Problem] = field(default_factory=list)
    """None: it can be saved, and this record be read through it."""
    external_id: str | None = None
    """Of the vendor's record that it was tried on; None for an example that was given."""
    theirs: Mapping[str, JsonValue] | None = None
    """As the vendor shows it, custom fields under the vendor's keys."""
    ours: Mapping[str, JsonValue] | None = None
    """As it would stand here."""
    is_brought_in: bool | None = None
    written: Mapping[str, JsonValue] | None = None
    """What would be sent, if each field of *ours* that may go out were to be written."""
    never_written: list[str] = field(default_factory=list)
    """Fields of *ours* that the mapping keeps from going out."""
    custom_fields: list[str] | None = None
    """Keys of all custom fields that the vendor's record shows, with or without a value; None for an example."""


class MappingTrials:
    """Tries mappings; nothing is written on either side."""

    def __init__(self, database: Database, connections: Connections, adapters: Adapters) -> None:
        self._database = database
        self._connections = connections
        self._adapters = adapters

    async def of(
        self,
        company_id: UUID,
        integration_id: UUID,
        entity: EntityType,
        given: JsonValue,
        example: Mapping[str, JsonValue] | None = None,
    ) -> MappingTrial:
        """
        Try *given*, as `config.mapping` would have it for *entity*, on *example* (its fields as the vendor shows them).

        Without one on the vendor's first record. Raises NotFound, and what the vendor's answers raise.
        """
        trial = MappingTrial(entity)
        async with self._database.company(company_id) as tx:
            integration = await self._connections.get(tx, integration_id)
        try:
            mapping = mapping_of(entity, given, f"{PATH}.{entity.value}")
        except InvalidInput as error:
            trial.problems.append(Problem(error.field or PATH, str(error), error.remedy))
            mapping = None
        if example is not None:
            record = _of_example(trial, example)
        else:
            async with self._adapters.connected(integration) as adapter:
                record = _with_custom_fields(trial, await _first(trial, vendor_of(adapter)), type(vendor_of(adapter)))
        if record is not None:
            trial.theirs = record.visible()
        if record is not None and mapping is not None:
            _try(trial, integration.platform, mapping, record)
            _name_strangers(trial, mapping)
        return trial


def _of_example(trial: MappingTrial, example: Mapping[str, JsonValue]) -> Record | None:
    about = sorted(example.keys() & Record.model_fields.keys())
    if about:
        problem = Problem(f"{EXAMPLE}.{about[0]}", "is about the record and no field of it", "leave it out")
        trial.problems.append(problem)
        return None
    try:
        return record_type(trial.entity).model_validate({**example, "external_id": EXAMPLE})
    except ValidationError as error:
        for each in error.errors(include_input=False, include_url=False, include_context=False):
            path = ".".join(str(part) for part in (EXAMPLE, *each["loc"]))
            trial.problems.append(Problem(path, each["msg"], "give the fields of the canonical record"))
    return None


async def _first(trial: MappingTrial, vendor: Any) -> Record | None:
    """Return the first record that *vendor* lists and that is somebody's."""
    async with aclosing(vendor.pages(trial.entity, None)) as pages:
        async for page in pages:
            record = cast("Record | None", next((each for each in page.records if not each.anonymized), None))
            if record is not None:
                trial.external_id = record.external_id
                return record
            if page.records:
                break
    trial.problems.append(Problem(EXAMPLE, "the vendor lists no record to try it on", "give an example"))
    return None


def _with_custom_fields(trial: MappingTrial, record: Record | None, vendor: type[Adapter]) -> Record | None:
    """Return *record* with every custom field that has a value: which of them matter is what is being tried."""
    if record is None:
        return None
    shown = vendor.custom_fields(record.entity, record.raw)
    trial.custom_fields = sorted(shown)
    elements: JsonValue = [{"name": key, "value": value} for key, value in sorted(shown.items()) if value is not None]
    return record.showing({**record.visible(), CUSTOM_FIELDS: elements}, left_out=False) if shown else record


def _name_strangers(trial: MappingTrial, mapping: EntityMapping) -> None:
    """Tell of custom fields that the vendor's record doesn't show: with one of them none would be visible."""
    if trial.custom_fields is None:
        return
    for key in sorted(mapping.custom_fields.keys() - set(trial.custom_fields)):
        path = f"{PATH}.{trial.entity.value}.{CUSTOM_FIELDS}.{key}"
        remedy = "choose one of: " + (", ".join(trial.custom_fields) or "none, the vendor shows no custom fields")
        trial.problems.append(Problem(path, "the vendor shows no custom field of this key", remedy))


def _try(trial: MappingTrial, platform: str, mapping: EntityMapping, record: Record) -> None:
    seen_through = mapped(registry.get(platform), {trial.entity: mapping})
    if not issubclass(seen_through, MappedAdapter):
        raise TypeError("a mapping makes a mapped adapter")
    try:
        seen = seen_through.seen(record)
    except InvalidPayload as error:
        path, _, detail = str(error).partition(": ")
        trial.problems.append(Problem(path, detail, error.remedy))
        return
    trial.ours, trial.is_brought_in = seen.visible(), not seen.left_out
    trial.never_written = sorted(mapping.unwritable & trial.ours.keys())
    fields = seen_through.capabilities.entities[trial.entity].fields
    changes: JsonObject = {
        name: value for name, value in trial.ours.items() if name in fields and fields[name].writable
    }
    trial.written = mapping.outbound(changes, record.visible())
