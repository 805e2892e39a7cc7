"""Who has a number or a name, which is what matching looks at after the e-mail address; and links that move on."""

from __future__ import annotations

from shared.store.links import LinkWrite
from shared.store.namesakes import KnownPerson
from tests.contract.store.ground import CANDIDATE, JOB, Place
from tests.contract.store.record_rows import insert, link


async def by_phone(place: Place, *digits: str, most: int = 3) -> list[KnownPerson]:
    async with place.ground.database.company(place.company_id) as tx:
        return await place.ground.store.namesakes.by_phone(tx, place.integration_id, digits, most=most)


async def by_name(place: Place, *names: tuple[str, str, str], below: int = 3) -> list[KnownPerson]:
    async with place.ground.database.company(place.company_id) as tx:
        return await place.ground.store.namesakes.by_name(tx, place.integration_id, names, below=below)


async def test_people_of_a_number(place: Place) -> None:
    phone = "+44 20 7946 0018"
    values = {"first_name": "Ann", "last_name": "Lee", "phone": phone, "email": "A@x.org", "current_company": "Acme"}
    ann = await insert(place, CANDIDATE, values)
    linked = await insert(place, CANDIDATE, {"phone": "+442079460018"})
    await insert(place, CANDIDATE, {"phone": phone}, is_archived=True)
    await insert(place, JOB, {"phone": phone})
    await insert(place, CANDIDATE, {"phone": "+44 20 7946 0019"})
    for state in ("live", "gone"):
        await link(place, CANDIDATE, linked if state == "live" else ann, state, state)
    found = {person.id: person for person in await by_phone(place, "442079460018", "4402079460018", "442079460018")}
    assert found == {
        ann: KnownPerson(ann, "Ann", "Lee", "A@x.org", phone, "Acme", is_linked=False),
        linked: KnownPerson(linked, None, None, None, "+442079460018", None, is_linked=True),
    }
    assert len(await by_phone(place, "442079460018", most=1)) == 1
    assert await by_phone(place) == await by_phone(place, "7") == []


async def test_somebody_with_two_links_is_one_person(place: Place) -> None:
    ann = await insert(place, CANDIDATE, {"phone": "+442079460018"})
    await link(place, CANDIDATE, ann, "1")
    write = LinkWrite(ann, ann, "2", None, {}, is_primary=False)
    async with place.ground.database.company(place.company_id) as tx:
        await place.ground.store.links.insert(tx, place.integration_id, CANDIDATE, [write])
    (found,) = await by_phone(place, "442079460018")
    assert found.is_linked


async def test_people_of_a_name_at_an_employer(place: Place) -> None:
    ann = await insert(place, CANDIDATE, {"first_name": "Ann", "last_name": "Lee", "current_company": " ACME "})
    await insert(place, CANDIDATE, {"first_name": "Ann", "last_name": "Lee", "current_company": "Initech"})
    await insert(
        place, CANDIDATE, {"first_name": "Ann", "last_name": "Lee", "current_company": "Acme"}, is_archived=True
    )
    await insert(place, CANDIDATE, {"first_name": "Bob", "last_name": "Lee", "current_company": "Acme"})
    found = await by_name(place, ("LEE", "ann", "acme"), ("Lee", "Ann", "Acme "), ("Nobody", "Ann", "Acme"))
    assert [person.id for person in found] == [ann]
    assert await by_name(place) == []


async def test_a_name_that_many_have_finds_nobody(place: Place) -> None:
    for _ in range(3):
        await insert(place, CANDIDATE, {"first_name": "Ann", "last_name": "Lee", "current_company": "Acme"})
    assert await by_name(place, ("Lee", "Ann", "Acme"), below=3) == []
    assert len(await by_name(place, ("Lee", "Ann", "Acme"), below=4)) == 3


async def test_a_link_that_stands_for_another_id(place: Place) -> None:
    ann = await insert(place, CANDIDATE, {})
    await link(place, CANDIDATE, ann, "1")
    ground, store = place.ground, place.ground.store
    async with ground.database.company(place.company_id) as tx:
        before = (await store.links.by_external(tx, place.integration_id, CANDIDATE, ["1"]))["1"]
        await store.record_merges.rename_link(tx, before.id, "2", fence=before.fence + 5)
        await store.record_merges.rename_link(tx, before.id, "2", fence=0)
        (after,) = (await store.links.by_external(tx, place.integration_id, CANDIDATE, ["1", "2"])).values()
    assert (after.id, after.external_id, after.fence) == (before.id, "2", before.fence + 5)
    assert (after.digest, after.vendor_version, after.sync_version) == (None, None, before.sync_version + 2)
