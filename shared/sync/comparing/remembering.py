"""
What a comparison found as it should be, remembered: the next one passes over it.

A pair is passed over when its link has the digest of the vendor's record as last merged. A link without one (a write of
ours, a decision, a change of the root secret took it) or with another (maps or policies have changed) gets it here, by
the merge that a pull of the page would make: nothing of either side changes, and its prints are made anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from shared.errors import Conflict
from shared.store.comparison import Comparison, Standing
from shared.store.database import Database, Transaction
from shared.store.ledger import Knock
from shared.store.store import Store
from shared.sync.applying.apply import Applier
from shared.sync.merging.examining import Finding
from shared.sync.merging.observations import Observation, RuleBook
from shared.sync.merging.work import Work

AS_THEY_SHOULD_BE = frozenset({None, "archived", "diverged", "one_way", "open_conflict"})
"""Causes of differences that a merge leaves as they are, and none: in step."""


class Remembering:
    """Seals pairs, and merges first what was merged otherwise, or never, since its digest went."""

    def __init__(self, database: Database, store: Store, applier: Applier) -> None:
        self._database = database
        self._store = store
        self._applier = applier
        self._comparison = Comparison()

    async def seal(
        self,
        tx: Transaction,
        findings: Sequence[Finding],
        standings: Mapping[str, Standing],
        digests: Mapping[str, bytes],
    ) -> None:
        """Seal what was found in step, just as it was listed."""
        await self._comparison.seal(
            tx,
            [
                replace(standing, fields_compared=each.compared, fields_hidden=each.hidden)
                for each in findings
                if each.kind is None
                and (standing := standings.get(each.external_id)) is not None
                and standing.seal is not None
                and standing.digest == digests[each.external_id]
            ],
        )

    async def merge_again(
        self, work: Work, book: RuleBook, observations: Sequence[Observation], findings: Sequence[Finding]
    ) -> list[Knock]:
        """
        Merge *observations* as a page of a pull, and seal those of *findings* that are in step.

        Where another worker is faster, nothing is done: the next comparison finds them as they are then.
        """
        if not observations:
            return []
        digests = {each.external_id: each.digest for each in observations}
        try:
            async with self._database.company(work.integration.company_id) as tx:
                await work.guard(tx, self._store.ledger)
                applied = await self._applier.apply(tx, work, observations, book)
                standings = await self._comparison.standings(
                    tx, work.integration.id, work.entity, list(digests), context=book.context.hex()
                )
                await self.seal(tx, [each for each in findings if each.external_id in digests], standings, digests)
                return applied.knocks
        except Conflict as error:
            if error.code != Conflict.code:  # a lost lease
                raise
            return []
