"""The delete brake and the list of suppressed people, on both stores."""

from __future__ import annotations

from uuid import UUID, uuid4

from shared.model import EntityType
from shared.store.links import LinkWrite
from shared.store.suppressions import Mark
from tests.contract.store.ground import CANDIDATE, Ground, Place


async def test_a_brake_holds_until_it_is_decided_and_is_listed_ever_after(ground: Ground) -> None:
    company = await ground.company()
    integration = await ground.integration(company)
    link, record, other = uuid4(), uuid4(), uuid4()
    brakes = ground.store.delete_brakes
    async with ground.database.company(company) as tx:
        await brakes.lock(tx, integration)
        assert await brakes.open_one(tx, integration) is None
        brake_id = await brakes.pull(tx, integration, CANDIDATE, disappeared=21, allowed=20)
        assert await brakes.hold(tx, brake_id, CANDIDATE, {link: record, other: record}) == 2
        assert await brakes.hold(tx, brake_id, CANDIDATE, {link: record}) == 0
        assert await brakes.decision(tx, link) == "open"
        assert await brakes.decision(tx, uuid4()) is None
        opened = await brakes.open_one(tx, integration)
        assert opened is not None
        assert (opened.id, opened.held, opened.disappeared, opened.allowed) == (brake_id, 2, 21, 20)
    async with ground.database.company(company) as tx:
        assert await brakes.decide(tx, integration, state="rejected", by="jo") == brake_id
        assert await brakes.decide(tx, integration, state="rejected", by="jo") is None
        assert await brakes.kept(tx, [link, uuid4()]) == {link}
        assert await brakes.held(tx, brake_id) == [(CANDIDATE, record), (CANDIDATE, record)]
        second = await brakes.pull(tx, integration, CANDIDATE, disappeared=30, allowed=20)
        await brakes.hold(tx, second, CANDIDATE, {link: record})
        assert await brakes.decision(tx, link) == "open"
    async with ground.database.company(company) as tx:
        listed = await brakes.listed(tx, integration, after=None, limit=10)
        assert [each.id for each in listed] == [second, brake_id]
        rest = await brakes.listed(tx, integration, after=(listed[0].opened_at, listed[0].id), limit=10)
        assert [(each.state, each.ended_by) for each in rest] == [("rejected", "jo")]


async def test_figures_count_what_lives_and_what_went_today_unapproved(ground: Ground) -> None:
    company = await ground.company()
    integration = await ground.integration(company)
    now, ids = await ground.now(), [uuid4() for _ in range(4)]
    for number, (link, state) in enumerate(zip(ids, ("live", "gone", "gone", "tombstone"), strict=True)):
        await ground.put(
            "external_entity_map",
            id=link,
            company_id=company,
            integration_id=integration,
            entity_type="candidate",
            internal_id=uuid4(),
            external_id=str(number),
            state=state,
            changed_at=None if state == "live" else now,
        )
    brakes = ground.store.delete_brakes
    async with ground.database.company(company) as tx:
        assert await brakes.figures(tx, integration, CANDIDATE) == (1, 2)
        assert await brakes.figures(tx, integration, EntityType.JOB) == (0, 0)
        brake = await brakes.pull(tx, integration, CANDIDATE, disappeared=2, allowed=1)
        await brakes.hold(tx, brake, CANDIDATE, {ids[1]: uuid4()})
        await brakes.decide(tx, integration, state="approved", by="jo")
        assert await brakes.figures(tx, integration, CANDIDATE) == (1, 1)
    await ground.pass_time(90_000)
    async with ground.database.company(company) as tx:
        assert await brakes.figures(tx, integration, CANDIDATE) == (1, 0)


async def test_marks_are_kept_known_and_lifted(ground: Ground) -> None:
    company, stranger = await ground.company(), await ground.company()
    marks = [Mark("email", b"a"), Mark("phone", b"b")]
    suppressions = ground.store.suppressions
    async with ground.database.company(company) as tx:
        assert not await suppressions.any(tx)
        assert await suppressions.add(tx, marks, reason="erasure") == 2
        assert await suppressions.add(tx, marks[:1], reason="again") == 0
        assert await suppressions.any(tx)
        assert await suppressions.known(tx, [*marks, Mark("email", b"c")]) == {b"a", b"b"}
        assert await suppressions.figures(tx) == {"email": 1, "phone": 1}
    async with ground.database.company(stranger) as tx:
        assert not await suppressions.any(tx)
        assert await suppressions.known(tx, marks) == set()
    async with ground.database.company(company) as tx:
        assert await suppressions.lift(tx, marks[:1]) == 1
        assert await suppressions.known(tx, marks) == {b"b"}


async def test_what_follows_from_a_mark_goes_with_it(ground: Ground) -> None:
    company, stranger = await ground.company(), await ground.company()
    email, theirs, lost = Mark("email", b"a"), Mark("external", b"x"), Mark("external", b"y")
    suppressions = ground.store.suppressions
    async with ground.database.company(stranger) as tx:
        await suppressions.add(tx, [Mark("email", b"z")], reason="erasure")
    async with ground.database.company(company) as tx:
        await suppressions.add(tx, [email], reason="erasure")
        for _ in range(2):
            await suppressions.add_following(tx, {theirs: b"a", lost: b"z"})
        assert await suppressions.known(tx, [theirs, lost]) == {b"x"}
        assert await suppressions.figures(tx) == {"email": 1, "external": 1}
    assert (await ground.row("suppressions", hash=b"x"))["reason"] == "erasure"
    async with ground.database.company(company) as tx:
        assert await suppressions.lift(tx, [email]) == 1
        assert not await suppressions.any(tx)


async def test_what_is_set_aside_is_found_by_entity_id_and_cause(ground: Ground) -> None:
    company = await ground.company()
    integration = await ground.integration(company)
    for entity, external_id, code in (("candidate", "1", "x"), ("candidate", "2", "y"), ("job", "3", "x")):
        await ground.put(
            "quarantine",
            id=uuid4(),
            company_id=company,
            integration_id=integration,
            entity_type=entity,
            external_id=external_id,
            code=code,
            reason="path",
        )
    attention = ground.store.attention
    async with ground.database.company(company) as tx:
        everything = await attention.aside(tx, integration, entity=None, external_ids=None, code=None)
        assert sorted(external_id for _, external_id in everything) == ["1", "2", "3"]
        assert await attention.aside(tx, integration, entity=CANDIDATE, external_ids=None, code="x") == [
            (CANDIDATE, "1")
        ]
        assert await attention.aside(tx, integration, entity=None, external_ids=["2"], code=None) == [(CANDIDATE, "2")]


async def linked(place: Place, *external_ids: str) -> list[UUID]:
    writes = [LinkWrite(uuid4(), uuid4(), external_id, None, {}) for external_id in external_ids]
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.links.insert(tx, place.integration_id, CANDIDATE, writes)
    return [write.id for write in writes]


async def test_a_removal_from_its_wish_to_its_end(place: Place) -> None:
    removals = place.ground.store.removals
    one, two = await linked(place, "1", "2")
    async with place.ground.database.company(place.company_id) as tx:
        assert await removals.lock(tx, []) == {}
        await removals.want(tx, [], by="jo")
        await removals.want(tx, [one, two], by="jo")
        asked = await removals.lock(tx, [one, two, uuid4()])
        assert {(each.state, each.asked_by, each.ended_at, each.is_due) for each in asked.values()} == {
            ("wanted", "jo", None, True)
        }
        await removals.mark(tx, one, "sent")
        await removals.mark(tx, two, "refused", detail="no")
        assert (await removals.lock(tx, [one]))[one].is_due
        refused = (await removals.lock(tx, [two]))[two]
        assert (refused.state, refused.detail, refused.is_due) == ("refused", "no", False)
        assert refused.ended_at is not None
    async with place.ground.database.company(place.company_id) as tx:
        await removals.want(tx, [two], by="sam")
        again = (await removals.lock(tx, [two]))[two]
        assert (again.state, again.asked_by, again.ended_at, again.detail) == ("wanted", "sam", None, None)
        await removals.forget(tx, [two, uuid4()])
        await removals.forget(tx, [])
        assert (await removals.lock(tx, [one, two])).keys() == {one}


async def test_what_is_under_way_was_sent_and_is_not_gone_yet(place: Place) -> None:
    removals = place.ground.store.removals
    links = await linked(place, "1", "2", "3", "4")
    async with place.ground.database.company(place.company_id) as tx:
        await removals.want(tx, links, by="jo")
        for link in links[:3]:
            await removals.mark(tx, link, "sent")
    await place.ground.change("external_entity_map", {"id": links[2]}, state="gone")
    async with place.ground.database.company(place.company_id) as tx:
        figures = [
            await removals.under_way(tx, place.integration_id, CANDIDATE, but=links[3]),
            await removals.under_way(tx, place.integration_id, CANDIDATE, but=links[0]),
            await removals.under_way(tx, place.integration_id, EntityType.JOB, but=links[3]),
        ]
        await removals.revoke(tx, links[:1])
        figures.append(await removals.under_way(tx, place.integration_id, CANDIDATE, but=links[3]))
        await removals.want(tx, links[:1], by="jo")
        figures.append(await removals.under_way(tx, place.integration_id, CANDIDATE, but=links[3]))
    assert figures == [2, 1, 0, 2, 2]


async def test_what_was_sent_is_revoked_and_the_rest_withdrawn(place: Place) -> None:
    removals = place.ground.store.removals
    links = await linked(place, "1", "2", "3")
    async with place.ground.database.company(place.company_id) as tx:
        assert not await removals.revoke(tx, [])
        await removals.want(tx, links, by="jo")
        await removals.mark(tx, links[1], "done")
        assert not await removals.revoke(tx, links[:2])
        await removals.mark(tx, links[2], "sent")
        assert await removals.revoke(tx, links)
        left = await removals.lock(tx, links)
        assert {link: (each.state, each.is_due) for link, each in left.items()} == {links[2]: ("revoked", False)}
        assert await removals.revoke(tx, links)
        await removals.presume(tx, [])
        await removals.presume(tx, links[:1])
        presumed = (await removals.lock(tx, links))[links[0]]
        assert (presumed.state, presumed.asked_by) == ("revoked", "candidate")


async def test_what_is_due_can_be_kept_and_nothing_else(place: Place) -> None:
    removals = place.ground.store.removals
    links = await linked(place, "1", "2", "3")
    async with place.ground.database.company(place.company_id) as tx:
        await removals.want(tx, links, by="jo")
        await removals.mark(tx, links[1], "sent")
        await removals.mark(tx, links[2], "done")
        assert await removals.keep(tx, links, detail="merged") == 2
        states = {link: (each.state, each.detail) for link, each in (await removals.lock(tx, links)).items()}
        assert states == dict(zip(links, [("kept", "merged"), ("kept", "merged"), ("done", None)], strict=True))


async def test_what_a_brake_holds_and_is_wanted_is_kept_at_once(place: Place) -> None:
    """Not what was sent already, nor what another brake holds, nor a row that somebody is at."""
    removals, brakes = place.ground.store.removals, place.ground.store.delete_brakes
    wanted, sent, others, busy = links = await linked(place, "1", "2", "3", "4")
    async with place.ground.database.company(place.company_id) as tx:
        await removals.want(tx, links, by="jo")
        await removals.mark(tx, sent, "sent")
        first = await brakes.pull(tx, place.integration_id, CANDIDATE, disappeared=2, allowed=1)
        await brakes.hold(tx, first, CANDIDATE, {others: uuid4()})
        await brakes.decide(tx, place.integration_id, state="rejected", by="jo")
        brake = await brakes.pull(tx, place.integration_id, CANDIDATE, disappeared=2, allowed=1)
        await brakes.hold(tx, brake, CANDIDATE, {each: uuid4() for each in (wanted, sent, busy)})
    record = {each["id"]: each["internal_id"] for each in await place.ground.rows("external_entity_map")}[wanted]
    async with place.ground.database.company(place.company_id) as other:
        await removals.lock(other, [busy])
        async with place.ground.database.company(place.company_id) as tx:
            await brakes.lock(tx, place.integration_id)
            assert await removals.keep_held(tx, brake) == [(CANDIDATE, record, "1")]
    async with place.ground.database.company(place.company_id) as tx:
        states = {link: each.state for link, each in (await removals.lock(tx, links)).items()}
        assert states == {wanted: "kept", sent: "sent", others: "wanted", busy: "wanted"}
