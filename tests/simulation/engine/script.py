"""
What happens in a world, as data: its vendors, its people and a list of steps.

A plan is replayed as it stands. Each step carries the salt of the choices that are made from it until the next one, so
that taking one step out leaves the others' choices as they were: that is what makes a failing story small.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tests.simulation.engine.traits import Traits


class Kind(StrEnum):
    """What a step does."""

    VENDOR_EDIT = "edit at"
    PORTAL_EDIT = "edit in the portal"
    VENDOR_TAG = "tag at"
    PORTAL_TAG = "tag in the portal"
    NEW_PERSON = "new person at"
    DECIDE = "a person decides"
    PULL = "pull of"
    PUSH = "push of what moved at"
    WAIT = "time passes"
    CRASH = "a worker dies"
    FREEZE = "a worker freezes"
    FAIL = "a call fails"
    LIMIT = "too many requests at"
    HIDE = "a permission is lost at"
    SHOW = "permissions return at"
    EMPTY_LIST = "lists are empty at"
    MISSING = "half of the list is missing at"
    EXPIRE = "cursors expire at"
    DELETE = "deleted at"
    VENDOR_MERGE = "merged at"
    PORTAL_MERGE = "merged in the portal"
    PORTAL_PART = "parted in the portal"
    REGISTER = "somebody registers in the portal"
    SUBMIT = "an application in the portal for a job of"
    APPLY = "an application at"
    VENDOR_MOVE = "an application moves at"
    PORTAL_MOVE = "an application moves in the portal"
    LOSE_KNOCK = "a knock gets lost"
    ARCHIVE = "archived in the portal:"
    RESTORE = "restored in the portal:"
    DECIDE_DELETES = "a person decides about deletes at"
    BY_HAND = "somebody enters by hand at"
    LOSE_ANSWER = "an answer gets lost at"
    CRASH_UPON = "a worker dies upon an answer of"


class Fate(StrEnum):
    """What becomes of the webhook of an edit."""

    SENT = "sent"
    LOST = "lost"
    DOUBLED = "doubled"
    DELAYED = "delayed"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens."""

    kind: Kind
    salt: int
    moves: int = 0
    """So many moves of the engine come between the step before and this one."""
    vendor: str = ""
    person: int = 0
    name: str = ""
    """Of the field, or of the call that goes wrong."""
    number: int = 0
    """Of the edit, hence of the value that it writes."""
    clears: bool = False
    fate: Fate = Fate.SENT
    amount: float = 0.0
    """Seconds, gates or an index, as the kind has it."""
    other: int = 0
    """Of a merge: the person whose record goes."""

    def told(self) -> str:
        """Return the step as a line of a story."""
        words = [self.kind.value, self.vendor]
        if self.person:
            words.append(f"person {self.person}")
        if self.other:
            words.append(f"takes in person {self.other}")
        if self.name:
            words.append(f"{self.name} {'cleared' if self.clears else f'#{self.number}'}" if self.number else self.name)
        if self.fate is not Fate.SENT:
            words.append(f"webhook {self.fate.value}")
        if self.amount:
            words.append(f"({self.amount:g})")
        return " ".join(filter(None, words))


@dataclass(frozen=True, slots=True)
class Plan:
    """A world to be."""

    seed: int
    vendors: tuple[Traits, ...]
    people: tuple[tuple[str, ...], ...]
    """Of each person, the vendors that know them when the story begins. Persons count from 1."""
    steps: tuple[Step, ...]
    first_number: int
    """Edits count from here; the numbers below are of what people begin with."""
    jobs: int = 0
    """At each vendor; without any there are no applications."""
    pulls_every_s: int = 0
    """The schedule of incremental pulls at every vendor; 0: pulls come only when somebody asks."""
    workers: int = 2
    is_small: bool = False
    ends_decided: bool = False
    """When the story is over, people decide whatever is still open, and the world must come to rest once more."""
