"""What people ask for: syncs, edits, decisions, merges, looks into the past, and what follows from silence."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from shared.composition.ground import Ground

if TYPE_CHECKING:
    from shared.past.chronicles import Chronicles
    from shared.past.reverting import Reverts
    from shared.sync.candidates.candidate_merges import CandidateMerges
    from shared.sync.candidates.candidate_partings import CandidatePartings
    from shared.sync.comparing.parity import Comparisons
    from shared.sync.deciding.reminders import Reminders
    from shared.sync.deciding.resolutions import Resolutions
    from shared.sync.editing.edits import Edits
    from shared.sync.editing.record_changes import RecordChanges
    from shared.sync.identity.id_map import IdMapImport
    from shared.sync.identity.suppression import Suppression
    from shared.sync.previewing.preview import Previews
    from shared.sync.pulling.quarantine import Quarantine
    from shared.sync.removing.archiving import Archives
    from shared.sync.removing.brake import Deletes
    from shared.sync.runs.requests import Syncs


class Requests(Ground):
    """Parts that act on behalf of people."""

    @cached_property
    def syncs(self) -> Syncs:
        """Starts and cancels runs."""
        from shared.sync.runs.requests import Syncs

        return Syncs(self.database, self.store, self.knocker)

    @cached_property
    def suppression(self) -> Suppression:
        """Tells which people stay away."""
        from shared.sync.identity.suppression import Suppression

        return Suppression(self.store, self.keys)

    @cached_property
    def edits(self) -> Edits:
        """Writes on behalf of people."""
        from shared.sync.editing.edits import Edits
        from shared.sync.keeping.pinning import Pinner

        return Edits(
            self.database,
            self.store,
            self.vault,
            Pinner(self.store.pins, self.keys),
            self.suppression,
            self.knocker,
        )

    @cached_property
    def archives(self) -> Archives:
        """Archives and restores on behalf of people."""
        from shared.sync.removing.archiving import Archives

        return Archives(self.database, self.store, self.suppression, self.knocker)

    @cached_property
    def _record_changes(self) -> RecordChanges:
        from shared.sync.editing.record_changes import RecordChanges
        from shared.sync.keeping.chronicle import Chronicle
        from shared.sync.keeping.pinning import Pinner

        chronicle = Chronicle(self.store.history, self.vault)
        return RecordChanges(self.store, chronicle, Pinner(self.store.pins, self.keys))

    @cached_property
    def merges(self) -> CandidateMerges:
        """Makes two candidates one."""
        from shared.sync.candidates.candidate_merges import CandidateMerges

        return CandidateMerges(self.database, self.store, self.vault, self._record_changes, self.knocker)

    @cached_property
    def partings(self) -> CandidatePartings:
        """Makes them two again."""
        from shared.sync.candidates.candidate_partings import CandidatePartings

        return CandidatePartings(self.database, self.store, self.vault, self._record_changes, self.knocker)

    @cached_property
    def resolutions(self) -> Resolutions:
        """Performs people's decisions."""
        from shared.sync.deciding.resolutions import Resolutions

        return Resolutions(self.database, self.store, self.adapters, self.edits, self.merges, self.keys, self.knocker)

    @cached_property
    def chronicles(self) -> Chronicles:
        """Tells of the past of records."""
        from shared.past.chronicles import Chronicles

        return Chronicles(self.store, self.vault)

    @cached_property
    def reverts(self) -> Reverts:
        """Takes runs back."""
        from shared.past.reverting import Reverts

        return Reverts(
            self.database,
            self.store,
            self.vault,
            self.edits,
            self.suppression,
            self.knocker,
            time_budget_s=self.settings.sync_time_budget_seconds,
        )

    @cached_property
    def id_maps(self) -> IdMapImport:
        """Imports tables of ids."""
        from shared.sync.identity.id_map import IdMapImport

        return IdMapImport(self.database, self.store, self.adapters, self.knocker)

    @cached_property
    def previews(self) -> Previews:
        """Rehearses first syncs."""
        from shared.sync.previewing.preview import Previews

        return Previews(self.database, self.store, self.adapters, self.applier)

    @cached_property
    def comparisons(self) -> Comparisons:
        """Starts full comparisons and shows them."""
        from shared.sync.comparing.parity import Comparisons

        return Comparisons(self.database, self.store, self.knocker)

    @cached_property
    def deletes(self) -> Deletes:
        """Performs people's decisions about what the delete brake holds."""
        from shared.sync.removing.brake import Deletes

        return Deletes(self.database, self.store, self.knocker)

    @cached_property
    def quarantine(self) -> Quarantine:
        """Redrives what could not be taken in."""
        from shared.sync.pulling.quarantine import Quarantine

        return Quarantine(self.database, self.store, self.knocker)

    @cached_property
    def reminders(self) -> Reminders:
        """Tells people of what waits too long."""
        from shared.sync.deciding.reminders import Reminders

        return Reminders(self.database, due=timedelta(hours=self.settings.conflict_due_h))
