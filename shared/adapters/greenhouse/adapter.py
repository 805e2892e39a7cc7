"""
Greenhouse as an adapter: Harvest v3, or v1 where `api_version` says so, and the Job Board where one is named.

Facts: docs/vendors/greenhouse.md.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Self

from shared.adapters.greenhouse import webhook, write
from shared.adapters.greenhouse.board import Board
from shared.adapters.greenhouse.capabilities import CAPABILITIES
from shared.adapters.greenhouse.checking import check_connection
from shared.adapters.greenhouse.config import V1, Config, read_config
from shared.adapters.greenhouse.custom_reading import every_custom_field
from shared.adapters.greenhouse.dialect import GREENHOUSE, WINDOW
from shared.adapters.greenhouse.lists import Lists
from shared.adapters.greenhouse.names import Names
from shared.adapters.greenhouse.read import read
from shared.adapters.greenhouse.read_v1 import unwrap
from shared.adapters.greenhouse.reading import Reader, since_cursor
from shared.adapters.greenhouse.writing import Writer
from shared.adapters.http import Auth, BearerAuth, StaticAuth, VendorHttp
from shared.adapters.oauth import ClientCredentials
from shared.adapters.protocol import Capabilities, Change, Connection, ConnectionReport, Cursor, Page, Written
from shared.errors import InvalidInput
from shared.model import EntityType, JsonValue, Record


class GreenhouseAdapter:
    """One customer's Greenhouse account. Keeps the account's dictionaries and nothing else of it."""

    platform: ClassVar[str] = "greenhouse"
    capabilities: ClassVar[Capabilities] = CAPABILITIES

    def __init__(self, lists: Lists, config: Config, board: Board | None = None) -> None:
        names = Names(lists)
        self._lists = lists
        self._config = config
        self._board = board
        self._reader = Reader(lists, names, board, config.custom_fields)
        self._writer = Writer(lists, names, self._reader, config)

    @classmethod
    def open(cls, connection: Connection, http: VendorHttp) -> Self:
        """
        Return an adapter that calls through *http*.

        Raises InvalidInput that names the key of `config` which is missing or wrong.
        """
        config = read_config(connection)
        api = http.bind(
            base_url=config.base_url,
            auth=_auth(connection, config, http),
            dialect=GREENHOUSE,
            account=f"greenhouse:{config.base_url}:{config.credential}",
            window=WINDOW,
        )
        board = None if config.board_url is None else Board.open(config.board_url, http)
        return cls(Lists(api, is_legacy=config.version == V1), config, board)

    @classmethod
    def to_canonical(cls, entity: EntityType, payload: Mapping[str, Any]) -> Record:
        """
        Map one payload of v3, v1 or a webhook, without custom fields: which are named, an integration says.

        Raises InvalidPayload with the path of what is wrong.
        """
        return read(entity, payload)

    @classmethod
    def custom_fields(cls, entity: EntityType, payload: Mapping[str, Any]) -> Mapping[str, JsonValue]:
        """Return every custom field that *payload* shows, by its immutable key; None: no value that can be kept."""
        return every_custom_field(unwrap(entity, payload))

    @classmethod
    def from_canonical(cls, entity: EntityType, changes: Mapping[str, JsonValue], record: Record) -> Mapping[str, Any]:
        """Return Greenhouse's patch for *changes*; *record* is what the vendor last showed. Raises Rejected."""
        return write.patch(entity, changes, record)

    @classmethod
    def expected(cls, entity: EntityType, name: str, value: JsonValue) -> JsonValue:
        """Return what Greenhouse shows after *value* was written to *name*."""
        return write.expected(entity, name, value)

    @classmethod
    def verify_webhook(cls, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
        """Check the signature over the raw *body* with any of *secrets*. Raises SignatureError."""
        webhook.verify(headers, body, secrets)

    @classmethod
    def read_webhook(cls, headers: Mapping[str, str], body: bytes) -> Sequence[Change]:
        """Return what the event says may differ; empty for a ping. Raises InvalidPayload."""
        return webhook.read_changes(headers, body)

    def since(self, entity: EntityType, moment: datetime) -> Cursor:  # noqa: ARG002 - all alike here
        """Return the cursor of an incremental pull of what changed at or after *moment*."""
        return since_cursor(moment)

    def pages(self, entity: EntityType, cursor: Cursor | None) -> AsyncIterator[Page]:
        """Yield the pages that follow *cursor*; None reads everything. A request is made when its page is asked for."""
        return self._reader.pages(entity, cursor)

    async def fetch(self, entity: EntityType, external_id: str) -> Record:
        """Return the record as it is now. Raises NotFound."""
        return await self._reader.fetch(entity, external_id)

    async def find(self, entity: EntityType, fields: Mapping[str, JsonValue]) -> Sequence[Record]:
        """Return the candidates with an `email`, or the applications of a `candidate_id` for a `job_id`."""
        return await self._reader.find(entity, fields)

    async def create(self, entity: EntityType, fields: Mapping[str, JsonValue]) -> Written:
        """Create a candidate with its first application, or an application. Raises Rejected, OutcomeUnknown."""
        return await self._writer.create(entity, fields)

    def update(
        self, entity: EntityType, record: Record, changes: Mapping[str, JsonValue]
    ) -> AsyncIterator[tuple[frozenset[str], Written]]:
        """Write *changes* onto *record* as just fetched, call by call. Raises Rejected, OutcomeUnknown."""
        return self._writer.update(entity, record, changes)

    async def delete(self, entity: EntityType, external_id: str) -> None:
        """Delete a candidate with all below, or an application. Raises NotFound, Rejected, OutcomeUnknown."""
        await self._writer.delete(entity, external_id)

    async def check(self) -> ConnectionReport:
        """Try the cheapest call of each scope, each within 5 s."""
        return await check_connection(self._lists, self._config, self._board)

    async def aclose(self) -> None:
        """Give back nothing: the connections belong to the integration's VendorHttp."""


def _auth(connection: Connection, config: Config, http: VendorHttp) -> Auth:
    if config.version == V1:
        basic = base64.b64encode(f"{config.key}:".encode()).decode()
        return StaticAuth({"Authorization": f"Basic {basic}"})
    if config.client is None:
        raise InvalidInput("config.client_id: is missing", field="config.client_id")
    extra = {} if config.user_id is None else {"sub": config.user_id}
    key = f"greenhouse:{connection.integration_id}:{config.client[0]}:{config.user_id or ''}"
    return BearerAuth(
        http.token_source(key=key, token_url=config.token_url, grant=ClientCredentials(config.client, extra))
    )
