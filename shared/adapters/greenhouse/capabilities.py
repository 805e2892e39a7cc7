"""What Greenhouse lets us do, field by field. Printed into docs/adapters.md; sections are those of docs/vendors."""

from __future__ import annotations

from datetime import timedelta

from shared.adapters.protocol import Capabilities, EntityCapability, FieldCapability
from shared.model import EntityType

_BOTH = FieldCapability(writable=True)
_SET = FieldCapability(writable=True, note="the whole list is replaced, so it is sent whole (6.2)")


def _both(note: str) -> FieldCapability:
    return FieldCapability(writable=True, note=note)


def _read(note: str) -> FieldCapability:
    return FieldCapability(writable=False, note=note)


_NOT_ITS = FieldCapability(readable=False, note="Greenhouse has no such field; a company may keep it in a custom field")
_BESIDE = FieldCapability(
    readable=False, note="a resource of its own that can't be changed, only deleted and made anew: not read yet"
)
_CUSTOM = "those that the mapping names; every type but attachments and masked ones (8.6)"
_V3 = "not shown by Harvest v1 (10.4)"
_OURS = "requisitions belong to Greenhouse: Liaison only reads them"
_POST = "where a Job Board is connected and a post of the job is live, the post's"
_RENAMED = f"{_OURS}; a new name in its dictionary doesn't touch the job (3.6)"

CANDIDATE = EntityCapability(
    fields={
        "first_name": _BOTH,
        "last_name": _BOTH,
        "preferred_name": _both(_V3),
        "email": _both("no entry is marked primary: the first personal, else work, else other one (8.1)"),
        "further_emails": _SET,
        "phone": _both("no entry is marked primary: the first mobile, else home, else work, else other one (8.1)"),
        "further_phones": FieldCapability(writable=True, note="as above; Skype handles are left alone (6.2)"),
        "addresses": _SET,
        "linkedin_url": _both("the first link whose host is LinkedIn's (8.1)"),
        "links": _SET,
        "current_company": _BOTH,
        "current_title": _BOTH,
        "experience_years": _NOT_ITS,
        "work_history": _BESIDE,
        "education": _BESIDE,
        "skills": _NOT_ITS,
        "qualifications": _NOT_ITS,
        "languages": _NOT_ITS,
        "desired_roles": _NOT_ITS,
        "desired_locations": _NOT_ITS,
        "work_mode": _NOT_ITS,
        "employment_types": _NOT_ITS,
        "salary_expectation": _NOT_ITS,
        "notice_period": _NOT_ITS,
        "earliest_start": _NOT_ITS,
        "relocation": _NOT_ITS,
        "work_authorisation": _NOT_ITS,
        "tags": _SET,
        "time_zone": _both(f"a Rails zone name; {_V3}"),
        "restricted": _both("read as private, written as is_private (6.2)"),
        "can_email": _BOTH,
        "custom_fields": _both(f"{_CUSTOM}; of users and rich text nothing is written (6.12)"),
    },
    create=True,
    update=True,
    delete=True,
    search_lag=timedelta(minutes=1),
)
APPLICATION = EntityCapability(
    fields={
        "candidate_id": _read("set when it is created; a merge of candidates moves it (6.3, 6.4)"),
        "job_id": _read("set when it is created (6.4)"),
        "stage": _both("moved by name within the job; empty for prospects and ended applications (6.5, 8.2)"),
        "status": _both("active, rejected, withdrawn and hired; a hire can't be undone by the API (6.6, 6.7)"),
        "rejection_reason": _both(
            "by name; only while rejected; needs the dictionary of reasons; v1 can't change it alone (6.6)"
        ),
        "source": _read("set when it is created; needs the dictionary of sources (6.4)"),
        "applied_at": _read("the vendor's time of creation (8.2)"),
        "prospect": _read("a prospect is converted by a person (6.10)"),
        "custom_fields": _both(f"{_CUSTOM}; of users and rich text nothing is written (6.12)"),
    },
    create=True,
    update=True,
    delete=True,
    search_lag=timedelta(minutes=1),
)
JOB = EntityCapability(
    fields={
        "title": _read(_OURS),
        "requisition_id": _read(_OURS),
        "status": _read(_OURS),
        "department": _read(_RENAMED),
        "location": _read(f"{_POST}; else its offices (11.1). {_RENAMED}"),
        "description": _read(f"{_POST} text; else the internal notes (11.1). HTML without scripts and styles. {_OURS}"),
        "created_date": _read(_OURS),
        "stages": _read(f"{_OURS}; pulled by the stages' own times, for a stage's change doesn't touch its job (3.6)"),
        "custom_fields": _read(f"{_CUSTOM}; {_OURS}"),
    },
)
CAPABILITIES = Capabilities(
    entities={EntityType.JOB: JOB, EntityType.CANDIDATE: CANDIDATE, EntityType.APPLICATION: APPLICATION},
    time_resolution=timedelta(milliseconds=1),
    webhook_api=False,
    page_size=500,
)
