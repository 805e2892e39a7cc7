"""
Stamps of a record as JSON: which system gave each unit, when, by which rule and job.

    {"v": 1, "s": [[1767225600000000, 1, "<integration>", "first_meeting", "<job>", 1000, ["name", "email"]], …]}

Units with the same stamp stand together, so that a freshly imported record carries one entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.merge.state import Stamp
from shared.model import JsonObject

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


def encode_stamps(stamps: Mapping[str, Stamp]) -> JsonObject:
    """Return *stamps* (by unit) as JSON."""
    # Most units of a record share one stamp: told by identity first, since hashing its fields costs far more.
    shared: dict[int, tuple[Stamp, list[str]]] = {}
    for unit, stamp in stamps.items():
        known = shared.get(id(stamp))
        if known is None:
            shared[id(stamp)] = (stamp, [unit])
        else:
            known[1].append(unit)
    units: dict[Stamp, list[str]] = {}
    for stamp, names in shared.values():
        units.setdefault(stamp, []).extend(names)
    return encode_grouped(units.items())


def encode_grouped(stamps: Iterable[tuple[Stamp, Sequence[str]]]) -> JsonObject:
    """Return *stamps*, each with its units, as JSON."""
    rows: list[Any] = [
        [
            (stamp.at - _EPOCH) // _TICK,
            stamp.rank,
            stamp.source,
            str(stamp.rule),
            stamp.job_id,
            stamp.resolution // _TICK,
            names,
        ]
        for stamp, names in stamps
    ]
    return {"v": 1, "s": rows}


def decode_stamps(stored: Mapping[str, Any]) -> dict[str, Stamp]:
    """Return stamps by unit."""
    found: dict[str, Stamp] = {}
    for at, rank, source, rule, job_id, resolution, units, *_ in stored.get("s", ()):
        stamp = Stamp(_EPOCH + at * _TICK, rank, source, rule, job_id, resolution * _TICK)
        found.update(dict.fromkeys(units, stamp))
    return found
