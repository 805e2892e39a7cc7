"""History, logs, create intents, webhook events, identity pairs, merges of records, the traffic of knocks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from shared.model import Direction, EntityType, LogAction, LogStatus, Reference
from shared.store.attention import Told
from shared.store.create_intents import SentApplication
from shared.store.history import HistoryRow, HistorySide
from shared.store.knock_traffic import KnockTraffic, Look
from shared.store.left_out import Child
from shared.store.links import LinkWrite
from shared.store.logs import LogRow
from shared.store.record_merges import merge_key
from shared.store.run_changes import RunChanges
from shared.store.webhook_events import EventRow, WebhookEvents
from tests.contract.store.ground import APPLICATION, CANDIDATE, JOB, Place
from tests.contract.store.test_people import end, held, match, put, put_matches
from tests.contract.store.test_records import insert

HOUR = timedelta(hours=1)


# -- what a filter left out --------------------------------------------------------------------------------------------


async def test_children_are_taken_with_their_parent_once(place: Place) -> None:
    ground, rows = place.ground, place.ground.store.left_out
    integration_id = place.integration_id

    def child(external_id: str, parent: str, entity: EntityType = CANDIDATE, by: str = "f") -> Child:
        return Child(external_id, Reference(entity, parent), by)

    async with ground.database.company(place.company_id) as tx:
        await rows.put(tx, integration_id, CANDIDATE, ["1", "2"], by="f")
        for _ in range(2):
            await rows.put_children(
                tx, integration_id, APPLICATION, [child("a", "1"), child("b", "2"), child("c", "1")]
            )
        await rows.put_children(tx, integration_id, APPLICATION, [child("a", "9", JOB, "g"), child("b", "1")])
        await ground.store.links.insert(tx, integration_id, CANDIDATE, [LinkWrite(uuid4(), uuid4(), "1", None, {})])
        assert await rows.arrived(tx, integration_id) == {CANDIDATE: {"1"}}
        taken = await rows.take_children(tx, integration_id, CANDIDATE, ["1", "7"])
        assert taken == [(APPLICATION, "a"), (APPLICATION, "b"), (APPLICATION, "c")]
        assert await rows.take_children(tx, integration_id, CANDIDATE, ["1"]) == []
        assert await rows.arrived(tx, integration_id) == {}
        assert await rows.take_children(tx, integration_id, JOB, ["9"]) == [(APPLICATION, "a")]
        assert await rows.known(tx, integration_id, CANDIDATE, ["1", "2"], by="f") == {"1", "2"}


# -- history ----------------------------------------------------------------------------------------------------------


async def test_a_record_keeps_its_first_key(place: Place) -> None:
    ground, history, one, two = place.ground, place.ground.store.history, uuid4(), uuid4()
    async with ground.database.company(place.company_id) as tx:
        assert await history.ensure_keys(tx, [], "k") == {}
        first = await history.ensure_keys(tx, [one], "k1")
        both = await history.ensure_keys(tx, [two, one, two], "k2")
    assert (set(both), both[one], both[two].kid, len(both[two].salt)) == ({one, two}, first[one], "k2", 32)
    async with ground.database.company(place.company_id) as tx:
        await history.forget(tx, [one, uuid4()])
        assert (await history.ensure_keys(tx, [one], "k3"))[one].salt != first[one].salt


async def test_two_who_need_a_key_at_once_get_one(place: Place) -> None:
    ground, history, record_id = place.ground, place.ground.store.history, uuid4()

    async def key() -> bytes:
        async with ground.database.company(place.company_id) as tx:
            return (await history.ensure_keys(tx, [record_id], "k"))[record_id].salt

    async with ground.database.company(place.company_id) as tx:
        mine = (await history.ensure_keys(tx, [record_id], "k"))[record_id].salt
        theirs = await ground.blocked(key())
    assert await theirs == mine


async def test_history_newest_first(place: Place) -> None:
    ground, history, record_id, other = place.ground, place.ground.store.history, uuid4(), uuid4()
    job_id, run_id = uuid4(), uuid4()

    def row(version: int, *units: str, **how: Any) -> HistoryRow:
        return HistoryRow(how.pop("of", record_id), CANDIDATE, version, units, b"s", how.pop("source", "portal"), **how)

    async with ground.database.company(place.company_id) as tx:
        await history.append(tx, [row(1, "a"), row(2, "a", "b", job_id=job_id, run_id=run_id, source="x")])
        await history.append(tx, [row(2, "a", side=HistorySide.LOST), row(1, "b", of=other), row(3)])
        found = await history.of(tx, record_id, limit=3)
        assert [(each.version, list(each.units), each.side) for each in found] == [
            (3, [], HistorySide.OURS),
            (2, ["a"], HistorySide.LOST),
            (2, ["a", "b"], HistorySide.OURS),
        ]
        assert (found[2].source, found[2].job_id, found[2].run_id, found[2].sealed) == ("x", job_id, run_id, b"s")
        assert found[0].at <= await ground.now()
        units = await history.of_units(tx, [record_id, other, uuid4()], ["a"])
        assert {key: [each.version for each in rows] for key, rows in units.items()} == {record_id: [2, 1]}
        units = await history.of_units(tx, [record_id, other], ["a", "b"], limit=1)
        assert {key: [each.version for each in rows] for key, rows in units.items()} == {record_id: [2], other: [1]}


async def test_two_rows_of_one_version_may_have_one_moment(place: Place) -> None:
    """Writes to two vendors end at once, or a clock steps back: neither row is lost, and they have their order."""
    ground, record_id, at = place.ground, uuid4(), await place.ground.now()
    for source in "abc":
        await ground.put(
            "record_history", company_id=place.company_id, record_id=record_id, entity_type="candidate", version=1,
            at=at, units=["email"], sealed=b"s", source=source,
        )  # fmt: skip
    async with ground.database.company(place.company_id) as tx:
        assert [row.source for row in await ground.store.history.of(tx, record_id)] == ["c", "b", "a"]
        newest = await ground.store.history.of_units(tx, [record_id], ["email"], limit=2)
        assert [row.source for row in newest[record_id]] == ["c", "b"]
        since = await RunChanges().since(tx, [record_id], at)
    assert [row.source for row in since[record_id]] == ["a", "b", "c"]


async def test_log_rows(place: Place) -> None:
    ground = place.ground
    row = LogRow(
        place.integration_id, CANDIDATE, LogAction.UPDATED, Direction.INBOUND, LogStatus.SUCCESS, entity_id=uuid4(),
        external_id="1", error_message="x" * 2000, retry_count=2, duration_ms=5, request_id="r", run_id=uuid4(),
        job_id=uuid4(), details={"fields": ["a"]},
    )  # fmt: skip
    async with ground.database.company(place.company_id) as tx:
        await ground.store.logs.write(tx, [row, replace(row, status=LogStatus.FAILED, run_id=None, job_id=None)])
    first = await ground.row("sync_logs", status="success")
    shown = ("entity_type", "entity_id", "external_id", "action", "direction", "retry_count", "duration_ms", "run_id")
    assert [first[name] for name in shown] == [
        "candidate", row.entity_id, "1", "updated", "inbound", 2, 5, row.run_id,
    ]  # fmt: skip
    assert (len(first["error_message"]), first["details"], first["company_id"]) == (
        1000,
        {"fields": ["a"]},
        place.company_id,
    )
    assert (await ground.row("sync_logs", status="failed"))["job_id"] is None


# -- create intents ---------------------------------------------------------------------------------------------------


async def test_an_intent_is_taken_over_and_ends(place: Place) -> None:
    ground, intents, record_id = place.ground, place.ground.store.create_intents, uuid4()

    async def open_it(key: str, token: int) -> Any:
        async with ground.database.company(place.company_id) as tx:
            return await intents.open(
                tx, place.integration_id, CANDIDATE, record_id, identity_key=key, lease_token=token
            )

    async def known() -> tuple[UUID | None, bool, set[str]]:
        async with ground.database.company(place.company_id) as tx:
            found = await intents.find(tx, place.integration_id, CANDIDATE, record_id)
            is_sent = found is not None and found.sent_at is not None
            assert await intents.unsettled(tx, place.integration_id, CANDIDATE) == [record_id] * is_sent
            assert await intents.unsettled(tx, place.integration_id, JOB) == []
            return (
                None if found is None else found.id,
                await intents.any_open(tx, place.integration_id, CANDIDATE),
                await intents.open_identities(tx, place.integration_id, ["key", "other"]),
            )

    assert await known() == (None, False, set())
    assert (await open_it("other", 1)).sent_sealed is None
    first = await open_it("key", 1)
    assert (first.sent_at, first.age_s) == (None, 0)
    assert await known() == (first.id, True, set())
    async with ground.database.company(place.company_id) as tx:
        await intents.mark_sent(tx, first.id, identity_key="key", sealed=b"what was sent")
        assert not await intents.any_open(tx, place.integration_id, JOB)
    assert await known() == (first.id, True, {"key"})
    await ground.pass_time(100)
    second = await open_it("other", 2)
    assert (second.id, second.sent_sealed) == (first.id, b"what was sent")
    assert second.sent_at is not None
    assert 99 < second.age_s < 160
    async with ground.database.company(place.company_id) as tx:
        found = await intents.find(tx, place.integration_id, CANDIDATE, record_id)
    assert found is not None
    assert (found.sent_at, found.sent_sealed) == (second.sent_at, second.sent_sealed)
    assert found.age_s >= second.age_s
    async with ground.database.company(place.company_id) as tx:
        await intents.mark_sent(tx, first.id, identity_key="key", sealed=b"again", since=found.sent_at)
        again = await intents.find(tx, place.integration_id, CANDIDATE, record_id)
    assert again is not None
    assert (again.sent_at, again.sent_sealed) == (found.sent_at, b"again")
    row = await ground.row("create_intents")
    assert (row["lease_token"], row["identity_key"]) == (2, "key")
    async with ground.database.company(place.company_id) as tx:
        await intents.end(tx, first.id, "linked")
        await intents.end(tx, first.id, "review")
        await intents.mark_sent(tx, first.id, identity_key="other", sealed=b"x")
    after = await ground.row("create_intents")
    assert (after["state"], after["sent_at"], after["sent_sealed"]) == ("linked", row["sent_at"], None)
    assert await known() == (None, False, set())
    assert (await open_it("key", 3)).id != first.id


async def test_applications_that_a_call_may_have_made(place: Place) -> None:
    ground, intents = place.ground, place.ground.store.create_intents
    candidate_id, job_id, other_job_id = uuid4(), uuid4(), uuid4()

    async def sent(*, to_job: UUID = job_id, entity: EntityType = APPLICATION, is_sent: bool = True) -> UUID:
        record_id = await insert(place, APPLICATION, {"candidate_id": str(candidate_id), "job_id": str(to_job)})
        async with ground.database.company(place.company_id) as tx:
            intent = await intents.open(tx, place.integration_id, entity, record_id, identity_key="key", lease_token=1)
            if is_sent:
                await intents.mark_sent(tx, intent.id, identity_key="key", sealed=b"what was sent")
        return record_id

    one, two = await sent(), await sent(to_job=other_job_id)
    await sent(is_sent=False)
    await sent(entity=CANDIDATE)
    over = await sent()
    async with ground.database.company(place.company_id) as tx:
        found = await intents.find(tx, place.integration_id, APPLICATION, over)
        assert found is not None
        await intents.end(tx, found.id, "linked")
        (first,) = await intents.sent_applications(tx, place.integration_id, [job_id])
        known = await intents.find(tx, place.integration_id, APPLICATION, one)
        assert known is not None
        assert first == SentApplication(one, candidate_id, job_id, replace(known, age_s=first.intent.age_s))
        assert known.age_s >= first.intent.age_s >= 0
        both = await intents.sent_applications(tx, place.integration_id, [job_id, other_job_id])
        assert [each.id for each in both] == sorted([one, two])
        assert await intents.sent_applications(tx, place.integration_id, []) == []
        assert await intents.sent_applications(tx, uuid4(), [job_id]) == []


# -- webhook events ---------------------------------------------------------------------------------------------------


async def test_receivers(place: Place) -> None:
    ground, events = place.ground, WebhookEvents()
    other = await ground.integration(place.company_id, sync_enabled=False, sync_roles=False)
    forgotten = await ground.integration(place.company_id, deleted_at=await ground.now() - 31 * 24 * HOUR)
    deleted = await ground.integration(place.company_id, deleted_at=await ground.now() - 29 * 24 * HOUR)
    async with ground.database.company(place.company_id) as tx:
        found = await events.receivers(tx)
        assert set(found) == {place.integration_id, other, deleted}
        assert (found[other].is_paused, JOB in found[other].entities) == (True, False)
        assert found[deleted].is_deleted
        assert set(await events.receivers(tx, other)) == {other}
        assert await events.receivers(tx, forgotten) == {}
    async with ground.database.dispatch() as tx:
        assert forgotten not in (await events.all_integrations(tx))[place.company_id]


async def test_kept_events(place: Place) -> None:
    ground, events, now = place.ground, WebhookEvents(), await place.ground.now()

    def kept(number: int, **how: Any) -> EventRow:
        given: dict[str, Any] = {"size_bytes": 10, "headers_sealed": "h", "body_sealed": f"b{number}", **how}
        return EventRow(UUID(int=number), f"e{number}", "kept", now + number * timedelta(seconds=1), **given)

    async with ground.database.company(place.company_id) as tx:
        await events.record(tx, place.integration_id, [kept(2), kept(1), kept(3), kept(3)])
        assert await events.kept_size(tx, place.integration_id) == (3, 30)
        assert await events.kept_size(tx, uuid4()) == (0, 0)

        async def page(after: tuple[Any, UUID], limit: int = 9, budget: int = 1000) -> list[int]:
            found = await events.kept(tx, place.integration_id, after=after, limit=limit, budget_bytes=budget)
            assert all(each.body_sealed == f"b{each.id.int}" for each in found)
            return [each.id.int for each in found]

        assert await page((now, UUID(int=0))) == [1, 2, 3]
        assert await page((now + timedelta(seconds=1), UUID(int=1))) == [2, 3]
        assert await page((now, UUID(int=0)), limit=2) == [1, 2]
        assert await page((now, UUID(int=0)), budget=11) == [1, 2]
        assert await page((now, UUID(int=0)), budget=1) == [1]
        await events.settle(tx, UUID(int=1), "processed", records=2)
        await events.settle(tx, UUID(int=1), "refused", records=0)
        again = replace(kept(2), state="processed", headers_sealed=None, body_sealed=None, records=4)
        await events.record(tx, place.integration_id, [again, again])
        await events.record(tx, place.integration_id, [kept(3, size_bytes=17)])
        assert await events.kept_size(tx, place.integration_id) == (1, 17), "what lies there now"
    rows = {row["id"].int: row for row in await ground.rows("webhook_events")}
    shown = ("state", "times", "records", "body_sealed")
    assert [rows[1][name] for name in shown] == ["processed", 1, 2, None]
    assert [rows[2][name] for name in shown] == ["processed", 3, 4, None]
    assert [rows[3][name] for name in shown] == ["kept", 3, 0, "b3"]
    assert rows[3]["processed_at"] is None
    assert rows[1]["processed_at"] is not None
    await ground.pass_time(5 * 86_400)
    async with ground.database.company(place.company_id) as tx:
        assert await events.purge(tx, days=6) == 0
    assert (await ground.row("integrations", id=place.integration_id))["full_compare_wanted_at"] is None
    async with ground.database.company(place.company_id) as tx:
        assert await events.purge(tx, days=4) == 3
    wanted = await ground.row("integrations", id=place.integration_id)
    assert wanted["full_compare_wanted_at"] is not None, "one of them was still kept"


async def test_the_same_event_under_another_id_is_refused(place: Place) -> None:
    ground, now = place.ground, await place.ground.now()
    rows = [EventRow(uuid4(), "e", "processed", now) for _ in range(3)]
    async with ground.database.company(place.company_id) as tx:
        await WebhookEvents().record(tx, place.integration_id, rows[:1])
        await WebhookEvents().record(tx, place.integration_id, [replace(rows[1], event_id=None)])
        with pytest.raises(psycopg.errors.UniqueViolation):
            await WebhookEvents().record(tx, place.integration_id, rows[2:])


async def test_keeping_is_counted_by_one_at_a_time(place: Place) -> None:
    ground, events = place.ground, WebhookEvents()

    async def count() -> tuple[int, int]:
        async with ground.database.company(place.company_id) as tx:
            return await events.kept_size(tx, place.integration_id)

    async with ground.database.company(place.company_id) as tx:
        await events.kept_size(tx, place.integration_id)
        other = await ground.blocked(count())
        kept = EventRow(uuid4(), None, "kept", await ground.now(), size_bytes=7, headers_sealed="h", body_sealed="b")
        await events.record(tx, place.integration_id, [kept])
    assert await other == (1, 7)


# -- identities -------------------------------------------------------------------------------------------------------


async def test_pairs_that_are_two_people(place: Place) -> None:
    ground, pairs = place.ground, place.ground.store.identity_pairs
    one, two, three = sorted(uuid4() for _ in range(3))
    async with ground.database.company(place.company_id) as tx:
        await pairs.put(tx, two, [one, three, two], by="ann")
        await pairs.put(tx, one, [two], by="bob")
        links = [LinkWrite(uuid4(), two, "1", None, {}), LinkWrite(uuid4(), three, "2", None, {})]
        await ground.store.links.insert(tx, place.integration_id, CANDIDATE, links)
        assert await pairs.are_apart(tx, three, two)
        assert not await pairs.are_apart(tx, one, three)
    await put_matches(place, match(place, "1", three), match(place, "3", one))
    for external_id, decision in (("1", "new"), ("3", str(one))):
        item = await ground.row("conflicts", external_id=external_id)
        await end(place, item["id"], "resolved", decision=decision)
    async with ground.database.company(place.company_id) as tx:
        found = await pairs.apart_from(tx, place.integration_id, CANDIDATE, ["1", "2", "3"])
        assert found == {"1": {one, three}, "2": {two}}
        await pairs.drop(tx, two, one)
        assert not await pairs.are_apart(tx, one, two)
    assert len(await ground.rows("identity_pairs")) == 1


async def test_what_a_filter_left_out_is_known_under_its_name(place: Place) -> None:
    ground, left_out = place.ground, place.ground.store.left_out
    async with ground.database.company(place.company_id) as tx:
        await left_out.put(tx, place.integration_id, CANDIDATE, ["2", "1", "2"], by="a")
        await left_out.put(tx, place.integration_id, CANDIDATE, ["1", "3"], by="a")
        assert await left_out.known(tx, place.integration_id, CANDIDATE, ["1", "3", "4"], by="a") == {"1", "3"}
        assert await left_out.known(tx, place.integration_id, CANDIDATE, ["1"], by="b") == set()
        assert await left_out.known(tx, place.integration_id, JOB, ["1"], by="a") == set()
        assert await left_out.known(tx, uuid4(), CANDIDATE, ["1"], by="a") == set()
    assert len(await ground.rows("left_out")) == 3
    async with ground.database.company(place.company_id) as tx:
        await left_out.forget(tx, uuid4())
        assert await left_out.known(tx, place.integration_id, CANDIDATE, ["2"], by="a") == {"2"}
        await left_out.forget(tx, place.integration_id)
    assert await ground.rows("left_out") == []


async def test_merges_and_their_chains(place: Place) -> None:
    ground, merges = place.ground, place.ground.store.record_merges
    people = [uuid4() for _ in range(4)]
    ids = [uuid4() for _ in range(3)]
    for number, merge_id in enumerate(ids):  # 0 into 1, 1 into 2, 2 into 3
        async with ground.database.company(place.company_id) as tx:
            await merges.put(
                tx, CANDIDATE, merge_id, survivor=(people[number + 1], b"s"), merged=(people[number], b"m"), by="ann"
            )
    async with ground.database.company(place.company_id) as tx:
        assert await merges.survivors(tx, [*people, uuid4()]) == dict.fromkeys(people[:3], people[3])
        assert await merges.merged_into(tx, [people[2], people[0]]) == {people[2]: people[:2]}
        last = await merges.last(tx, people[1])
        assert last is not None
        assert (last.id, last.survivor_id, last.merged_id) == (ids[1], people[2], people[1])
        assert (last.survivor_sealed, last.merged_sealed) == (b"s", b"m")
        await merges.end(tx, ids[1], by="bob")
        assert await merges.survivors(tx, people) == {people[0]: people[1], people[2]: people[3]}
        last = await merges.last(tx, people[1])
        assert last is not None
        assert last.id == ids[0]


async def test_what_a_vendor_said_of_a_merge_is_read_from_its_jobs(place: Place) -> None:
    async def told(*keys: str, of: str = "2") -> str | None:
        async with place.ground.database.company(place.company_id) as tx:
            return await place.ground.store.record_merges.told_into(tx, place.integration_id, of, keys)

    assert await told("ext:2") is None
    await place.ask("ext:2")
    await place.ask("ext:3", payload={merge_key("3"): "4"})
    assert await told("ext:2") is None
    await place.ask("ext:2", payload={merge_key("2"): "3", merge_key("5"): "5", merge_key("6"): "7"})
    assert await told("ext:2", "another") == "3"
    assert await told("ext:2", of="6") == "7", "one job may speak of several ids"
    assert await told("ext:2", of="3") is None
    assert await told("ext:2", of="5") is None, "nobody is merged into themselves"


async def test_what_moves_with_a_merge(place: Place) -> None:
    ground, merges = place.ground, place.ground.store.record_merges
    one, two = uuid4(), uuid4()
    write = LinkWrite(uuid4(), one, "1", b"d", {"a": 1})
    async with ground.database.company(place.company_id) as tx:
        await ground.store.links.insert(tx, place.integration_id, CANDIDATE, [write])
        (link,) = await merges.places(tx, [one, two])
        assert (link.id, link.internal_id, link.is_primary, link.state) == (write.id, one, True, "live")
        await merges.move(tx, [replace(link, internal_id=two, is_primary=False)])
        assert not await merges.is_being_created(tx, [one, two])
        await ground.store.create_intents.open(
            tx, place.integration_id, CANDIDATE, two, identity_key="key", lease_token=1
        )
        assert await merges.is_being_created(tx, [one, two])
    row = await ground.row("external_entity_map")
    assert (row["internal_id"], row["is_primary"], row["sync_version"], row["digest"]) == (two, False, 2, b"d")
    await place.ask("a", hold_reason=f"link:x:candidate:{one}")
    await place.ask("b", hold_reason=f"link:x:job:{one}")
    item = held(one)
    await put(place, item, held(uuid4()))
    await put_matches(place, match(place, "1", two))
    async with ground.database.company(place.company_id) as tx:
        assert await merges.waiting_for(tx, CANDIDATE, one) == [(place.integration_id, f"link:x:candidate:{one}")]
        assert {each.kind for each in await merges.open_items(tx, [one, two])} == {"field", "ambiguous_match"}
        await merges.rename(tx, item.id, two, [one])
    row = await ground.row("conflicts", id=item.id)
    assert (row["record_id"], row["matches"], row["version"]) == (two, [one], 2)


async def test_links_hold_still_for_many_or_move_for_one(place: Place) -> None:
    ground, merges = place.ground, place.ground.store.record_merges

    async def hold(*, alone: bool) -> None:
        async with ground.database.company(place.company_id) as tx:
            await (merges.alone(tx) if alone else merges.hold_still(tx))

    async with ground.database.company(place.company_id) as tx:
        await merges.hold_still(tx)
        await hold(alone=False)
        waits = await ground.blocked(hold(alone=True))
        behind = await ground.blocked(hold(alone=False), others=1)
    await waits
    await behind


# -- knocks that vanish -----------------------------------------------------------------------------------------------


async def test_knocks_that_reach_nobody_are_noticed(place: Place) -> None:
    ground, traffic = place.ground, KnockTraffic()

    async def look(sent: int, received: int, waiting: int = 0) -> Look:
        async with ground.database.dispatch() as tx:
            await traffic.add(tx, {"q": sent}, {"q": received})
            return await traffic.look(tx, "q", waiting)

    async with ground.database.dispatch() as tx:
        assert await traffic.look(tx, "q", 0) == Look()
    assert await look(10, 8) == Look()
    assert await look(10, 6, waiting=4) == Look()
    assert await look(4, 3) == Look(5)
    await ground.pass_time(50)
    assert await look(1, 0) == Look(6, is_vanishing=True)
    assert await look(0, 0) == Look()
    assert await look(2, 0) == Look(2)
    await ground.pass_time(50)
    assert await look(2, 2) == Look()


async def test_who_was_told_of_a_breaker_and_what_was_told_anew_stands(place: Place) -> None:
    ground, attention = place.ground, place.ground.store.attention

    async def tell(kind: str = "vendor_unreachable") -> None:
        async with ground.database.company(place.company_id) as tx:
            await attention.raise_issue(tx, place.integration_id, kind=kind, subject="calls", detail="d")

    async def told() -> list[Told]:
        async with ground.database.dispatch() as tx:
            return await attention.told_of_breakers(tx)

    async def settle(told_at: datetime) -> bool:
        async with ground.database.company(place.company_id) as tx:
            return await attention.settle_as_told(
                tx, place.integration_id, kind="vendor_unreachable", subject="calls", told_at=told_at
            )

    await tell()
    await tell("another")
    (first,) = await told()
    assert (first.company, first.integration) == (place.company_id, place.integration_id)
    await ground.pass_time(1)
    await tell()
    (second,) = await told()
    assert not await settle(first.told_at)
    assert await told() == [second]
    assert await settle(second.told_at)
    assert not await settle(second.told_at), "it is over"
    assert await told() == []


async def test_who_was_told_of_vanishing_knocks(place: Place) -> None:
    ground, traffic = place.ground, KnockTraffic()
    job_id = await place.ask()
    async with ground.database.company(place.company_id) as tx:
        assert await traffic.integrations(tx, [job_id, job_id]) == [place.integration_id]
        for kind, subject in (("knocks_vanish", "q"), ("knocks_vanish", "r"), ("k", "q")):
            await ground.store.attention.raise_issue(tx, place.integration_id, kind=kind, subject=subject, detail="d")
    async with ground.database.dispatch() as tx:
        told = await traffic.told(tx, "q")
    assert [dict(row) for row in told] == [{"company": place.company_id, "integration": place.integration_id}]
