"""The settings as their documentation lists them: read from the declarations in shared/settings.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from shared.settings import Settings


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as its documentation tells it."""

    variable: str
    description: str
    unit: str
    default: str | None
    """As it would be written in the environment; None: there is none."""
    is_required: bool
    is_secret: bool
    sample: str
    is_platform: bool
    """Set by the platform, never by us."""


def declared() -> Iterator[Setting]:
    """Yield every setting in the order of its declaration."""
    for field in Settings.model_fields.values():
        extra = cast("dict[str, Any]", field.json_schema_extra)  # `_setting` makes every field
        default = None if field.is_required() else _written(field.default)
        sample = extra["sample"]
        yield Setting(
            variable=str(field.alias),
            description=str(field.description),
            unit=str(extra["unit"]),
            default=default,
            is_required=field.is_required(),
            is_secret="Secret" in repr(field.annotation),
            sample=(default or "") if sample is None else str(sample),
            is_platform=bool(extra["platform"]),
        )


def _written(default: object) -> str | None:
    match default:
        case None | ():
            return None
        case bool():
            return str(default).lower()
        case _:
            return str(default)
