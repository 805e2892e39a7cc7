"""What a record shows is the JSON that pydantic itself would make of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from shared.model import Application, Candidate, Job, Record

STAGES: Any = [{"id": "1", "name": "a", "order": 0, "active": True}]

RECORDS: list[Record] = [
    Candidate(external_id="1"),
    Candidate(external_id="1", email=None, tags=[], further_emails=[{"value": "a", "type": None}], restricted=False),
    Application(external_id="2", applied_at=datetime(2026, 5, 4, 12, 30, tzinfo=timezone(timedelta(hours=2)))),
    Application(external_id="2", applied_at=datetime(2026, 5, 4, tzinfo=UTC), stage="x", prospect=None),
    Job(external_id="3", created_date=date(2026, 5, 4), stages=STAGES, title="t"),
]


@pytest.mark.parametrize("record", RECORDS)
def test_the_visible_fields_are_those_that_were_set_as_json(record: Record) -> None:
    about = set(Record.model_fields)
    assert record.visible() == record.model_dump(mode="json", exclude_unset=True, exclude=about)


@pytest.mark.parametrize("record", RECORDS)
def test_without_its_payload_a_record_is_the_same(record: Record) -> None:
    whole = record.model_copy(update={"raw": {"id": 1}})
    bare = whole.without_raw()
    assert bare == record.model_copy(update={"raw": {}})
    assert bare.model_fields_set == whole.model_fields_set
    assert whole.raw == {"id": 1}
    assert bare.model_copy() == bare
