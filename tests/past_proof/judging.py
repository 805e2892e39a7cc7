"""What the API tells of every field's origin, and of moments gone by, held against the witness."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

from shared.model import FIELDS, UNITS
from shared.model.fields import Unit
from tests.integration.api.calling import Caller
from tests.past_proof.witness import CANDIDATE, PORTAL, Data, Truth, Witness, is_set, value_of

TICK = timedelta(milliseconds=2)
"""The vendor's clock counts whole milliseconds."""


async def explained(call: Caller, witness: Witness, conflicts: Mapping[tuple[UUID, str], str]) -> tuple[int, list[str]]:
    """Ask why each field of each record says what it says; return how many were told, and what was told wrong."""
    told, faults = 0, []
    for record_id, data in witness.now.records.items():
        reply = await call("GET", f"/api/candidates/{record_id}/explain")
        if reply.status != 200:
            faults.append(f"{record_id}: {reply.text}")
            continue
        fields = reply.body["fields"]
        for unit in UNITS[CANDIDATE].values():
            truth = witness.truths.get((record_id, unit.name))
            for name in unit.members:
                field = fields.get(name)
                told += field is not None
                wrong = _wrong(unit, name, field, truth, data, conflicts.get((record_id, unit.name)))
                faults += [f"{name} of {record_id}: {each}" for each in wrong]
    return told, faults


def _wrong(
    unit: Unit, name: str, field: Mapping[str, Any] | None, truth: Truth | None, data: Data, conflict_id: str | None
) -> Iterator[str]:
    if field is None:
        # Two that were parted are what they were, and nothing tells of what was never written.
        is_nothing = truth is None or (truth.lost is None and not any(truth.value))
        if not is_nothing or data.get(name) is not None:
            yield "is not explained"
        return
    if field["value"] != data.get(name):
        yield f"explained as {field['value']!r}, is {data.get(name)!r}"
    if truth is None or truth.value != value_of(data, unit):
        yield f"{field['source']} is told to have written it, and nobody did"
        return
    source = field["integration_id"] or field["source"]
    if source not in truth.sources:
        yield f"{source} is told to have written it, and {sorted(truth.sources)} did"
        return
    if field["rule"] not in truth.rules:
        yield f"rule {field['rule']}, expected one of {sorted(truth.rules)}"
    if field["conflict_id"] != conflict_id:
        yield f"conflict {field['conflict_id']}, open is {conflict_id}"
    yield from _wrong_time(field, truth)
    yield from _wrong_hands(field, truth)
    yield from _wrong_losers(unit, name, field, truth)


def _wrong_time(field: Mapping[str, Any], truth: Truth) -> Iterator[str]:
    at = datetime.fromisoformat(field["at"])
    if not truth.earliest - TICK <= at <= truth.step.ended:
        yield f"written at {at}, was between {truth.earliest} and {truth.step.ended}"
    if field["changed_after"] is not None and datetime.fromisoformat(field["changed_after"]) > truth.written:
        yield f"changed after {field['changed_after']}, was written by {truth.written}"
    if (
        field["seen_at"] is not None
        and not truth.earliest <= datetime.fromisoformat(field["seen_at"]) <= truth.step.ended
    ):
        yield f"seen at {field['seen_at']}, came in by {truth.step.ended}"


def _wrong_hands(field: Mapping[str, Any], truth: Truth) -> Iterator[str]:
    """Who did it here, or which job and run brought it."""
    if field["source"] == PORTAL:
        if field["actor"] != truth.step.actor:
            yield f"actor {field['actor']}, was {truth.step.actor}"
        if truth.step.rule == "revert" and truth.lost is not None and field["run_id"] != truth.step.actor:
            yield f"run {field['run_id']}, was {truth.step.actor}"
        return
    if field["job_id"] not in truth.step.jobs:
        yield f"job {field['job_id']} did not run when it came"
    elif field["run_id"] is not None and field["run_id"] != truth.step.runs.get(field["job_id"]):
        yield f"run {field['run_id']}, the job's is {truth.step.runs.get(field['job_id'])}"


def _wrong_losers(unit: Unit, name: str, field: Mapping[str, Any], truth: Truth) -> Iterator[str]:
    if truth.lost is None:
        return
    told = [(each["value"] or None, each["integration_id"] or each["source"]) for each in field["lost"]]
    if is_set(unit):
        yield from (f"{each} is told to have lost in a list, where nothing does" for each in told)
        return
    place = unit.members.index(name)
    lost = [(value[place], source) for value, source in truth.lost if value[place] != truth.value[place]]
    yield from (f"{each} lost and is not told" for each in lost if each not in told)
    yield from (f"{each} is told to have lost" for each in told if each not in lost)


async def looked_back(call: Caller, witness: Witness, count: int, seed: int) -> tuple[int, int, list[str]]:
    """
    Ask for records as they stood at random moments; return how many, in how many a change was under way, and faults.

    Goes on until *count* moments have one answer alone.
    """
    rng = random.Random(f"moments {seed}")  # noqa: S311 - a seeded story
    first, last, records = witness.looks[0].at, witness.now.at, sorted(witness.now.records)
    exact, either, faults = 0, 0, []
    while exact < count:
        moment, record_id = first + (last - first) * rng.random(), rng.choice(records)
        standing = witness.at(moment, record_id)
        reply = await call("GET", f"/api/candidates/{record_id}?at={quote(moment.isoformat())}")
        told = None
        if reply.status == 200:
            told = {name: reply.body[name] for name in FIELDS[CANDIDATE] if reply.body[name] is not None}
        elif reply.status != 404:
            faults.append(f"{record_id} at {moment}: {reply.text}")
        if not standing.admits(told):
            faults.append(f"{record_id} at {moment}: {told}, was {standing.before}, then {standing.after}")
        exact += standing.is_certain
        either += not standing.is_certain
    return exact, either, faults
