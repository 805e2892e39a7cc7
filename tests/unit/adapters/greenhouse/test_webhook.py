"""Signatures over raw bytes, and which records an event names."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.greenhouse.adapter import GreenhouseAdapter
from shared.adapters.protocol import ChangeKind
from shared.errors import InvalidPayload, SignatureError
from shared.model import EntityType

BODY = rb'{"action":"ping","payload":{"name":"\u003cb\u003e"}}'
SECRET = "the secret"
A, C, J = EntityType.APPLICATION, EntityType.CANDIDATE, EntityType.JOB
TOUCHED, DELETED, MERGED = ChangeKind.TOUCHED, ChangeKind.DELETED, ChangeKind.MERGED


def sign(body: bytes = BODY, secret: str = SECRET) -> str:
    return "sha256 " + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("name", ["Signature", "signature", "SIGNATURE"])
@pytest.mark.parametrize("secrets", [[SECRET], ["new", SECRET], [SECRET, "old"], ["", SECRET]])
def test_a_signature_by_any_secret_is_accepted(name: str, secrets: list[str]) -> None:
    GreenhouseAdapter.verify_webhook({"Content-Type": "x", name: sign()}, BODY, secrets)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Signature": ""},
        {"Signature": "sha256"},
        {"Signature": "sha256 "},
        {"Signature": sign().removeprefix("sha256 ")},
        {"Signature": sign().replace("sha256", "sha1")},
        {"Signature": sign().replace("sha256 ", "sha256=")},
        {"Signature": sign()[:-1]},
        {"Signature": sign() + "0"},
        {"Signature": sign(secret="another")},
        {"Signature": sign(body=BODY + b" ")},
        {"Signature": "sha256 ünïcode"},
        {"X-Signature": sign()},
    ],
)
def test_any_other_signature_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(SignatureError) as raised:
        GreenhouseAdapter.verify_webhook(headers, BODY, [SECRET])
    assert sign().removeprefix("sha256 ") not in str(raised.value)


@pytest.mark.parametrize("secrets", [[], [""]])
def test_without_a_secret_nothing_is_genuine(secrets: list[str]) -> None:
    with pytest.raises(SignatureError):
        GreenhouseAdapter.verify_webhook({"Signature": sign(secret="")}, BODY, secrets)


def test_the_bytes_are_signed_and_not_their_meaning() -> None:
    same = json.dumps(json.loads(BODY)).encode()
    with pytest.raises(SignatureError):
        GreenhouseAdapter.verify_webhook({"Signature": sign()}, same, [SECRET])


@given(st.binary(max_size=40), st.integers(0, 10_000))
def test_no_changed_body_passes(body: bytes, place: int) -> None:
    headers = {"Signature": sign(body)}
    GreenhouseAdapter.verify_webhook(headers, body, [SECRET])
    changed = bytearray(body or b"x")
    changed[place % len(changed)] ^= 1
    with pytest.raises(SignatureError):
        GreenhouseAdapter.verify_webhook(headers, bytes(changed), [SECRET])


APPLICATION: dict[str, Any] = {"application": {"id": 70, "candidate": {"id": 9}, "jobs": [{"id": 4}]}}
EVENTS: list[tuple[str, dict[str, Any], list[tuple[Any, ...]]]] = [
    ("new_candidate_application", APPLICATION, [(C, "9", TOUCHED, None), (A, "70", TOUCHED, None)]),
    (
        "new_prospect_application",
        {"application": {"id": 70, "candidate_id": 9}},
        [(C, "9", TOUCHED, None), (A, "70", TOUCHED, None)],
    ),
    ("new_prospect_application", {"application": {"id": 70}}, [(A, "70", TOUCHED, None)]),
    *(
        (action, APPLICATION, [(A, "70", TOUCHED, None)])
        for action in (
            "application_updated",
            "candidate_stage_change",
            "hire_candidate",
            "unhire_candidate",
            "reject_candidate",
            "unreject_candidate",
        )
    ),
    ("delete_application", {"application": {"id": 70, "candidate_id": 9}}, [(A, "70", DELETED, None)]),
    ("update_candidate", {"candidate": {"id": 9}}, [(C, "9", TOUCHED, None)]),
    (
        "delete_candidate",
        {"person": {"id": 9, "deleted_application_ids": [70, 71]}},
        [(C, "9", DELETED, None), (A, "70", DELETED, None), (A, "71", DELETED, None)],
    ),
    (
        "delete_candidate",
        {"person": {"id": 9}, "deleted_application_ids": [70]},
        [(C, "9", DELETED, None), (A, "70", DELETED, None)],
    ),
    ("merge_candidate", {"person": {"id": 9, "new_candidate_id": 8}}, [(C, "8", TOUCHED, None), (C, "9", MERGED, "8")]),
    ("merge_candidate", {"person": {"id": 9}, "new_candidate_id": 8}, [(C, "8", TOUCHED, None), (C, "9", MERGED, "8")]),
    ("candidate_anonymized", {"candidate_id": 9, "anonymized_fields": ["full_name"]}, [(C, "9", TOUCHED, None)]),
    ("job_created", {"job": {"id": 4}}, [(J, "4", TOUCHED, None)]),
    ("job_updated", {"job": {"id": 4}}, [(J, "4", TOUCHED, None)]),
    ("job_approved", {"job": {"id": 4}}, [(J, "4", TOUCHED, None)]),
    ("job_deleted", {"job": {"id": 4}}, [(J, "4", DELETED, None)]),
    ("job_interview_stage_deleted", {"job_interview_stage": {"id": 3, "job_id": 4}}, [(J, "4", TOUCHED, None)]),
    ("job_interview_stage_deleted", {"job": {"id": 4}}, [(J, "4", TOUCHED, None)]),
    ("job_post_created", {"id": 88, "job_id": 4}, [(J, "4", TOUCHED, None)]),
    ("job_post_updated", {"id": 88, "job_id": 4}, [(J, "4", TOUCHED, None)]),
    ("job_post_deleted", {"id": 88, "job_id": 4}, [(J, "4", TOUCHED, None)]),
    ("job_post_updated", {"id": 88, "title": "For prospects"}, []),
    ("ping", {"web_hook_id": 1}, []),
    ("offer_created", {"id": 1, "application_id": 70}, []),
    ("interview_deleted", {"interview": {"id": 1}}, []),
    ("an_event_of_next_year", {"x": 1}, []),
]


@pytest.mark.parametrize(("action", "payload", "named"), EVENTS)
def test_an_event_names_its_records(action: str, payload: dict[str, Any], named: list[tuple[Any, ...]]) -> None:
    body = json.dumps({"action": action, "payload": payload}).encode()
    changes = GreenhouseAdapter.read_webhook({"Greenhouse-Event-ID": "e-1"}, body)
    assert [(c.entity, c.external_id, c.kind, c.merged_into) for c in changes] == named
    assert all(change.event_id == "e-1" for change in changes)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b'{"action":"update_candidate"}',
        b'{"action":"update_candidate","payload":[]}',
        b'{"action":"update_candidate","payload":{"candidate":{}}}',
        b'{"action":"update_candidate","payload":{"candidate":{"id":"secret"}}}',
        b'{"action":"merge_candidate","payload":{"person":{"id":1}}}',
        b'{"action":"delete_candidate","payload":{"person":{"id":1,"deleted_application_ids":["secret"]}}}',
        b'{"action":"job_interview_stage_deleted","payload":{"job_interview_stage":{"id":1}}}',
        b'{"action":[],"payload":{}}',
    ],
)
def test_what_can_be_no_event_is_refused_without_its_values(body: bytes) -> None:
    with pytest.raises(InvalidPayload) as raised:
        GreenhouseAdapter.read_webhook({}, body)
    assert "secret" not in str(raised.value)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_event_or_a_reason(body: bytes) -> None:
    try:
        changes = GreenhouseAdapter.read_webhook({}, body)
    except InvalidPayload:
        return
    assert list(changes) == []


def test_half_a_character_in_an_event_hides_nothing_of_what_it_names() -> None:
    body = rb'{"action":"update_candidate","payload":{"candidate":{"id":7,"title":"Baker \ud83d"}}}'
    (change,) = GreenhouseAdapter.read_webhook({}, body)
    assert (change.entity, change.external_id) == (C, "7")
    with pytest.raises(InvalidPayload, match="body: is not JSON"):
        GreenhouseAdapter.read_webhook({}, body[:-1])
