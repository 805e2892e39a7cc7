"""Fields carry the names that the samples of the specification use."""

from __future__ import annotations

import pytest

from shared.model import FIELDS, EntityType
from shared.model.records import record_type

NAMES = {
    EntityType.CANDIDATE: "first_name last_name email phone linkedin_url current_company current_title skills"
    " experience_years education",
    EntityType.APPLICATION: "candidate_id job_id stage status rejection_reason source applied_at",
    EntityType.JOB: "requisition_id title department status location description created_date stages",
}


@pytest.mark.parametrize(("entity", "wanted"), NAMES.items(), ids=str)
def test_fields_have_the_samples_names(entity: EntityType, wanted: str) -> None:
    assert set(wanted.split()) <= set(FIELDS[entity])


@pytest.mark.parametrize("entity", EntityType)
def test_a_record_declares_every_field_and_no_other(entity: EntityType) -> None:
    about = {"external_id", "updated_at", "field_times", "vendor_version", "references"}
    about |= {"anonymized", "left_out", "unseen_custom_fields", "warnings", "raw"}
    assert set(record_type(entity).model_fields) - about == set(FIELDS[entity])
