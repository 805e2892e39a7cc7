"""Who plays which part: people of the simulated account that are plain enough for the story to be seen clearly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
PARTS = 4


class NobodyFits(Exception):
    """The account has too few people of the kind that the story needs."""


@dataclass(frozen=True)
class Player:
    """One person of the account, with an application that can be moved two stages on."""

    candidate_id: int
    email: str
    application_id: int
    next_stage: str


@dataclass(frozen=True)
class Cast:
    """The parts of the story."""

    moved: Player
    phoned: Player
    disputed: Player
    poisoned: Player
    open_job_id: int
    open_job_stages: tuple[str, ...]


def choose(state: Mapping[str, Sequence[Row]]) -> Cast:
    """Choose from everything that the simulator holds. Raises NobodyFits."""
    stages = _stages(state["job_interview_stages"])
    applications = {row["candidate_id"]: row for row in state["applications"] if _is_movable(row, stages)}
    addresses = Counter(
        entry["value"].strip().casefold() for row in state["candidates"] for entry in row["email_addresses"]
    )
    players = [
        _player(row, applications[row["id"]], stages)
        for row in state["candidates"]
        if row["id"] in applications and _is_plain(row, addresses)
    ]
    jobs = [row["id"] for row in state["jobs"] if row["status"] == "open" and len(stages.get(row["id"], ())) > 1]
    if len(players) < PARTS or not jobs:
        raise NobodyFits(f"{len(players)} people and {len(jobs)} jobs fit the story: fill in more people")
    moved, phoned, disputed, poisoned = players[:PARTS]
    names = tuple(name for _, name in stages[jobs[0]])
    return Cast(moved, phoned, disputed, poisoned, open_job_id=jobs[0], open_job_stages=names)


def _stages(rows: Sequence[Row]) -> dict[int, list[tuple[int, str]]]:
    """Return the stages of each job, in order, as id and name."""
    found: dict[int, list[tuple[int, str]]] = {}
    for row in sorted(rows, key=lambda each: int(each["sort_order"])):
        if row["active"]:
            found.setdefault(row["job_id"], []).append((row["id"], row["name"]))
    return found


def _is_movable(row: Row, stages: Mapping[int, list[tuple[int, str]]]) -> bool:
    ids = [stage_id for stage_id, _ in stages.get(row["job_id"], ())]
    here = row["job_interview_stage_id"]
    return row["status"] == "in_process" and not row["prospect"] and here in ids[:-2]


def _is_plain(row: Row, addresses: Mapping[str, int]) -> bool:
    emails, phones = row["email_addresses"], row["phone_numbers"]
    return (
        not row["private"]
        and row["first_name"] is not None
        and row["last_name"] is not None
        and len(emails) == 1
        and addresses[emails[0]["value"].strip().casefold()] == 1
        and len(phones) == 1
        and phones[0]["type"] == "mobile"
    )


def _player(row: Row, application: Row, stages: Mapping[int, list[tuple[int, str]]]) -> Player:
    pipeline = stages[application["job_id"]]
    here = [stage_id for stage_id, _ in pipeline].index(application["job_interview_stage_id"])
    return Player(row["id"], row["email_addresses"][0]["value"], application["id"], pipeline[here + 1][1])
