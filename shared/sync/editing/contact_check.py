"""
What people type as an address or a number has to be one: else nobody is reached by it, nor found again at a vendor.

Only what is new is judged. What a vendor holds comes in as it is, and stays until somebody corrects it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from shared.errors import InvalidInput
from shared.merge.matching import valid_email

_FAULTS = {
    "email": ("is no e-mail address", "send one address, like grace@example.org, or null to empty the field"),
    "phone": ("has no digit", "send a number, like +49 30 1234567, or null to empty the field"),
}
_KIND_OF = {"email": "email", "further_emails": "email", "phone": "phone", "further_phones": "phone"}


def check_contacts(values: Mapping[str, JsonValue], known: Mapping[str, JsonValue] | None = None) -> None:
    """
    Raise InvalidInput for an e-mail address or phone number of *values* that can't be one; *known* holds may stay.

    The error names the field. Whether anybody answers there is not asked.
    """
    held = {text for name in _KIND_OF for _, text in _contacts(name, (known or {}).get(name))}
    for name, kind in _KIND_OF.items():
        for path, text in _contacts(name, values.get(name)):
            if text not in held and not _can_be(kind, text):
                fault, remedy = _FAULTS[kind]
                raise InvalidInput(f"{path}: {fault}", field=path, remedy=remedy)


def _can_be(kind: str, text: str) -> bool:
    return valid_email(text) if kind == "email" else any(character.isdigit() for character in text)


def _contacts(name: str, value: JsonValue) -> Iterator[tuple[str, str]]:
    """Yield each text that stands in the field *name*, with its path."""
    if isinstance(value, str):
        if value:
            yield name, value
    elif isinstance(value, list):
        for index, each in enumerate(value):
            text = each.get("value") if isinstance(each, dict) else None
            if isinstance(text, str) and text:
                yield f"{name}.{index}.value", text
