"""Quiet hours of an integration: times of the local day in which bulk work leaves the vendor alone."""

from __future__ import annotations

from datetime import time
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

_OF_THIS_MACHINE = frozenset({"Factory", "localtime", "posixrules"})
"""Zones by name that mean another thing on each machine, or nothing."""


def known_zone(name: str) -> str:
    """Return *name* if it is a time zone's (IANA's, as `zoneinfo` knows them); a validator."""
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones, or no name of a file
        zone = None
    if zone is None or name in _OF_THIS_MACHINE:
        raise PydanticCustomError("time_zone", "is no time zone; give a name like Europe/Berlin")
    return name


def _span(text: str) -> str:
    begins, _, ends = text.partition("-")
    try:
        first, last = time.fromisoformat(begins), time.fromisoformat(ends)
    except ValueError:
        first = last = time()
    if first == last or len(text) != len("08:00-18:00"):
        raise PydanticCustomError("quiet_span", "is no span of the day; give one like 08:00-18:00 or 22:00-06:00")
    return text


class QuietHours(BaseModel):
    """`config.quiet_hours`. A span may pass midnight; it begins with its first minute and ends before its last."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    time_zone: Annotated[str, AfterValidator(known_zone)]
    spans: list[Annotated[str, AfterValidator(_span)]] = Field(min_length=1, max_length=8)
