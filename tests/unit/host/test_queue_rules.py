"""What the queue trigger decides without a queue (docs/local-host.md, section 4)."""

from __future__ import annotations

import pytest
from azure.functions.meta import Datum
from hypothesis import given
from hypothesis import strategies as st

from sandbox.host.queue_trigger import Backoff, poison_queue_name
from sandbox.host.storage import NotBase64, bodies, decode_body, encode_body


def test_an_idle_listener_waits_twice_as_long_each_time_up_to_the_maximum() -> None:
    backoff = Backoff(0.1, 1.0, factor=lambda: 1.0)
    waits = [backoff.after(found=False) for _ in range(6)]
    assert waits == pytest.approx([0.2, 0.3, 0.5, 0.9, 1.0, 1.0])


def test_a_message_makes_the_next_wait_the_shortest() -> None:
    backoff = Backoff(0.1, 60.0, factor=lambda: 1.0)
    for _ in range(20):
        backoff.after(found=False)
    waits = [backoff.after(found=found) for found in (True, False, False)]
    assert waits == pytest.approx([0.1, 0.2, 0.3])


@given(st.floats(0.1, 60), st.lists(st.booleans(), max_size=50))
def test_no_wait_is_longer_than_the_maximum_or_shorter_than_the_first(maximum: float, found: list[bool]) -> None:
    backoff = Backoff(0.1, maximum)
    assert all(0.1 <= backoff.after(found=each) <= maximum for each in found)


@pytest.mark.parametrize(
    ("queue", "poison"),
    [
        ("jobs", "jobs-poison"),
        ("jobs-poison", None),
        ("q" * 56, "q" * 56 + "-poison"),
        ("q" * 57, None),
    ],
)
def test_the_poison_queue_of_a_queue(queue: str, poison: str | None) -> None:
    assert poison_queue_name(queue) == poison


@given(st.text(), st.booleans())
def test_a_body_survives_the_queue(text: str, is_base64: bool) -> None:
    stored = encode_body(text.encode() if is_base64 else text, is_base64=is_base64)
    assert decode_body(stored, is_base64=is_base64) == text


@pytest.mark.parametrize("stored", ["{}", "abc", "====", "ü", "a-_b"])
def test_what_is_not_base64_is_told(stored: str) -> None:
    with pytest.raises(NotBase64):
        decode_body(stored, is_base64=True)


def test_bytes_that_are_no_text_become_replacement_characters() -> None:
    assert decode_body(encode_body(b"a\xff", is_base64=True), is_base64=True) == "a\ufffd"


@pytest.mark.parametrize(
    ("datum", "sent"),
    [
        (Datum("text", "string"), ["text"]),
        (Datum(b"\x00", "bytes"), [b"\x00"]),
        (Datum('["a", "b"]', "json"), ["a", "b"]),
        (Datum('{"id": null, "body": "of a message"}', "json"), ["of a message"]),
        (Datum('[{"id": "1", "body": "x"}, "y"]', "json"), ["x", "y"]),
        (Datum('{"a": 1}', "json"), ['{"a": 1}']),
    ],
)
def test_an_output_value_becomes_messages(datum: Datum, sent: list[str | bytes]) -> None:
    assert bodies(datum) == sent
