"""Lists of texts reach the database as they are, whatever signs are in them."""

from __future__ import annotations

from uuid import UUID

import psycopg
import pytest

from shared.store.database import Database as Pool
from tests.fixtures.postgres import Database

TEXTS: list[list[str | None]] = [
    [],
    ["1", "20", "300"],
    ["", " ", "NULL", "null"],
    ["{a,b}", "a,b", "\\", '"', '\\"', "a\nb"],
    ["é", "\u3000", "\U0001f9ea"],
    ["a", None],
]


@pytest.mark.parametrize("texts", TEXTS)
async def test_a_list_of_texts_arrives_as_it_is(database: Database, texts: list[str | None]) -> None:
    pool = Pool(database.app_dsn)
    try:
        async with pool.dispatch() as tx:
            row = await tx.one(
                "SELECT %(texts)s::text[] AS texts, %(ids)s::uuid[] AS ids", texts=texts, ids=[UUID(int=7)]
            )
    finally:
        await pool.aclose()
    assert row == {"texts": texts, "ids": [UUID(int=7)]}


async def test_a_text_that_the_database_cannot_hold_is_refused(database: Database) -> None:
    pool = Pool(database.app_dsn)
    try:
        with pytest.raises(psycopg.DataError):
            async with pool.dispatch() as tx:
                await tx.one("SELECT %(texts)s::text[] AS texts", texts=["a\0b", "c"])
    finally:
        await pool.aclose()
