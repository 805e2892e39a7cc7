"""The custom fields of a payload, as far as an integration names them. docs/vendors/greenhouse.md, 8.6."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import JsonValue

from shared.adapters.greenhouse.custom_values import value_of
from shared.errors import InvalidPayload
from shared.model.fields import CUSTOM_FIELDS

KEYED = "keyed_custom_fields"
"""Where v1 shows types and immutable keys; its `custom_fields` are bare values."""


def shown_fields(payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the custom fields of *payload* by key; None where it shows none at all."""
    shown = payload.get(KEYED, payload.get(CUSTOM_FIELDS))
    return shown if isinstance(shown, Mapping) else None


def type_of(entry: object) -> str | None:
    """Return the type that Greenhouse shows beside a value; None where the value is bare."""
    kind = entry.get("type") if isinstance(entry, Mapping) and "value" in entry else None
    return kind if isinstance(kind, str) else None


def raw_value(entry: object) -> object:
    """Return the value of a field as Greenhouse shows it."""
    return entry["value"] if isinstance(entry, Mapping) and "value" in entry else entry


def read_custom_fields(
    payload: Mapping[str, Any], keys: Collection[str], warnings: list[str]
) -> tuple[list[dict[str, JsonValue]], tuple[str, ...]] | None:
    """
    Return the fields *keys* of *payload* that have a value, named by key, and the keys that are not visible.

    A field without a value is shown as null, so one that is not shown has been taken away, or from our eyes, or is
    spelled otherwise; its value must not pass for cleared. None: none of them is visible. *warnings* get the reasons.
    """
    shown = shown_fields(payload)
    if shown is None:
        warnings.append(f"{CUSTOM_FIELDS}: are not shown")
        return None
    found: list[dict[str, JsonValue]] = []
    unseen: list[str] = []
    for key in sorted(keys):
        if key not in shown:
            warnings.append(f"{CUSTOM_FIELDS}.{key}: is not shown")
            unseen.append(key)
            continue
        try:
            value = value_of(type_of(shown[key]), raw_value(shown[key]))
        except InvalidPayload as exc:
            warnings.append(f"{CUSTOM_FIELDS}.{key}: {exc}")
            unseen.append(key)
            continue
        if value is not None:
            found.append({"name": key, "value": value})
    return found, tuple(unseen)


def every_custom_field(payload: Mapping[str, Any]) -> Mapping[str, JsonValue]:
    """Return all custom fields of *payload* by key; None: empty, or of a kind that can't be kept in step."""
    found: dict[str, JsonValue] = {}
    for key, entry in (shown_fields(payload) or {}).items():
        try:
            found[key] = value_of(type_of(entry), raw_value(entry))
        except InvalidPayload:
            found[key] = None
    return found
