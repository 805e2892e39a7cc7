"""
A vendor as one integration sees it: through its mapping.

Everybody above asks this adapter as they would the vendor's own, and gets our words, the fields that are brought in,
and capabilities that know which of them never go out. What was left out is told by `Record.left_out`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Self

from pydantic import ValidationError

from shared.adapters.protocol import (
    Adapter,
    Capabilities,
    Change,
    ConnectionReport,
    Cursor,
    EntityCapability,
    FieldCapability,
    Page,
    Refused,
    Written,
)
from shared.errors import InvalidPayload
from shared.mapping.rules import CUSTOM_FIELDS, EntityMapping
from shared.model import FIELDS, EntityType, JsonObject, JsonValue, Record

Mappings = Mapping[EntityType, EntityMapping]
NOTE = "the integration's mapping says so (docs/mapping.md)"
SLICE = 20
"""Records between two turns of the event loop, under 2 ms."""
_UNMAPPED = EntityMapping()
"""Of an entity that nobody has mapped: no custom field goes out, everything else as it is."""


def mapped(vendor: type[Adapter], given: Mappings) -> type[Adapter]:
    """
    Return *vendor* as it is seen through the mappings *given*; itself, where there is nothing to map or to narrow.

    What nobody has mapped is handed on untouched: adapters take no custom field that a mapping doesn't name.
    """
    asked = {
        entity: given.get(entity, _UNMAPPED)
        for entity, capability in vendor.capabilities.entities.items()
        if entity in given or CUSTOM_FIELDS in capability.fields
    }
    if not asked:
        return vendor

    class OfIntegration(MappedAdapter):
        """The adapter of one integration."""

        platform = vendor.platform
        capabilities = _narrowed(vendor.capabilities, asked)
        vendor_type = vendor
        mappings = given

    return OfIntegration


def vendor_of(adapter: Adapter) -> Adapter:
    """Return the vendor's own adapter behind *adapter*."""
    return adapter.vendor if isinstance(adapter, MappedAdapter) else adapter


class MappedAdapter:
    """An adapter round the vendor's. What is the class's is made by `mapped`."""

    platform: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    vendor_type: ClassVar[type[Adapter]]
    mappings: ClassVar[Mappings]

    def __init__(self, vendor: Adapter) -> None:
        self.vendor = vendor

    @classmethod
    def open(cls, connection: Any, http: Any) -> Self:
        """Return it round the vendor's adapter. Raises InvalidInput as that does."""
        return cls(cls.vendor_type.open(connection, http))

    @classmethod
    def to_canonical(cls, entity: EntityType, payload: Mapping[str, Any]) -> Record:
        """Map one payload into our words. Raises InvalidPayload."""
        return cls.seen(cls.vendor_type.to_canonical(entity, payload))

    @classmethod
    def custom_fields(cls, entity: EntityType, payload: Mapping[str, Any]) -> Mapping[str, JsonValue]:
        """Return every custom field that *payload* shows, by the vendor's key."""
        return cls.vendor_type.custom_fields(entity, payload)

    @classmethod
    def from_canonical(cls, entity: EntityType, changes: Mapping[str, JsonValue], record: Record) -> Mapping[str, Any]:
        """Return the vendor's patch for *changes* in our words."""
        shown = cls._as_the_vendor_shows(record, changes)
        return cls.vendor_type.from_canonical(entity, cls._outbound(entity, changes, shown), shown)

    @classmethod
    def expected(cls, entity: EntityType, name: str, value: JsonValue) -> JsonValue:
        """Return what the vendor is known to make of *value*, in our words."""
        mapping = cls.mappings.get(entity)
        if mapping is None:
            return cls.vendor_type.expected(entity, name, value)
        if mapping.is_untranslated(name, value):
            # The vendor would show our word for it; told so, a merge would let theirs stand here for ever.
            return value
        written = mapping.outbound({name: value}, {})[name]
        return mapping.translated(name, cls.vendor_type.expected(entity, name, written))

    @classmethod
    def verify_webhook(cls, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
        """Check the signature. Raises SignatureError."""
        cls.vendor_type.verify_webhook(headers, body, secrets)

    @classmethod
    def read_webhook(cls, headers: Mapping[str, str], body: bytes) -> Sequence[Change]:
        """Return what the event says may differ. Raises InvalidPayload."""
        return cls.vendor_type.read_webhook(headers, body)

    @classmethod
    def seen(cls, record: Record) -> Record:
        """
        Return what the vendor showed as *record*, through the mapping.

        Raises InvalidPayload, which names the expression that can't be computed of it, or whose result can't be its
        field's value.
        """
        mapping = cls.mappings.get(record.entity)
        if mapping is None or record.anonymized:
            return record
        values = mapping.inbound(record.visible())
        references = {name: each.external_id for name, each in record.references.items()}
        is_left_out = not mapping.admits(values, references, record.updated_at)
        try:
            return record.showing(mapping.visible(values), left_out=is_left_out)
        except ValidationError as error:
            raise _unfit(record.entity, error) from None

    def since(self, entity: EntityType, moment: datetime) -> Cursor:
        """Return the cursor of what changed at or after *moment*."""
        return self.vendor.since(entity, moment)

    def pages(self, entity: EntityType, cursor: Cursor | None) -> AsyncIterator[Page]:
        """Yield the pages that follow *cursor*; a record that can't be mapped is refused with its cause."""
        pages = self.vendor.pages(entity, cursor)
        return pages if entity not in self.mappings else self._mapped_pages(pages)

    async def fetch(self, entity: EntityType, external_id: str) -> Record:
        """Return the record as it is now. Raises NotFound, InvalidPayload."""
        return self.seen(await self.vendor.fetch(entity, external_id))

    async def find(self, entity: EntityType, fields: Mapping[str, JsonValue]) -> Sequence[Record]:
        """Return the records that hold these identifying *fields*."""
        return [self.seen(each) for each in await self.vendor.find(entity, fields)]

    async def create(self, entity: EntityType, fields: Mapping[str, JsonValue]) -> Written:
        """Create a record of what may go out. Raises Rejected, OutcomeUnknown."""
        own = {name: value for name, value in fields.items() if name in FIELDS[entity]}
        # A candidate takes along what its first application is made of.
        along = {name: value for name, value in fields.items() if name not in own}
        sent = self._of_new(entity, own) | self._of_new(EntityType.APPLICATION, along)
        return self._answered(await self.vendor.create(entity, sent))

    async def update(
        self, entity: EntityType, record: Record, changes: Mapping[str, JsonValue]
    ) -> AsyncIterator[tuple[frozenset[str], Written]]:
        """Write *changes* in the vendor's words, call by call. Raises Rejected, OutcomeUnknown."""
        shown = self._as_the_vendor_shows(record, changes)
        async for names, written in self.vendor.update(entity, shown, self._outbound(entity, changes, shown)):
            yield names, self._answered(written)

    async def delete(self, entity: EntityType, external_id: str) -> None:
        """Delete the record. Raises NotFound, Rejected, AuthFailed, OutcomeUnknown."""
        await self.vendor.delete(entity, external_id)

    async def check(self) -> ConnectionReport:
        """Try the cheapest call of each scope."""
        return await self.vendor.check()

    async def aclose(self) -> None:
        """Give back what the vendor's adapter holds."""
        await self.vendor.aclose()

    async def _mapped_pages(self, pages: AsyncIterator[Page]) -> AsyncIterator[Page]:
        try:
            async for page in pages:
                yield await self._mapped_page(page)
        finally:
            close = getattr(pages, "aclose", None)
            if close is not None:
                await close()

    async def _mapped_page(self, page: Page) -> Page:
        records: list[Record] = []
        refused: list[Refused] = []
        for index, record in enumerate(page.records, 1):
            if index % SLICE == 0:
                await asyncio.sleep(0)
            try:
                records.append(self.seen(record))
            except InvalidPayload as error:
                refused.append(Refused(record.external_id, str(error)))
        return replace(page, records=records, refused=[*page.refused, *refused])

    def _answered(self, written: Written) -> Written:
        return written if written.record is None else replace(written, record=self.seen(written.record))

    def _of_new(self, entity: EntityType, fields: Mapping[str, JsonValue]) -> JsonObject:
        mapping = self.mappings.get(entity, _UNMAPPED)
        allowed = {name: value for name, value in fields.items() if name not in mapping.unwritable}
        return mapping.outbound(allowed, {})

    @classmethod
    def _outbound(cls, entity: EntityType, changes: Mapping[str, JsonValue], shown: Record) -> JsonObject:
        mapping = cls.mappings.get(entity)
        if mapping is None:
            return dict(changes)
        return mapping.outbound(changes, shown.visible() if CUSTOM_FIELDS in changes else {})

    @classmethod
    def _as_the_vendor_shows(cls, record: Record, changes: Mapping[str, JsonValue]) -> Record:
        """Return *record* with the vendor's own custom fields, if some are to be written: the list is one value."""
        return cls.vendor_type.to_canonical(record.entity, record.raw) if CUSTOM_FIELDS in changes else record


def _narrowed(capabilities: Capabilities, mappings: Mappings) -> Capabilities:
    """Return *capabilities* less what the mapping keeps from going out or coming in."""
    entities = {
        entity: _narrowed_entity(capability, mappings[entity]) if entity in mappings else capability
        for entity, capability in capabilities.entities.items()
    }
    return replace(capabilities, entities=entities)


def _narrowed_entity(capability: EntityCapability, mapping: EntityMapping) -> EntityCapability:
    hidden = mapping.excluded if mapping.custom_fields else {*mapping.excluded, CUSTOM_FIELDS}
    closed: dict[str, FieldCapability] = {
        name: replace(known, readable=known.readable and name not in hidden, writable=False, note=NOTE)
        for name, known in capability.fields.items()
        if name in mapping.unwritable
    }
    return replace(capability, fields={**capability.fields, **closed})


def _unfit(entity: EntityType, error: ValidationError) -> InvalidPayload:
    name, *_ = error.errors(include_input=False, include_url=False, include_context=False)[0]["loc"]
    path = f"config.mapping.{entity.value}.set.{name}"
    return InvalidPayload(
        f"{path}: does not come to a value of the field's type",
        remedy="let the expression come to a text for a text, a list for a list; None where there is nothing",
    )
