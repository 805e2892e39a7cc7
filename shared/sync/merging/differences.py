"""What people are told of units in which the two sides stay apart, and when it is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from shared.merge.rows import Row
from shared.merge.settle import is_apart
from shared.merge.state import Base
from shared.model import EntityType
from shared.store.attention import Issue
from shared.sync.merging.one_record import Merged

REFUSED = "value_refused"
"""Kind of the issue that stands while the vendor does not take a value of ours, said so or not."""

DROPPED = "the vendor answered the write and does not show the value; it is sent again once it changes on either side"

_TOLD: Mapping[str, tuple[str, str]] = {
    Row.OSCILLATION: (
        "oscillation",
        "the vendor changed it in the same way for a third time; both sides stay as they are until a person edits it",
    ),
    Row.RESTORED: ("change_undone", "the vendor has the last word here and did not take the portal's change"),
}
"""Kind of issue and what it tells, by the rule that asks for one."""


def subject_of(entity: EntityType, record_id: UUID, unit: str) -> str:
    """Return what an issue of one unit is about."""
    return f"{entity.value}/{record_id}/{unit}"


def issues_of(entity: EntityType, merged: Sequence[Merged]) -> list[Issue]:
    """Return an issue for each unit of which the merge says that people must know."""
    issues = []
    for each in merged:
        rules = {decision.unit: decision.rule for decision in each.outcome.decisions} if each.issues else {}
        for unit in each.issues:
            kind, detail = _TOLD[rules[unit]]
            issues.append(Issue(kind, subject_of(entity, each.record_id, unit), f"{unit}: {detail}"))
    return issues


def dropped_issue(entity: EntityType, record_id: UUID, unit: str) -> Issue:
    """Return what to tell of a write of *unit* that the vendor answered and did not keep."""
    return Issue(REFUSED, subject_of(entity, record_id, unit), f"{unit}: {DROPPED}")


def ended_by(entity: EntityType, merged: Sequence[Merged]) -> list[str]:
    """Return the subjects of units that were apart until these merges, and agree by them."""
    return [
        subject_of(entity, each.record_id, unit)
        for each in merged
        if each.before is not None
        for unit in agreed_again(each.base, each.outcome.base, each.base)
    ]


def agreed_again(before: Base, after: Base, units: Iterable[str]) -> list[str]:
    """Return those of *units* that were apart and no longer are."""
    return [unit for unit in units if is_apart(before.get(unit)) and not is_apart(after.get(unit))]
