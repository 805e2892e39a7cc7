"""The names under which decisions are logged: one for each row of the tables in docs/merge.md."""

from __future__ import annotations

from enum import StrEnum


class Row(StrEnum):
    """Which rule decided. Stored in stamps, log rows and explanations: never rename one."""

    INTENT_OPEN = "intent_open"
    """A write is under way or its answer was lost; only a fresh fetch says how it ended."""
    OUTDATED = "outdated"
    """What is shown differs and was asked for before what we last saw; only a new fetch says what holds."""
    OWN_WRITE = "own_write"
    """What the vendor shows is our own write whose answer was lost."""
    EQUAL = "equal"
    """Both sides hold the same."""
    FIRST_VALUE = "first_value"
    """They had never met here and one side was empty."""
    FIRST_MEETING = "first_meeting"
    """They had never met here and both were filled."""
    THEIR_CHANGE = "their_change"
    """Only the vendor's side changed."""
    OSCILLATION = "oscillation"
    """The same change of the vendor's side came back a third time; stopped."""
    OUR_CHANGE = "our_change"
    """Only our side changed."""
    CANNOT_WRITE = "cannot_write"
    """Ours differs and the vendor can't take it; kept apart, knowingly."""
    REFUSED = "refused"
    """Ours differs and the vendor has refused this very value before."""
    BOTH_CHANGED = "both_changed"
    """Both changed."""
    UNION = "union"
    """Sets: additions and removals of both sides."""
    NOT_INBOUND = "not_inbound"
    """Theirs would have been taken, but values may not come in."""
    NOT_OUTBOUND = "not_outbound"
    """Ours would have been pushed, but values may not go out."""
    WRITE_ONLY = "write_only"
    """Pushed into a field that the vendor never shows."""
    DECIDED = "decided"
    """A person decided a conflict."""
