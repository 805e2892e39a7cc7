"""Jobs that were given up."""

from __future__ import annotations

from uuid import UUID, uuid4

from tests.integration.api.conftest import Company, Query


def bury(query: Query, company: Company, integration_id: str) -> UUID:
    """Make a failed job with its dead letter; return the letter's id."""
    job, letter = uuid4(), uuid4()
    query(
        "INSERT INTO sync_queue (id, company_id, integration_id, entity_type, direction, action, record_key, status,"
        " retry_count) VALUES (%s, %s, %s, 'candidate', 'inbound', 'reconcile', %s, 'failed', 3)",
        job, company.id, integration_id, str(job),
    )  # fmt: skip
    query(
        "INSERT INTO dead_letters (id, company_id, integration_id, job_id, queue, action, entity_type, code, cause,"
        " attempts) VALUES (%s, %s, %s, %s, 'sync-urgent', 'reconcile', 'candidate', 'unavailable', 'no answer', 4)",
        letter, company.id, integration_id, job,
    )  # fmt: skip
    return letter
