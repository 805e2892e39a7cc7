"""The generated organisation: users, dictionaries and jobs. Same seed, same organisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.vendors.greenhouse import jobs as job_rules
from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.clock import moment_text, seconds_of
from sandbox.vendors.greenhouse.shares import is_turn
from sandbox.vendors.greenhouse.tables import Row

# Generated data lies before this, so that it is older than whatever happens while serving.
ANCHOR_S = seconds_of("2024-06-01T00:00:00Z")
DAY_S = 86400
FEWEST_JOBS = 12
MOST_JOBS = 200
USERS = (
    ("Ada", "Recruiter", True, False, "E-100"),
    ("Bjørn", "Koordinator", False, False, "E-101"),
    ("Chidi", "Nwosu", False, False, None),
    ("Dana", "O'Brien", True, False, "E-103"),
    ("Eve", "Former", False, True, "E-104"),
)
DEPARTMENTS = ("Engineering", "Platform", "Sales", "Customer Success", "People & Culture")
OFFICES = (("Leeds", "Leeds, UK"), ("Zürich", "Zürich, Schweiz"), ("東京", "東京都千代田区"))
SOURCES = (
    ("LinkedIn (Prospecting)", 4, "Prospecting"),
    ("Indeed", 3, "Third-party boards"),
    ("Referral", 2, "Referral"),
    ("Jobs page on your website", 6, "Company marketing"),
    ("Internal Applicant", 9, "Other"),
)
REASONS = (
    ("Lacking skill(s)/qualification(s)", 1, "WE_REJECTED_THEM", "We rejected them"),
    ("Hired another candidate", 1, "WE_REJECTED_THEM", "We rejected them"),
    ("Accepted another offer", 2, "THEY_REJECTED_US", "They rejected us"),
    ("Salary expectations", 2, "THEY_REJECTED_US", "They rejected us"),
    ("Other (add notes below)", 3, "NONE_SPECIFIED", "None specified"),
    ("Spam", 4, "SECURITY_CONCERN", "Security concern"),
)
# (field_type, name, value_type, options); one of each value type on the candidate.
CUSTOM_FIELDS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("candidate", "Notice period", "single_select", ("None", "1 month", "3 months")),
    ("candidate", "Languages", "multi_select", ("English", "Deutsch", "日本語", "العربية")),
    ("candidate", "Headline", "short_text", ()),
    ("candidate", "Motivation", "long_text", ()),
    ("candidate", "Willing to relocate", "yes_no", ()),
    ("candidate", "Desired salary", "currency", ()),
    ("candidate", "Salary range", "currency_range", ()),
    ("candidate", "Years of experience", "number", ()),
    ("candidate", "Weekly hours", "number_range", ()),
    ("candidate", "Available from", "date", ()),
    ("candidate", "Portfolio", "url", ()),
    ("candidate", "Internal sponsor", "user", ()),
    ("application", "Interview format", "single_select", ("Remote", "On site")),
    ("application", "Priority", "number", ()),
    ("job", "Employment Type", "single_select", ("Full-time", "Part-time", "Contract")),
    ("job", "Budget", "currency_range", ()),
    ("standard", "School name", "single_select", ("ETH Zürich", "東京大学", "University of Leeds")),
    ("standard", "Degree", "single_select", ("Bachelor's Degree", "Master's Degree", "Other")),
    ("standard", "Discipline", "single_select", ("Computer Science", "Law", "Nursing")),
)
TITLES = (
    "Backend Engineer", "Data Engineer", "Account Executive", "Product Designer", "Nurse",
    "Softwareentwickler (m/w/d)", "Ingénieur·e qualité", "ソフトウェアエンジニア", "C++ & Go <Lead>",
)  # fmt: skip


def build(account: Account, *, jobs: int | None) -> None:
    """Make the dictionaries once, and jobs until there are *jobs* of them (12 to 200)."""
    if not len(account["users"]):
        _users(account)
        _dictionaries(account)
        _custom_fields(account)
    wanted = account.settings.people // 100 if jobs is None else jobs
    if jobs is None:
        wanted = max(FEWEST_JOBS, wanted)
    for number in range(len(account["jobs"]), min(wanted, MOST_JOBS)):
        _job(account, number)


def times(days_before: float) -> dict[str, str]:
    """Both times of a row made so many days before the anchor."""
    text = moment_text(ANCHOR_S - days_before * DAY_S)
    return {"created_at": text, "updated_at": text}


def _users(account: Account) -> None:
    for first, last, admin, deactivated, employee_id in USERS:
        address = f"{first}.{last}@acme.example".lower().replace("'", "")
        row = _user(account, first, last, address, site_admin=admin)
        account.save("users", row | {"deactivated": deactivated, "employee_id": employee_id}, touch=False)
        account.add("user_emails", user_id=row["id"], email=address, verified=True, **times(900))
    account.admin_user_id = account["users"].ids()[0]
    # A service account has an empty primary e-mail (section 8.5).
    service = _user(account, "Integration", "Service", "", site_admin=True)
    account.service_user_id = service["id"]


def _user(account: Account, first: str, last: str, address: str, *, site_admin: bool) -> Row:
    return account.add(
        "users",
        first_name=first,
        last_name=last,
        name=f"{first} {last}",
        primary_email=address,
        emails=[address] if address else [],
        job_title=None,
        employee_id=None,
        deactivated=False,
        site_admin=site_admin,
        department_ids=[],
        office_ids=[],
        linked_candidate_ids=[],
        interviewer_tags=[],
        agency_id=None,
        **times(900),
    )


def _dictionaries(account: Account) -> None:
    old = times(1000)
    parent = None
    for number, name in enumerate(DEPARTMENTS):
        row = account.add(
            "departments",
            name=name,
            parent_id=parent if number == 1 else None,
            external_id=f"dept-{number}" if number % 2 else None,
            **old,
        )
        parent = row["id"]
    for name, location in OFFICES:
        account.add(
            "offices",
            name=name,
            location=location,
            parent_id=None,
            external_id=None,
            primary_in_house_contact_user_id=account.admin_user_id,
            **old,
        )
    for name, kind, strategy in SOURCES:
        account.add("sources", name=name, type={"id": kind, "name": strategy}, **old)
    for name, kind, key, label in REASONS:
        type_ = {"id": kind, "key": key, "name": label}
        account.add("rejection_reasons", name=name, type=type_, **old)
    for name in ("Hire - New Headcount", "Hire - Backfill", "On hold"):
        account.add("close_reasons", name=name, **old)
    account.add("referrers", name="Ada Recruiter", user_id=account.admin_user_id, **old)
    account.add("referrers", name="Hollow Oak Agency", user_id=None, **old)
    account.add("job_boards", name=account.settings.board_token, **old)
    pool = account.add("prospect_pools", name="Silver medallists", active=True, **old)
    account.add("prospect_pool_stages", prospect_pool_id=pool["id"], name="New", sort_order=0, **old)


def _custom_fields(account: Account) -> None:
    for field_type, name, value_type, options in CUSTOM_FIELDS:
        row = account.add(
            "custom_fields",
            field_type=field_type,
            name=name,
            name_key=name.lower().replace(" ", "_"),
            value_type=value_type,
            private=False,
            required=False,
            active=True,
            internal_type=None,
            **times(1000),
        )
        for position, option in enumerate(options):
            account.add(
                "custom_field_options",
                custom_field_id=row["id"],
                name=option,
                external_id=None,
                sort_order=position,
                active=option != "Other",  # an inactive option that people still have
                **times(1000),
            )


def _job(account: Account, number: int) -> None:
    """Job *number*; drafts, closed ones and templates come round among the open ones."""
    is_template = is_turn(number, every=12, at=11)
    status = {5: "draft", 8: "closed"}.get(number % 12, "open")
    opened_at = None if status == "draft" else times(800 - number % 300)["created_at"]
    offices, departments = account["offices"].ids(), account["departments"].ids()
    row = account.add(
        "jobs",
        name=TITLES[number % len(TITLES)],
        requisition_id=f"REQ-{number:04d}" if number % 3 else None,
        status="draft" if is_template else status,
        department_id=departments[number % len(departments)] if number % 4 else None,
        office_ids=None if is_turn(number, every=7, at=3) else offices[: number % 4],
        opened_at=opened_at,
        closed_at=times(100)["created_at"] if status == "closed" else None,
        notes="<p>Replacement hire &amp; <b>urgent</b></p>" if number % 2 else None,
        confidential=is_turn(number, every=17, at=16),
        is_template=is_template,
        copied_from_id=account["jobs"].ids()[0] if number % 5 == 1 else None,
        custom_fields=_job_fields(number),
        **times(810 - number % 300),
    )
    _around_job(account, row, number)


def _job_fields(number: int) -> dict[str, Mapping[str, Any]]:
    budget = {"min_amount": "40000.0", "max_amount": "70000.0", "currency_code": "EUR"}
    return {
        "employment_type": {
            "name": "Employment Type",
            "type": "single_select",
            "value": ("Full-time", "Part-time", None)[number % 3],
        },
        "budget": {
            "name": "Budget",
            "type": "currency_range",
            "value": budget if number % 2 else None,
        },
    }


def _around_job(account: Account, job: Row, number: int) -> None:
    old = times(805)
    job_rules.add_stages(account, job["id"], **old)
    is_open = job["status"] == "open"
    for position in range(1 + number % 3):
        job_rules.add_opening(
            account,
            job["id"],
            opening_id=f"{number}-{position}" if position else None,
            open=is_open,
            opened_at=job["opened_at"],
            closed_at=job["closed_at"],
            **old,
        )
    users = account["users"].ids()
    for kind in ("recruiter", "coordinator"):
        account.add(
            "job_owners",
            job_id=job["id"],
            user_id=users[number % 2],
            type=kind,
            responsible=True,
            **old,
        )
    account.add("job_hiring_managers", job_id=job["id"], user_id=users[3], **old)
    if not job["is_template"]:
        _post(account, job)


def _post(account: Account, job: Row) -> None:
    is_live = job["status"] == "open"
    post_id = account["job_posts"].new_id()
    account["job_posts"].put(
        {
            "id": post_id,
            "job_id": job["id"],
            "job_board_id": account["job_boards"].ids()[0],
            "title": job["name"],
            "internal": False,
            "active": True,
            "live": is_live,
            "featured": False,
            "first_published_at": job["opened_at"],
            "content": "<p>Join us &amp; build <b>things</b>.</p>",
            "language": "en",
            "public_url": f"https://boards.greenhouse.example/acme/jobs/{post_id}",
            "questions": [],
            **times(700),
        }
    )
