"""What a page came to, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from shared.model.fields import CUSTOM_FIELDS
from shared.store.runs import Counts
from shared.sync.merging.observations import Observation
from shared.sync.merging.one_record import Merged
from shared.sync.merging.work import Sorted


def counts_of(observations: Sequence[Observation], found: Sorted, merged: Sequence[Merged]) -> Counts:
    """Return what applying *observations* came to; what stayed out because of a filter counts as unchanged."""
    created = sum(each.is_new for each in merged)
    updated = sum(not each.is_new and bool(each.taken_units) for each in merged)
    skipped = len(found.parked) + len(found.unclear) + len(found.being_created)
    return Counts(
        read=len(observations),
        created=created,
        updated=updated,
        unchanged=len(observations) - created - updated - skipped - len(found.suppressed),
        skipped=skipped,
        suppressed=len(found.suppressed),
        held=sum(len(each.held) for each in merged),
    )


def coverage_of(observations: Sequence[Observation], custom_fields: Collection[str] = ()) -> dict[str, int]:
    """
    Return how many of *observations* show each field.

    Of the *custom_fields* that are asked for (the vendor's keys) each by itself too, as `custom_fields.<key>`.
    """
    # A vendor shows the same fields of nearly all records, so that there are few sets of names to count.
    shown = Counter[str]()
    for names, times in Counter(((*each.values, *each.record.references)) for each in observations).items():
        shown.update(dict.fromkeys(names, times))
    if custom_fields and shown[CUSTOM_FIELDS]:
        unseen = Counter(key for each in observations for key in each.record.unseen_custom_fields)
        return {**shown, **{f"{CUSTOM_FIELDS}.{key}": shown[CUSTOM_FIELDS] - unseen[key] for key in custom_fields}}
    return dict(shown)
