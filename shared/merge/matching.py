"""
Who a vendor's record is: matched with one of ours, new, or a person's question. Never a guess.

The link map comes first and is not asked here; this decides about a vendor record that has no link yet. Of three rungs
the first that finds anybody decides (docs/identity.md): verified e-mail; phone with a name that agrees; name and
employer, which only ever suggest.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

from pydantic import JsonValue

from shared.merge.normal_forms import form_of
from shared.model.fields import NormalForm

EMAIL = "email"

SHARED_BY = 3
"""So many people with one number are a family, a household or an agency: it tells nobody apart."""

MOST_NAMESAKES = 5
"""More people of one name at one employer are no suggestion."""

PHONE_LOCKS = 64
"""A page holds at most so many locks on phone numbers; PostgreSQL's lock table is not made for one of each."""

# One @, a dotted host, nothing that belongs to a list or a display name. Deliverability is not the question here.
_EMAIL = re.compile(r"[^\s@<>\"(),:;\[\]\\]{1,64}@(?:[\w](?:[\w-]{0,61}[\w])?\.)+[^\W\d_][\w-]{0,62}")
_LONGEST_EMAIL = 254
_E164 = re.compile(r"\+[1-9]\d{7,14}", re.ASCII)

_KEYS_KEPT = 2_048
"""A page's: its records are told apart in several steps, and each asks for the same keys."""


@dataclass(frozen=True, slots=True)
class Person:
    """One of our records that holds an identity key of a vendor's record."""

    record_id: str
    first_name: str | None = None
    last_name: str | None = None
    is_linked: bool = False
    """It has a live link in this integration."""
    email: str | None = None
    phone: str | None = None
    current_company: str | None = None

    @property
    def values(self) -> Mapping[str, JsonValue]:
        """What is known of it, by field."""
        return {
            "first_name": self.first_name,
            "last_name": self.last_name,
            "email": self.email,
            "phone": self.phone,
            "current_company": self.current_company,
        }


@dataclass(frozen=True, slots=True)
class Matched:
    """It is this record of ours."""

    record_id: str


@dataclass(frozen=True, slots=True)
class New:
    """Nobody of ours."""


@dataclass(frozen=True, slots=True)
class NewButPossibleDuplicate:
    """A record of its own, and worth a look: *record_ids* of ours, *external_ids* of its own page hold its key too."""

    record_ids: tuple[str, ...] = ()
    external_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """
    A person must say; until then it is parked.

    *reason* is stable: `several_records`, `name_differs`, or `keys_disagree` (its e-mail is one's, its phone is
    another's).
    """

    record_ids: tuple[str, ...]
    reason: str


Match = Matched | New | NewButPossibleDuplicate | Ambiguous


@dataclass(slots=True)
class Arrival:
    """
    A vendor's record without a link, with those of ours that hold one of its identity keys.

    Never changed; not frozen only because a page makes hundreds.
    """

    external_id: str
    values: Mapping[str, JsonValue]
    people: Sequence[Person] = ()
    """Of its e-mail address."""
    same_phone: Sequence[Person] = ()
    namesakes: Sequence[Person] = ()
    """Of its name."""


def valid_email(value: JsonValue) -> bool:
    """Tell whether *value* is one well-formed e-mail address and nothing else."""
    if not isinstance(value, str):
        return False
    text = value.strip()
    return len(text) <= _LONGEST_EMAIL and ".." not in text and _EMAIL.fullmatch(text) is not None


def identity_keys(values: Mapping[str, JsonValue]) -> list[tuple[str, str]]:
    """Return what a candidate is recognised by, as (kind, key): the primary e-mail, where it is well-formed."""
    email = values.get("email")
    key = _email_key(email) if isinstance(email, str) else None
    return [] if key is None else [(EMAIL, key)]


@lru_cache(maxsize=_KEYS_KEPT)
def _email_key(email: str) -> str | None:
    return form_of(NormalForm.EMAIL)(email) if valid_email(email) else None


def match(values: Mapping[str, JsonValue], people: Sequence[Person]) -> Match:
    """
    Decide who the vendor's record *values* is, given those of ours that hold its identity key.

    Matched only where exactly one holds the key, has no live link in this integration and no contradicting name. Those
    that have a link already are somebody else: the vendor itself keeps them apart.
    """
    if not people or not identity_keys(values):
        return New()
    record_ids = tuple(sorted({person.record_id for person in people}))
    if all(person.is_linked for person in people):
        return NewButPossibleDuplicate(record_ids)
    if len(record_ids) > 1:
        return Ambiguous(record_ids, "several_records")
    if contradict(values, {"first_name": people[0].first_name, "last_name": people[0].last_name}):
        return Ambiguous(record_ids, "name_differs")
    return Matched(record_ids[0])


def match_page(arrivals: Sequence[Arrival]) -> dict[str, Match]:
    """
    Decide all unlinked records of a page together, by external id.

    Where several of them hold one key, the vendor keeps them apart: the first by external id is decided as if alone,
    the others are new and possible duplicates of it, whatever the order of the page.
    """
    numbers = Counter([phone_identity(arrival.values) for arrival in arrivals])
    firsts: dict[tuple[str, str], Arrival] = {}
    earlier: dict[str | None, list[Arrival]] = {}
    found: dict[str, Match] = {}
    for arrival in sorted(arrivals, key=lambda each: (len(each.external_id), each.external_id)):
        phone = phone_identity(arrival.values)
        decided = _match_alone(arrival, numbers[phone])
        if isinstance(decided, New) and phone is not None and numbers[phone] < SHARED_BY:
            decided = _beside(arrival, earlier.get(phone, ()))
        if isinstance(decided, New):
            decided = suggested(arrival.values, arrival.namesakes)
        for key in identity_keys(arrival.values):
            first = firsts.setdefault(key, arrival)
            if first is not arrival and not isinstance(decided, Ambiguous):
                record_ids = tuple(sorted({person.record_id for person in arrival.people}))
                decided = NewButPossibleDuplicate(record_ids, (first.external_id,))
        earlier.setdefault(phone, []).append(arrival)
        found[arrival.external_id] = decided
    return found


def _match_alone(arrival: Arrival, of_this_number: int) -> Match:
    """Decide by e-mail, then by phone; *of_this_number* records of the page hold its number, itself included."""
    by_email = match(arrival.values, arrival.people)
    by_phone = match_by_phone(arrival.values, arrival.same_phone, of_this_number)
    if isinstance(by_email, New):
        return by_phone
    if isinstance(by_email, Matched) and isinstance(by_phone, Matched) and by_email != by_phone:
        return Ambiguous(tuple(sorted((by_email.record_id, by_phone.record_id))), "keys_disagree")
    return by_email


def match_by_phone(values: Mapping[str, JsonValue], people: Sequence[Person], of_this_number: int = 1) -> Match:
    """
    Decide who *values* is, given those of ours that hold its phone number.

    Matched only where the number is one person's on both sides, the name agrees, and two e-mail addresses don't say
    otherwise. Else those whose name does not contradict are worth a look, unless many share the number.
    """
    if not people:
        return New()
    people = [person for person in people if phone_identity(person.values) == phone_identity(values)]
    if phone_identity(values) is None or max(len(people), of_this_number) >= SHARED_BY:
        return New()
    likely = [person for person in people if not contradict(values, person.values)]
    if not likely:
        return New()
    is_sole = len(people) == of_this_number == 1
    if is_sole and not likely[0].is_linked and _is_agreed(values, likely[0].values):
        return Matched(likely[0].record_id)
    return NewButPossibleDuplicate(tuple(sorted({person.record_id for person in likely})))


def suggested(values: Mapping[str, JsonValue], people: Sequence[Person]) -> Match:
    """
    Return whom *values* may be by name and employer: a suggestion at most.

    Those with a link in this integration are left out: that the vendor itself has both is worth more than a name.
    """
    if not people:
        return New()
    wanted = name_identity(values)
    likely = {
        person.record_id
        for person in people
        if wanted is not None and not person.is_linked and name_and_employer(person.values) == wanted
    }
    return NewButPossibleDuplicate(tuple(sorted(likely))) if 0 < len(likely) <= MOST_NAMESAKES else New()


def _beside(arrival: Arrival, of_page: Sequence[Arrival]) -> Match:
    """Return *arrival* beside earlier records of its page that have its number."""
    theirs = [each.external_id for each in of_page if not contradict(arrival.values, each.values)]
    return NewButPossibleDuplicate((), tuple(theirs)) if theirs else New()


def phone_identity(values: Mapping[str, JsonValue]) -> str | None:
    """Return the primary phone number as E.164; None for one without a country, or an extension of a switchboard."""
    phone = values.get("phone")
    return _phone_key(phone) if isinstance(phone, str) else None


@lru_cache(maxsize=_KEYS_KEPT)
def _phone_key(phone: str) -> str | None:
    form = form_of(NormalForm.PHONE)(phone)
    return form if _E164.fullmatch(form) else None


def phone_digits(phone: str) -> tuple[str, ...]:
    """
    Return the digits under which records that write the E.164 number *phone* may be stored.

    Some put the trunk prefix into it: `+44 (0)20 …`. Countries have codes of one to three digits; +1 and +7 are the
    only ones of one, and +1 knows no prefix.
    """
    digits = phone.removeprefix("+")
    sizes = {"1": (), "7": (1,)}.get(digits[0], (2, 3))
    return (digits, *(f"{digits[:size]}0{digits[size:]}" for size in sizes))


def phone_lock(phone: str) -> str:
    """Return what is locked while somebody of that number may be made."""
    return f"phone {crc32(phone.encode()) % PHONE_LOCKS}"


def name_identity(values: Mapping[str, JsonValue]) -> tuple[str, str, str] | None:
    """
    Return last name, first name and employer, folded, where they may suggest somebody; None unless all are known.

    With an e-mail address and a phone number given, and neither known here, a namesake is the likelier answer.
    """
    if identity_keys(values) and phone_identity(values) is not None:
        return None
    return name_and_employer(values)


def name_and_employer(values: Mapping[str, JsonValue]) -> tuple[str, str, str] | None:
    """Return last name, first name and employer, folded; None unless all are known."""
    employer = values.get("current_company")
    at = form_of(NormalForm.WORD)(employer) if isinstance(employer, str) else ""
    if not at:
        return None
    first, last = _name(values)
    return (last, first, at) if last and first else None


def _is_agreed(one: Mapping[str, JsonValue], other: Mapping[str, JsonValue]) -> bool:
    """Whether last names are the same, first names too as far as both say, and e-mail addresses don't differ."""
    (mine, my_last), (theirs, their_last) = _name(one), _name(other)
    emails = {key for values in (one, other) for _, key in identity_keys(values)}
    shorter, longer = sorted((mine.rstrip("."), theirs.rstrip(".")))  # a beginning sorts before the whole
    is_same_first = shorter == longer or (len(shorter) <= 1 and longer.startswith(shorter))  # an initial, or nothing
    return bool(my_last) and my_last == their_last and is_same_first and len(emails) <= 1


def contradict(one: Mapping[str, JsonValue], other: Mapping[str, JsonValue]) -> bool:
    """Tell whether two names can't be one person's: both known, and neither first nor last name shared."""
    mine, theirs = _name(one), _name(other)
    if not any(mine) or not any(theirs):
        return False
    return not any(part and part in theirs for part in mine)


def _name(values: Mapping[str, JsonValue]) -> tuple[str, str]:
    # WORD, the folding form: case is no difference between two spellings of one name.
    first, last = (values.get(name) for name in ("first_name", "last_name"))
    fold = form_of(NormalForm.WORD)
    return fold(first) if isinstance(first, str) else "", fold(last) if isinstance(last, str) else ""
