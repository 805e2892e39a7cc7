"""The lifecycle of integrations: made, changed, previewed, deleted, and succeeded by another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.errors import Conflict, NotFound
from shared.model import Direction
from shared.store.companies import Companies
from shared.store.integrations import Integration, Integrations, NewIntegration
from shared.store.links import LinkWrite
from shared.store.records import RecordWrite
from shared.store.webhook_events import WebhookEvents
from tests.contract.store.conflict_items import held, match
from tests.contract.store.ground import CANDIDATE, JOB, Place


def new(name: str = "GH", **how: Any) -> NewIntegration:
    wanted = NewIntegration(
        uuid4(), "greenhouse", name, None, "https://x", True, True, False, True, {"a": 1}, 4, None, 5, "sealed", "hook"
    )
    return replace(wanted, **how)


async def create(place: Place, **how: Any) -> Integration:
    async with place.ground.database.company(place.company_id) as tx:
        return await Integrations().create(tx, new(**how))


async def test_a_company_has_a_region_or_none(place: Place) -> None:
    companies = Companies()
    async with place.ground.database.company(place.company_id) as tx:
        assert await companies.region(tx) is None
        await companies.set_region(tx, "DE")
        assert await companies.region(tx) == "DE"
    async with place.ground.database.company(uuid4()) as tx:
        assert await companies.region(tx) is None


async def test_creation(place: Place) -> None:
    wanted = new()
    async with place.ground.database.company(place.company_id) as tx:
        made = await Integrations().create(tx, wanted)
    assert (made.id, made.rank, made.version, made.webhook_secrets_version) == (wanted.id, 2, 1, 1)
    assert (made.config, made.sync_candidates, made.max_retries, made.clock_skew_ms) == ({"a": 1}, False, 4, 5)
    assert (made.api_key_encrypted, made.webhook_secret_sealed, made.account) == ("sealed", "hook", None)
    assert made.syncs(JOB)
    async with place.ground.database.dispatch() as tx:
        assert await Companies().of_integration(tx, made.id) == place.company_id
        assert await Companies().of_integration(tx, uuid4()) is None
        assert await WebhookEvents().company_of(tx, made.id) == place.company_id
        found = await WebhookEvents().all_integrations(tx)
    assert found == {place.company_id: {place.integration_id, made.id}}


async def test_two_are_ranked_one_after_another(place: Place) -> None:
    async with place.ground.database.company(place.company_id) as tx:
        first = await Integrations().create(tx, new())
        second = await place.ground.blocked(create(place))
    assert (first.rank, (await second).rank) == (2, 3)


async def test_a_list_by_key(place: Place) -> None:
    made = [await create(place, name=name) for name in "abc"]
    async with place.ground.database.company(place.company_id) as tx:
        everything = await Integrations().of_company(tx)
        assert [each.id for each in everything] == [place.integration_id, *(each.id for each in made)]
        rest = await Integrations().of_company(tx, after=(made[0].created_at, made[0].id), limit=1)
        assert [each.name for each in rest] == ["b"]


async def test_others_with_policies_are_read_one_after_another(place: Place) -> None:
    made = [await create(place, name=name, config={"policies": {}} if name > "a" else {}) for name in "abcd"]
    await delete(place, made[1].id)

    async def names() -> list[str]:
        async with place.ground.database.company(place.company_id) as tx:
            return [each.name for each in await Integrations().with_policies(tx, besides=made[2].id)]

    async with place.ground.database.company(place.company_id) as tx:
        assert [each.name for each in await Integrations().with_policies(tx, besides=made[3].id)] == ["c"]
        other = await place.ground.blocked(names())
    assert await other == ["d"]


async def test_an_update_names_what_it_sets(place: Place) -> None:
    made = await create(place)

    async def update(changes: Mapping[str, object], based_on: int) -> Integration:
        async with place.ground.database.company(place.company_id) as tx:
            return await Integrations().update(tx, made.id, changes, based_on=based_on)

    second = await update({"name": "x", "config": {"b": 2}, "api_key_encrypted": None}, 1)
    assert (second.name, second.config, second.api_key_encrypted) == ("x", {"b": 2}, None)
    assert (second.version, second.webhook_secrets_version, second.webhook_secret_sealed) == (2, 1, "hook")
    assert second.updated_at > made.updated_at
    third = await update({"webhook_secret_sealed": "new"}, 2)
    assert (third.webhook_secret_sealed, third.webhook_secrets_version, third.config) == ("new", 2, {"b": 2})
    with pytest.raises(Conflict):
        await update({"name": "y"}, 2)


async def test_what_a_test_of_the_connection_found(place: Place) -> None:
    made = await create(place)

    async def observe(account: str | None, skew: int) -> Integration:
        async with place.ground.database.company(place.company_id) as tx:
            await Integrations().observe(tx, made.id, account=account, clock_skew_ms=skew)
            return await Integrations().get(tx, made.id)

    found = await observe("acme", 9)
    assert (found.account, found.clock_skew_ms, found.version) == ("acme", 9, 1)
    assert (await observe(None, 9)).account == "acme"


async def test_a_preview_is_kept_unless_the_integration_has_changed_since(place: Place) -> None:
    made = await create(place)

    async def previewed(version: int) -> bool:
        async with place.ground.database.company(place.company_id) as tx:
            return await Integrations().previewed(tx, made.id, version=version, by="jo", entities=[CANDIDATE])

    assert (await previewed(2), await previewed(1)) == (False, True)
    async with place.ground.database.company(place.company_id) as tx:
        found = await Integrations().get(tx, made.id)
        assert (found.previewed_by, found.previewed_entities, found.version) == ("jo", ["candidate"], 1)
        assert found.previewed_at is not None
        await Integrations().delete(tx, made.id)
    assert not await previewed(2)


async def delete(place: Place, integration_id: UUID) -> Integration:
    async with place.ground.database.company(place.company_id) as tx:
        return await Integrations().delete(tx, integration_id)


async def test_deletion_leaves_tombstones_and_closes_what_waited(place: Place) -> None:
    ground, store = place.ground, place.ground.store
    live, gone, field = uuid4(), uuid4(), held(uuid4())
    await ground.change("integrations", {"id": place.integration_id}, api_key_encrypted="x", webhook_secret_sealed="y")
    async with ground.database.company(place.company_id) as tx:
        links = [LinkWrite(uuid4(), each, str(each), None, {}) for each in (live, gone)]
        await store.links.insert(tx, place.integration_id, CANDIDATE, links)
        await store.conflicts.put(tx, [field])
        await store.conflicts.put_matches(tx, [match(place, "1", uuid4())])
    await ground.change("external_entity_map", {"internal_id": gone}, state="gone")
    await ground.put("oauth_tokens", integration_id=place.integration_id, company_id=place.company_id)
    deleted = await delete(place, place.integration_id)
    assert (deleted.sync_enabled, deleted.api_key_encrypted, deleted.webhook_secret_sealed) == (False, None, "y")
    assert (deleted.version, deleted.deleted_at is None) == (2, False)
    states = {row["internal_id"]: row["state"] for row in await ground.rows("external_entity_map")}
    assert states == {live: "tombstone", gone: "gone"}
    items = {row["kind"]: (row["status"], row["ended_by"]) for row in await ground.rows("conflicts")}
    assert items == {"field": ("open", None), "ambiguous_match": ("closed", "integration_deleted")}
    assert await ground.rows("oauth_tokens") == []
    with pytest.raises(NotFound):
        await delete(place, place.integration_id)
    async with ground.database.company(place.company_id) as tx:
        assert await Integrations().of_company(tx) == []
        assert (await Integrations().get(tx, place.integration_id, include_deleted=True)).id == place.integration_id
        with pytest.raises(NotFound):
            await Integrations().get(tx, place.integration_id)


async def test_records_that_no_other_system_has_are_archived(place: Place) -> None:
    ground, store, other = place.ground, place.ground.store, await create(place)
    alone, shared, gone = (uuid4() for _ in range(3))
    async with ground.database.company(place.company_id) as tx:
        await store.records.insert(
            tx, CANDIDATE, [RecordWrite(each, CANDIDATE, {}, {}) for each in (alone, shared, gone)]
        )
        links = [LinkWrite(uuid4(), each, str(each), None, {}) for each in (alone, shared, gone)]
        await store.links.insert(tx, place.integration_id, CANDIDATE, links)
        await store.links.insert(tx, other.id, CANDIDATE, [LinkWrite(uuid4(), shared, "1", None, {})])
    await ground.change("external_entity_map", {"internal_id": gone}, state="gone")
    async with ground.database.company(place.company_id) as tx:
        assert await Integrations().archive_records(tx, place.integration_id) == [(alone, CANDIDATE)]
        assert await Integrations().archive_records(tx, place.integration_id) == []
    assert (await ground.row("records", id=alone))["version"] == 2


async def test_a_new_connection_to_the_account_takes_its_links_over(place: Place) -> None:
    ground, store = place.ground, place.ground.store
    await ground.change("integrations", {"id": place.integration_id}, account="acme")
    kept, gone, taken, same = (uuid4() for _ in range(4))
    async with ground.database.company(place.company_id) as tx:
        links = [
            LinkWrite(uuid4(), each, name, None, {})
            for each, name in ((kept, "1"), (gone, "2"), (taken, "3"), (same, "4"))
        ]
        await store.links.insert(tx, place.integration_id, CANDIDATE, links)
    await ground.change("external_entity_map", {"internal_id": gone}, state="gone")
    made = await create(place, account="acme")
    async with ground.database.company(place.company_id) as tx:
        mine = [LinkWrite(uuid4(), uuid4(), "3", None, {}), LinkWrite(uuid4(), same, "9", None, {})]
        await store.links.insert(tx, made.id, CANDIDATE, mine)

    async def take_over(account: str = "acme") -> int:
        async with ground.database.company(place.company_id) as tx:
            return await Integrations().take_over_links(tx, made, account)

    assert await take_over() == 0, "it is not deleted"
    await delete(place, place.integration_id)
    assert await take_over("other") == 0
    assert await take_over() == 2
    states = {
        row["internal_id"]: row["state"]
        for row in await ground.rows("external_entity_map")
        if row["integration_id"] == made.id
    }
    assert (states[kept], states[gone], taken in states) == ("live", "gone", False)


async def test_what_is_at_work(place: Place) -> None:
    for key, how in (("a", {"entity": JOB}), ("b", {"action": "pull"}), ("c", {}), ("d", {"priority": 9})):
        await place.ask(key, **how)
    for _ in range(3):
        await place.ground.claimed()
    async with place.ground.database.company(place.company_id) as tx:
        found = await Integrations().at_work(tx, place.integration_id, ["reconcile"])
        assert found == {(JOB, Direction.INBOUND), (CANDIDATE, Direction.INBOUND)}
        assert await Integrations().at_work(tx, uuid4(), ["reconcile"]) == set()
