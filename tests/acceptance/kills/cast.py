"""Who is edited where: people of one account, each with one part, so that what becomes of an edit can be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.demo.cast import mobile_of
from tests.acceptance.kill_points.account import Account

Row = Mapping[str, Any]

DISPUTED = 24
PHONED = 6
MOVED = 12


@dataclass(frozen=True)
class Cast:
    """Ids of the vendor; `records` gives ours."""

    both: Sequence[int]
    """Their title is changed on both sides: the later edit wins."""
    phoned: Sequence[int]
    """Their phone is changed on both sides: where nobody saw the other's change, a person decides."""
    here: Sequence[int]
    """Their employer is changed in the portal alone."""
    there: Sequence[int]
    """Their employer is changed at the vendor alone."""
    moved_here: Sequence[int]
    """Applications that the portal moves from stage to stage."""
    moved_there: Sequence[int]
    """Applications that a recruiter moves at the vendor."""
    stages: Mapping[int, Sequence[str]]
    """By application."""
    job_id: int
    """An open job, which people are submitted to."""
    records: Mapping[tuple[str, int], str]


def choose(account: Account) -> Cast:
    """Choose from an account that was synced."""
    records = {
        (row["entity_type"], int(row["external_id"])): str(row["internal_id"])
        for row in account.rows(
            "SELECT entity_type, external_id, internal_id FROM external_entity_map"
            " WHERE integration_id = %(integration)s AND state = 'live'"
        )
    }
    rows = account.state("candidates")
    addresses = Counter(entry["value"].strip().casefold() for row in rows for entry in row["email_addresses"])
    plain = [
        row
        for row in rows
        if row["first_name"] != "Anonymized"
        and not row["private"]
        and ("candidate", row["id"]) in records
        and all(addresses[entry["value"].strip().casefold()] == 1 for entry in row["email_addresses"])
    ]
    phoned = [row["id"] for row in plain if mobile_of(row) is not None][:PHONED]
    rest = [row["id"] for row in plain if row["id"] not in phoned]
    stages = _stages(account)
    movable = [
        row
        for row in account.state("applications")
        if row["status"] == "in_process" and row["stage_name"] in stages.get(row["job_id"], ())
    ]
    of_person = {row["candidate_id"]: row for row in movable}  # one each: two would be told apart by nothing
    moved = [row for person, row in of_person.items() if person in rest][: 2 * MOVED]
    rest = [each for each in rest if each not in {row["candidate_id"] for row in moved}]
    both, alone = rest[:DISPUTED], rest[DISPUTED:]
    assert len(moved) > 2, "nobody has an application to move"
    assert len(alone) > DISPUTED, "too few people"
    return Cast(
        both=both,
        phoned=phoned,
        here=alone[: len(alone) // 2],
        there=alone[len(alone) // 2 :],
        moved_here=[row["id"] for row in moved[::2]],
        moved_there=[row["id"] for row in moved[1::2]],
        stages={row["id"]: stages[row["job_id"]] for row in moved},
        job_id=account.open_job()["id"],
        records=records,
    )


def _stages(account: Account) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for row in sorted(account.state("job_interview_stages"), key=lambda each: int(each["sort_order"])):
        if row["active"]:
            found.setdefault(row["job_id"], []).append(row["name"])
    return {job: names for job, names in found.items() if len(names) > 1 and len(set(names)) == len(names)}
