"""What planted bugs put in place of production code: each takes what stands there and returns what stands in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.merge.fingerprints import print_of
from shared.merge.matching import New
from shared.merge.state import State, StoredBase
from shared.model import EntityType
from shared.model.fields import UNITS, Policy
from tests.simulation.engine.values import FIELDS, TAGS

Any_ = Callable[..., Any]


def says(value: Any) -> Callable[[Any], Any]:
    """Answer *value*, whatever is asked."""
    return lambda _original: lambda *_args, **_more: value


def says_later(value: Any) -> Callable[[Any], Any]:
    """Answer *value* to who awaits it."""

    def make(_original: Any) -> Any:
        async def answer(*_args: Any, **_more: Any) -> Any:
            return value

        return answer

    return make


def always_agreed(original: Any_) -> Any_:
    def based(*args: Any, **more: Any) -> Any:
        return replace(original(*args, **more), state=State.AGREED)

    return based


def without_criticals(original: Any_) -> Any_:
    def policy(self: Any, unit: Any) -> Policy:
        found: Policy = original(self, unit)
        return Policy.LWW if found is Policy.CRITICAL else found

    return policy


def without_unions(original: Any_) -> Any_:
    def policy(self: Any, unit: Any) -> Policy:
        found: Policy = original(self, unit)
        return Policy.LWW if found is Policy.UNION else found

    return policy


def hidden_is_empty(original: Any_) -> Any_:
    def visible(self: Any) -> dict[str, Any]:
        shown: dict[str, Any] = original(self)
        return {name: [] if name == TAGS else None for name in FIELDS} | shown

    return visible


def empty_is_hidden(original: Any_) -> Any_:
    def theirs(self: Any, observation: Any, values: Mapping[str, Any]) -> Any:
        return original(self, observation, {name: value for name, value in values.items() if value not in (None, "")})

    return theirs


def all_new(_original: Any_) -> Any_:
    return lambda arrivals: {each.external_id: New() for each in arrivals}


def whole_answer(original: Any_) -> Any_:
    """Take all that an answer shows for agreed, instead of what was sent."""

    def settle(base: Any, sent: Any, values: Any, answer: Any, rules: Any, **more: Any) -> Any:
        known = StoredBase(original(base, sent, values, answer, rules, **more))
        for unit in UNITS[EntityType.CANDIDATE].values():
            if answer is not None and unit.name in known and len(unit.members) == 1 and unit.name in answer.values:
                theirs = print_of(rules, unit, answer.values, unit.members)
                known[unit.name] = replace(known[unit.name], theirs=theirs)
        return known

    return settle


def push_is_agreed(original: Any_) -> Any_:
    """Count what is about to be sent as agreed before the call was made."""

    def with_intents(base: Any, intents: Any, expects: Any = None) -> Any:
        known = original(base, intents, expects)
        for name, sent in intents.items():
            known[name] = replace(known[name], ours=sent, theirs=sent, intent=None, intent_expects=None)
        return known

    return with_intents


def plain_base(_original: Any_) -> Any_:
    """Forget that a write is under way."""
    return lambda base, *_intents: StoredBase(base)


def no_value_digest(original: Any_) -> Any_:
    """Tell records apart by which fields they show, and not by what stands there."""

    def observation(record: Any, *args: Any, **more: Any) -> Any:
        found = original(record, *args, **more)
        return replace(found, digest=repr(sorted(found.values)).encode()[:16])

    return observation


def takes_held(original: Any_) -> Any_:
    """Show a person both values, and take the vendor's meanwhile."""

    def hold(draft: Any, unit: Any, shown: Sequence[str], *rest: Any) -> None:
        original(draft, unit, shown, *rest)
        draft.take.update({name: draft.theirs.values[name] for name in shown})

    return hold


def refused_is_agreed(original: Any_) -> Any_:
    def refuse(base: Any, units: Any, *rest: Any) -> Any:
        known = original(base, units, *rest)
        for name in units:
            known[name] = replace(known[name], state=State.AGREED)
        return known

    return refuse


def no_clearing(original: Any_) -> Any_:
    return lambda one, other: other is None or original(one, other)


def first_of_two(original: Any_) -> Any_:
    """Ask only the oldest of the other links."""

    async def others(*args: Any) -> Any:
        return (await original(*args))[:1]

    return others


def no_expectation(_original: Any_) -> Any_:
    return lambda *_: None


def sends_everything(_original: Any_) -> Any_:
    """Send all that is to be written with every call, whichever units it is for."""
    return lambda _entity, _units, changes: dict(changes)


def other_accounts_alone(original: Any_) -> Any_:
    """Tell the other systems of a change, and not a second record of the same one."""

    async def others(self: Any, tx: Any, work: Any, *rest: Any) -> Any:
        found = await original(self, tx, work, *rest)
        return [each for each in found if each.integration_id != work.integration.id]

    return others


def never_sent(original: Any_) -> Any_:
    """Forget that a create was sent before, and so that the vendor's search may lag behind it."""

    async def opened(*args: Any, **more: Any) -> Any:
        return replace(await original(*args, **more), sent_at=None)

    return opened


def carried_whole(original: Any_) -> Any_:
    """Take for granted that a create carries all that the record holds."""

    def base(*args: Any, **more: Any) -> Any:
        found = original(*args, **more)
        return replace(found, ours=print_of(args[4], args[1], args[0].data, args[3]))

    return base


def alive_again(original: Any_) -> Any_:
    """Take who was archived by a person for archived by a system."""

    def returns(record: Any, *args: Any) -> Any:
        return original(record and replace(record, archived_by=None), *args)

    return returns
