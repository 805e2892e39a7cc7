"""Events survive their way, and open nowhere else."""

from __future__ import annotations

import dataclasses
import os
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidPayload
from shared.intake import events
from shared.intake.events import Event, Notice
from shared.intake.quota import UnverifiedQuota
from shared.intake.secrets import WebhookSecrets
from shared.security.aead import DataSealer, DataUnreadable
from shared.security.keys import Keys, Purpose

SEALER = DataSealer(Keys(b"k" * 32), Purpose.EVENTS)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def event(body: bytes = b"{}", headers: dict[str, str] | None = None, *, is_verified: bool = True) -> Event:
    return Event(uuid4(), uuid4(), NOW, is_verified, headers or {"signature": "sha256 0"}, body)


def travelled(sent: Event) -> Event:
    packed = events.pack(sent, SEALER)
    [notice] = events.read_message(events.message_of([packed.entry]))
    assert (packed.blob is None) == (notice.sealed is not None)
    content = notice.sealed or packed.blob
    assert content is not None
    return events.unpack(notice, content, SEALER)


@given(st.binary(max_size=2_000), st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5))
def test_an_event_arrives_as_it_was_sent(body: bytes, headers: dict[str, str]) -> None:
    sent = event(body, headers)
    assert travelled(sent) == sent


@pytest.mark.parametrize("size", [events.INLINE_BODY_BYTES, events.INLINE_BODY_BYTES + 1, 1024 * 1024])
def test_bodies_of_every_size_arrive(size: int) -> None:
    sent = event(os.urandom(size))
    packed = events.pack(sent, SEALER)
    assert len(packed.entry) <= events.ENTRY_BYTES
    assert travelled(sent) == sent


def test_above_45_kib_a_body_goes_to_a_blob_however_well_it_shrinks() -> None:
    assert events.pack(event(b" " * events.INLINE_BODY_BYTES), SEALER).blob is None
    assert events.pack(event(b" " * (events.INLINE_BODY_BYTES + 1)), SEALER).blob is not None


@pytest.mark.parametrize(
    "change",
    [
        {"id": uuid4()},
        {"integration_id": uuid4()},
        {"is_verified": True},
        {"received_at": NOW + timedelta(seconds=1)},
    ],
)
def test_what_stands_in_the_clear_is_bound_to_what_is_sealed(change: dict[str, object]) -> None:
    packed = events.pack(event(is_verified=False), SEALER)
    [notice] = events.read_message(events.message_of([packed.entry]))
    assert notice.sealed is not None
    forged: Notice = dataclasses.replace(notice, **change)  # type: ignore[arg-type]

    with pytest.raises(DataUnreadable):
        events.unpack(forged, notice.sealed, SEALER)


def test_a_kept_event_opens_in_its_row_alone() -> None:
    kept, row_id = event(b"body"), uuid4()
    sealed = events.seal_kept(kept, row_id, SEALER)

    assert events.open_kept(kept.integration_id, row_id, NOW, sealed, SEALER).body == b"body"
    with pytest.raises(DataUnreadable):
        events.open_kept(kept.integration_id, uuid4(), NOW, sealed, SEALER)
    with pytest.raises(DataUnreadable):
        events.open_kept(kept.integration_id, row_id, NOW, (sealed[1], sealed[0]), SEALER)


@pytest.mark.parametrize("message", [b"", b"[]", b'"x"', b"{}", b'{"events": [{}]}', b'{"events": [1]}'])
def test_what_is_not_of_ours_is_refused_by_name(message: bytes) -> None:
    with pytest.raises(InvalidPayload):
        events.read_message(message)


def test_headers_of_platform_and_transport_are_left_out() -> None:
    headers = {"Signature": "s", "Greenhouse-Event-ID": "e", "X-Forwarded-For": "1.2.3.4", "Cookie": "c", "Host": "h"}

    assert events.vendor_headers(headers) == {"signature": "s", "greenhouse-event-id": "e"}


def test_secrets_survive_their_json_and_end_in_time() -> None:
    found = WebhookSecrets("c", previous="p", previous_until=NOW, next="n")

    assert WebhookSecrets.from_json(found.to_json()) == found
    assert found.valid_at(NOW - timedelta(seconds=1)) == ("c", "n", "p")
    assert found.valid_at(NOW) == ("c", "n")
    assert WebhookSecrets("c", previous="p").valid_at(NOW) == ("c", "p")
    assert WebhookSecrets("").valid_at(NOW) == (), "an empty secret signs nothing"


def test_a_quota_is_full_by_number_or_by_size_and_new_each_minute() -> None:
    quota, ours, other = UnverifiedQuota(events=2, size_bytes=10), uuid4(), uuid4()

    assert [quota.takes(ours, 1, now=0.0) for _ in range(3)] == [True, True, False]
    assert [quota.takes(other, 6, now=0.0) for _ in range(2)] == [True, False]
    assert not quota.takes(ours, 1, now=59.9)
    assert quota.takes(ours, 1, now=60.0)
