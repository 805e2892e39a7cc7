"""The one way in which the simulator says no."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

Fault = tuple[str, str]  # (field, message)


@dataclass
class Refusal(Exception):
    """Answered as `{"message": ..., "errors": [{"message", "field"}]}` (section 5)."""

    status: int
    message: str
    faults: list[Fault] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, object]:
        """The error body that v1 documents and v3 is assumed to share."""
        faults = self.faults or [("base", self.message)]
        return {
            "message": self.message,
            "errors": [{"message": message, "field": name} for name, message in faults],
        }


def invalid(name: str, message: str) -> Refusal:
    """A 422 about one field."""
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Validation error", [(name, message)])


def all_invalid(faults: Iterable[Fault]) -> Refusal:
    """A 422 about several fields."""
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "Validation error", list(faults))


def not_found(what: str = "Resource") -> Refusal:
    """A 404: unknown, deleted, or merged away (section 5)."""
    return Refusal(HTTPStatus.NOT_FOUND, f"{what} not found")


def forbidden(message: str) -> Refusal:
    """A 403: scope, Site Admin, private or confidential (section 2.5)."""
    return Refusal(HTTPStatus.FORBIDDEN, message)
