"""Personal data opens for its person, in its place, with its key, and nowhere else."""

from __future__ import annotations

import os
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.security import aead
from shared.security.aead import DataSealer, DataUnreadable
from shared.security.keys import Keys, Purpose
from shared.security.person_keys import SALT_BYTES, PersonalData, Place

OLD, NEW = Keys(b"o" * 32), Keys(b"n" * 32)
PLACE = Place(UUID("6f0e1c1e-5d0c-4a0e-9a52-0000000000c1"), "history", "41", "7")


def new_salt() -> bytes:
    """Draw a salt."""
    return os.urandom(SALT_BYTES)


@given(st.binary(max_size=300))
def test_what_was_sealed_opens_and_is_28_and_one_bytes_longer(data: bytes) -> None:
    people, salt = PersonalData(NEW), new_salt()
    sealed = people.seal_personal(data, salt, people.kid, PLACE)
    assert people.open_personal(sealed, salt, people.kid, PLACE) == data
    assert len(sealed) == len(data) + 29


def test_without_the_salt_nothing_opens() -> None:
    people = PersonalData(NEW)
    sealed = people.seal_personal(b"+49 30 1234", new_salt(), people.kid, PLACE)
    with pytest.raises(DataUnreadable):
        people.open_personal(sealed, new_salt(), people.kid, PLACE)


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(PLACE, company_id=UUID(int=1)),
        replace(PLACE, table="conflicts"),
        replace(PLACE, row_id="42"),
        replace(PLACE, key_id="8"),
        replace(PLACE, table="history4", row_id="1"),
    ],
)
def test_a_blob_that_is_moved_does_not_open(elsewhere: Place) -> None:
    people, salt = PersonalData(NEW), new_salt()
    sealed = people.seal_personal(b"data", salt, people.kid, PLACE)
    with pytest.raises(DataUnreadable):
        people.open_personal(sealed, salt, people.kid, elsewhere)


def test_no_changed_bit_opens() -> None:
    people, salt = PersonalData(NEW), new_salt()
    sealed = people.seal_personal(b"data", salt, people.kid, PLACE)
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DataUnreadable):
            people.open_personal(bytes(changed), salt, people.kid, PLACE)
    with pytest.raises(DataUnreadable):
        people.open_personal(sealed[:20], salt, people.kid, PLACE)


def test_a_rotation_keeps_old_people_readable() -> None:
    old, salt = PersonalData(OLD), new_salt()
    sealed = old.seal_personal(b"data", salt, old.kid, PLACE)
    rotated = PersonalData(Keys(b"n" * 32, [b"o" * 32]))
    assert rotated.kid != old.kid
    assert rotated.open_personal(sealed, salt, old.kid, PLACE) == b"data"
    with pytest.raises(DataUnreadable):
        PersonalData(NEW).open_personal(sealed, salt, old.kid, PLACE)


def test_a_salt_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PersonalData(NEW).person_key(b"short", NEW.kid, company_id=UUID(int=1), record_id=UUID(int=2))


def test_places_that_spell_alike_are_different() -> None:
    sealed = aead.seal(b"k" * 32, b"data", ("ab", "c"))
    with pytest.raises(DataUnreadable):
        aead.unseal(b"k" * 32, sealed, ("a", "bc"))


def test_an_event_of_any_size_opens_after_a_rotation_and_for_its_purpose_only() -> None:
    body, place = b"x" * 200_000, ("webhook_events", "i")
    sealed = DataSealer(OLD, Purpose.EVENTS).seal(body, place)
    rotated = Keys(b"n" * 32, [b"o" * 32])
    assert DataSealer(rotated, Purpose.EVENTS).unseal(sealed, place) == body
    for sealer in (DataSealer(NEW, Purpose.EVENTS), DataSealer(OLD, Purpose.PERSONAL)):
        with pytest.raises(DataUnreadable):
            sealer.unseal(sealed, place)
    with pytest.raises(DataUnreadable):
        DataSealer(OLD, Purpose.EVENTS).unseal(b"", place)


def test_a_key_that_is_wrapped_anew_is_the_same_and_the_old_root_opens_it_no_more() -> None:
    owner = {"company_id": PLACE.company_id, "record_id": UUID(int=9)}
    place, salt, old = replace(PLACE, key_id=str(UUID(int=9))), new_salt(), PersonalData(OLD)
    sealed = old.seal_personal(b"data", salt, old.kid, place)
    rotating = PersonalData(Keys(b"n" * 32, [b"o" * 32]))
    wrapped = rotating.rewrap(salt, old.kid, **owner)
    assert PersonalData(NEW).open_personal(sealed, wrapped, rotating.kid, place) == b"data"
    with pytest.raises(DataUnreadable):
        old.open_personal(sealed, wrapped, rotating.kid, place)
    with pytest.raises(DataUnreadable):
        old.open_personal(sealed, wrapped, old.kid, place)
    thrice = PersonalData(Keys(b"m" * 32, [b"n" * 32]))
    again = thrice.rewrap(wrapped, rotating.kid, **owner)
    assert PersonalData(Keys(b"m" * 32)).open_personal(sealed, again, thrice.kid, place) == b"data"


def test_a_wrapped_key_opens_for_its_own_person_alone() -> None:
    rotating = PersonalData(Keys(b"n" * 32, [b"o" * 32]))
    wrapped = rotating.rewrap(new_salt(), OLD.kid, company_id=PLACE.company_id, record_id=UUID(int=9))
    for company_id, record_id in ((PLACE.company_id, UUID(int=8)), (UUID(int=1), UUID(int=9))):
        with pytest.raises(DataUnreadable):
            rotating.person_key(wrapped, rotating.kid, company_id=company_id, record_id=record_id)


def test_data_is_sealed_anew_under_the_newest_key_alone() -> None:
    place = ("webhook_events", "7")
    sealed = DataSealer(OLD, Purpose.EVENTS).seal(b"data", place)
    both = DataSealer(Keys(b"n" * 32, [b"o" * 32]), Purpose.EVENTS)
    renewed = both.reseal(sealed, place)
    assert DataSealer(NEW, Purpose.EVENTS).unseal(renewed, place) == b"data"
    assert both.reseal(renewed, place) == renewed
    with pytest.raises(DataUnreadable):
        both.reseal(sealed, ("webhook_events", "8"))
