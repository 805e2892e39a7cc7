"""
Which custom fields an integration keeps in step: those that its mapping names, and no others.

    {"mapping": {"candidate": {"custom_fields": {"notice_period": "Notice period"}}}}    the vendor's key → our name
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from shared.model.enums import EntityType
from shared.model.fields import CUSTOM_FIELDS


def named_in(config: Mapping[str, JsonValue], entity: EntityType) -> Mapping[str, str]:
    """
    Return our names of the custom fields of *entity* by the vendor's keys, as the integration's *config* has them.

    A mapping is judged when it is saved; what can't be one names nothing here.
    """
    mapping = config.get("mapping")
    found: dict[str, str] = {}
    for said, rules in mapping.items() if isinstance(mapping, Mapping) else ():
        names = rules.get(CUSTOM_FIELDS) if isinstance(rules, Mapping) and _is(said, entity) else None
        if isinstance(names, Mapping):
            found |= {key: name for key, name in names.items() if isinstance(name, str) and name.strip() and key}
    return found


def _is(said: str, entity: EntityType) -> bool:
    try:
        return EntityType.parse(said) is entity
    except ValueError:
        return False
