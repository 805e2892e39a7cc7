"""Canonical records, their fields, and the enums that the specification fixes."""

from pydantic import JsonValue

from shared.model.enums import (
    ApplicationStatus,
    Direction,
    EntityType,
    JobStatus,
    LogAction,
    LogStatus,
    QueueStatus,
    RunStatus,
    SubmissionState,
)
from shared.model.fields import (
    FIELDS,
    UNITS,
    Field,
    Kind,
    NormalForm,
    Party,
    Policy,
    Unit,
    units_of,
)
from shared.model.records import (
    Application,
    Candidate,
    Job,
    JsonObject,
    Record,
    Reference,
    record_type,
)

__all__ = [
    "FIELDS",
    "UNITS",
    "Application",
    "ApplicationStatus",
    "Candidate",
    "Direction",
    "EntityType",
    "Field",
    "Job",
    "JobStatus",
    "JsonObject",
    "JsonValue",
    "Kind",
    "LogAction",
    "LogStatus",
    "NormalForm",
    "Party",
    "Policy",
    "QueueStatus",
    "Record",
    "Reference",
    "RunStatus",
    "SubmissionState",
    "Unit",
    "record_type",
    "units_of",
]
