"""
What every vendor's adapter offers, and the values that cross that line.

An adapter maps and calls; it never retries a job, never decides a merge and knows no database. Its errors are
those of `shared.errors`. `to_canonical`, `from_canonical`, `verify_webhook` and `read_webhook` are class methods
that need neither network nor clock, so that any recorded payload can be replayed through them.

Of a company's custom fields an adapter takes those whose keys the mapping in its `config` names
(`shared.model.custom_fields`), by the vendor's key, and none without a mapping.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, NewType, Protocol, Self

from shared.model import EntityType, JsonValue, Record

Cursor = NewType("Cursor", str)
"""Opaque to all but its adapter: where a pull goes on. Safe to store; holds no secret."""


@dataclass(frozen=True, slots=True)
class FieldCapability:
    """What a vendor lets us do with one field."""

    readable: bool = True
    writable: bool = False
    add: bool = True
    """For sets: elements can be added (only read where *writable*)."""
    remove: bool = True
    """For sets: elements can be removed (only read where *writable*)."""
    moves_cursor: bool = True
    """A change of this field shows in the next incremental pull."""
    note: str = ""
    """Why not, with the section of docs/vendors that says so."""


@dataclass(frozen=True, slots=True)
class EntityCapability:
    """What a vendor lets us do with one entity."""

    fields: Mapping[str, FieldCapability]
    incremental: bool = True
    webhooks: bool = True
    create: bool = False
    update: bool = False
    delete: bool = False
    list_lag: timedelta = timedelta(0)
    """How long a list may lag behind a single fetch."""
    overlap: timedelta = timedelta(hours=1)
    """How far an incremental pull looks back beyond the start of the one before."""
    search_lag: timedelta = timedelta(0)
    """How long a new record may be missing from the vendor's search."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a vendor lets us do at all."""

    entities: Mapping[EntityType, EntityCapability]
    time_resolution: timedelta = timedelta(milliseconds=1)
    """Of the vendor's change times; two times closer than the coarser clock are a tie."""
    webhook_api: bool = False
    """Our webhook can be created and removed by API."""
    page_size: int = 500


@dataclass(frozen=True, slots=True)
class Refused:
    """A record of a page that could not be mapped: set aside with its cause, never silently dropped."""

    external_id: str | None
    reason: str
    """Path and rule, never a value."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a pull."""

    records: Sequence[Record]
    refused: Sequence[Refused]
    following: Cursor | None
    """Where the next page starts; None = the vendor said that this was the last one."""
    requests: int = 1
    """Calls that this page cost."""
    size_bytes: int = 0
    request_id: str | None = None


class ChangeKind(StrEnum):
    """What an event claims. Never trusted: the record is fetched."""

    TOUCHED = "touched"
    DELETED = "deleted"
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class Change:
    """A record that an event says may differ."""

    entity: EntityType
    external_id: str
    kind: ChangeKind = ChangeKind.TOUCHED
    event_id: str | None = None
    merged_into: str | None = None
    """For MERGED: the external id that the event names as the survivor."""


@dataclass(frozen=True, slots=True)
class Written:
    """The vendor's answer to a write."""

    external_id: str
    record: Record | None = None
    """What the answer shows of the record; None when it shows nothing (204, a message)."""
    request_id: str | None = None
    related: Mapping[EntityType, str] = field(default_factory=dict)
    """Other records that the same call created, by entity: their external ids."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a connection report."""

    name: str
    ok: bool
    detail: str = ""
    """What is missing and what to do, for the person who can do it."""
    latency_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ConnectionReport:
    """What a connection test found."""

    ok: bool
    checks: Sequence[Check]
    clock_skew_s: float | None = None
    """Vendor's clock minus ours, seconds."""
    account: str | None = None
    """What names the vendor account, so that a new connection to it is recognised."""


@dataclass(frozen=True, slots=True)
class Connection:
    """
    What an adapter needs to call one customer's account.

    *secrets*: opened credentials by name (`api_key`, `client_secret`, …).
    *config*: the integration's `config` without its secrets.
    """

    integration_id: str
    api_base_url: str | None
    config: Mapping[str, JsonValue]
    secrets: Mapping[str, str]


class Adapter(Protocol):
    """One customer's account at one vendor. Built by `open`, closed by `aclose`."""

    platform: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    @classmethod
    def open(cls, connection: Connection, http: Any) -> Self:
        """
        Return an adapter that calls through *http* (`shared.adapters.http.VendorHttp`).

        Raises InvalidInput that names the key of `config` which is missing or wrong.
        """
        ...

    @classmethod
    def to_canonical(cls, entity: EntityType, payload: Mapping[str, Any]) -> Record:
        """Map one payload of a list, a fetch or a webhook. Raises InvalidPayload with the path of what is wrong."""
        ...

    @classmethod
    def custom_fields(cls, entity: EntityType, payload: Mapping[str, Any]) -> Mapping[str, JsonValue]:
        """
        Return every custom field that *payload* shows, named by a mapping or not: its value by the vendor's key.

        None: it has no value, or none that can be kept in step.
        """
        ...

    @classmethod
    def from_canonical(cls, entity: EntityType, changes: Mapping[str, JsonValue], record: Record) -> Mapping[str, Any]:
        """Return the vendor's patch for *changes*; *record* is what the vendor last showed, with its `raw`."""
        ...

    @classmethod
    def expected(cls, entity: EntityType, name: str, value: JsonValue) -> JsonValue:
        """Return what the vendor is known to make of *value* when it is written."""
        ...

    @classmethod
    def verify_webhook(cls, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
        """Check the signature over the raw *body* with any of *secrets*. Raises SignatureError."""
        ...

    @classmethod
    def read_webhook(cls, headers: Mapping[str, str], body: bytes) -> Sequence[Change]:
        """
        Return what the event says may differ; empty for a ping and for what concerns nothing of ours.

        Raises InvalidPayload.
        """
        ...

    def since(self, entity: EntityType, moment: datetime) -> Cursor:
        """Return the cursor of an incremental pull of what changed at or after *moment*."""
        ...

    def pages(self, entity: EntityType, cursor: Cursor | None) -> AsyncIterator[Page]:
        """Yield the pages that follow *cursor*; None reads everything. A request is made when its page is asked for."""
        ...

    async def fetch(self, entity: EntityType, external_id: str) -> Record:
        """Return the record as it is now. Raises NotFound."""
        ...

    async def find(self, entity: EntityType, fields: Mapping[str, JsonValue]) -> Sequence[Record]:
        """
        Return the records that hold these identifying *fields*.

        A candidate is found by `email`; an application by `candidate_id` and `job_id`, both external ids.
        """
        ...

    async def create(self, entity: EntityType, fields: Mapping[str, JsonValue]) -> Written:
        """Create a record; references in *fields* are external ids. Raises Rejected, OutcomeUnknown."""
        ...

    def update(
        self, entity: EntityType, record: Record, changes: Mapping[str, JsonValue]
    ) -> AsyncIterator[tuple[frozenset[str], Written]]:
        """
        Write *changes* onto *record* as just fetched, call by call.

        Each step yields the fields that the call sent and the vendor's answer to it. Raises Rejected, OutcomeUnknown,
        and Conflict where the vendor refuses because somebody has changed the record since: nothing was written.
        """
        ...

    async def delete(self, entity: EntityType, external_id: str) -> None:
        """
        Delete the record; what the vendor lets go with it goes too.

        Only asked for where `EntityCapability.delete` says that it can be. Raises NotFound when it is gone already,
        Rejected, AuthFailed (403: the permission to delete is missing), OutcomeUnknown.
        """
        ...

    async def check(self) -> ConnectionReport:
        """Try the cheapest call of each scope, each within 5 s. Never raises for what the vendor refuses."""
        ...

    async def aclose(self) -> None:
        """Give back what this adapter holds."""
        ...
