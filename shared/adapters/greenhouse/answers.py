"""What the answer to a write shows of the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.adapters.greenhouse.reading import Reader
from shared.adapters.http import Answer
from shared.errors import InvalidPayload, OutcomeUnknown
from shared.model import EntityType, Record


def is_record(body: Any) -> bool:
    """Whether an answer's *body* is a record, and not a message or nothing."""
    return isinstance(body, Mapping) and body.get("id") is not None


def shown_by(answer: Answer, reader: Reader, entity: EntityType) -> Record | None:
    """Return the record that *answer* shows, None where it shows none. Raises OutcomeUnknown."""
    return read_answer(answer, reader, entity, answer.body) if is_record(answer.body) else None


def read_answer(answer: Answer, reader: Reader, entity: EntityType, payload: Mapping[str, Any]) -> Record:
    """
    Return the record that *payload*, of *answer*, shows.

    Raises OutcomeUnknown where none can be made of it: something was written, and what, a look has to tell.
    """
    try:
        return reader.read(entity, payload)
    except InvalidPayload as exc:
        told = f"Greenhouse's answer to the write can't be read: {exc}"
        raise OutcomeUnknown(told, status=answer.status, request_id=answer.request_id) from exc
