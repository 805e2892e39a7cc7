"""What the sealer keeps, and what it refuses to open."""

from __future__ import annotations

import base64
import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.security.keys import Keys, Purpose
from shared.security.sealing import MAX_PLAINTEXT_BYTES, SealBroken, Sealer

OLD, NEW = b"o" * 32, b"n" * 32
INTEGRATION = UUID("6f0e1c1e-5d0c-4a0e-9a52-000000000001")
OTHER = UUID("6f0e1c1e-5d0c-4a0e-9a52-000000000002")


@given(st.binary(max_size=500))
def test_what_was_sealed_opens(content: bytes) -> None:
    sealer = Sealer(NEW)
    assert sealer.open_bytes(sealer.seal(content, integration_id=INTEGRATION), integration_id=INTEGRATION) == content


def test_text_opens_as_text_and_never_seals_alike_twice() -> None:
    sealer = Sealer(NEW)
    first, second = (sealer.seal("clé-Ω", integration_id=INTEGRATION) for _ in range(2))
    assert first != second
    assert sealer.open(first, integration_id=str(INTEGRATION)) == "clé-Ω"


def test_the_header_names_algorithm_key_and_integration_and_shows_no_content() -> None:
    sealed = Sealer(NEW).seal("canary-secret", integration_id=INTEGRATION)
    header = json.loads(base64.urlsafe_b64decode(sealed.split(".")[0] + "=="))
    assert header == {
        "alg": "dir",
        "enc": "A256CBC-HS512",
        "kid": Keys(NEW).kid,
        "integration": str(INTEGRATION),
    }
    assert "canary" not in sealed


def test_another_integrations_value_does_not_open() -> None:
    sealer = Sealer(NEW)
    sealed = sealer.seal("secret", integration_id=INTEGRATION)
    with pytest.raises(SealBroken):
        sealer.open(sealed, integration_id=OTHER)


def test_the_integration_cant_be_swapped_in_the_header() -> None:
    sealer = Sealer(NEW)
    _, *rest = sealer.seal("secret", integration_id=INTEGRATION).split(".")
    foreign_header = sealer.seal("secret", integration_id=OTHER).split(".")[0]
    with pytest.raises(SealBroken):
        sealer.open(".".join([foreign_header, *rest]), integration_id=OTHER)


def test_no_changed_character_opens_and_the_error_tells_nothing() -> None:
    sealer = Sealer(NEW)
    sealed = sealer.seal("secret", integration_id=INTEGRATION)
    # The last character of a segment carries unused bits of base64, so that changing it may change nothing.
    ends = {at - 1 for at, character in enumerate(sealed + ".") if character == "."}
    for at, character in enumerate(sealed):
        if at in ends:
            continue
        changed = sealed[:at] + ("A" if character != "A" else "B") + sealed[at + 1 :]
        with pytest.raises(SealBroken) as caught:
            sealer.open(changed, integration_id=INTEGRATION)
        assert str(caught.value) == "A sealed value can't be opened here."


@pytest.mark.parametrize("text", ["", "....", "a.b.c.d.e", "not sealed", "é", "bnVsbA....", "W10...."])
def test_what_was_never_sealed_is_refused(text: str) -> None:
    with pytest.raises(SealBroken):
        Sealer(NEW).open(text, integration_id=INTEGRATION)
    assert not Sealer(NEW).is_current(text)


def test_a_rotation_opens_the_old_and_reseals_under_the_new() -> None:
    old, rotating, new = Sealer(OLD), Sealer(NEW, [OLD]), Sealer(NEW)
    sealed = old.seal("secret", integration_id=INTEGRATION)
    assert rotating.open(sealed, integration_id=INTEGRATION) == "secret"
    assert not rotating.is_current(sealed)
    resealed = rotating.reseal(sealed, integration_id=INTEGRATION)
    assert rotating.is_current(resealed)
    assert new.open(resealed, integration_id=INTEGRATION) == "secret"
    assert rotating.reseal(resealed, integration_id=INTEGRATION) == resealed
    with pytest.raises(SealBroken):
        new.open(sealed, integration_id=INTEGRATION)


def test_a_key_of_another_purpose_opens_nothing() -> None:
    keys = Keys(NEW)
    sealed = Sealer(keys).seal("secret", integration_id=INTEGRATION)
    with pytest.raises(SealBroken):
        Sealer(keys, purpose=Purpose.WEBHOOK_SECRETS).open(sealed, integration_id=INTEGRATION)


def test_bytes_that_are_no_text_are_not_opened_as_text() -> None:
    sealer = Sealer(NEW)
    with pytest.raises(SealBroken):
        sealer.open(sealer.seal(b"\xff", integration_id=INTEGRATION), integration_id=INTEGRATION)


def test_the_largest_credential_opens_and_a_larger_one_is_refused_before_it_is_lost() -> None:
    sealer = Sealer(NEW)
    largest = "x" * MAX_PLAINTEXT_BYTES
    assert sealer.open(sealer.seal(largest, integration_id=INTEGRATION), integration_id=INTEGRATION) == largest
    with pytest.raises(ValueError, match="credential"):
        sealer.seal(largest + "x", integration_id=INTEGRATION)
