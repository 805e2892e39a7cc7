"""
The planted bugs. Each is one thing that somebody could get wrong, in one place.

`python -m tests.simulation.planted` looks for the first seed that notices each; its number is recorded here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.merge.fingerprints import print_of
from shared.merge.matching import New
from shared.merge.state import State, StoredBase
from shared.model import EntityType
from shared.model.fields import UNITS, Policy
from shared.sync.jobs.endings import Done
from shared.sync.removing.brake import Verdict
from tests.simulation.engine.values import FIELDS, TAGS
from tests.simulation.planted.mutant import Mutant

Any_ = Callable[..., Any]


def _says(value: Any) -> Callable[[Any], Any]:
    """Answer *value*, whatever is asked."""
    return lambda _original: lambda *_args, **_more: value


def _says_later(value: Any) -> Callable[[Any], Any]:
    """Answer *value* to who awaits it."""

    def make(_original: Any) -> Any:
        async def answer(*_args: Any, **_more: Any) -> Any:
            return value

        return answer

    return make


def _always_agreed(original: Any_) -> Any_:
    def based(*args: Any, **more: Any) -> Any:
        return replace(original(*args, **more), state=State.AGREED)

    return based


def _without_criticals(original: Any_) -> Any_:
    def policy(self: Any, unit: Any) -> Policy:
        found: Policy = original(self, unit)
        return Policy.LWW if found is Policy.CRITICAL else found

    return policy


def _without_unions(original: Any_) -> Any_:
    def policy(self: Any, unit: Any) -> Policy:
        found: Policy = original(self, unit)
        return Policy.LWW if found is Policy.UNION else found

    return policy


def _hidden_is_empty(original: Any_) -> Any_:
    def visible(self: Any) -> dict[str, Any]:
        shown: dict[str, Any] = original(self)
        return {name: [] if name == TAGS else None for name in FIELDS} | shown

    return visible


def _empty_is_hidden(original: Any_) -> Any_:
    def theirs(self: Any, observation: Any, values: Mapping[str, Any]) -> Any:
        return original(self, observation, {name: value for name, value in values.items() if value not in (None, "")})

    return theirs


def _all_new(_original: Any_) -> Any_:
    return lambda arrivals: {each.external_id: New() for each in arrivals}


def _whole_answer(original: Any_) -> Any_:
    """Take all that an answer shows for agreed, instead of what was sent."""

    def settle(base: Any, sent: Any, values: Any, answer: Any, rules: Any, **more: Any) -> Any:
        known = StoredBase(original(base, sent, values, answer, rules, **more))
        for unit in UNITS[EntityType.CANDIDATE].values():
            if answer is not None and unit.name in known and len(unit.members) == 1 and unit.name in answer.values:
                theirs = print_of(rules, unit, answer.values, unit.members)
                known[unit.name] = replace(known[unit.name], theirs=theirs)
        return known

    return settle


def _push_is_agreed(original: Any_) -> Any_:
    """Count what is about to be sent as agreed before the call was made."""

    def with_intents(base: Any, intents: Any, expects: Any = None) -> Any:
        known = original(base, intents, expects)
        for name, sent in intents.items():
            known[name] = replace(known[name], ours=sent, theirs=sent, intent=None, intent_expects=None)
        return known

    return with_intents


def _plain_base(_original: Any_) -> Any_:
    """Forget that a write is under way."""
    return lambda base, *_intents: StoredBase(base)


def _no_value_digest(original: Any_) -> Any_:
    """Tell records apart by which fields they show, and not by what stands there."""

    def observation(record: Any, *args: Any, **more: Any) -> Any:
        found = original(record, *args, **more)
        return replace(found, digest=repr(sorted(found.values)).encode()[:16])

    return observation


def _takes_held(original: Any_) -> Any_:
    """Show a person both values, and take the vendor's meanwhile."""

    def hold(draft: Any, unit: Any, shown: Sequence[str], *rest: Any) -> None:
        original(draft, unit, shown, *rest)
        draft.take.update({name: draft.theirs.values[name] for name in shown})

    return hold


def _refused_is_agreed(original: Any_) -> Any_:
    def refuse(base: Any, units: Any, *rest: Any) -> Any:
        known = original(base, units, *rest)
        for name in units:
            known[name] = replace(known[name], state=State.AGREED)
        return known

    return refuse


def _no_clearing(original: Any_) -> Any_:
    return lambda one, other: other is None or original(one, other)


def _first_of_two(original: Any_) -> Any_:
    """Ask only the oldest of the other links."""

    async def others(*args: Any) -> Any:
        return (await original(*args))[:1]

    return others


def _no_expectation(_original: Any_) -> Any_:
    return lambda *_: None


def _sends_everything(_original: Any_) -> Any_:
    """Send all that is to be written with every call, whichever units it is for."""
    return lambda _entity, _units, changes: dict(changes)


def _other_accounts_alone(original: Any_) -> Any_:
    """Tell the other systems of a change, and not a second record of the same one."""

    async def others(self: Any, tx: Any, work: Any, *rest: Any) -> Any:
        found = await original(self, tx, work, *rest)
        return [each for each in found if each.integration_id != work.integration.id]

    return others


def _never_sent(original: Any_) -> Any_:
    """Forget that a create was sent before, and so that the vendor's search may lag behind it."""

    async def opened(*args: Any, **more: Any) -> Any:
        return replace(await original(*args, **more), sent_at=None)

    return opened


def _carried_whole(original: Any_) -> Any_:
    """Take for granted that a create carries all that the record holds."""

    def base(*args: Any, **more: Any) -> Any:
        found = original(*args, **more)
        return replace(found, ours=print_of(args[4], args[1], args[0].data, args[3]))

    return base


def _alive_again(original: Any_) -> Any_:
    """Take who was archived by a person for archived by a system."""

    def returns(record: Any, *args: Any) -> Any:
        return original(record and replace(record, archived_by=None), *args)

    return returns


_MERGE, _SYNC = "shared.merge", "shared.sync"

MUTANTS = (
    Mutant("a lagging list is believed", "21", f"{_SYNC}.applying.apply:may_lag", _says(False), 5, "and was undone"),
    Mutant(
        "a known divergence counts as agreement",
        "31",
        f"{_MERGE}.scalars:_based",
        _always_agreed,
        219,
        "whose author had not seen it",
    ),
    Mutant("no intent is kept", "20", f"{_SYNC}.merging.one_record:with_intents", _plain_base, 10, "and was undone"),
    Mutant(
        "sent counts as arrived",
        "28",
        f"{_SYNC}.merging.one_record:with_intents",
        _push_is_agreed,
        83,
        "and was undone",
    ),
    Mutant(
        "critical fields are decided by the clock",
        "31",
        f"{_MERGE}.draft:Draft.policy",
        _without_criticals,
        3,
        "whose author had not seen it",
    ),
    Mutant("sets are one value", "-", f"{_MERGE}.draft:Draft.policy", _without_unions, 23, "nobody removed"),
    Mutant(
        "what is not visible counts as empty",
        "10",
        "shared.model.records:Record.visible",
        _hidden_is_empty,
        45,
        "and was undone",
    ),
    Mutant(
        "clearing at a vendor does not travel",
        "22",
        f"{_SYNC}.merging.observations:RuleBook.theirs",
        _empty_is_hidden,
        1,
        "nothing says why",
    ),
    Mutant(
        "clearing in the portal does not travel",
        "22",
        f"{_SYNC}.editing.edits:_same",
        _no_clearing,
        5,
        "was acknowledged and is not kept",
    ),
    Mutant(
        "everybody is new", "19", f"{_SYNC}.identity.identify:match_page", _all_new, 1, "with two records in the portal"
    ),
    Mutant(
        "identities are not locked",
        "19",
        "shared.store.records:Records.lock_identities",
        _says_later(None),
        27,
        "with two records in the portal",
    ),
    Mutant(
        "the whole answer is agreed",
        "20",
        f"{_SYNC}.reconciling.pushing:settle",
        _whole_answer,
        39,
        "whose author had not seen it",
    ),
    Mutant(
        "values count for nothing in a digest",
        "3",
        f"{_SYNC}.merging.observations:_observation",
        _no_value_digest,
        17,
        "a side has moved since",
    ),
    Mutant(
        "a held value is taken all the same",
        "31",
        f"{_MERGE}.scalars:_hold",
        _takes_held,
        5,
        "whose author had not seen it",
    ),
    Mutant(
        "a deleted record stays linked",
        "6",
        f"{_SYNC}.removing.gone:Gone.settle",
        _says_later(Done("gone")),
        31,
        "is gone at A and the link is live",
    ),
    Mutant(
        "a refused value counts as agreed",
        "31",
        f"{_SYNC}.reconciling.pushing:refuse",
        _refused_is_agreed,
        14,
        "whose author had not seen it",
    ),
    Mutant(
        "a decision overrides what nobody saw",
        "31",
        f"{_SYNC}.deciding.resolutions:Resolutions._require_unmoved",
        _says(None),
        537,
        "whose author had not seen it",
    ),
    Mutant(
        "other systems are not told",
        "-",
        f"{_SYNC}.applying.apply:Applier._other_links",
        _says_later([]),
        3,
        "nothing says why",
    ),
    Mutant(
        "only one other system is told",
        "-",
        f"{_SYNC}.applying.apply:Applier._other_links",
        _first_of_two,
        3,
        "nothing says why",
    ),
    Mutant("a page's pushes are forgotten", "-", f"{_SYNC}.applying.apply:pushes", _says([]), 11, "nothing says why"),
    Mutant(
        "an edit asks for no job",
        "18",
        f"{_SYNC}.editing.edits:Edits.requests_for_links",
        _says_later([]),
        1,
        "nothing says why",
    ),
    Mutant("changes are not logged", "11", f"{_SYNC}.applying.apply:row_of", _says(None), 1, "and no log row says so"),
    Mutant(
        "what a vendor makes of values is not known",
        "26",
        f"{_MERGE}.draft:expected_print",
        _no_expectation,
        49,
        "was written though the vendor holds it",
    ),
    Mutant("removals are not sent", "-", f"{_MERGE}.sets:_may", _says((True, False)), 59, "at rest tags"),
    Mutant("additions are not sent", "-", f"{_MERGE}.sets:_may", _says((False, True)), 1, "at rest tags"),
    Mutant(
        "each call sends everything",
        "-",
        f"{_SYNC}.reconciling.pushing:_fields_of",
        _sends_everything,
        19,
        "nothing says why",
    ),
    Mutant(
        "a vendor's merge asks nobody",
        "19",
        f"{_SYNC}.candidates.vendor_merges:VendorMerges._two_records",
        _says_later(("asked", [])),
        61,
        "two here, and nobody asks",
    ),
    Mutant(
        "the merged side stays in conflict",
        "31",
        f"{_SYNC}.applying.apply:Applier.part",
        _says_later(None),
        93,
        "No conflict is open in this field",
    ),
    Mutant(
        "links stay where they were",
        "19",
        "shared.store.record_merges:RecordMerges.move",
        _says_later(None),
        15,
        "was written though it is part of another one",
    ),
    Mutant(
        "a merge brings nobody in step",
        "-",
        f"{_SYNC}.candidates.candidate_merges:reconciles",
        _says_later([]),
        115,
        "at rest tags",
    ),
    Mutant(
        "a create counts as carrying everything",
        "28",
        f"{_SYNC}.creating.birth:_unit_base",
        _carried_whole,
        1,
        "nothing says why",
    ),
    Mutant(
        "an application waits for whoever has left",
        "-",
        f"{_SYNC}.creating.create_plans:CreatePlans._hindrance",
        _says_later(None),
        61,
        "is not there, and nothing says why",
    ),
    Mutant(
        "what the search before a create finds is ignored",
        "19",
        f"{_SYNC}.creating.create:Creator._unlinked",
        _says_later([]),
        9,
        "made of nobody's values",
    ),
    Mutant(
        "a search that lags is believed at once",
        "19",
        "shared.store.create_intents:CreateIntents.open",
        _never_sent,
        103,
        "exists 2 times",
    ),
    Mutant(
        "a create is sent without a word",
        "19",
        "shared.store.create_intents:CreateIntents.mark_sent",
        _says_later(None),
        133,
        "made of nobody's values",
    ),
    Mutant(
        "what was sent is forgotten",
        "19",
        f"{_SYNC}.submissions.create_attempts:CreateAttempts._opened",
        _says(None),
        33,
        "made of nobody's values",
    ),
    Mutant(
        "a second link is not told",
        "-",
        f"{_SYNC}.applying.apply:Applier._other_links",
        _other_accounts_alone,
        14,
        "nothing says why",
    ),
    Mutant(
        "links do not part at an un-merge",
        "-",
        f"{_SYNC}.candidates.candidate_partings:CandidatePartings._move_links",
        _says_later(None),
        4,
        "was parted, and",
    ),
    Mutant(
        "a merged candidate still takes edits",
        "-",
        f"{_SYNC}.editing.edits:Edits._require_whole",
        _says_later(None),
        2,
        "was written though it is part of another one",
    ),
    Mutant(
        "a parting brings nobody in step",
        "-",
        f"{_SYNC}.candidates.candidate_partings:reconciles",
        _says_later([]),
        136,
        "nothing says why",
    ),
    Mutant(
        "deletes under way count for nothing",
        "7",
        "shared.store.removals:Removals.under_way",
        _says_later(0),
        453,
        "was deleted though the brake",
    ),
    Mutant(
        "no brake is asked",
        "7",
        f"{_SYNC}.removing.brake:DeleteBrake.ask",
        _says_later(Verdict.GO),
        453,
        "was deleted though the brake",
    ),
    Mutant(
        "an archive asks no vendor",
        "6",
        f"{_SYNC}.removing.archiving:Archives._ask_vendors",
        _says_later([]),
        9,
        "lives on, and nothing says why",
    ),
    Mutant(
        "a restore takes nothing back",
        "6",
        f"{_SYNC}.removing.restoring:_revoke",
        _says_later(False),
        717,
        "is archived again by nobody",
    ),
    Mutant(
        "what a person archived returns by itself",
        "6",
        f"{_SYNC}.merging.one_record:_returns",
        _alive_again,
        9,
        "and nobody restored the record",
    ),
    Mutant(
        "an application is archived while it is being created",
        "19",
        "shared.store.record_merges:RecordMerges.is_being_created",
        _says_later(False),
        33,
        "made of nobody's values",
    ),
    Mutant(
        "schedules start nothing", "5", f"{_SYNC}.workers.sweep:Sweep.start_due", _says_later(0), 75, "is due since"
    ),
)
