"""Quiet hours: bulk work leaves the vendor alone at times of the local day; everything else goes on."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from shared.integrations.requests import PatchIntegration
from tests.integration.ledger.ground import Ground, Place

ALWAYS = {"time_zone": "Europe/Berlin", "spans": ["00:00-12:00", "12:00-00:00"]}
ALWAYS_CONFIG = json.dumps({"quiet_hours": ALWAYS})


@pytest.mark.parametrize(
    ("spans", "at", "is_quiet"),
    [
        (["08:00-18:00"], datetime(2026, 1, 7, 6, 59, tzinfo=UTC), False),
        (["08:00-18:00"], datetime(2026, 1, 7, 7, 0, tzinfo=UTC), True),
        (["08:00-18:00"], datetime(2026, 7, 7, 6, 0, tzinfo=UTC), True),  # summer time
        (["08:00-18:00"], datetime(2026, 1, 7, 17, 0, tzinfo=UTC), False),
        (["22:00-06:00"], datetime(2026, 1, 7, 23, 30, tzinfo=UTC), True),
        (["22:00-06:00"], datetime(2026, 1, 7, 5, 0, tzinfo=UTC), False),
        (["22:00-06:00", "09:00-10:00"], datetime(2026, 1, 7, 8, 30, tzinfo=UTC), True),
    ],
)
async def test_spans_are_of_the_local_day(ground: Ground, spans: list[str], at: datetime, is_quiet: bool) -> None:
    found = await ground.row(
        "SELECT is_quiet(jsonb_build_object('quiet_hours', jsonb_build_object('time_zone', 'Europe/Berlin', 'spans',"
        " %(spans)s::text[])), %(at)s) AS quiet",
        spans=spans,
        at=at,
    )
    assert found["quiet"] is is_quiet


async def test_bulk_waits_and_the_rest_goes_on(ground: Ground, place: Place) -> None:
    bulk, pull = await place.ask("bulk", priority=8), await place.ask("pull", priority=6)
    await ground.change_integration(place.integration_id, config=ALWAYS_CONFIG)
    assert await ground.claim(bulk, low=8, high=10) is None
    async with ground.database.dispatch() as tx:
        assert await tx.rows("SELECT * FROM due_jobs(8, 10, 5, 32)") == []
        assert (await tx.one("SELECT due FROM queue_figures()"))["due"] == 1
    assert (await ground.claimed_job(pull)).id == pull
    await ground.change_integration(place.integration_id, config="{}")
    assert (await ground.claimed_job(bulk, low=8, high=10)).id == bulk


async def test_a_zone_that_the_server_does_not_know_stops_nobody(ground: Ground, place: Place) -> None:
    bulk = await place.ask("bulk", priority=8)
    unknown = '{"quiet_hours": {"time_zone": "Moon/Tranquility", "spans": ["00:00-12:00", "12:00-00:00"]}}'
    await ground.change_integration(place.integration_id, config=unknown)
    assert (await ground.claimed_job(bulk, low=8, high=10)).id == bulk


def test_what_is_saved_is_what_the_claim_understands() -> None:
    asked = PatchIntegration.model_validate({"config": {"quiet_hours": ALWAYS, "rate_share": 0.5}})
    assert asked.config is not None
    assert asked.config.given() == {"quiet_hours": ALWAYS, "rate_share": 0.5}
    away = PatchIntegration.model_validate({"config": {"quiet_hours": None, "rate_share": None}})
    assert away.config is not None
    assert away.config.given() == {"quiet_hours": None, "rate_share": None}


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [
        ("quiet_hours", {"time_zone": "Berlin", "spans": ["08:00-18:00"]}, "time_zone"),
        ("quiet_hours", {"time_zone": "Europe", "spans": ["08:00-18:00"]}, "time_zone"),
        ("quiet_hours", {"time_zone": "x" * 300, "spans": ["08:00-18:00"]}, "time_zone"),
        ("quiet_hours", {"time_zone": "localtime", "spans": ["08:00-18:00"]}, "time_zone"),
        ("quiet_hours", {"spans": ["08:00-18:00"]}, "time_zone"),
        ("quiet_hours", {"time_zone": "UTC", "spans": ["8-18"]}, "spans"),
        ("quiet_hours", {"time_zone": "UTC", "spans": ["08:00-08:00"]}, "spans"),
        ("quiet_hours", {"time_zone": "UTC", "spans": ["08:00:00-18:00"]}, "spans"),
        ("quiet_hours", {"time_zone": "UTC", "spans": []}, "spans"),
        ("rate_share", 0, "rate_share"),
        ("rate_share", 1.5, "rate_share"),
    ],
)
def test_what_can_not_be_meant_is_refused_by_its_path(name: str, value: object, path: str) -> None:
    with pytest.raises(ValidationError, match=path):
        PatchIntegration.model_validate({"config": {name: value}})
