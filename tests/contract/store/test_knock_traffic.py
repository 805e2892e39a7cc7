"""Knocks that vanish, and who was told of them."""

from __future__ import annotations

from shared.store.knock_traffic import KnockTraffic, Look
from tests.contract.store.ground import Place


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
