"""Who plays which part: people of the simulated account of whom each step can be seen clearly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
Pipelines = Mapping[int, Sequence[tuple[int, str]]]


class NobodyFits(Exception):
    """The account has too few people of the kind that the story needs."""


@dataclass(frozen=True)
class Cast:
    """The parts of the story: four different people by their ids, and a job that takes applications."""

    moved_application_id: int
    next_stage: str
    phoned_id: int
    disputed_id: int
    poisoned_id: int
    open_job_id: int
    second_stage: str


def choose(state: Mapping[str, Sequence[Row]]) -> Cast:
    """Choose from everything that the simulator holds. Raises NobodyFits."""
    pipelines = _pipelines(state["job_interview_stages"])
    known = [row for row in state["candidates"] if not row["private"] and row["first_name"] != "Anonymized"]
    addresses = Counter(email for row in state["candidates"] for email in _emails(row))
    phoned, poisoned = _first(2, known, _has_one_mobile, "have one mobile number")
    rest = [row for row in known if row not in (phoned, poisoned)]
    (disputed,) = _first(
        1, rest, lambda row: [addresses[each] for each in _emails(row)] == [1], "have one e-mail address"
    )
    free = {row["id"] for row in rest if row is not disputed}
    (moved,) = _first(
        1,
        state["applications"],
        lambda row: row["candidate_id"] in free and _is_movable(row, pipelines),
        "have an application to move",
    )
    (job,) = _first(
        1,
        state["jobs"],
        lambda row: row["status"] == "open" and len(pipelines.get(row["id"], ())) > 1,
        "are jobs that take applications",
    )
    pipeline = pipelines[moved["job_id"]]
    here = [stage_id for stage_id, _ in pipeline].index(moved["job_interview_stage_id"])
    return Cast(
        moved["id"],
        pipeline[here + 1][1],
        phoned["id"],
        disputed["id"],
        poisoned["id"],
        job["id"],
        pipelines[job["id"]][1][1],
    )


def mobile_of(row: Row) -> str | None:
    """Return the person's mobile number, which is the phone that Liaison keeps; None if there is not just one."""
    found = [entry["value"] for entry in row["phone_numbers"] if entry["type"] == "mobile"]
    return found[0] if len(found) == 1 else None


def _first(count: int, rows: Sequence[Row], fits: Callable[[Row], bool], words: str) -> list[Row]:
    found = [row for row in rows if fits(row)][:count]
    if len(found) < count:
        raise NobodyFits(f"{len(found)} of {count} {words}: fill in more people")
    return found


def _pipelines(rows: Sequence[Row]) -> dict[int, list[tuple[int, str]]]:
    """Return the stages of each job, in order, as id and name."""
    found: dict[int, list[tuple[int, str]]] = {}
    for row in sorted(rows, key=lambda each: int(each["sort_order"])):
        if row["active"]:
            found.setdefault(row["job_id"], []).append((row["id"], row["name"]))
    return found


def _emails(row: Row) -> list[str]:
    return [entry["value"].strip().casefold() for entry in row["email_addresses"]]


def _has_one_mobile(row: Row) -> bool:
    return mobile_of(row) is not None


def _is_movable(row: Row, pipelines: Pipelines) -> bool:
    ids = [stage_id for stage_id, _ in pipelines.get(row["job_id"], ())]
    return row["status"] == "in_process" and row["job_interview_stage_id"] in ids[:-1]
