"""What a vendor of a world is like, as data: every oddity that real ones have shown, on or off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random

from pydantic import JsonValue

from tests.simulation.engine.values import FIELDS, MOVES, SETS

NORMALISERS = ("lower", "upper", "cut")
KEPT_WHOLE = frozenset({"email", "phone", *SETS})
"""Fields that nobody shortens or shouts: an address in capitals is the same address."""


@dataclass(frozen=True, slots=True)
class FieldTrait:
    """How a vendor treats one field."""

    makes: str = "keeps"
    is_late: bool = False
    """The change shows only seconds after the answer."""
    is_declared: bool = True
    """The adapter's `expected` knows of it."""
    writable: bool = True
    refuses: bool = False
    """One value in three is refused."""

    def refused(self, number: int) -> bool:
        """Whether the value of edit *number* is refused."""
        return self.refuses and number % 3 == 0


@dataclass(frozen=True, slots=True)
class Traits:
    """How a vendor behaves."""

    name: str
    fields: dict[str, FieldTrait] = field(default_factory=dict)
    dates: bool = True
    """Shows when a record changed last."""
    dates_fields: bool = False
    """Shows when each field changed last."""
    counts: bool = True
    """Shows a version."""
    resolution: timedelta = timedelta(milliseconds=1)
    skew_s: float = 0.0
    """Its clock minus ours."""
    is_skew_known: bool = True
    list_lag_s: float = 0.0
    search_lag_s: float = 0.0
    page_size: int = 50
    pages_shift: bool = False
    """Lists go by the time of change and an offset: an edit between two pages moves what follows."""
    answers: str = "record"
    """What a write's answer shows: the whole `record`, what was `sent`, or `nothing`."""
    calls: int = 1
    """A write of several fields takes so many calls."""
    whole_lists: bool = False
    """Tags are written as a whole list, not one by one."""
    creates_along: bool = True
    """A candidate that is created for a job gets the application with the same call."""
    merge_policy: str = "review"
    """What the customer wants when two of our records turn out to be one person there (`config.on_vendor_merge`)."""
    names_survivors: bool = True
    """The event of a merge names the record that is left; without that, somebody is merely gone."""
    deletes: tuple[str, ...] = ()
    """Entities of which we are to delete there what is archived here (`config.on_archive`)."""
    takes_deletes: bool = True
    brake: int = 20
    """So many may be gone in a day before a person is asked (`config.delete_brake`)."""

    def of(self, name: str) -> FieldTrait:
        """Return how *name* is treated."""
        return self.fields.get(name, _PLAIN)

    @property
    def may_overstate(self) -> bool:
        """Whether the time that it tells of a value may be later than the value is."""
        return (self.dates and not self.dates_fields) or (self.skew_s > 0 and not self.is_skew_known)

    def remakes_silently(self, names: Iterable[str]) -> bool:
        """Whether it makes something else of one of *names*, and its adapter knows nothing of that."""
        return any(self.of(name).makes != "keeps" and not self.of(name).is_declared for name in names)

    def config(self) -> dict[str, JsonValue]:
        """Return what the customer has set for this vendor (`integrations.config`)."""
        return {
            "directions": {"job": "inbound", "candidate": "both", "application": "both"},
            "on_vendor_merge": self.merge_policy,
            "on_archive": dict.fromkeys(self.deletes, "delete"),
            "delete_brake": {"count": self.brake},
        }

    def odd(self) -> list[str]:
        """Return in words what is not plain about it."""
        plain = Traits(self.name)
        words = [
            f"{name}={getattr(self, name)}"
            for name in self.__slots__
            if name not in ("name", "fields", "page_size") and getattr(self, name) != getattr(plain, name)
        ]
        return words + [f"{name}: {_words(trait)}" for name, trait in sorted(self.fields.items()) if trait != _PLAIN]


_PLAIN = FieldTrait()


def _words(trait: FieldTrait) -> str:
    words = [] if trait.makes == "keeps" else [("late " if trait.is_late else "") + trait.makes]
    words += [] if trait.is_declared else ["undeclared"]
    words += [] if trait.writable else ["unwritable"]
    words += ["refusing"] if trait.refuses else []
    return " ".join(words)


def plain(name: str) -> Traits:
    """Return a vendor without oddities."""
    return Traits(name)


def drawn(name: str, roll: Random) -> Traits:
    """Return a vendor with the oddities that *roll* gives it."""
    fields = {each: _field(each, roll) for each in (*FIELDS, *MOVES) if roll.random() < 0.3}
    traits = Traits(name, fields={each: trait for each, trait in fields.items() if trait != _PLAIN})
    if roll.random() < 0.25:
        traits = replace(traits, dates=False)
    if roll.random() < 0.25:
        traits = replace(traits, dates_fields=True)
    if roll.random() < 0.3:
        traits = replace(traits, counts=False)
    if roll.random() < 0.4:
        traits = replace(traits, resolution=timedelta(seconds=1))
    if roll.random() < 0.5:
        traits = replace(traits, skew_s=roll.uniform(-300, 300), is_skew_known=roll.random() < 0.6)
    if roll.random() < 0.4:
        traits = replace(traits, list_lag_s=roll.choice([2.0, 10.0, 30.0]))
    traits = replace(
        traits,
        search_lag_s=roll.choice([0.0, 0.0, 5.0]),
        page_size=roll.choice([2, 5, 50]),
        pages_shift=roll.random() < 0.3,
        answers=roll.choice(["record", "record", "sent", "nothing"]),
        calls=roll.choice([1, 1, 2, 3]),
        whole_lists=roll.random() < 0.3,
        creates_along=roll.random() < 0.6,
        merge_policy=roll.choice(["review", "merge"]),
        names_survivors=roll.random() < 0.85,
    )
    if traits.answers == "nothing":
        # Where no answer shows what the vendor made of a value, its adapter has to know (docs/adapters.md).
        traits = replace(
            traits, fields={each: replace(trait, is_declared=True) for each, trait in traits.fields.items()}
        )
    return traits


def _field(name: str, roll: Random) -> FieldTrait:
    kind = roll.random()
    if kind < 0.2:
        return FieldTrait(writable=False)
    if kind < 0.35:
        return FieldTrait(refuses=name not in SETS)
    makes = "lower" if name in KEPT_WHOLE else roll.choice(NORMALISERS)
    is_late = roll.random() < 0.4
    return FieldTrait(makes=makes, is_late=is_late, is_declared=is_late or name in SETS or roll.random() < 0.6)
