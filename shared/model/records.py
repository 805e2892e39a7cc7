"""
Canonical records.

A field has three states: a value, empty (`None`, set explicitly), or *not visible* (never set). Which one it is stands
in pydantic's `model_fields_set`, so a reader maps only what the payload really carried:

    Candidate(external_id="7", email="a@example.org", phone=None)  # e-mail: a value; phone: empty; the rest: unseen
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, ClassVar, NotRequired, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, SkipValidation, with_config
from typing_extensions import TypedDict

from shared.model.enums import EntityType

JsonObject = dict[str, JsonValue]
Number = Annotated[int, Field(ge=-(2**63), lt=2**63)] | Annotated[float, Field(allow_inf_nan=False)]
"""A number that JSON can hold; beyond 64 bits it is not whole any more."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Another record as the vendor names it."""

    entity: EntityType
    external_id: str


class Contact(TypedDict):
    """An e-mail address, a phone number, a postal address or a link, with the vendor's word for its type."""

    value: str
    type: NotRequired[str | None]


@with_config(extra="forbid")
class Employment(TypedDict):
    """One post of a person's work history. *start* and *end* are `2018`, `2018-09` or `2018-09-01`."""

    employer: NotRequired[str | None]
    title: NotRequired[str | None]
    start: NotRequired[str | None]
    end: NotRequired[str | None]
    current: NotRequired[bool | None]
    description: NotRequired[str | None]


@with_config(extra="forbid")
class Education(TypedDict):
    """One course of study. *year* is the one of its end, where no more is known."""

    institution: NotRequired[str | None]
    degree: NotRequired[str | None]
    field: NotRequired[str | None]
    year: NotRequired[int | None]
    start: NotRequired[str | None]
    end: NotRequired[str | None]


@with_config(extra="forbid")
class Qualification(TypedDict):
    """A certificate or a licence. Dates are ISO 8601."""

    name: NotRequired[str | None]
    issuer: NotRequired[str | None]
    number: NotRequired[str | None]
    issue_date: NotRequired[str | None]
    expiry_date: NotRequired[str | None]


@with_config(extra="forbid")
class Language(TypedDict):
    """A language that a person speaks, and how well, in the source's own word (`C1`, `native`)."""

    language: NotRequired[str | None]
    level: NotRequired[str | None]


@with_config(extra="forbid")
class Salary(TypedDict):
    """What a person wants to earn: ISO 4217 *currency*, for each *period* (`year`, `month`, `hour`)."""

    amount_min: NotRequired[Number | None]
    amount_max: NotRequired[Number | None]
    currency: NotRequired[str | None]
    period: NotRequired[str | None]


@with_config(extra="forbid")
class CustomField(TypedDict):
    """
    A field that a company has added of its own. *value* is never empty: a field without a value is no element.

    A choice is its text, several are texts; a day is ISO 8601, an amount `45000 EUR`, a range `20..40` or `..40 EUR`.
    """

    name: str
    value: bool | int | float | str | list[str]


class PipelineStage(TypedDict):
    """A stage of a job's pipeline. *id* is the vendor's."""

    id: str
    name: str
    order: int
    active: bool


class Record(BaseModel):
    """
    One record as one side shows it.

    Everything declared here is about the record; what the subclasses declare is what is kept in step.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    entity: ClassVar[EntityType]

    external_id: str
    updated_at: AwareDatetime | None = None
    """The vendor's own time of its last change."""
    field_times: SkipValidation[Mapping[str, datetime]] = Field(default_factory=dict)
    """The vendor's own times of its last changes by field, where it has them; with a zone."""
    vendor_version: str | None = None
    """
    What the vendor counts its changes by, where it does; compared as text of equal length.

    `what=count` where one record may come with counts of several things: only those of one thing are compared.
    """
    references: dict[str, Reference] = Field(default_factory=dict)
    """Fields of kind REFERENCE, as the vendor names them."""
    anonymized: bool = False
    """The vendor has erased this person."""
    left_out: bool = False
    """The integration's mapping does not want it brought in. One that is here already is kept in step all the same."""
    unseen_custom_fields: tuple[str, ...] = ()
    """Keys of those that were asked for and that this record does not show: of them nothing is known."""
    warnings: tuple[str, ...] = ()
    """What could not be mapped, by path and reason; never a value."""
    raw: SkipValidation[Mapping[str, Any]] = Field(default_factory=dict)
    """The vendor's payload, for building whole-list writes. Never stored, never logged."""

    def visible(self) -> dict[str, JsonValue]:
        """Return the fields that this side really showed, as JSON values; `None` is empty."""
        names, values = self.model_fields_set - _ABOUT, self.__dict__
        # Nearly every value is its own JSON; pydantic would copy each of them, at twice the price of the rest.
        shown = {name: values[name] for name in names}
        if _JSON.issuperset(map(type, shown.values())):
            return shown
        others = {name for name, value in shown.items() if type(value) not in _JSON}
        return {**shown, **self.model_dump(mode="json", include=others)}

    def without_raw(self) -> Self:
        """Return the same record less the vendor's payload."""
        return self._copied({**self.__dict__, "raw": {}}, self.model_fields_set)

    def about(self) -> dict[str, Any]:
        """Return what is known about the record: neither values nor the vendor's payload."""
        values = self.__dict__
        return {name: values[name] for name in self.model_fields_set & _TOLD}

    @classmethod
    def of(cls, about: dict[str, Any]) -> Self:
        """Return a record of which nothing but *about* is known. It was a record's, and is not validated again."""
        blank: Self = _blank(cls)
        return cls._copied(blank, {**blank.__dict__, **about}, {*about})

    def showing(self, values: Mapping[str, JsonValue], *, left_out: bool) -> Self:
        """Return the same record with *values* for its visible fields. Raises pydantic's ValidationError."""
        about = {name: self.__dict__[name] for name in self.model_fields_set & _ABOUT}
        return type(self).model_validate({**about, **values, "left_out": left_out})

    def _copied(self, values: dict[str, Any], shown: set[str]) -> Self:
        # What `model_copy` does, less the looks at private and extra fields that no record has.
        copy = type(self).__new__(type(self))
        object.__setattr__(copy, "__dict__", values)
        object.__setattr__(copy, "__pydantic_fields_set__", shown)
        object.__setattr__(copy, "__pydantic_extra__", None)
        object.__setattr__(copy, "__pydantic_private__", None)
        return copy

    def __repr__(self) -> str:
        return f"{type(self).__name__}(external_id={self.external_id!r})"

    __str__ = __repr__


@cache
def _blank(kind: type[Record]) -> Any:
    return kind(external_id="")


_ABOUT = frozenset(Record.model_fields)
_TOLD = _ABOUT - {"raw"}
_JSON = frozenset({str, bool, int, list, dict, type(None)})
"""Types of values that are JSON as they are; so is what lists and dicts of records hold."""


class CandidateFields(BaseModel):
    """What of a candidate is kept in step; also what the portal may send."""

    first_name: str | None = None
    last_name: str | None = None
    preferred_name: str | None = None
    email: str | None = None
    further_emails: list[Contact] | None = None
    phone: str | None = None
    further_phones: list[Contact] | None = None
    addresses: list[Contact] | None = None
    linkedin_url: str | None = None
    links: list[Contact] | None = None
    current_company: str | None = None
    current_title: str | None = None
    experience_years: Number | None = None
    work_history: list[Employment] | None = None
    education: list[Education] | None = None
    skills: list[str] | None = None
    qualifications: list[Qualification] | None = None
    languages: list[Language] | None = None
    desired_roles: list[str] | None = None
    desired_locations: list[str] | None = None
    work_mode: str | None = None
    employment_types: list[str] | None = None
    salary_expectation: Salary | None = None
    notice_period: str | None = None
    earliest_start: date | None = None
    relocation: bool | None = None
    work_authorisation: str | None = None
    tags: list[str] | None = None
    time_zone: str | None = None
    restricted: bool | None = None
    can_email: bool | None = None
    custom_fields: list[CustomField] | None = None


class ApplicationFields(BaseModel):
    """What of an application is kept in step. *candidate_id* and *job_id* are ours."""

    candidate_id: str | None = None
    job_id: str | None = None
    stage: str | None = None
    status: str | None = None
    rejection_reason: str | None = None
    source: str | None = None
    applied_at: AwareDatetime | None = None
    prospect: bool | None = None
    custom_fields: list[CustomField] | None = None


class JobFields(BaseModel):
    """What of a requisition is kept in step."""

    title: str | None = None
    requisition_id: str | None = None
    status: str | None = None
    department: str | None = None
    location: str | None = None
    description: str | None = None
    created_date: date | None = None
    stages: list[PipelineStage] | None = None
    custom_fields: list[CustomField] | None = None


class Candidate(CandidateFields, Record):
    """A person who may be hired."""

    entity: ClassVar[EntityType] = EntityType.CANDIDATE


class Application(ApplicationFields, Record):
    """One candidate's bid for one job."""

    entity: ClassVar[EntityType] = EntityType.APPLICATION


class Job(JobFields, Record):
    """A requisition with the stages of its pipeline."""

    entity: ClassVar[EntityType] = EntityType.JOB


_TYPES: Mapping[EntityType, type[Record]] = {cls.entity: cls for cls in (Job, Candidate, Application)}


def record_type(entity: EntityType) -> type[Record]:
    """Return the class of *entity*."""
    return _TYPES[entity]
