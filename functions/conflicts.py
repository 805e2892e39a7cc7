"""What waits for a person: differing values side by side, and the decision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import azure.functions as func
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from functions.candidate_request import CandidateRequest
from functions.edge import PAGED, Answer, Call, endpoint
from functions.integrations import query_entity
from functions.paging import page_of
from shared.errors import InvalidInput
from shared.integrations.lifecycle import Integrations as Connections
from shared.integrations.preferences import check_preference, prefer_always
from shared.model import UNITS, EntityType
from shared.model.records import ApplicationFields, JobFields
from shared.security.aead import DataUnreadable
from shared.store.conflict_listing import ConflictFilter, ConflictListing
from shared.store.database import Transaction
from shared.store.history import PersonKey
from shared.store.notices import Notices
from shared.sync.deciding.bulk_resolution import MOST_AT_ONCE, resolve_many
from shared.sync.editing.contact_check import check_contacts
from shared.sync.editing.length_check import check_lengths
from shared.sync.keeping.conflict_items import TABLE
from shared.sync.keeping.held_values import Vault

bp = func.Blueprint()

_FIELDS: Mapping[EntityType, type[BaseModel]] = {
    EntityType.CANDIDATE: CandidateRequest,
    EntityType.APPLICATION: ApplicationFields,
    EntityType.JOB: JobFields,
}
FILTERS = ("status", "entity", "record_id", "field", "kind", "integration_id", "overdue")
STATES = frozenset({"open", "resolved", "closed", "all"})
KINDS = frozenset({"field", "refused", "ambiguous_match", "possible_duplicate"})
NOTICE_KINDS = frozenset({"conflict_waiting", "conflict_overdue"})


class Resolution(BaseModel):
    """
    `POST /conflicts/{id}/resolve`: ours (`portal`), one system's (`integration`), or a typed value.

    *value*: the field's value, or an object of its members where several belong together (`name`).
    *version*: the item's, in place of If-Match. *always*: the side that is chosen has the last word on this field from
    now on, wherever it is held.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    choice: Literal["portal", "integration", "value", "record", "new"]
    integration_id: UUID | None = None
    value: JsonValue = None
    version: int | None = None
    always: bool = False


class BulkResolution(BaseModel):
    """`POST /conflicts/resolve`: one choice for many field conflicts, each judged by itself."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    ids: list[UUID] = Field(min_length=1, max_length=MOST_AT_ONCE)
    choice: Literal["portal", "integration"]
    integration_id: UUID | None = None


@endpoint(bp, "list_conflicts", "GET", "api/conflicts", query=(*FILTERS, *PAGED))
async def list_conflicts(call: Call) -> Answer:
    """List what waits for a person, newest first, each with the values of all sides."""
    window = call.window()
    status = call.choice("status", STATES) or "open"
    overdue = call.choice("overdue", {"true", "false"})
    wanted = ConflictFilter(
        status=None if status == "all" else status,
        entity=query_entity(call),
        record_id=call.query_id("record_id"),
        unit=call.choice("field", {name for units in UNITS.values() for name in units}),
        kind=call.choice("kind", KINDS),
        integration_id=call.query_id("integration_id"),
        is_overdue=None if overdue is None else overdue == "true",
    )
    async with call.services.database.company(call.company_id) as tx:
        rows = await _listing(call).page(tx, wanted, after=window.after, limit=window.asked)
        page, following = page_of(rows, window, lambda row: (row["opened_at"], row["id"]))
        views = await _opened(tx, page, call.services.vault)
    return Answer({"data": views, "next_cursor": following})


@endpoint(bp, "get_conflict", "GET", "api/conflicts/{id}")
async def get_conflict(call: Call) -> Answer:
    """Show one item with the values of all sides."""
    async with call.services.database.company(call.company_id) as tx:
        row = await _listing(call).one(tx, call.path_id())
        (view,) = await _opened(tx, [row], call.services.vault)
    return Answer(view, version=row["version"])


@endpoint(bp, "resolve_conflict", "POST", "api/conflicts/{id}/resolve")
async def resolve_conflict(call: Call) -> Answer:
    """Decide. 409 when a side has moved since the version that was looked at."""
    decision = call.body(Resolution)
    conflict_id = call.path_id()
    expected = decision.version if decision.version is not None else call.expected_version()
    _require_side(decision.choice, decision.integration_id)
    listing = _listing(call)
    async with call.services.database.company(call.company_id) as tx:
        item = await listing.one(tx, conflict_id)
        sides = await listing.sides(tx, conflict_id)
    winner = decision.integration_id if decision.choice == "integration" else None
    if decision.always:
        _require_field(item, decision)
        entity = EntityType(item["entity"])
        database = call.services.database
        await check_preference(database, call.company_id, entity, item["unit"], sides=sides, winner=winner)
    value = typed_value(item, decision) if decision.choice == "value" else decision.value
    await call.services.resolutions.resolve(
        call.company_id,
        conflict_id,
        choice=decision.choice,
        integration_id=decision.integration_id,
        value=value,
        expected_version=expected,
        actor=call.principal.subject,
    )
    policies = {}
    if decision.always:
        policies = await prefer_always(
            Connections.of(call.services),
            call.company_id,
            EntityType(item["entity"]),
            item["unit"],
            sides=sides,
            winner=winner,
        )
    async with call.services.database.company(call.company_id) as tx:
        row = await listing.one(tx, conflict_id)
    view = conflict_view(row, None)
    if decision.always:
        view["policies"] = {str(integration_id): party.value for integration_id, party in policies.items()}
    return Answer(view, version=row["version"])


@endpoint(bp, "resolve_conflicts", "POST", "api/conflicts/resolve", permission="resolve_conflict")
async def resolve_conflicts(call: Call) -> Answer:
    """Decide many alike. What could not be decided stays open and says why; ask again for what was not tried."""
    wanted = call.body(BulkResolution)
    _require_side(wanted.choice, wanted.integration_id)
    results = await resolve_many(
        call.services.resolutions,
        call.company_id,
        wanted.ids,
        choice=wanted.choice,
        integration_id=wanted.integration_id,
        actor=call.principal.subject,
    )
    counts = Counter[str](each.status for each in results)
    return Answer({"results": [asdict(each) for each in results], "counts": dict(counts)})


@endpoint(bp, "list_notices", "GET", "api/notices", query=("kind", *PAGED))
async def list_notices(call: Call) -> Answer:
    """List what people were told, newest first."""
    window = call.window()
    kind = call.choice("kind", NOTICE_KINDS)
    async with call.services.database.company(call.company_id) as tx:
        rows = await Notices().listed(tx, kind=kind, after=window.after, limit=window.asked)
    data, following = page_of(rows, window, lambda row: (row["at"], row["id"]))
    return Answer({"data": data, "next_cursor": following})


def _listing(call: Call) -> ConflictListing:
    return ConflictListing(timedelta(hours=call.services.settings.conflict_due_h))


def _require_field(item: Mapping[str, Any], decision: Resolution) -> None:
    if item["kind"] != "field" or decision.choice not in ("portal", "integration"):
        raise InvalidInput(
            "always: only a side of a field can be preferred", field="always", remedy="choose portal or integration"
        )


def _require_side(choice: str, integration_id: UUID | None) -> None:
    if choice == "integration" and integration_id is None:
        raise InvalidInput("integration_id: is missing", field="integration_id", remedy="say whose value is right")


def typed_value(item: Mapping[str, Any], decision: Resolution) -> JsonValue:
    """
    Return the typed value as the field holds it: an object by member where several belong together.

    Raises InvalidInput, ValidationError.
    """
    unit = UNITS[EntityType(item["entity"])].get(item["unit"] or "")
    if "value" not in decision.model_fields_set or unit is None:
        raise InvalidInput("value: is missing", field="value", remedy="send the value, or null to empty the field")
    is_group = len(unit.members) > 1
    given = decision.value if is_group else {unit.name: decision.value}
    if not isinstance(given, dict) or set(given) != set(unit.members):
        raise InvalidInput(
            f"value: must name {', '.join(unit.members)}", field="value", remedy="send an object with each of them"
        )
    entity = EntityType(item["entity"])
    checked = _FIELDS[entity].model_validate(given).model_dump(mode="json", include=set(given))
    check_contacts(checked)
    check_lengths(entity, checked)
    return checked if is_group else checked[unit.name]


async def _opened(tx: Transaction, rows: Sequence[Mapping[str, Any]], vault: Vault) -> list[dict[str, Any]]:
    people = sorted({row["record_id"] for row in rows if row["sealed"] is not None and row["record_id"] is not None})
    keys = await vault.keys(tx, people) if people else {}
    return [conflict_view(row, _values(tx, row, keys, vault)) for row in rows]


def _values(
    tx: Transaction, row: Mapping[str, Any], keys: Mapping[UUID, PersonKey], vault: Vault
) -> Mapping[str, Any] | None:
    key = keys.get(row["record_id"])
    if key is None or row["sealed"] is None:
        return None
    try:
        return vault.open(tx.company, key, TABLE, str(row["id"]), bytes(row["sealed"]))
    except DataUnreadable:
        return None  # the person was erased meanwhile


def conflict_view(row: Mapping[str, Any], values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return an item; *values* are what its sides say, None where nobody may know any more."""
    unit = UNITS[EntityType(row["entity"])].get(row["unit"] or "")
    shown = {name: value for name, value in row.items() if name not in ("sealed", "unit", "links")}
    sides = {} if values is None else values.get("sides", {})
    return {
        **shown,
        "field": row["unit"],
        "members": list(unit.members) if unit is not None else [],
        "ours": None if values is None else values.get("ours"),
        "ours_at": None if values is None else values.get("ours_at"),
        "ours_source": None if values is None else values.get("ours_source"),
        "agreed": None if values is None else values.get("agreed"),
        "sides": None if values is None else [side for link, side in sides.items() if link in row["links"]],
    }
