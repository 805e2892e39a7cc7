"""What waits for a person: differing values side by side, and the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

import azure.functions as func
from pydantic import BaseModel, ConfigDict, JsonValue

from functions.edge import Answer, Call, endpoint
from functions.integrations import query_entity
from functions.paging import page_of
from shared.errors import InvalidInput
from shared.model import UNITS, EntityType
from shared.model.records import ApplicationFields, CandidateFields, JobFields
from shared.security.aead import DataUnreadable
from shared.store.database import Transaction
from shared.store.history import PersonKey
from shared.store.listings import Listings
from shared.sync.conflict_items import TABLE
from shared.sync.held_values import Vault

bp = func.Blueprint()

_FIELDS: Mapping[EntityType, type[BaseModel]] = {
    EntityType.CANDIDATE: CandidateFields,
    EntityType.APPLICATION: ApplicationFields,
    EntityType.JOB: JobFields,
}
STATES = frozenset({"open", "resolved", "closed", "all"})


class Resolution(BaseModel):
    """
    `POST /conflicts/{id}/resolve`: ours (`portal`), one system's (`integration`), or a typed value.

    *value*: the field's value, or an object of its members where several belong together (`name`).
    *version*: the item's, in place of If-Match.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    choice: Literal["portal", "integration", "value", "record", "new"]
    integration_id: UUID | None = None
    value: JsonValue = None
    version: int | None = None


@endpoint(bp, "list_conflicts", "GET", "api/conflicts")
async def list_conflicts(call: Call) -> Answer:
    """List what waits for a person, newest first, each with the values of all sides."""
    call.query("status", "entity", "record_id")
    window = call.window()
    status = call.choice("status", STATES) or "open"
    async with call.services.database.company(call.company_id) as tx:
        rows = await Listings().conflicts(
            tx,
            status=None if status == "all" else status,
            entity=query_entity(call),
            record_id=call.query_id("record_id"),
            after=window.after,
            limit=window.asked,
        )
        page, following = page_of(rows, window, lambda row: (row["opened_at"], row["id"]))
        views = await _opened(tx, page, call.services.vault)
    return Answer({"data": views, "next_cursor": following})


@endpoint(bp, "resolve_conflict", "POST", "api/conflicts/{id}/resolve")
async def resolve_conflict(call: Call) -> Answer:
    """Decide. 409 when a side has moved since the version that was looked at."""
    decision = call.body(Resolution)
    conflict_id = call.path_id()
    expected = decision.version if decision.version is not None else call.expected_version()
    if decision.choice == "integration" and decision.integration_id is None:
        raise InvalidInput("integration_id: is missing", field="integration_id", remedy="say whose value is right")
    async with call.services.database.company(call.company_id) as tx:
        item = await Listings().conflict(tx, conflict_id)
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
    async with call.services.database.company(call.company_id) as tx:
        row = await Listings().conflict(tx, conflict_id)
    return Answer(conflict_view(row, None), version=row["version"])


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
    checked = _FIELDS[EntityType(item["entity"])].model_validate(given).model_dump(mode="json", include=set(given))
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
    shown = {name: value for name, value in row.items() if name not in ("sealed", "unit")}
    return {
        **shown,
        "field": row["unit"],
        "members": list(unit.members) if unit is not None else [],
        "ours": None if values is None else values.get("ours"),
        "sides": None if values is None else list(values.get("sides", {}).values()),
    }
