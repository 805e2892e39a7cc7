"""What a link says was agreed on, laid out for a merge: for whoever merges, or asks what a merge would do."""

from __future__ import annotations

from shared.merge.base_codec import decode_base
from shared.merge.marks import under
from shared.merge.references import as_named
from shared.merge.state import Ours, Rules, StoredBase
from shared.store.links import Link


def base_of(link: Link, ours: Ours, rules: Rules) -> StoredBase:
    """
    Return the base of *link* as it holds today: under the present maps, with references as *ours* has them.

    Raises what reading a base raises that nobody could have written.
    """
    return as_named(under(decode_base(link.base), ours, rules), ours, rules)
