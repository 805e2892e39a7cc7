"""Enum values; those that the specification fixes are exact (docs/specification.md, S-034, S-048, S-059)."""

from __future__ import annotations

from enum import StrEnum


class EntityType(StrEnum):
    """What is kept in step. The order of definition is the order of a pull: parents first."""

    JOB = "job"
    CANDIDATE = "candidate"
    APPLICATION = "application"

    @classmethod
    def parse(cls, name: str) -> EntityType:
        """Accept `role` for `job` (S-034). Raises ValueError on an unknown name."""
        return cls.JOB if name == "role" else cls(name)

    @property
    def log_name(self) -> str:
        """The word of `sync_logs.entity_type`: `role` for a job, else the value itself (S-034)."""
        return "role" if self is EntityType.JOB else self.value


class Direction(StrEnum):
    """Seen from the portal."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class LogAction(StrEnum):
    """`sync_logs.action`."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    SKIPPED = "skipped"


class LogStatus(StrEnum):
    """`sync_logs.status`. `pending` = accepted, outcome not known yet; a later row closes it."""

    SUCCESS = "success"
    FAILED = "failed"
    PENDING = "pending"
    CONFLICT = "conflict"


class QueueStatus(StrEnum):
    """`sync_queue.status`."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


class RunStatus(StrEnum):
    """How a run stands. `complete` can't be written without evidence."""

    RUNNING = "running"
    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobStatus(StrEnum):
    """Status of a requisition. The list is open: unknown words are kept as they came."""

    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"


class ApplicationStatus(StrEnum):
    """Status of an application. The list is open: unknown words are kept as they came."""

    ACTIVE = "active"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    HIRED = "hired"
    CONVERTED = "converted"


class SubmissionState(StrEnum):
    """How far an application has come on its way to the vendor (S-041)."""

    QUEUED = "queued"
    SUBMITTED = "submitted"
    FAILED = "failed"
