"""
What parting two merged records needs, as it is sealed beside them: each as it was, and what they became.

    {"v": 1, "record": {"data", "stamps", "archived"}, "links": [[id, is primary], …],
     "joined": {"data", "stamps"} of the survivor, "applications": [id, …] of the other}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.merge.state import Ours
from shared.model import JsonObject
from shared.store.record_merges import LinkPlace
from shared.store.records import StoredRecord
from shared.sync.merging.stamps import decode_stamps

TABLE = "record_merges"


@dataclass(frozen=True, slots=True)
class Content:
    """Values and stamps as their row holds them."""

    data: JsonObject
    stamps: JsonObject

    @property
    def ours(self) -> Ours:
        """The same for a merge."""
        return Ours(self.data, decode_stamps(self.stamps))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One of the two at the moment of the merge."""

    content: Content
    is_archived: bool
    links: Mapping[UUID, bool]
    """Its links, and whether each was the primary one."""
    joined: Content | None = None
    """Of the survivor: what it became."""
    applications: Sequence[UUID] = ()
    """Of the other: what moved to the survivor."""


def snapshot_of(
    record: StoredRecord,
    places: Iterable[LinkPlace],
    *,
    joined: Content | None = None,
    applications: Sequence[UUID] = (),
) -> JsonObject:
    """Return what is to be sealed of *record*, whose links *places* has among others."""
    return {
        "v": 1,
        "record": {"data": record.data, "stamps": record.stamps, "archived": record.archived_at is not None},
        "links": [[str(each.id), each.is_primary] for each in places if each.internal_id == record.id],
        "joined": None if joined is None else {"data": joined.data, "stamps": joined.stamps},
        "applications": [str(each) for each in applications],
    }


def read_snapshot(stored: Mapping[str, Any]) -> Snapshot:
    """Return what `snapshot_of` made."""
    record, joined = stored["record"], stored["joined"]
    return Snapshot(
        content=Content(record["data"], record["stamps"]),
        is_archived=record["archived"],
        links={UUID(link): is_primary for link, is_primary in stored["links"]},
        joined=None if joined is None else Content(joined["data"], joined["stamps"]),
        applications=[UUID(each) for each in stored["applications"]],
    )
