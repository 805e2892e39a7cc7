"""
What became of each edit, judged by what both sides hold now and by who could have seen what.

An acknowledged edit stands, or was superseded by one that came later or whose author saw it, or is held by an open
conflict that shows it; anything else is a loss. The vendor offers no compare-and-set, so an edit made there between our
fetch and our write of the same person may be overwritten; these are counted apart, and each must be shown by the
vendor's log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.demo.cast import mobile_of
from tests.acceptance.kill_points.account import Account
from tests.acceptance.kills.edits import Edit, Key, Side, last

CLOCK_S = 1.0
"""Times of two sides that are nearer than this say nothing about which came first."""
LONGEST_ROUND_TRIP_S = 30.0
CRITICAL = frozenset({"phone"})
SIDES: tuple[Side, Side] = ("here", "there")

Row = Mapping[str, Any]


@dataclass
class Sides:
    """What both sides hold, and what the vendor's log says of us."""

    here: Mapping[tuple[str, int], Row]
    there: Mapping[tuple[str, int], Row]
    conflicts: Mapping[tuple[str, str], tuple[Any, Sequence[Any]]]
    """By our record id and unit: our value and those of the vendors, of open conflicts."""
    ids: Mapping[tuple[str, int], str]
    calls: Mapping[int, Sequence[Row]]
    """Our calls about each person by id, in their order."""

    def value(self, side: Side, key: Key) -> Any:
        """Return what *side* holds in a field."""
        entity, external_id, name = key
        if side == "here":
            return self.here[entity, external_id].get(name)
        row = self.there[entity, external_id]
        return mobile_of(row) if name == "phone" else row[_COLUMN[name]]


_COLUMN = {"current_title": "title", "current_company": "company", "stage": "stage_name"}


@dataclass
class Verdicts:
    """How many edits came to what, and what is wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def read_sides(account: Account, conflicts: Sequence[Row]) -> Sides:
    """Read both sides of *account* now; *conflicts* as its API lists the open ones."""
    rows = account.rows(
        "SELECT l.entity_type, l.external_id, l.internal_id, r.data FROM external_entity_map l"
        " JOIN records r ON r.id = l.internal_id AND r.entity_type = l.entity_type"
        " WHERE l.integration_id = %(integration)s AND l.state = 'live'"
    )
    calls: dict[int, list[Row]] = {}
    for each in account.requests():
        person = each["path"].removeprefix("/v3/candidates/")
        if person.isdigit():
            calls.setdefault(int(person), []).append(each)
    return Sides(
        here={(row["entity_type"], int(row["external_id"])): row["data"] for row in rows},
        there={
            (entity, row["id"]): row
            for entity, table in (("candidate", "candidates"), ("application", "applications"))
            for row in account.state(table)
        },
        conflicts={
            (str(each["record_id"]), each["field"]): (
                each["ours"].get(each["field"]),
                [side["values"].get(each["field"]) for side in each["sides"]],
            )
            for each in conflicts
            if each["kind"] == "field"
        },
        ids={(row["entity_type"], int(row["external_id"])): str(row["internal_id"]) for row in rows},
        calls=calls,
    )


def judge(edits_by_key: Mapping[Key, Sequence[Edit]], sides: Sides) -> Verdicts:
    """Return what became of every edit that was acknowledged."""
    verdicts = Verdicts()
    for key, edits in edits_by_key.items():
        acknowledged = sum(each.outcome == "acknowledged" for each in edits)
        if not acknowledged:
            continue
        here, there = sides.value("here", key), sides.value("there", key)
        if here == there:
            counts, wrong = _agreed(edits, here, sides)
        else:
            counts = Counter(held=sum(last(edits, side) is not None for side in SIDES))
            wrong = list(_held(key, edits, sides, here, there))
        if wrong:
            counts = Counter(lost=1)
            verdicts.wrong += [f"{key[0]} {key[1]}.{key[2]}: {line}" for line in wrong]
        verdicts.counts += counts + Counter(superseded=acknowledged - counts.total())
    return verdicts


def _agreed(edits: Sequence[Edit], value: Any, sides: Sides) -> tuple[Counter[str], list[str]]:
    """Both sides hold *value*: it is an edit's, and the last one of either side may have given way to it."""
    winner = next((each for each in reversed(edits) if each.value == value), None)
    if winner is None:
        return Counter(), [f"both sides hold {value!r}, which nobody gave"]
    counts, wrong = Counter(found=int(winner.outcome == "acknowledged")), []
    for side in SIDES:
        latest = last(edits, side)
        if latest is None or latest is winner or (fault := _lost(latest, winner, edits, sides)) is None:
            continue
        if latest.side == "there" and _is_raced(latest, winner, sides):
            counts["raced"] += 1
        else:
            wrong.append(fault)
    return +counts, wrong


def _held(key: Key, edits: Sequence[Edit], sides: Sides, here: Any, there: Any) -> Iterator[str]:
    """Sides that differ are held by a conflict that shows both, and each holds its own last edit."""
    ours, theirs = sides.conflicts.get((sides.ids[key[0], key[1]], key[2]), (None, ()))
    if ours != here or there not in theirs:
        yield f"here {here!r}, there {there!r}, and no open conflict shows both"
    held: Mapping[Side, Any] = {"here": here, "there": there}
    for side, value in held.items():
        latest = last(edits, side)
        if latest is not None and not any(each.value == value and each.began >= latest.began for each in edits):
            yield f"{side} {value!r} is held, and {latest.value!r} came later"


def _lost(edit: Edit, winner: Edit, edits: Sequence[Edit], sides: Sides) -> str | None:
    """Return how *edit*, the last of its side, was lost; None if *winner* may stand in its place."""
    if edit.side == winner.side:
        is_older = winner.began < edit.began and winner.outcome == "acknowledged"
        return f"{winner.value!r} stands, and {edit.value!r} of the same side came later" if is_older else None
    if edit.key[2] in CRITICAL:
        if edit in _ancestors(winner, edits, sides):
            return None
        return f"{winner.value!r} stands, whose author did not see {edit.value!r}, and no conflict holds both"
    if edit.began <= winner.ended + CLOCK_S:
        return None
    return f"{winner.value!r} stands, and {edit.value!r} was made {edit.began - winner.ended:.1f} s later"


def _ancestors(edit: Edit, edits: Sequence[Edit], sides: Sides) -> list[Edit]:
    """Return the edits that whoever made *edit* could see the outcome of, theirs too."""
    found: list[Edit] = []
    due = [edit]
    while due:
        one = due.pop()
        before = [each for each in edits if each not in found and each is not edit and _was_seen(each, one, sides)]
        found += before
        due += before
    return found


def _was_seen(earlier: Edit, later: Edit, sides: Sides) -> bool:
    if earlier.side == later.side:
        return earlier.began < later.began
    if later.side == "here":
        return later.seen == earlier.value
    return any(
        each["method"] == "PATCH" and earlier.value in (each["body"] or "") and each["at"] < later.ended
        for each in sides.calls.get(later.key[1], ())
    )


def _is_raced(edit: Edit, winner: Edit, sides: Sides) -> bool:
    """Tell whether the vendor's log shows a write of *winner* that was decided on what was fetched before *edit*."""
    calls = sides.calls.get(edit.key[1], ())
    for number, write in enumerate(calls):
        if write["method"] != "PATCH" or winner.value not in (write["body"] or ""):
            continue
        fetched = [each for each in calls[:number] if each["method"] == "GET"]
        if fetched and fetched[-1]["at"] <= edit.ended and edit.began <= write["at"] + write["seconds"]:
            return bool(write["at"] - fetched[-1]["at"] < LONGEST_ROUND_TRIP_S)
    return False
