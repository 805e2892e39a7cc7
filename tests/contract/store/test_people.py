"""What waits for people and what they decided: conflicts, notices, pins, issues, quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from shared.store.attention import Issue, Quarantined, Told
from shared.store.notices import Notices
from shared.store.pins import StoredPin
from tests.contract.store.conflict_items import end, held, match, open_of, put, put_matches
from tests.contract.store.ground import CANDIDATE, JOB, Place


async def told(place: Place) -> list[tuple[str, UUID]]:
    return sorted((row["kind"], row["conflict_id"]) for row in await place.ground.rows("notices"))


async def test_a_field_waits_once_and_is_told_once(place: Place) -> None:
    record_id = uuid4()
    first, other = held(record_id), held(record_id, "phone", reason="critical", kind="refused")
    assert await put(place, first, other) == 2
    assert await put(place, held(record_id, sealed=b"t")) == 0
    items = await open_of(place, record_id)
    item = items["email"]
    assert (item.id, item.kind, item.entity, item.version, item.sealed) == (first.id, "field", CANDIDATE, 1, b"t")
    assert (item.inputs, item.matches, item.status, item.ended_at) == ({"link": ["a", "b"]}, [], "open", None)
    assert item.updated_at == item.opened_at or item.updated_at > item.opened_at
    assert (items["phone"].kind, items["phone"].reason) == ("refused", "critical")
    assert await told(place) == sorted(("conflict_waiting", each) for each in (first.id, other.id))
    notice = (await place.ground.rows("notices"))[0]
    assert (notice["audience"], notice["entity_type"], notice["record_id"]) == ("data_manager", "candidate", record_id)


async def test_an_item_whose_inputs_move_is_another_version(place: Place) -> None:
    record_id = uuid4()
    await put(place, held(record_id))
    before = (await open_of(place, record_id))["email"]
    await put(place, held(record_id, inputs={"link": ["a", "c"]}, kind="refused", reason="r"))
    after = (await open_of(place, record_id))["email"]
    assert (after.version, after.kind, after.reason) == (2, "refused", "r")
    assert after.updated_at > before.updated_at
    await put(place, held(record_id, inputs={"link": ["a", "c"]}))
    assert (await open_of(place, record_id))["email"].updated_at == after.updated_at


async def test_an_item_ends_once(place: Place) -> None:
    record_id = uuid4()
    item = held(record_id)
    await put(place, item)
    await end(place, item.id, "resolved", by="ann", decision="ours")
    await end(place, item.id)
    assert await open_of(place, record_id) == {}
    async with place.ground.database.company(place.company_id) as tx:
        found = await place.ground.store.conflicts.lock(tx, item.id)
        assert await place.ground.store.conflicts.lock(tx, uuid4()) is None
    assert found is not None
    assert (found.status, found.ended_by, found.decision, found.version) == ("resolved", "ann", "ours", 2)
    assert found.ended_at is not None
    assert await put(place, held(record_id)) == 1


async def test_a_match_waits_once(place: Place) -> None:
    one, two = uuid4(), uuid4()
    await put_matches(place, match(place, "1", one), match(place, "2", one, kind="possible_duplicate", record_id=two))
    await put_matches(place, match(place, "1", one))
    assert {row["version"] for row in await place.ground.rows("conflicts")} == {1}
    await put_matches(place, match(place, "1", one, two))
    row = await place.ground.row("conflicts", external_id="1")
    assert (row["version"], row["matches"], row["unit"], row["inputs"]) == (2, [one, two], None, {})
    assert len(await told(place)) == 2
    assert await open_of(place, two) == {}


async def test_what_people_decided_of_matches(place: Place) -> None:
    async def decided(ids: Sequence[str]) -> dict[str, str]:
        async with place.ground.database.company(place.company_id) as tx:
            return await place.ground.store.conflicts.decided_matches(tx, place.integration_id, CANDIDATE, ids)

    for decision in ("new", "later"):
        await put_matches(place, match(place, "1", uuid4()))
        item = await place.ground.row("conflicts", external_id="1", status="open")
        await end(place, item["id"], "resolved", decision=decision)
    await put_matches(place, match(place, "2", uuid4()), match(place, "3", uuid4(), kind="possible_duplicate"))
    for external_id in "23":
        item = await place.ground.row("conflicts", external_id=external_id)
        await end(place, item["id"], "closed" if external_id == "2" else "resolved", decision="new")
    assert await decided(["1", "2", "3", "4"]) == {"1": "later"}
    assert await decided([]) == {}


async def test_people_are_reminded_once(place: Place) -> None:
    ground, notices, day = place.ground, Notices(), timedelta(days=1)
    late, over, fresh = held(uuid4()), held(uuid4()), held(uuid4())
    await put(place, late, over)
    await end(place, over.id)
    await ground.pass_time(100_000)
    await put(place, fresh)
    async with ground.database.dispatch() as tx:
        assert await notices.companies_to_remind(tx, day) == [place.company_id]
    for expected in (1, 0):
        async with ground.database.company(place.company_id) as tx:
            assert await notices.remind(tx, day) == expected
    async with ground.database.dispatch() as tx:
        assert await notices.companies_to_remind(tx, day) == []
    assert [each for each in await told(place) if each[0] == "conflict_overdue"] == [("conflict_overdue", late.id)]
    async with ground.database.company(place.company_id) as tx:
        listed = await notices.listed(tx, kind=None, after=None, limit=3)
        assert [row["conflict_id"] for row in listed[:2]] == [late.id, fresh.id]
        rest = await notices.listed(tx, kind="conflict_waiting", after=(listed[1]["at"], listed[1]["id"]), limit=9)
        assert {row["conflict_id"] for row in rest} == {late.id, over.id}


async def test_pins(place: Place) -> None:
    ground, pins, record_id = place.ground, place.ground.store.pins, uuid4()
    now = await ground.now()

    def pin(unit: str, decision: str = "d", rejected: Sequence[str] = ()) -> StoredPin:
        return StoredPin(record_id, unit, decision, rejected, 1, "k", now, "ann")

    async with ground.database.company(place.company_id) as tx:
        assert await pins.of_records(tx, [record_id]) == {}
        await pins.put(tx, [pin("email"), pin("phone"), pin("name")])
        await pins.put(tx, [pin("email", "e", ["x", "y"])])
        found = await pins.of_records(tx, [record_id, uuid4()])
        email, phone, name = pin("email", "e", ["x", "y"]), pin("phone", rejected=[]), pin("name", rejected=[])
        assert found == {record_id: {"email": email, "phone": phone, "name": name}}
        await pins.clear(tx, [record_id], ["email", "none"])
        assert set((await pins.of_records(tx, [record_id]))[record_id]) == {"phone", "name"}
        await pins.clear(tx, [record_id])
        assert await pins.of_records(tx, [record_id]) == {}


async def test_a_record_is_set_aside_once_and_comes_back(place: Place) -> None:
    ground, attention, run_id = place.ground, place.ground.store.attention, uuid4()
    async with ground.database.company(place.company_id) as tx:
        await attention.quarantine(tx, place.integration_id, CANDIDATE, [Quarantined("1", "a", "b")], None)
        again = [Quarantined("1", "c", "d"), Quarantined("2", "a", "b"), Quarantined(None, "a", "b")]
        await attention.quarantine(tx, place.integration_id, CANDIDATE, again, run_id)
        await attention.quarantine(tx, place.integration_id, CANDIDATE, [Quarantined(None, "a", "b")], run_id)
        await attention.quarantine(tx, place.integration_id, JOB, [Quarantined("1", "a", "b")], run_id)
        assert await attention.open_count(tx, place.integration_id) == 5
    row = await ground.row("quarantine", external_id="1", entity_type="candidate")
    assert (row["tries"], row["code"], row["reason"], row["run_id"]) == (2, "c", "d", run_id)
    assert row["last_seen_at"] > row["first_seen_at"]
    async with ground.database.company(place.company_id) as tx:
        assert await attention.recover(tx, place.integration_id, CANDIDATE, ["1", "3"]) == 1
        assert await attention.recover(tx, place.integration_id, CANDIDATE, ["1"]) == 0
        await attention.quarantine(tx, place.integration_id, CANDIDATE, [Quarantined("1", "e", "f")], run_id)
    assert len([row for row in await ground.rows("quarantine") if row["external_id"] == "1"]) == 3


async def test_an_issue_is_open_once(place: Place) -> None:
    ground, attention = place.ground, place.ground.store.attention

    async def raised(subject: str = "s", detail: str = "d") -> bool:
        async with ground.database.company(place.company_id) as tx:
            return await attention.raise_issue(tx, place.integration_id, kind="k", subject=subject, detail=detail)

    assert await raised()
    assert not await raised(detail="e")
    assert await raised("t")
    row = await ground.row("issues", subject="s")
    assert (row["times"], row["detail"], row["ended_at"]) == (2, "e", None)
    async with ground.database.company(place.company_id) as tx:
        await attention.settle_issue(tx, place.integration_id, kind="k", subject="s")
        await attention.settle_issue(tx, place.integration_id, kind="other", subject="t")
        assert await attention.open_count(tx, place.integration_id) == 1
    assert await raised()
    assert len([row for row in await ground.rows("issues") if row["subject"] == "s"]) == 2


async def test_an_issue_is_an_integrations(place: Place) -> None:
    """Nobody sees one that is none's: there is no list of them, and nothing to end them by."""
    with pytest.raises(psycopg.errors.NotNullViolation):
        await place.ground.put("issues", id=uuid4(), company_id=place.company_id, kind="k", subject="s", detail="d")


async def test_issues_of_several_subjects_end_by_one_statement(place: Place) -> None:
    ground, attention = place.ground, place.ground.store.attention
    async with ground.database.company(place.company_id) as tx:
        for kind, subject in (("k", "a"), ("k", "b"), ("k", "c"), ("other", "a")):
            await attention.raise_issue(tx, place.integration_id, kind=kind, subject=subject, detail="d")
        await attention.settle_issues(tx, place.integration_id, kind="k", subjects=[])
        assert await attention.open_count(tx, place.integration_id) == 4
        await attention.settle_issues(tx, place.integration_id, kind="k", subjects=["b", "a", "a", "unknown"])
        left = await attention.listed(tx, place.integration_id, is_open=True, after=None, limit=9)
    assert {(row["kind"], row["subject"]) for row in left} == {("k", "c"), ("other", "a")}


async def test_issues_of_a_page_are_raised_by_one_statement(place: Place) -> None:
    ground, attention = place.ground, place.ground.store.attention

    async def raised(*issues: Issue) -> int:
        async with ground.database.company(place.company_id) as tx:
            return await attention.raise_issues(tx, place.integration_id, issues)

    assert await raised(Issue("k", "a", "d"), Issue("k", "b", "d"), Issue("l", "a", "d"), Issue("k", "a", "last")) == 3
    assert (await ground.row("issues", kind="k", subject="a"))["detail"] == "last"
    assert await raised(Issue("k", "b", "e"), Issue("k", "c", "d")) == 1
    assert (await ground.row("issues", subject="b"))["times"] == 2
    assert await raised() == 0


async def test_what_people_see_newest_first(place: Place) -> None:
    ground, attention = place.ground, place.ground.store.attention
    for subject in "abc":
        async with ground.database.company(place.company_id) as tx:
            await attention.raise_issue(tx, place.integration_id, kind="k", subject=subject, detail="d")
    async with ground.database.company(place.company_id) as tx:
        await attention.quarantine(tx, place.integration_id, CANDIDATE, [Quarantined("1", "code", "reason")], None)
        await attention.settle_issue(tx, place.integration_id, kind="k", subject="b")

        async def page(is_open: bool | None, after: Any = None, limit: int = 10) -> list[dict[str, Any]]:
            return await attention.listed(tx, place.integration_id, is_open=is_open, after=after, limit=limit)

        everything = await page(None)
        assert [row["subject"] for row in everything] == [None, "c", "b", "a"]
        aside = everything[0]
        shown = ("kind", "detail", "entity", "external_id", "code", "times", "run_id", "ended_at")
        assert [aside[name] for name in shown] == [None, "reason", "candidate", "1", "code", 1, None, None]
        assert [row["subject"] for row in await page(True)] == [None, "c", "a"]
        assert [row["subject"] for row in await page(False)] == ["b"]
        rest = await page(None, (everything[1]["opened_at"], everything[1]["id"]), limit=1)
        assert [row["subject"] for row in rest] == ["b"]


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
