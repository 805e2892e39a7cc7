"""Events that are kept: sealed, within bounds, replayed once they may be, dropped after thirty days."""

from __future__ import annotations

import json
import secrets
from uuid import UUID

import pytest

from shared.intake.accept import Verdict
from shared.intake.keeping import drop_old, replay_kept
from shared.intake.process import OVERFLOW, REFUSED
from tests.integration.intake.world import BODY, World, candidate_event, issues


async def test_while_paused_events_are_kept_sealed_and_replayed_on_resume(world: World) -> None:
    integration_id = await world.published()
    pause(world, integration_id)
    for number in range(3):
        assert await world.send(integration_id, candidate_event(number + 1)) is Verdict.ACCEPTED
    await world.work()

    assert world.jobs(integration_id) == {}
    kept = world.recorded(integration_id)
    assert [row["state"] for row in kept] == ["kept"] * 3
    assert all("Quicksilver" not in row["body_sealed"] for row in kept)
    assert await replay_kept(world.intake.keeping, world.company_id, integration_id) == 0, "it still stands still"

    resume(world, integration_id)
    assert await replay_kept(world.intake.keeping, world.company_id, integration_id) == 3

    assert set(world.jobs(integration_id)) == {"candidate ext:1", "candidate ext:2", "candidate ext:3"}
    states = {(row["state"], row["body_sealed"]) for row in world.recorded(integration_id)}
    assert states == {("processed", None)}
    assert await replay_kept(world.intake.keeping, world.company_id, integration_id) == 0


@pytest.mark.parametrize("at_once", [True, False])
async def test_two_changes_under_one_event_id_are_both_kept_and_a_replay_is_not(world: World, at_once: bool) -> None:
    integration_id = await world.published()
    pause(world, integration_id)
    sizes: dict[int, int] = {}
    for number in (1, 1, 22):
        body = candidate_event(number)
        sizes[len(body)] = sizes.get(len(body), 0) + 1
        await world.send(integration_id, body, event_id="e-1")
        if not at_once:
            await world.work()
    await world.work()

    kept = world.recorded(integration_id)
    assert {row["size_bytes"]: row["times"] for row in kept} == sizes
    assert all(row["state"] == "kept" and row["event_id"].startswith("e-1 sha256:") for row in kept)
    resume(world, integration_id)
    await world.send(integration_id, candidate_event(1), event_id="e-1")
    await world.work()
    assert await replay_kept(world.intake.keeping, world.company_id, integration_id) == 2
    assert set(world.jobs(integration_id)) == {"candidate ext:1", "candidate ext:22"}


async def test_an_endless_event_id_is_kept_as_well(world: World) -> None:
    integration_id = await world.published()
    pause(world, integration_id)
    for number in (1, 2):
        await world.send(integration_id, candidate_event(number), event_id=secrets.token_hex(2_000))
    await world.work()
    assert [row["state"] for row in world.recorded(integration_id)] == ["kept", "kept"]


async def test_what_was_kept_and_can_not_be_read_any_more_is_made_up_for(world: World) -> None:
    integration_id = await world.published()
    pause(world, integration_id)
    for number in range(2):
        await world.send(integration_id, candidate_event(number + 1))
    await world.work()
    lost = world.recorded(integration_id)[0]["id"]
    world.run("UPDATE webhook_events SET body_sealed = headers_sealed WHERE id = %s", lost)
    resume(world, integration_id)
    assert await replay_kept(world.intake.keeping, world.company_id, integration_id) == 1
    assert {row["state"] for row in world.recorded(integration_id)} == {"refused", "processed"}
    assert world.column(integration_id, "full_compare_wanted_at") is not None
    [issue] = issues(world, integration_id)
    assert (issue["kind"], issue["detail"].startswith("1 kept events")) == (REFUSED, True)


async def test_replay_goes_through_more_than_one_batch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.intake.keeping.BATCH_EVENTS", 2)
    integration_id = await world.published()
    pause(world, integration_id)
    for number in range(5):
        await world.send(integration_id, candidate_event(number + 1))
    await world.work()
    resume(world, integration_id)

    assert await replay_kept(world.intake.keeping, world.company_id, integration_id) == 5
    assert len(world.jobs(integration_id)) == 5


async def test_of_a_switched_off_entity_events_are_kept_until_it_is_on(world: World) -> None:
    integration_id = await world.published()
    world.run("UPDATE integrations SET sync_candidates = false WHERE id = %s", integration_id)
    application = {"id": 81, "candidate": {"id": 4711}}
    both = {"action": "new_candidate_application", "payload": {"application": application}}
    await world.send(integration_id, json.dumps(both).encode())
    await world.work()

    assert world.jobs(integration_id) == {"application ext:81": 1}
    assert await replay_kept(world.intake.keeping, world.company_id, integration_id) == 0
    assert [row["state"] for row in world.recorded(integration_id)] == ["kept"]

    world.run("UPDATE integrations SET sync_candidates = true WHERE id = %s", integration_id)
    assert await replay_kept(world.intake.keeping, world.company_id, integration_id) == 1
    assert "candidate ext:4711" in world.jobs(integration_id)


@pytest.mark.parametrize(("setting", "bound"), [("WEBHOOK_KEPT_EVENTS", 2), ("WEBHOOK_KEPT_BYTES", 2 * len(BODY) + 1)])
async def test_beyond_its_bounds_a_full_comparison_is_asked_for(world: World, setting: str, bound: int) -> None:
    world = bounded(world, setting, bound)
    integration_id = await world.published()
    pause(world, integration_id)
    for _ in range(4):
        assert await world.send(integration_id, BODY) is Verdict.ACCEPTED
    await world.work()

    assert len(world.recorded(integration_id)) == 2
    assert world.column(integration_id, "full_compare_wanted_at") is not None
    [issue] = issues(world, integration_id)
    assert (issue["kind"], issue["times"]) == (OVERFLOW, 1)
    await world.aclose()


async def test_of_a_deleted_integration_events_are_kept_for_thirty_days(world: World) -> None:
    recent, old = await world.published(), await world.published()
    delete(world, recent, days_ago=29)
    delete(world, old, days_ago=31)
    for integration_id in (recent, old):
        assert (await world.send(integration_id, BODY)).status == 200

    await world.work()

    assert [row["state"] for row in world.recorded(recent)] == ["kept"]
    assert world.recorded(old) == []
    assert world.jobs(recent) == world.jobs(old) == {}


async def test_kept_events_and_counts_leave_after_thirty_days(world: World) -> None:
    integration_id = await world.published()
    await world.send(integration_id, BODY)
    await world.send(integration_id, candidate_event(2))
    await world.work()
    first = world.recorded(integration_id)[0]
    world.run("UPDATE webhook_events SET received_at = now() - interval '31 days' WHERE id = %s", first["id"])

    assert await drop_old(world.intake.keeping) == 1
    assert first["id"] not in {row["id"] for row in world.recorded(integration_id)}


def pause(world: World, integration_id: UUID) -> None:
    world.run("UPDATE integrations SET sync_enabled = false WHERE id = %s", integration_id)


def resume(world: World, integration_id: UUID) -> None:
    world.run("UPDATE integrations SET sync_enabled = true WHERE id = %s", integration_id)


def delete(world: World, integration_id: UUID, *, days_ago: int) -> None:
    world.run(
        "UPDATE integrations SET deleted_at = now() - make_interval(days => %s) WHERE id = %s", days_ago, integration_id
    )


def bounded(world: World, setting: str, bound: int) -> World:
    """Return a world like *world* with another bound."""
    return World.make(
        database_dsn=world.settings.database_url.get_secret_value(),
        admin_dsn=world.admin_dsn,
        storage=world.settings.storage_connection.get_secret_value(),
        **{setting: str(bound)},
    )
