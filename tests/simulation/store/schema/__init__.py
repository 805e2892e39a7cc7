"""
The tables of `shared/store/migrations`, as far as the engine writes them.

A column whose default is None may be null. `tests/contract/store/test_schema.py` holds these pages against PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.simulation.store.schema.connections import connections_tables
from tests.simulation.store.schema.deletes import deletes_tables
from tests.simulation.store.schema.ledger import ledger_tables
from tests.simulation.store.schema.people import people_tables, webhook_events_tables
from tests.simulation.store.schema.records import records_tables
from tests.simulation.store.tables import Table


def tables() -> Mapping[str, Table]:
    """Return empty tables by name."""
    made = (
        *connections_tables(),
        *records_tables(),
        *ledger_tables(),
        *people_tables(),
        *webhook_events_tables(),
        *deletes_tables(),
    )
    return {table.name: table for table in made}
