"""Realistic, awkward people: the same seed and count give the same people (some 3 KB each)."""

from __future__ import annotations

import random
from typing import Any

from sandbox.vendors.greenhouse import histories, material, shares
from sandbox.vendors.greenhouse.account import Account
from sandbox.vendors.greenhouse.clock import moment_text
from sandbox.vendors.greenhouse.organisation import ANCHOR_S, DAY_S
from sandbox.vendors.greenhouse.shares import drawn, happens, is_turn
from sandbox.vendors.greenhouse.tables import Row

OLDEST_DAYS = 1200
PROSE_CHARS = 2000
CURRENCIES = ("EUR", "GBP", "JPY", "CHF")


class People:
    """The generator, continued by each fill."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._chance = random.Random(f"{account.settings.seed}/{len(account['candidates'])}")
        self._histories = histories.Histories(account, self._chance)
        self._options = histories.options_by_key(account)
        self._users = [row for row in account["users"] if row["primary_email"]]
        self._tags = _ensure_tags(account)

    def add(self) -> None:
        """One person with all that hangs on them."""
        number = len(self._account["candidates"])
        created_s = ANCHOR_S - self._chance.uniform(1, OLDEST_DAYS) * DAY_S
        updated_s = min(ANCHOR_S, created_s + self._chance.expovariate(1 / 40) * DAY_S)
        candidate_id = self._account["candidates"].new_id()
        row = self._candidate(number, candidate_id)
        row |= {
            "last_activity_at": self._time_text(updated_s),
            "created_at": self._time_text(created_s),
            "updated_at": self._time_text(updated_s),
        }
        if happens(self._chance, shares.ANONYMISED):
            row |= _anonymised(candidate_id)
        self._account["candidates"].put(row)
        text = moment_text(created_s)
        for tag in row["tags"]:
            columns = {"candidate_id": candidate_id, "candidate_tag_id": self._tags[tag]}
            stamps = {"created_at": text, "updated_at": text}
            self._account.add("applied_candidate_tags", **columns, **stamps)
        self._histories.add(row, created_s, updated_s)

    def _candidate(self, number: int, candidate_id: int) -> Row:
        chance = self._chance
        first, last = self._name()
        return {
            "id": candidate_id,
            "first_name": first,
            "last_name": last,
            "preferred_name": chance.choice((None, None, None, "Sam", "Мария")),
            "company": chance.choice(material.COMPANIES),
            "title": chance.choice(material.TITLES),
            "email_addresses": self._emails(number),
            "phone_numbers": self._phones(number),
            "addresses": [
                {"value": street, "type": kind}
                for street, kind in zip(
                    chance.sample(material.STREETS, chance.choice((0, 1, 1, 2))),
                    ("home", "work"),
                    strict=False,
                )
            ],
            "website_addresses": [
                {"value": pattern.format(number), "type": kind}
                for pattern, kind in chance.sample(material.SITES, chance.randrange(3))
            ],
            "social_media_addresses": [
                {"value": pattern.format(number)} for pattern in chance.sample(material.SOCIALS, chance.randrange(3))
            ],
            "tags": chance.sample(material.TAGS, chance.choice((0, 0, 1, 2, 5))),
            "private": happens(chance, shares.PRIVATE),
            "can_email": happens(chance, shares.CAN_EMAIL),
            "linked_user_ids": [],
            "time_zone": chance.choice(material.TIME_ZONES),
            "custom_fields": self._custom_fields(number),
        }

    def _name(self) -> tuple[str | None, str | None]:
        kind = drawn(self._chance, shares.NAMES)
        if kind == "full":
            return self._chance.choice(material.FULL_NAMES)
        if kind == "half":
            return self._chance.choice(material.HALF_NAMES)
        return self._chance.choice(material.FIRST_NAMES), self._chance.choice(material.LAST_NAMES)

    def _emails(self, number: int) -> list[dict[str, Any]]:
        chance = self._chance
        emails: list[dict[str, Any]] = [
            {"value": f"person.{number}@example.com", "type": "personal"},
            {"value": f"Person.{number}@Work.Example.ORG", "type": "work"},
            {"value": f"p{number}+jobs@münchen.example", "type": "other"},
        ]
        emails = chance.sample(emails, chance.choice((0, 1, 1, 1, 2, 2, 3)))
        kind = drawn(chance, shares.EMAILS)
        if kind == "twice in another case" and not emails:
            kind = "an earlier person's"  # there is none to repeat
        if kind == "an earlier person's" and not number:
            kind = "of an undocumented type"  # nobody came before
        if kind == "shared":
            emails.append({"value": chance.choice(material.SHARED_MAILS), "type": "work"})
        elif kind == "odd":
            emails.append({"value": chance.choice(material.ODD_MAILS), "type": "other"})
        elif kind == "twice in another case":
            emails.append({"value": emails[0]["value"].upper(), "type": "other"})
        elif kind == "an earlier person's":
            earlier = chance.randrange(number)
            emails.insert(0, {"value": f"person.{earlier}@example.com", "type": "personal"})
        elif kind == "of an undocumented type":
            emails.append({"value": f"old.{number}@example.net", "type": "school"})
        return emails

    def _phones(self, number: int) -> list[dict[str, Any]]:
        chosen = self._chance.sample(material.PHONES, self._chance.choice((0, 1, 1, 2, 3)))
        return [{"value": text.format(number % 10000), "type": kind} for text, kind in chosen]

    def _custom_fields(self, number: int) -> dict[str, dict[str, Any]]:
        chance = self._chance
        amount = str(chance.choice((0, 45000, 62500.5, 10**12)))
        code = chance.choice(CURRENCIES)
        sponsor = chance.choice(self._users)
        sponsor_value = {name: sponsor[name] for name in ("name", "employee_id")}
        values: tuple[tuple[str, str, Any], ...] = (
            ("Notice period", "single_select", chance.choice(self._options["notice_period"])),
            ("Headline", "short_text", f"Nr. {number} <at> work & play"),
            ("Motivation", "long_text", self._prose()),
            ("Willing to relocate", "yes_no", happens(chance, shares.YES)),
            ("Desired salary", "currency", {"amount": amount, "currency_code": code}),
            (
                "Salary range",
                "currency_range",
                {"min_amount": "1.0", "max_amount": amount if float(amount) > 1 else "2.0", "currency_code": code},
            ),
            ("Years of experience", "number", chance.choice((0, 3, 12.5, 99))),
            ("Weekly hours", "number_range", {"min_value": 20, "max_value": 40}),
            ("Available from", "date", f"2024-{chance.randint(1, 12):02d}-29"),
            ("Portfolio", "url", f"https://portfolio.example/{number}"),
            (
                "Internal sponsor",
                "user",
                {"user_id": sponsor["id"], "email": sponsor["primary_email"], **sponsor_value},
            ),
        )
        fields = {
            name.lower().replace(" ", "_"): {
                "name": name,
                "type": kind,
                "value": value if happens(chance, shares.CUSTOM_FIELD_FILLED) else None,
            }
            for name, kind, value in values
        }
        spoken = chance.sample(self._options["languages"], chance.randrange(4))
        fields["languages"] = {"name": "Languages", "type": "multi_select", "value": spoken}
        _make_awkward(fields, number)
        return fields

    def _prose(self) -> str:
        text = ""
        wanted = self._chance.randint(PROSE_CHARS // 3, PROSE_CHARS)
        while len(text) < wanted:
            text += self._chance.choice(material.PROSE)
        return text

    def _time_text(self, seconds: float) -> str:
        """Mostly milliseconds and `Z`; sometimes seconds only, or an offset (section 3.1)."""
        text = moment_text(seconds)
        kind = drawn(self._chance, shares.TIMES)
        if kind == "seconds only":
            return text[:-5] + "Z"
        if kind == "offset":
            return text[:-1] + "+00:00"
        return text


def _make_awkward(fields: dict[str, dict[str, Any]], number: int) -> None:
    """Give some people values that the documents allow or don't rule out (section 8.6), by their number alone."""
    if is_turn(number, every=17, at=3):
        fields["headline"]["value"] = "  Zoe\u0308 &amp; <b>Søhne</b>\r\n\tLtd \U0001f525 "
    if is_turn(number, every=19, at=4):
        fields["years_of_experience"]["value"] = "12.0"
    if is_turn(number, every=23, at=5) and fields["desired_salary"]["value"]:
        fields["desired_salary"]["value"]["currency_code"] = None
    if is_turn(number, every=29, at=6) and fields["salary_range"]["value"]:
        fields["salary_range"]["value"]["min_amount"] = None
    if is_turn(number, every=31, at=7):  # an option that is offered no more
        fields["languages"]["value"] = ["Latein", "日本語"]
    if is_turn(number, every=37, at=8):  # a type that no document names
        fields["rating"] = {"name": "Rating", "type": "star_rating", "value": {"stars": 4, "of": 5}}


def fill(account: Account, count: int) -> None:
    """Add *count* people. Tells nobody: they were always there."""
    people = People(account)
    for _ in range(count):
        people.add()
    account.version += 1


def _ensure_tags(account: Account) -> dict[str, int]:
    known = {row["name"]: row["id"] for row in account["candidate_tags"]}
    for name in material.TAGS:
        if name not in known:
            stamp = moment_text(ANCHOR_S - OLDEST_DAYS * DAY_S)
            row = account.add("candidate_tags", name=name, created_at=stamp, updated_at=stamp)
            known[name] = row["id"]
    return known


def _anonymised(candidate_id: int) -> dict[str, Any]:
    return {
        "first_name": "Anonymized",
        "last_name": str(candidate_id),
        "preferred_name": None,
        "company": None,
        "title": None,
        "email_addresses": [],
        "phone_numbers": [],
        "addresses": [],
        "website_addresses": [],
        "social_media_addresses": [],
        "tags": [],
    }
