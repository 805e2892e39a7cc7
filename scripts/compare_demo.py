"""
Hold the state of a Greenhouse simulator against Liaison's database, field by field.

    python -m sandbox up --json > stack.json &      …      python -m scripts.compare_demo stack.json

What each field must be stands in the tables below, written from docs/vendors/greenhouse.md and docs/demo.md; nothing of
`shared/` is imported, so that the two can't share a mistake. Prints every difference (no more than `MOST_SHOWN`) and
exits 1 if there is any, else one line with what was equal.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

EMPTY: tuple[object, ...] = (None, set(), [])
LONGEST_WAY = timedelta(minutes=2)
MOST_SHOWN = 50
TIMEOUT_S = 60.0

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Account:
    """Everything that Greenhouse holds: rows by table and id; stage definitions and the public post by job."""

    tables: Mapping[str, Mapping[int, Row]]
    stages: Mapping[int, Sequence[Row]]
    posts: Mapping[int, Row]


@dataclass(frozen=True)
class Here:
    """What Liaison holds: the record that each of Greenhouse's ids is linked to, our id by theirs."""

    records: Mapping[tuple[str, str], Sequence[Row]]
    ids: Mapping[tuple[str, str], str]
    reads_board: bool
    """Whether the integration names a job board."""


Expect = Callable[[Row, Account, Here], Any]

EMAIL_ORDER = ("personal", "work", "other")
PHONE_ORDER = ("mobile", "home", "work", "other")
STATUS = {"in_process": "active", "hired": "hired", "converted": "converted", "rejected": "rejected"}
THEY_LEFT = "THEY_REJECTED_US"


def text(value: Any) -> str | None:
    """A text without blanks around it, composed (NFC); nothing left of it is no value."""
    return unicodedata.normalize("NFC", str(value)).strip() or None if value is not None else None


def entries(row: Row, *lists: str) -> list[tuple[str, str | None]]:
    """Values with their types, of one list or several, in the vendor's order; blank ones are none."""
    found = [(text(each["value"]), each.get("type")) for name in lists for each in row[name] or ()]
    return [(value, kind) for value, kind in found if value is not None]


def first_of(found: Sequence[tuple[str, str | None]], order: Sequence[str]) -> tuple[str, str | None] | None:
    """The first entry of the best type; words that no document names count as `other`."""
    return min(found, key=lambda each: order.index(each[1]) if each[1] in order else len(order) - 1, default=None)


def others(
    found: Sequence[tuple[str, str | None]], first: tuple[str, str | None] | None
) -> set[tuple[str, str | None]]:
    """What is left of *found*: each value once, whatever its case, and none that the first has."""
    known = {first[0].casefold()} if first else set()
    left = set()
    for value, kind in found:
        if value.casefold() not in known:
            known.add(value.casefold())
            left.add((value, kind))
    return left


def phones(row: Row) -> list[tuple[str, str | None]]:
    """Phone numbers: a handle of a messenger is none."""
    return [each for each in entries(row, "phone_numbers") if each[1] != "skype"]


def linkedin(row: Row) -> tuple[str, str | None] | None:
    """The first address on a host of LinkedIn, social ones before web sites."""
    on_linkedin = re.compile(r"(?:https?://)?(?:[a-z]+\.)*linkedin\.com(?:[/:?]|$)", re.IGNORECASE)
    return next((each for each in links(row) if on_linkedin.match(each[0])), None)


def links(row: Row) -> list[tuple[str, str | None]]:
    """Social and web addresses in one."""
    return entries(row, "social_media_addresses", "website_addresses")


def value_of(entry: tuple[str, str | None] | None) -> str | None:
    """The value of an entry."""
    return entry[0] if entry else None


def reason_of(row: Row, account: Account) -> Row | None:
    """Why an application was rejected."""
    return account.tables["rejection_reasons"].get(row["rejection_reason_id"])


def status_of(row: Row, account: Account) -> str:
    """Greenhouse knows no withdrawal: it is a rejection whose reason says that they left us."""
    reason = reason_of(row, account)
    return (
        "withdrawn"
        if row["status"] == "rejected" and reason and reason["type"]["key"] == THEY_LEFT
        else STATUS[row["status"]]
    )


def name_in(table: str, row_id: int | None, account: Account) -> str | None:
    """The name of a row that another row names by its id."""
    found = account.tables[table].get(row_id) if row_id is not None else None
    return text(found["name"]) if found else None


def place(row: Row, account: Account) -> str | None:
    """Where a job is: the public post says it while one is live, else the offices' names do."""
    if post := account.posts.get(row["id"]):
        return text(post["location"]["name"])
    return ", ".join(str(name_in("offices", each, account)) for each in row["office_ids"] or ()) or None


def prose(row: Row, account: Account) -> str | None:
    """A job's text: the public post's, which comes escaped once more, while one is live; else the internal notes."""
    post = account.posts.get(row["id"])
    return words(unescape(post["content"]) if post else row["notes"])


def words(markup: str | None) -> str | None:
    """What a reader sees of a rich text: Liaison takes out what could do harm, so marks may differ, words may not."""
    shown = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", markup or "", flags=re.DOTALL | re.IGNORECASE)
    return " ".join(unescape(shown).split()) or None


def moment(value: str | None) -> datetime | None:
    """An instant, whatever its notation."""
    return datetime.fromisoformat(value).astimezone(UTC) if value else None


def pairs(value: Any) -> set[tuple[str, str | None]]:
    """Our list of entries as a set: places mean nothing."""
    return {(text(each["value"]) or "", each.get("type")) for each in value or ()}


CANDIDATE: Mapping[str, Expect] = {
    "first_name": lambda row, _account, _here: text(row["first_name"]),
    "last_name": lambda row, _account, _here: text(row["last_name"]),
    "preferred_name": lambda row, _account, _here: text(row["preferred_name"]),
    "email": lambda row, _account, _here: value_of(first_of(entries(row, "email_addresses"), EMAIL_ORDER)),
    "further_emails": lambda row, _account, _here: others(
        found := entries(row, "email_addresses"), first_of(found, EMAIL_ORDER)
    ),
    "phone": lambda row, _account, _here: value_of(first_of(phones(row), PHONE_ORDER)),
    "further_phones": lambda row, _account, _here: others(phones(row), first_of(phones(row), PHONE_ORDER)),
    "addresses": lambda row, _account, _here: others(entries(row, "addresses"), None),
    "linkedin_url": lambda row, _account, _here: value_of(linkedin(row)),
    "links": lambda row, _account, _here: others(links(row), linkedin(row)),
    "current_company": lambda row, _account, _here: text(row["company"]),
    "current_title": lambda row, _account, _here: text(row["title"]),
    "tags": lambda row, _account, _here: {tag for each in row["tags"] if (tag := text(each))},
    "time_zone": lambda row, _account, _here: text(row["time_zone"]),
    "restricted": lambda row, _account, _here: row["private"],
    "can_email": lambda row, _account, _here: row["can_email"],
}
APPLICATION: Mapping[str, Expect] = {
    "candidate_id": lambda row, _account, here: here.ids.get(("candidate", str(row["candidate_id"]))),
    "job_id": lambda row, _account, here: here.ids.get(("job", str(row["job_id"]))) if row["job_id"] else None,
    "stage": lambda row, _account, _here: text(row["stage_name"]),
    "status": lambda row, account, _here: status_of(row, account),
    "rejection_reason": lambda row, account, _here: name_in("rejection_reasons", row["rejection_reason_id"], account),
    "source": lambda row, account, _here: name_in("sources", row["source_id"], account),
    "applied_at": lambda row, _account, _here: moment(row["created_at"]),
    "prospect": lambda row, _account, _here: row["prospect"],
}
JOB: Mapping[str, Expect] = {
    "title": lambda row, _account, _here: text(row["name"]),
    "requisition_id": lambda row, _account, _here: text(row["requisition_id"]),
    "status": lambda row, _account, _here: row["status"],
    "department": lambda row, account, _here: name_in("departments", row["department_id"], account),
    "location": lambda row, account, _here: place(row, account),
    "description": lambda row, account, _here: prose(row, account),
    "created_date": lambda row, _account, _here: str(moment(row["created_at"]))[:10],
    "stages": lambda row, account, _here: [
        {"id": str(each["id"]), "name": text(each["name"]), "order": each["sort_order"], "active": each["active"]}
        for each in account.stages.get(row["id"], ())
    ],
}
TABLES: Mapping[str, tuple[str, Mapping[str, Expect]]] = {
    "job": ("jobs", JOB),
    "candidate": ("candidates", CANDIDATE),
    "application": ("applications", APPLICATION),
}
OURS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("further_emails", "further_phones", "addresses", "links"), pairs),
    "tags": lambda value: set(value or ()),
    "applied_at": moment,
    "description": words,
}
"""How a value of the database is read, where it is not compared as it is. Absent there means empty."""


def is_erased(row: Row) -> bool:
    """Greenhouse's placeholder for a person who was anonymised: no data."""
    return row.get("first_name") == "Anonymized" and str(row.get("last_name")) == str(row["id"])


def is_left_out(row: Row) -> bool:
    """What has no fields to compare: an erased person, and a template, which is a form to copy jobs from and no job."""
    return is_erased(row) or bool(row.get("is_template"))


def read_account(greenhouse: Row, *, with_board: bool) -> Account:
    """Ask the simulator for everything, and its job board for the posts, of which a job's oldest stands for it."""
    with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
        headers = {"Authorization": f"Bearer {greenhouse['admin_token']}"}
        state = client.get(f"{greenhouse['admin_url']}/state", headers=headers).raise_for_status().json()
        board = client.get(f"{greenhouse['job_board_url']}/jobs", params={"content": "true"}).raise_for_status().json()
    posts: dict[int, Row] = {}
    for post in sorted(board["jobs"] if with_board else (), key=lambda each: int(each["id"])):
        posts.setdefault(post["internal_job_id"], post)
    tables = {name: {row["id"]: row for row in rows} for name, rows in state.items()}
    stages: dict[int, list[Row]] = {}
    for stage in sorted(tables["job_interview_stages"].values(), key=lambda each: (each["sort_order"], each["id"])):
        stages.setdefault(stage["job_id"], []).append(stage)
    return Account(tables, stages, posts)


def read_here(dsn: str, integration_id: str | None) -> Here:
    """Read links and records past every policy; without *integration_id* there must be just one integration."""
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        (integration,) = connection.execute(
            "SELECT id, config FROM integrations WHERE deleted_at IS NULL AND (%(id)s::uuid IS NULL OR id = %(id)s)",
            {"id": integration_id},
        ).fetchall()
        rows = connection.execute(
            "SELECT l.entity_type, l.external_id, l.internal_id, r.data, r.archived_at, r.submission"
            " FROM external_entity_map l"
            " LEFT JOIN records r ON r.id = l.internal_id AND r.entity_type = l.entity_type"
            " WHERE l.integration_id = %s AND l.state = 'live'",
            [integration["id"]],
        ).fetchall()
    records: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        records.setdefault((row["entity_type"], row["external_id"]), []).append(row)
    ids = {key: str(found[0]["internal_id"]) for key, found in records.items()}
    return Here(records, ids, reads_board="board_token" in integration["config"])


def differences(account: Account, here: Here, *, longest_way: timedelta = LONGEST_WAY) -> Iterator[str]:
    """Yield what differs, by record and field. *longest_way*: what a submission may take until it is there."""
    for entity, (table, expected) in TABLES.items():
        for row_id, row in account.tables[table].items():
            if row.get("is_template"):
                continue
            where = f"{entity} {row_id}"
            found = here.records.get((entity, str(row_id)), ())
            if len(found) != 1 or found[0]["data"] is None:
                yield f"{where}: {len(found)} records here, 1 expected"
            elif is_erased(row):
                if found[0]["data"] or found[0]["archived_at"] is None:
                    yield f"{where}: erased there, and {sorted(found[0]['data'])} kept here"
            elif found[0]["archived_at"] is not None:
                yield f"{where}: archived here"
            else:
                yield from _differing_fields(where, row, found[0], expected, account, here, longest_way)
        known = {str(row_id) for row_id in account.tables[table]}
        yield from (f"{kind} {key}: unknown there" for kind, key in here.records if kind == entity and key not in known)
    yield from _doubles(here)


def _differing_fields(
    where: str,
    row: Row,
    record: Row,
    expected: Mapping[str, Expect],
    account: Account,
    here: Here,
    longest_way: timedelta,
) -> Iterator[str]:
    data: Row = record["data"]
    for name, expect in expected.items():
        wanted = expect(row, account, here)
        ours = OURS.get(name, lambda value: value)(data.get(name))
        # Greenhouse takes no date of application: it writes down when what the portal submitted arrived.
        if name == "applied_at" and record["submission"] and timedelta(0) <= wanted - ours <= longest_way:
            continue
        if ours != wanted and (ours not in EMPTY or wanted not in EMPTY):
            yield f"{where}.{name}: there {wanted!r}, here {ours!r}"
    if unknown := data.keys() - expected.keys():
        yield f"{where}: {sorted(unknown)} here, of which the table knows nothing"


def _doubles(here: Here) -> Iterator[str]:
    seen: dict[tuple[str, str], str] = {}
    for (entity, external_id), record_id in here.ids.items():
        if other := seen.get((entity, record_id)):
            yield f"{entity} {external_id} and {other}: one record here"
        seen[entity, record_id] = external_id


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.compare_demo", description="Compare both sides.")
    parser.add_argument("stack", help="file with what `python -m sandbox up --json` printed; - reads standard input")
    parser.add_argument("--integration", help="its id, if there are several")
    asked = parser.parse_args(arguments)
    described = sys.stdin.read() if asked.stack == "-" else Path(asked.stack).read_text(encoding="utf-8")
    stack = json.loads(described)
    here = read_here(stack["postgres"]["admin"], asked.integration)
    account = read_account(stack["greenhouse"], with_board=here.reads_board)
    found = list(differences(account, here))
    for line in found[:MOST_SHOWN]:
        print(line)
    if found:
        print(f"{len(found)} differences")
        return 1
    alive = {name: sum(not is_left_out(row) for row in account.tables[name].values()) for name, _ in TABLES.values()}
    fields = sum(alive[name] * len(expected) for name, expected in TABLES.values())
    print(f"equal: {', '.join(f'{count} {name}' for name, count in alive.items())}; {fields} fields")
    return 0


if __name__ == "__main__":
    sys.exit(main())
