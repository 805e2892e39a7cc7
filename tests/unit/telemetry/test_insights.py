"""The last net before Application Insights: it masks what came past the first, and sends nothing it cannot examine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opencensus.ext.azure.common.protocol import Data, Envelope, Message

from shared.telemetry.insights import handlers
from shared.telemetry.redaction import MASKED, Redactor

CONNECTION = "InstrumentationKey=0f0e0d0c-0b0a-0908-0706-050403020100;IngestionEndpoint=http://127.0.0.1:9"


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL", "true")
    made = handlers(CONNECTION, role="liaison", redactor=Redactor(), keep_on_disk=False)
    yield made[1]
    for handler in made:
        handler.close()


def test_what_came_past_the_first_net_is_masked(traces: Any) -> None:
    message = Message(message="for jane@canary.example", properties={"note": "call +49 30 5551234", "n": 1})
    envelope = Envelope(tags={}, data=Data(baseData=message, baseType="MessageData"))
    (sent,) = traces.apply_telemetry_processors([envelope])
    assert sent.data.baseData["message"] == f"for {MASKED}"
    assert sent.data.baseData["properties"] == {"note": f"call {MASKED}", "n": 1}
    assert sent.tags["ai.cloud.role"] == "liaison"


def test_what_cant_be_examined_is_not_sent(traces: Any) -> None:
    assert traces.apply_telemetry_processors([Envelope(tags=None, data=None)]) == []


def test_the_handlers_have_the_lock_that_logging_needs(traces: Any) -> None:
    assert traces.lock is not None


def test_text_of_libraries_is_not_sent(traces: Any) -> None:
    traces.emit(logging.LogRecord("x", logging.ERROR, "", 0, "jane@canary.example", None, None))
    assert traces._queue.is_empty()
