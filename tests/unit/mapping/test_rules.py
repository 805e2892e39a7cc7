"""A record into our words, our changes into the vendor's, and who comes in at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.errors import InvalidPayload
from shared.mapping.reading import mapping_of
from shared.mapping.rules import EntityMapping
from shared.model import EntityType, JsonValue

CANDIDATE, APPLICATION, JOB = EntityType.CANDIDATE, EntityType.APPLICATION, EntityType.JOB
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
STAGE: JsonValue = {"values": {"stage": {"Telefon": "Phone screen", "Zusage": "Offer"}}}
CUSTOM: JsonValue = {"custom_fields": {"notice_period": "Notice", "salary": "Salary"}}


def of(given: JsonValue, entity: EntityType = CANDIDATE) -> EntityMapping:
    return mapping_of(entity, given, f"config.mapping.{entity.value}")


def test_words_are_translated_and_unknown_ones_pass() -> None:
    stage = of(STAGE, APPLICATION)
    assert stage.inbound({"stage": "Telefon", "status": "open"}) == {"stage": "Phone screen", "status": "open"}
    assert stage.inbound({"stage": "Onsite"}) == {"stage": "Onsite"}
    assert stage.inbound({"stage": None}) == {"stage": None}
    assert stage.inbound({}) == {}
    assert stage.outbound({"stage": "Offer"}, {}) == {"stage": "Zusage"}
    assert stage.outbound({"stage": "Onsite", "status": "Offer"}, {}) == {"stage": "Onsite", "status": "Offer"}


def test_words_of_lists_and_the_names_of_stages_are_translated() -> None:
    assert of({"values": {"tags": {"heiß": "hot"}}}).inbound({"tags": ["heiß", "sql"]}) == {"tags": ["hot", "sql"]}
    stages = of({"values": {"stages": {"Telefon": "Phone screen"}}}, JOB)
    shown: dict[str, JsonValue] = {"stages": [{"id": "1", "name": "Telefon", "order": 0, "active": True}]}
    assert stages.inbound(shown)["stages"] == [{"id": "1", "name": "Phone screen", "order": 0, "active": True}]
    assert shown["stages"] == [{"id": "1", "name": "Telefon", "order": 0, "active": True}]


def test_named_custom_fields_come_in_renamed_and_the_others_do_not() -> None:
    shown: dict[str, JsonValue] = {
        "custom_fields": [{"name": "notice_period", "value": "1 month"}, {"name": "secret", "value": 1}]
    }
    assert of(CUSTOM).inbound(shown) == {"custom_fields": [{"name": "Notice", "value": "1 month"}]}
    assert of({"exclude": ["tags"]}).inbound(shown) == {}
    assert of(CUSTOM).inbound({}) == {}
    assert of(CUSTOM).inbound({"custom_fields": None}) == {"custom_fields": []}


def test_custom_fields_go_out_by_the_vendors_keys_and_the_unnamed_stay_as_they_are() -> None:
    shown: dict[str, JsonValue] = {
        "custom_fields": [{"name": "notice_period", "value": "1 month"}, {"name": "secret", "value": 1}]
    }
    changes: dict[str, JsonValue] = {
        "custom_fields": [{"name": "Notice", "value": "2 months"}, {"name": "Of another system", "value": "x"}]
    }
    assert of(CUSTOM).outbound(changes, shown) == {
        "custom_fields": [{"name": "secret", "value": 1}, {"name": "notice_period", "value": "2 months"}]
    }
    assert of(CUSTOM).outbound(changes, {}) == {"custom_fields": [{"name": "notice_period", "value": "2 months"}]}


def test_fields_are_computed_of_what_was_translated_and_never_of_each_other() -> None:
    both = of(
        {
            "values": {"current_title": {"Dev": "Developer"}},
            "set": {"current_company": "current_title", "time_zone": "current_company"},
            "custom_fields": {"notice_period": "Notice"},
        }
    )
    shown: dict[str, JsonValue] = {"current_title": "Dev", "current_company": "Acme"}
    assert both.inbound(shown) == {
        "current_title": "Developer",
        "current_company": "Developer",
        "time_zone": "Acme",
    }
    custom = of({"set": {"notice_period": 'custom("Notice")'}, "custom_fields": {"n": "Notice"}})
    assert custom.inbound({"custom_fields": [{"name": "n", "value": "1 month"}]})["notice_period"] == "1 month"


def test_what_can_not_be_computed_names_the_path() -> None:
    with pytest.raises(InvalidPayload, match=r"^config\.mapping\.candidate\.set\.time_zone: "):
        of({"set": {"time_zone": "first_name + phone"}}).inbound({"first_name": "Ada"})


def test_an_excluded_field_is_not_visible_and_can_still_be_asked_for() -> None:
    hidden = of({"exclude": ["tags"], "where": '"keep" in tags'})
    values = hidden.inbound({"tags": ["keep"], "email": "a@x.org"})
    assert hidden.admits(values, {}, None)
    assert hidden.visible(values) == {"email": "a@x.org"}
    assert not hidden.admits(hidden.inbound({"tags": []}), {}, None)
    assert not hidden.admits(hidden.inbound({}), {}, None)


def test_a_filter_may_ask_for_the_vendors_ids() -> None:
    wanted = of({"where": 'job_id in ("7", "8")'}, APPLICATION)
    assert wanted.admits({}, {"job_id": "7"}, None)
    assert not wanted.admits({}, {"job_id": "9"}, None)
    assert not wanted.admits({}, {}, None)


@pytest.mark.parametrize(
    ("updated_at", "admitted"),
    [
        (NOON, True),
        (datetime(2026, 5, 4, tzinfo=UTC), True),
        (datetime(2026, 5, 3, 23, 59, tzinfo=UTC), False),
        (datetime(2026, 5, 4, 1, tzinfo=timezone(timedelta(hours=2))), False),
        (None, True),
    ],
)
def test_since_a_day_of_utc_and_what_has_no_time_is_never_too_old(updated_at: datetime | None, admitted: bool) -> None:
    assert of({"since": "2026-05-04"}).admits({}, {}, updated_at) is admitted


def test_a_mark_changes_with_the_map_of_its_field_and_with_nothing_else() -> None:
    assert of({"where": "True", "since": "2026-01-01", "read_only": ["email"]}).marks() == {}
    one = of({"values": {"current_title": {"a": "b"}}, "set": {"phone": "None"}, "exclude": ["tags"], **_custom("x")})
    other = of({"values": {"current_title": {"a": "c"}}, "set": {"phone": "''"}, "exclude": ["tags"], **_custom("y")})
    assert one.marks().keys() == other.marks().keys() == {"current_title", "phone", "tags", "custom_fields"}
    assert one.marks()["tags"] == other.marks()["tags"]
    for name in ("current_title", "phone", "custom_fields"):
        assert one.marks()[name] != other.marks()[name]
    assert (
        one.marks()
        == of(
            {"exclude": ["tags"], **_custom("x"), "set": {"phone": "None"}, "values": {"current_title": {"a": "b"}}}
        ).marks()
    )


def _custom(name: str) -> dict[str, JsonValue]:
    return {"custom_fields": {"key": name}}
