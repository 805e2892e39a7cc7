"""
What a customer decides about merging at one integration: `config.policies` and `config.first_link`.

    {"candidate": {"current_title": "critical", "phone": {"policy": "lww", "loosen": true}},
     "application": {"stage": {"policy": "authority", "authority": "integration"}}}

Checked when it is saved; what is stored is read again by the same code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from shared.errors import InvalidInput
from shared.model.enums import EntityType
from shared.model.fields import FIELDS, SET_POLICIES, UNITS, Kind, Party, Policy, Unit

POLICIES = "policies"
FIRST_LINK = "first_link"
_KEYS = frozenset({"policy", "authority", "loosen"})
_PARTIES = {Party.PORTAL.value: Party.PORTAL, Party.INTEGRATION.value: Party.INTEGRATION, "ats": Party.INTEGRATION}
"""By the names a customer may write: an integration is the same as the kind of system at its other end."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What one integration has otherwise, for one entity, by unit."""

    policies: Mapping[str, Policy] = field(default_factory=dict)
    authorities: Mapping[str, Party] = field(default_factory=dict)


def overrides_of(config: Mapping[str, JsonValue]) -> dict[EntityType, Overrides]:
    """
    Return what `config.policies` says, by entity.

    Raises InvalidInput that names the unit and what to do: an entity, unit, policy or party that there is not, a
    policy that does not fit the field, a critical unit that is loosened without saying so.
    """
    given = config.get(POLICIES)
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise InvalidInput(
            f"config.{POLICIES}: must be an object by entity", field=f"config.{POLICIES}", remedy='{"candidate": {…}}'
        )
    return {_entity(name): _of_entity(_entity(name), units) for name, units in given.items()}


def first_link_of(config: Mapping[str, JsonValue]) -> Party | None:
    """Return whose value stands at a first meeting, as `config.first_link` says; None = as each policy says."""
    given = config.get(FIRST_LINK)
    if given is None:
        return None
    return _named_party(given, f"config.{FIRST_LINK}")


def _entity(name: str) -> EntityType:
    try:
        return EntityType.parse(name)
    except ValueError:
        raise InvalidInput.none_of(f"config.{POLICIES}.{name}", "there is no such entity", EntityType) from None


def _of_entity(entity: EntityType, given: JsonValue) -> Overrides:
    path = f"config.{POLICIES}.{entity.value}"
    if not isinstance(given, dict):
        raise InvalidInput(f"{path}: must be an object by unit", field=path, remedy='{"phone": "critical"}')
    policies: dict[str, Policy] = {}
    authorities: dict[str, Party] = {}
    for name, said in given.items():
        unit = _unit(entity, name, f"{path}.{name}")
        asked = {"policy": said} if isinstance(said, str) else said
        if not isinstance(asked, dict) or not asked.keys() <= _KEYS:
            raise InvalidInput(
                f"{path}.{name}: must be a policy, or an object with policy, authority and loosen",
                field=f"{path}.{name}",
                remedy='"lww", or {"policy": "authority", "authority": "integration"}',
            )
        policies[name] = _policy(entity, unit, asked, f"{path}.{name}")
        if (party := _party(policies[name], asked, f"{path}.{name}")) is not None:
            authorities[name] = party
    return Overrides(policies, authorities)


def _unit(entity: EntityType, name: str, path: str) -> Unit:
    found = UNITS[entity].get(name)
    if found is not None:
        return found
    group = next((unit.name for unit in UNITS[entity].values() if name in unit.members), None)
    if group is not None:
        raise InvalidInput(
            f"{path}: {name} is decided together with others", field=path, remedy=f"give the policy of {group}"
        )
    raise InvalidInput.none_of(path, f"a {entity.value} has no such unit", UNITS[entity])


def _policy(entity: EntityType, unit: Unit, asked: Mapping[str, JsonValue], path: str) -> Policy:
    policy = _named_policy(asked.get("policy"), path)
    is_set = FIELDS[entity][unit.members[0]].kind is Kind.SET
    if policy in SET_POLICIES and not is_set:
        raise InvalidInput.none_of(
            path, f"{policy.value} is for lists, and {unit.name} is none", set(Policy) - SET_POLICIES
        )
    if unit.policy is Policy.CRITICAL and policy is not Policy.CRITICAL and asked.get("loosen") is not True:
        raise InvalidInput(
            f"{path}: {unit.name} is critical; under {policy.value} a conflict would be decided without a person",
            field=path,
            remedy=f'to want that, say {{"policy": "{policy.value}", "loosen": true}}',
        )
    return policy


def _party(policy: Policy, asked: Mapping[str, JsonValue], path: str) -> Party | None:
    if policy is Policy.AUTHORITY:
        return _named_party(asked.get("authority"), f"{path}.authority")
    if "authority" in asked:
        raise InvalidInput(
            f"{path}.authority: only the policy authority has one",
            field=f"{path}.authority",
            remedy='leave it out, or make the policy "authority"',
        )
    return None


def _named_policy(given: JsonValue, path: str) -> Policy:
    try:
        return Policy(str(given))
    except ValueError:
        raise InvalidInput.none_of(path, "must be one of the listed", Policy) from None


def _named_party(given: JsonValue, path: str) -> Party:
    party = _PARTIES.get(str(given))
    if party is None:
        raise InvalidInput.none_of(path, "must be one of the listed", _PARTIES)
    return party
