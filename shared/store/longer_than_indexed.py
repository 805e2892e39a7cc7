"""The error of a value that no index takes: about 2,700 bytes after compression."""

from __future__ import annotations

import psycopg

from shared.errors import InvalidInput

_FIELDS = {
    "records_candidate_name": ("last_name", "first_name"),
    "records_candidate_first_name": ("first_name",),
    "records_candidate_email": ("email",),
    "records_candidate_phone": ("phone",),
    "records_application_status": ("stage", "status"),
    "records_job_status": ("status",),
}
"""What an index of `records` looks up (migration 0003); of two the likelier first."""


class LongerThanIndexed(InvalidInput, psycopg.DataError):
    """
    A value is too long to be looked up by.

    Whoever gave it is told, and a page of a vendor's is searched for its row, as with any other fault of the data;
    psycopg takes it for operational, as if another try could end otherwise.
    """

    def __init__(self, index: str | None) -> None:
        fields = _FIELDS.get(index or "", ())
        super().__init__(
            f"{' or '.join(fields) or index or 'a value'}: is longer than can be looked up by",
            field=next(iter(fields), None),
            remedy="shorten it",
        )
