"""Tables of ids as people make them."""

from __future__ import annotations

from uuid import UUID

import pytest

from shared.errors import InvalidInput
from shared.model import EntityType
from shared.sync.identity.id_map_rows import MOST_ROWS, IdPair, Verdict, parse

ONE, TWO = UUID(int=1), UUID(int=2)
HEADER = "entity,internal_id,external_id\n"


def test_columns_are_told_by_name_and_a_byte_order_mark_is_none() -> None:
    text = f'\ufeffExternal_ID, entity ,internal_id\r\n 4711 ,Candidate,{ONE}\r\n"a,b",role,{TWO}\r\n'
    pairs, faults = parse(text)
    assert pairs == [IdPair(2, EntityType.CANDIDATE, ONE, "4711"), IdPair(3, EntityType.JOB, TWO, "a,b")]
    assert faults == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"person,{ONE},7", "entity"),
        ("candidate,seven,7", "internal_id"),
        (f"candidate,{ONE},", "external_id"),
        (f"candidate,{ONE},{'x' * 256}", "external_id"),
        (f"candidate,{ONE},a\x00b", "external_id"),
        (f"candidate,{ONE}", "columns"),
        (f"candidate,{ONE},7,8", "columns"),
    ],
)
def test_a_row_that_can_not_be_read_is_told_by_line_and_column(row: str, said: str) -> None:
    pairs, (fault,) = parse(f"{HEADER}{row}\ncandidate,{TWO},9\n")
    assert [pair.internal_id for pair in pairs] == [TWO]
    assert (fault.line, fault.verdict) == (2, Verdict.MALFORMED)
    assert said in fault.detail


def test_of_rows_that_name_one_record_twice_the_first_stands() -> None:
    text = f"{HEADER}candidate,{ONE},7\ncandidate,{ONE},8\ncandidate,{TWO},7\njob,{ONE},7\n"
    pairs, faults = parse(text)
    assert [(pair.line, pair.entity.value) for pair in pairs] == [(2, "candidate"), (5, "job")]
    assert [(fault.line, fault.verdict) for fault in faults] == [(3, Verdict.DUPLICATE_ROW), (4, Verdict.DUPLICATE_ROW)]


@pytest.mark.parametrize("text", ["", "entity,internal_id\n", "a,b,c\n1,2,3\n"])
def test_what_is_no_table_of_ids_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(text)
    assert refused.value.remedy == "begin with: entity,internal_id,external_id"


def test_too_many_rows_are_refused_as_a_whole() -> None:
    with pytest.raises(InvalidInput, match="more than"):
        parse(HEADER + f"candidate,{ONE},7\n" * (MOST_ROWS + 1))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_any_system_ends_them(end: str) -> None:
    """Excel's "CSV (Macintosh)" has carriage returns alone."""
    lines = [HEADER.strip(), f"candidate,{ONE},7", "", f"candidate,{TWO},", ""]
    pairs, (fault,) = parse(end.join(lines))
    assert pairs == [IdPair(2, EntityType.CANDIDATE, ONE, "7")]
    assert fault.line == 4


def test_lines_are_counted_as_an_editor_does() -> None:
    """A blank line is one, and a cell of two lines has two; its row is told by the first."""
    text = f'{HEADER}\n\ncandidate,{ONE},"7\n8"\n\ncandidate,{TWO},9\nperson,{TWO},9\n'
    pairs, faults = parse(text)
    assert [pair.line for pair in pairs] == [7]
    assert [(fault.line, fault.detail.partition(":")[0]) for fault in faults] == [(4, "external_id"), (8, "entity")]


def test_a_carriage_return_in_a_cell_is_told_by_line() -> None:
    _, faults = parse(f'{HEADER}candidate,{ONE},7\r8\ncandidate,{TWO},"7\r8"\n')
    assert [(fault.line, fault.verdict) for fault in faults] == [(3, Verdict.MALFORMED), (4, Verdict.MALFORMED)]


@pytest.mark.parametrize(
    "row", [f'candidate,{TWO},"7', f"candidate,{TWO},{'x' * 140_000}", f'candidate,{TWO},"7"8'], ids=len
)
def test_a_table_that_can_not_be_read_to_its_end_is_refused_with_the_line(row: str) -> None:
    with pytest.raises(InvalidInput, match="from line 4 on") as refused:
        parse(f"{HEADER}\ncandidate,{ONE},7\n{row}\ncandidate,{TWO},9\n")
    assert refused.value.field == "body"
    assert refused.value.remedy
    with pytest.raises(InvalidInput, match="from line 1 on"):
        parse('"entity,internal_id')
