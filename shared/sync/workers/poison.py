"""What reached a poison queue: recorded as a dead letter with its cause, told to operators, ready to be redriven."""

from __future__ import annotations

from shared import telemetry
from shared.errors import Unavailable
from shared.model import EntityType
from shared.store.database import Database
from shared.store.ledger import Knock
from shared.store.queues import Queues
from shared.store.store import Store
from shared.sync.runs.run_jobs import RunJob, end_run_of
from shared.sync.workers.runner import read_knock

LOOK_AGAIN_S = 60
"""A poisoned job that somebody runs just now is looked at again later."""

log = telemetry.get_logger(__name__)


class PoisonRecorder:
    """Answers messages of `<queue>-poison`."""

    def __init__(self, database: Database, store: Store, queues: Queues) -> None:
        self._database = database
        self._store = store
        self._queues = queues

    async def record(self, body: bytes, queue: str) -> str:
        """
        Dead-letter the job that poisoned *queue*; return what became of it.

        A job that ended or was redriven meanwhile is left alone, and so is one that somebody asked for since it was
        tried last: it runs once more. One that runs just now, and any while the database is away, is looked at later:
        the message is sent again, and this one ends. Raises Unavailable when the queues are away too.
        """
        knock = read_knock(body)
        if knock is None:
            log.error("poison_message_unreadable", queue=queue)
            return "unreadable"
        try:
            outcome = await self._record(knock, queue)
        except Unavailable:
            outcome = "postponed"
        if outcome == "postponed":
            await self._queues.send(f"{queue}-poison", body, delay_s=LOOK_AGAIN_S)
        return outcome

    async def _record(self, knock: Knock, queue: str) -> str:
        async with self._database.company(knock.company_id) as tx:
            state = await self._store.ledger.state(tx, knock.job_id)
            if state is None or state["epoch"] != knock.epoch or state["status"] not in ("pending", "processing"):
                return "over"
            if state["is_leased"]:
                return "postponed"
            if state["is_asked_again"]:
                return "asked_again"
            cause = f"failed five times in a row: {state['error_message'] or 'cause not recorded'}"
            letter = await self._store.ledger.bury(
                tx, knock.job_id, epoch=knock.epoch, queue=queue, code="poison", message=cause
            )
            if letter is not None:  # for what goes on now the sweep knocks
                entity = EntityType(state["entity_type"])
                job = RunJob(state["integration_id"], state["action"], entity, state["record_key"])
                await end_run_of(tx, self._store, job, error=f"poison: {cause}")
        if letter is None:
            return "over"
        log.error("dead_letter", code="poison", letter_id=str(letter), queue=queue)
        return "dead_letter"
