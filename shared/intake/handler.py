"""Handler of `publish_webhook_state` jobs: tell the intake what has changed, then replay what was kept meanwhile."""

from __future__ import annotations

from shared.intake.keeping import Keeping, replay_kept
from shared.intake.publish import Publishing, publish
from shared.store.ledger import Job
from shared.sync.jobs.endings import Done, Ending


class PublishHandler:
    """Runs while an integration is paused as well: that it is paused is what has to be told."""

    def __init__(self, publishing: Publishing, keeping: Keeping) -> None:
        self._publishing = publishing
        self._keeping = keeping

    async def __call__(self, job: Job) -> Ending:
        """Publish the integration's state. Raises Unavailable."""
        await publish(self._publishing, job.company_id, job.integration_id)
        replayed = await replay_kept(self._keeping, job.company_id, job.integration_id)
        return Done("replayed" if replayed else "published")
