"""
What each entity has, as data: kind and normal form of every field, and the units that a merge decides.

A *unit* is what wins or loses together: one field, or several (`name` = first and last name). Policies here are
the defaults; an integration may override them per unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.model.enums import EntityType


class Kind(StrEnum):
    """How values of a field are compared and merged."""

    SCALAR = "scalar"
    SET = "set"
    """A list in which the place means nothing; elements are matched by identity."""
    REFERENCE = "reference"
    """The id of another record. At a vendor it is that vendor's id, here it is ours."""


class NormalForm(StrEnum):
    """The form in which two values are compared; what is written is the person's spelling."""

    TEXT = "text"
    NAME = "name"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    WORD = "word"
    MOMENT = "moment"
    DATE = "date"
    MONTH = "month"
    """A date as far as careers know it: to the month."""
    AMOUNT = "amount"
    VALUE = "value"
    """Of whatever type its source gave it: a text, a number, true or false, or texts in no order."""
    EXACT = "exact"


class Policy(StrEnum):
    """Who wins when both sides changed (docs/merge.md)."""

    LWW = "lww"
    """The later edit."""
    CRITICAL = "critical"
    """Nobody: a person decides."""
    UNION = "union"
    """Sets alone: additions and removals of both sides."""
    AUTHORITY = "authority"
    """One named party; a change that only the other side made is a request to it."""
    APPEND = "append"
    """Sets alone: what one side adds the other gets, and nothing is ever taken away."""


SET_POLICIES = frozenset({Policy.UNION, Policy.APPEND})
"""Decided element by element; under any other policy a set is one value."""


class Party(StrEnum):
    """One of the two that a link brings together, as seen from the integration."""

    PORTAL = "portal"
    """Our record, whichever system gave its value: at this integration Liaison speaks for all others."""
    INTEGRATION = "integration"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an entity."""

    name: str
    kind: Kind = Kind.SCALAR
    normal: NormalForm = NormalForm.TEXT
    identity: tuple[str, ...] = ()
    """For sets of objects: the members that tell elements apart (`value`). None for sets of plain values."""
    members: Mapping[str, NormalForm] = field(default_factory=dict, hash=False)
    """
    Of objects whose members have forms of their own. In a set those beside the identity are merged one by one; an
    object that is no element is one value. None: what stands beside the identity is compared as it is.
    """
    only: frozenset[str] | None = None
    """
    Of a set of objects at one integration: the normal forms of the (first) identity member of the elements that are
    kept in step there; None = all. The others are no business of that integration, in either direction.
    """


@dataclass(frozen=True, slots=True)
class Unit:
    """What is decided together. *members* are field names in a fixed order."""

    name: str
    members: tuple[str, ...]
    policy: Policy = Policy.LWW


CUSTOM_FIELDS = "custom_fields"
"""What a company has added to a vendor's own fields, as far as its mapping names it: `{name, value}` each."""

_F = Field
_N = NormalForm

_WORK = {
    "employer": _N.WORD,
    "start": _N.MONTH,
    "title": _N.TEXT,
    "end": _N.MONTH,
    "current": _N.EXACT,
    "description": _N.TEXT,
}
_EDUCATION = {
    "institution": _N.WORD,
    "start": _N.MONTH,
    "degree": _N.TEXT,
    "field": _N.TEXT,
    "year": _N.AMOUNT,
    "end": _N.MONTH,
}
_QUALIFICATION = {
    "name": _N.WORD,
    "issuer": _N.WORD,
    "number": _N.TEXT,
    "issue_date": _N.DATE,
    "expiry_date": _N.DATE,
}
_CUSTOM = {"name": _N.WORD, "value": _N.VALUE}
_SALARY = {"amount_min": _N.AMOUNT, "amount_max": _N.AMOUNT, "currency": _N.WORD, "period": _N.WORD}

FIELDS: Mapping[EntityType, Mapping[str, Field]] = {
    entity: {field.name: field for field in fields}
    for entity, fields in {
        EntityType.CANDIDATE: (
            _F("first_name", normal=_N.NAME),
            _F("last_name", normal=_N.NAME),
            _F("preferred_name", normal=_N.NAME),
            _F("email", normal=_N.EMAIL),
            _F("further_emails", Kind.SET, _N.EMAIL, identity=("value",)),
            _F("phone", normal=_N.PHONE),
            _F("further_phones", Kind.SET, _N.PHONE, identity=("value",)),
            _F("addresses", Kind.SET, _N.TEXT, identity=("value",)),
            _F("linkedin_url", normal=_N.URL),
            _F("links", Kind.SET, _N.URL, identity=("value",)),
            _F("current_company"),
            _F("current_title"),
            _F("experience_years", normal=_N.AMOUNT),
            _F("work_history", Kind.SET, identity=("employer", "start"), members=_WORK),
            _F("education", Kind.SET, identity=("institution", "start"), members=_EDUCATION),
            _F("skills", Kind.SET, _N.WORD),
            _F("qualifications", Kind.SET, identity=("name", "issuer"), members=_QUALIFICATION),
            _F("languages", Kind.SET, identity=("language",), members={"language": _N.WORD, "level": _N.WORD}),
            _F("desired_roles", Kind.SET, _N.WORD),
            _F("desired_locations", Kind.SET, _N.WORD),
            _F("work_mode", normal=_N.WORD),
            _F("employment_types", Kind.SET, _N.WORD),
            _F("salary_expectation", members=_SALARY),
            _F("notice_period"),
            _F("earliest_start", normal=_N.DATE),
            _F("relocation", normal=_N.EXACT),
            _F("work_authorisation"),
            _F("tags", Kind.SET, _N.TEXT),
            _F("time_zone"),
            _F("restricted", normal=_N.EXACT),
            _F("can_email", normal=_N.EXACT),
            _F(CUSTOM_FIELDS, Kind.SET, identity=("name",), members=_CUSTOM),
        ),
        EntityType.APPLICATION: (
            _F("candidate_id", Kind.REFERENCE, _N.EXACT),
            _F("job_id", Kind.REFERENCE, _N.EXACT),
            _F("stage"),
            _F("status", normal=_N.WORD),
            _F("rejection_reason"),
            _F("source"),
            _F("applied_at", normal=_N.MOMENT),
            _F("prospect", normal=_N.EXACT),
            _F(CUSTOM_FIELDS, Kind.SET, identity=("name",), members=_CUSTOM),
        ),
        EntityType.JOB: (
            _F("title"),
            _F("requisition_id"),
            _F("status", normal=_N.WORD),
            _F("department"),
            _F("location"),
            _F("description"),
            _F("created_date", normal=_N.DATE),
            _F("stages", normal=_N.EXACT),
            _F(CUSTOM_FIELDS, Kind.SET, identity=("name",), members=_CUSTOM),
        ),
    }.items()
}
"""Every field by entity, in the order in which it is shown."""

_CRITICAL = frozenset({"preferred_name", "email", "phone"})
_GROUPS: Mapping[EntityType, tuple[Unit, ...]] = {
    EntityType.CANDIDATE: (Unit("name", ("first_name", "last_name"), Policy.CRITICAL),),
}


def units_of(entity: EntityType) -> tuple[Unit, ...]:
    """Return the units of *entity*: its groups first, then every other field as a unit of its own."""
    groups = _GROUPS.get(entity, ())
    grouped = {member for unit in groups for member in unit.members}
    return groups + tuple(
        Unit(field.name, (field.name,), _default_policy(field))
        for field in FIELDS[entity].values()
        if field.name not in grouped
    )


def _default_policy(field: Field) -> Policy:
    if field.kind is Kind.SET:
        return Policy.UNION
    return Policy.CRITICAL if field.name in _CRITICAL else Policy.LWW


UNITS: Mapping[EntityType, Mapping[str, Unit]] = {
    entity: {unit.name: unit for unit in units_of(entity)} for entity in FIELDS
}
"""Every unit by entity and name."""
