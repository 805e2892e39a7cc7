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
from shared.intake.events import Event, EventKnock, Notice
from shared.intake.quota import UnverifiedQuota
from shared.intake.secrets import WebhookSecrets
from shared.security.aead import DataSealer, DataUnreadable
from shared.security.keys import Keys, Purpose

SEALER = DataSealer(Keys(b"k" * 32), Purpose.EVENTS)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def event(body: bytes = b"{}", headers: dict[str, str] | None = None, *, is_verified: bool = True) -> Event:
    return Event(uuid4(), uuid4(), NOW, is_verified, headers or {"signature": "sha256 0"}, body)


def travelled(sent: Event) -> Event:
    [notice] = events.read_batch(events.batch_of([events.pack(sent, SEALER)]))
    return events.unpack(notice, SEALER)


@given(st.binary(max_size=2_000), st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5))
def test_an_event_arrives_as_it_was_sent(body: bytes, headers: dict[str, str]) -> None:
    sent = event(body, headers)
    assert travelled(sent) == sent


def test_a_body_of_a_megabyte_arrives() -> None:
    sent = event(os.urandom(1024 * 1024))
    assert travelled(sent) == sent


def test_a_knock_arrives_and_names_follow_their_moments() -> None:
    sent = EventKnock(events.batch_name(NOW), tries=2)
    assert events.read_knock(sent.message()) == sent
    names = [events.batch_name(NOW + timedelta(milliseconds=number)) for number in range(3)]
    assert sorted(names) == names
    assert events.batch_name(NOW) != events.batch_name(NOW)


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
    [notice] = events.read_batch(events.batch_of([events.pack(event(is_verified=False), SEALER)]))
    forged: Notice = dataclasses.replace(notice, **change)  # type: ignore[arg-type]

    with pytest.raises(DataUnreadable):
        events.unpack(forged, SEALER)


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
        events.read_batch(message)
    with pytest.raises(InvalidPayload):
        events.read_knock(message)


@pytest.mark.parametrize("version", [b"2", b"0", b'"1"', b"null"])
def test_a_batch_of_another_version_is_refused_with_its_version(version: bytes) -> None:
    batch = events.batch_of([events.pack(event(b"body"), SEALER)])

    with pytest.raises(InvalidPayload, match="batch: is of version"):
        events.read_batch(batch.replace(b'{"v": 1,', b'{"v": %s,' % version))


def test_headers_of_platform_and_transport_are_left_out() -> None:
    headers = {"Signature": "s", "Greenhouse-Event-ID": "e", "X-Forwarded-For": "1.2.3.4", "Cookie": "c", "Host": "h"}

    assert events.vendor_headers(headers) == {"signature": "s", "greenhouse-event-id": "e"}


def test_secrets_survive_their_json_and_end_in_time() -> None:
    found = WebhookSecrets("c", previous="p", previous_until=NOW, next="n")

    assert WebhookSecrets.from_json(found.to_json()) == found
    assert found.as_of(NOW - timedelta(seconds=1)).in_force == ("c", "n", "p")
    assert found.as_of(NOW).in_force == ("c", "n")
    assert WebhookSecrets("c", previous="p").as_of(NOW).in_force == ("c", "p")
    assert WebhookSecrets("").as_of(NOW).in_force == (), "an empty secret signs nothing"


def test_a_quota_is_full_by_number_or_by_size_and_new_each_minute() -> None:
    quota, ours, other = UnverifiedQuota(events=2, size_bytes=10), uuid4(), uuid4()

    assert [quota.takes(ours, 1, now=0.0) for _ in range(3)] == [True, True, False]
    assert [quota.takes(other, 6, now=0.0) for _ in range(2)] == [True, False]
    assert not quota.takes(ours, 1, now=59.9)
    assert quota.takes(ours, 1, now=60.0)
