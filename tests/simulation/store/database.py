"""`shared/store/database.py`."""

from __future__ import annotations

from shared.store import database as production
from tests.simulation.store.sessions import Session
from tests.simulation.store.statements import Result, imitates


@imitates(production, "_CLOCK")
async def clock(session: Session) -> Result:
    return [{"now": session.clock()}]
