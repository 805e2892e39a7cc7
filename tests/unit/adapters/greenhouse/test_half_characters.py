"""Half a surrogate pair anywhere in a payload: the record is refused, or what is read of it is Unicode all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from shared.adapters.greenhouse.custom_reading import every_custom_field
from shared.adapters.greenhouse.read import read
from shared.errors import InvalidPayload
from shared.model import EntityType
from tests.unit.adapters.greenhouse.payloads import APPLICATION, CANDIDATE, JOB, V1_APPLICATION, V1_JOB

HALF = "\ud83d"
CUSTOM: dict[str, Any] = {
    "text": {"name": "Text", "type": "short_text", "value": "a"},
    "rich": {"name": "Rich", "type": "rich_text", "value": "<p>a</p>"},
    "many": {"name": "Many", "type": "multi_select", "value": ["a", "b"]},
    "pay": {"name": "Pay", "type": "currency", "value": {"amount": 1, "currency_code": "EUR"}},
    "band": {"name": "Band", "type": "currency_range", "value": {"min_amount": "1", "max_amount": "2", "unit": "EUR"}},
    "who": {"name": "Who", "type": "user", "value": {"user_id": 1, "name": "N", "email": "n@example.org"}},
    "when": {"name": "When", "type": "date", "value": "2026-09-01"},
    "bare": "a",
}
BOARD_POST = {"id": 1, "content": "&lt;p&gt;a", "location": {"name": "Leeds"}, "updated_at": "2026-09-01T09:00:00Z"}
PAYLOADS: list[tuple[EntityType, dict[str, Any]]] = [
    (EntityType.CANDIDATE, {**CANDIDATE, "custom_fields": CUSTOM}),
    (EntityType.APPLICATION, {**APPLICATION, "custom_fields": CUSTOM}),
    (EntityType.APPLICATION, {**V1_APPLICATION, "rejection_reason": {"id": 1, "name": "R", "type": {"name": "T"}}}),
    (EntityType.JOB, {**JOB, "custom_fields": CUSTOM, "_liaison": {**JOB["_liaison"], "post": BOARD_POST}}),
    (EntityType.JOB, V1_JOB),
]


def spoilt(value: object) -> Iterator[Any]:
    """Yield *value* once for each text in it, with that text cut through a character."""
    if isinstance(value, str):
        yield value + HALF
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: other} for other in spoilt(inner))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from ([*value[:index], other, *value[index + 1 :]] for other in spoilt(inner))


@pytest.mark.parametrize(("entity", "payload"), PAYLOADS)
def test_nothing_that_is_read_holds_half_a_character(entity: EntityType, payload: dict[str, Any]) -> None:
    read(entity, payload, CUSTOM)
    refused = 0
    for each in spoilt(payload):
        try:
            record = read(entity, each, CUSTOM)
        except InvalidPayload:
            refused += 1
            continue
        references = {name: reference.external_id for name, reference in record.references.items()}
        orjson.dumps([record.visible(), references, record.warnings])
        orjson.dumps(every_custom_field(each))
    assert refused
