"""One root secret, a key for each purpose."""

from __future__ import annotations

import base64

import pytest

from shared.security.keys import Keys, Purpose
from shared.settings import load_settings

OLD, NEW = b"o" * 32, b"n" * 32


def test_each_purpose_and_each_length_has_a_key_of_its_own() -> None:
    keys = Keys(NEW)
    derived = [keys.derive(purpose) for purpose in Purpose]
    assert len(set(derived)) == len(Purpose)
    assert all(len(key) == 32 and key != NEW for key in derived)
    assert len(keys.derive(Purpose.CREDENTIALS, length=64)) == 64


def test_derivation_never_changes_because_stored_values_depend_on_it() -> None:
    # Computed apart, with RFC 5869 written out over hmac.
    assert Keys(NEW).derive(Purpose.FINGERPRINTS).hex() == FINGERPRINT_KEY_OF_NEW
    assert Keys(NEW).kid == KEY_ID_OF_NEW


FINGERPRINT_KEY_OF_NEW = "82ab1f7097216e373de17b9ac443b8013ba90832c70a4e209f1608af13435ca1"
KEY_ID_OF_NEW = "7Tz91FZLAG8n"


def test_a_key_id_depends_on_its_secret_alone() -> None:
    rotating = Keys(NEW, [OLD, NEW])
    assert rotating.kid == Keys(NEW).kid
    assert list(rotating.every(Purpose.EVENTS)) == [Keys(NEW).kid, Keys(OLD).kid]
    assert rotating.find(Keys(OLD).kid, Purpose.EVENTS) == Keys(OLD).derive(Purpose.EVENTS)
    assert Keys(NEW).find(Keys(OLD).kid, Purpose.EVENTS) is None


def test_a_short_root_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Keys(NEW, [b"short"])


def test_roots_come_from_the_settings() -> None:
    settings = load_settings(
        {
            "DATABASE_URL": "postgresql://localhost/liaison",
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            "AUTH_JWT_SECRET": "s" * 32,
            "ENCRYPTION_SECRET": base64.b64encode(NEW).decode(),
            "ENCRYPTION_SECRET_PREVIOUS": base64.b64encode(OLD).decode(),
        }
    )
    assert list(Keys.from_settings(settings).every(Purpose.EVENTS)) == [Keys(NEW).kid, Keys(OLD).kid]
