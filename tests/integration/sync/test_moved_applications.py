"""Applications that moved along with their candidates: a comparison and the sync say the same of them, nothing."""

from __future__ import annotations

from shared.model import EntityType
from tests.integration.sync.test_candidate_merges import merge, part, two_people
from tests.integration.sync.test_create import open_job
from tests.integration.sync.test_parity import compare
from tests.integration.sync.world import World

APPLICATION = EntityType.APPLICATION


async def test_applications_that_move_with_their_candidates_are_no_drift(world: World) -> None:
    """Their links say whose they were when the two sides met last."""
    await world.pull(EntityType.JOB)
    job, _ = await open_job(world)
    ada, augusta = await two_people(world, application={"job_id": job["id"]})
    await merge(world, ada["id"], augusta["id"])
    await assert_nothing_is_the_matter(world)
    await part(world, ada["id"])
    await assert_nothing_is_the_matter(world)


async def assert_nothing_is_the_matter(world: World) -> None:
    """A comparison finds nothing but what differs knowingly, and a full pull changes nothing."""
    run = await compare(world, APPLICATION)
    assert run["status"] == "complete", run["error"]
    assert {row["kind"] for row in run["differences"].values()} <= {"diverged"}, run["differences"]
    pulled = await world.run_of(await world.pull(APPLICATION, mode="full"))
    assert (pulled["status"], pulled["records_updated"]) == ("complete", 0)
