"""What an index can't take is a fault of the data: told by field, and not as if the database were away."""

from __future__ import annotations

import secrets
from contextlib import suppress
from uuid import uuid4

import psycopg
import pytest

from shared.errors import InvalidInput
from shared.store.database import Database as Pool
from shared.store.longer_than_indexed import LongerThanIndexed
from tests.fixtures.postgres import Database

INCOMPRESSIBLE = secrets.token_hex(2_700)
"""More than a page of an index takes, as PostgreSQL compresses it, and less than the 8 kB that no index row has."""
INSERT = (
    "INSERT INTO records (company_id, entity_type, id, data)"
    " VALUES (%(company)s, %(entity)s, %(id)s, jsonb_build_object(%(field)s::text, %(value)s::text))"
)


@pytest.mark.parametrize(
    ("entity", "field", "told"),
    [
        ("candidate", "last_name", "last_name"),
        ("candidate", "first_name", "last_name"),
        ("candidate", "email", "email"),
        ("candidate", "phone", "phone"),
        ("application", "stage", "stage"),
        ("application", "status", "stage"),
        ("job", "status", "status"),
    ],
)
@pytest.mark.parametrize("in_savepoint", [False, True])
async def test_a_value_too_long_for_its_index_is_told_by_field(
    database: Database, entity: str, field: str, told: str, *, in_savepoint: bool
) -> None:
    company_id, pool = uuid4(), Pool(database.app_dsn)
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO companies (id, name) VALUES (%s, 'Aspect')", (company_id,))
    value = "".join(str(ord(each) % 10) for each in INCOMPRESSIBLE) if field == "phone" else INCOMPRESSIBLE

    async def insert() -> None:
        async with pool.company(company_id) as tx:
            if in_savepoint:
                with suppress(LongerThanIndexed):  # what is not ours yet would leave the transaction
                    async with tx.savepoint():
                        await tx.run(INSERT, company=company_id, entity=entity, id=uuid4(), field=field, value=value)
                assert await tx.rows("SELECT 1 FROM records") == []
            await tx.run(INSERT, company=company_id, entity=entity, id=uuid4(), field=field, value=value)

    try:
        with pytest.raises(LongerThanIndexed) as raised:
            await insert()
    finally:
        await pool.aclose()
    assert isinstance(raised.value, psycopg.DataError)
    assert isinstance(raised.value, InvalidInput)
    assert raised.value.field == told
    assert field in str(raised.value)
    assert value[:20] not in f"{raised.value} {raised.value.__cause__}"


async def test_a_value_that_no_row_of_an_index_takes_is_a_fault_of_the_data_as_well(database: Database) -> None:
    """PostgreSQL names no index then."""
    company_id, pool = uuid4(), Pool(database.app_dsn)
    with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO companies (id, name) VALUES (%s, 'Aspect')", (company_id,))
    row = {"company": company_id, "entity": "job", "id": uuid4(), "field": "status", "value": secrets.token_hex(20_000)}
    try:
        with pytest.raises(LongerThanIndexed, match="longer than can be looked up by"):
            async with pool.company(company_id) as tx:
                await tx.run(INSERT, **row)
    finally:
        await pool.aclose()
