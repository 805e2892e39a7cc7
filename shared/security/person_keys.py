"""
A key for each person: what is kept of someone can be made unreadable by deleting 32 bytes.

    person_key = HKDF-SHA256(master[kid], salt)        salt: 32 random bytes in table person_keys

Nothing is stored but the salt, so that a key costs microseconds and no row beyond its own. When the root secret has
changed, the key itself takes the salt's place, wrapped under the new root: what it has sealed need not be touched. A
blob is bound to its place (company, table, row, key): one that is moved elsewhere does not open. Merging two people
keeps both salts, erasure deletes both. Backups hold salts until they expire (docs/security.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.security import aead
from shared.security.aead import DataUnreadable
from shared.security.keys import Keys, Purpose

SALT_BYTES = 32
KEY_BYTES = 32
WRAPPED_BYTES = KEY_BYTES + aead.OVERHEAD_BYTES
_TABLE = "person_keys"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed blob stands. It opens there only."""

    company_id: UUID
    table: str
    row_id: str
    key_id: str
    """Id of the row of person_keys whose salt sealed it."""

    def parts(self) -> tuple[str, ...]:
        """Give what is bound in."""
        return (str(self.company_id), self.table, self.row_id, self.key_id)


class PersonalData:
    """Seals and opens what is kept of people, each under a key of their own."""

    def __init__(self, keys: Keys) -> None:
        self._masters = dict(keys.every(Purpose.PERSONAL))
        self.kid = keys.kid
        """Root of new keys: stored beside a new salt."""

    def seal_personal(self, data: bytes, person_salt: bytes, kid: str, place: Place) -> bytes:
        """Seal *data* under the key of the person with *person_salt*. Raises DataUnreadable for an unknown *kid*."""
        return aead.seal(self._key_at(place, person_salt, kid), data, place.parts())

    def open_personal(self, sealed: bytes, person_salt: bytes, kid: str, place: Place) -> bytes:
        """Open what `seal_personal` made for the same person and place. Raises DataUnreadable."""
        return aead.unseal(self._key_at(place, person_salt, kid), sealed, place.parts())

    def person_key(self, person_salt: bytes, kid: str, *, company_id: UUID, record_id: UUID) -> bytes:
        """
        Return a person's key, from its salt or as it was wrapped. Raises DataUnreadable for an unknown root *kid*.

        Derive once and use `aead.seal` for many blobs of one person.
        """
        return self._key(person_salt, kid, str(company_id), str(record_id))

    def rewrap(self, person_salt: bytes, kid: str, *, company_id: UUID, record_id: UUID) -> bytes:
        """
        Return what stands in the salt's place under the newest root, the person's key being the same as ever.

        The salt is not needed any more, and an older root opens nothing with it. Raises DataUnreadable.
        """
        key = self.person_key(person_salt, kid, company_id=company_id, record_id=record_id)
        return aead.seal(_wrapping(self._masters[self.kid]), key, (_TABLE, str(company_id), str(record_id)))

    def _key_at(self, place: Place, person_salt: bytes, kid: str) -> bytes:
        return self._key(person_salt, kid, str(place.company_id), place.key_id)

    def _key(self, person_salt: bytes, kid: str, company_id: str, record_id: str) -> bytes:
        master = self._masters.get(kid)
        if master is None:
            raise DataUnreadable
        if len(person_salt) == WRAPPED_BYTES:
            return aead.unseal(_wrapping(master), person_salt, (_TABLE, company_id, record_id))
        if len(person_salt) != SALT_BYTES:
            raise ValueError(f"a person's salt has {SALT_BYTES} bytes, a wrapped key {WRAPPED_BYTES}")
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=person_salt, info=b"liaison/v1/person").derive(master)


def _wrapping(master: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"liaison/v1/person-wrapping").derive(master)
