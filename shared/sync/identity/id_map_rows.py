"""A customer's table of ids, as it is typed: which record here is which one at the vendor. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
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
    """What became of one row. *line*: where it begins, as an editor counts: the header is 1."""

    line: int
    verdict: Verdict
    detail: str = ""


def parse(text: str) -> tuple[list[IdPair], list[RowResult]]:
    """
    Return the readable rows, and what is wrong with the others.

    Lines end as any system ends them. Raises InvalidInput for no table of ids at all, and with the line for one that
    can't be read to its end.
    """
    rows = _rows(text.removeprefix("\ufeff"))
    _, header = next(rows, (1, []))
    names = [name.strip().lower() for name in header]
    if sorted(names) != sorted(COLUMNS):
        raise InvalidInput(
            "the first line must name the columns", field="body", remedy=f"begin with: {','.join(COLUMNS)}"
        )
    pairs: list[IdPair] = []
    faults: list[RowResult] = []
    for count, (line, cells) in enumerate(rows, 1):
        if count > MOST_ROWS:
            raise InvalidInput(f"more than {MOST_ROWS} rows", field="body", remedy="send the table in parts")
        read = _row(line, names, cells)
        if isinstance(read, IdPair):
            pairs.append(read)
        else:
            faults.append(read)
    kept, doubled = _without_doubles(pairs)
    return kept, [*faults, *doubled]


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row that is not blank, and the line on which it begins. Raises InvalidInput."""
    # newline=None: \n, \r\n and \r alone end a line.
    reader = csv.reader(io.StringIO(text, newline=None), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise InvalidInput(
                f"the table can't be read from line {line} on: {error}",
                field="body",
                remedy="close each quoted cell, and double a quote that stands in one",
            ) from None
        if cells is None:
            return
        if cells:
            yield line, cells


def _row(line: int, names: Sequence[str], cells: Sequence[str]) -> IdPair | RowResult:
    if len(cells) != len(names):
        return RowResult(line, Verdict.MALFORMED, f"must have {len(COLUMNS)} columns")
    row = dict(zip(names, cells, strict=True))
    entity, internal, external = (row[name].strip() for name in COLUMNS)
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
