"""A customer's table of ids, as it is typed: which record here is which one at the vendor. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from shared.errors import InvalidInput
from shared.model import EntityType

COLUMNS = ("entity", "internal_id", "external_id")
MOST_ROWS = 5_000
LONGEST_ID = 255


class Verdict(StrEnum):
    """What becomes of one row."""

    LINKED = "linked"
    ALREADY_LINKED = "already_linked"
    MALFORMED = "malformed"
    DUPLICATE_ROW = "duplicate_row"
    UNKNOWN_HERE = "unknown_here"
    ARCHIVED_HERE = "archived_here"
    LINKED_ELSEWHERE = "linked_elsewhere"
    UNKNOWN_AT_VENDOR = "unknown_at_vendor"
    NOT_CHECKED = "not_checked"
    """The time was over, or the entity does not come in here: send the row again."""


@dataclass(frozen=True, slots=True)
class IdPair:
    """One readable row."""

    line: int
    entity: EntityType
    internal_id: UUID
    external_id: str


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one row. *line* counts as an editor does: the header is 1."""

    line: int
    verdict: Verdict
    detail: str = ""


def parse(text: str) -> tuple[list[IdPair], list[RowResult]]:
    """Return the readable rows, and what is wrong with the others. Raises InvalidInput for no table of ids at all."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), restkey="")
    names = [name.strip().lower() for name in reader.fieldnames or ()]
    if sorted(names) != sorted(COLUMNS):
        raise InvalidInput(
            "the first line must name the columns", field="body", remedy=f"begin with: {','.join(COLUMNS)}"
        )
    reader.fieldnames = names
    pairs: list[IdPair] = []
    faults: list[RowResult] = []
    for index, row in enumerate(reader, 2):
        if index > MOST_ROWS + 1:
            raise InvalidInput(f"more than {MOST_ROWS} rows", field="body", remedy="send the table in parts")
        read = _row(index, row)
        if isinstance(read, IdPair):
            pairs.append(read)
        else:
            faults.append(read)
    kept, doubled = _without_doubles(pairs)
    return kept, [*faults, *doubled]


def _row(line: int, row: dict[str, str | None]) -> IdPair | RowResult:
    if "" in row or None in row.values():
        return RowResult(line, Verdict.MALFORMED, f"must have {len(COLUMNS)} columns")
    entity, internal, external = (str(row[name]).strip() for name in COLUMNS)
    try:
        what = EntityType.parse(entity.lower())
    except ValueError:
        return RowResult(line, Verdict.MALFORMED, f"entity: must be one of {', '.join(EntityType)}")
    try:
        internal_id = UUID(internal)
    except ValueError:
        return RowResult(line, Verdict.MALFORMED, "internal_id: is no id of a record here")
    if not external or len(external) > LONGEST_ID or not external.isprintable():
        return RowResult(line, Verdict.MALFORMED, f"external_id: must have 1 to {LONGEST_ID} printable characters")
    return IdPair(line, what, internal_id, external)


def _without_doubles(pairs: Sequence[IdPair]) -> tuple[list[IdPair], list[RowResult]]:
    """Of rows that name one record twice nobody can tell which is meant: the first stands, the others are told."""
    kept: list[IdPair] = []
    doubled: list[RowResult] = []
    seen: dict[tuple[EntityType, object], int] = {}
    for pair in pairs:
        keys = ((pair.entity, pair.internal_id), (pair.entity, pair.external_id))
        earlier = next((seen[key] for key in keys if key in seen), None)
        if earlier is not None:
            doubled.append(RowResult(pair.line, Verdict.DUPLICATE_ROW, f"names what line {earlier} names"))
            continue
        seen.update(dict.fromkeys(keys, pair.line))
        kept.append(pair)
    return kept, doubled
