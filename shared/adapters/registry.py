"""Platform names and the adapters behind them. A new vendor is one folder and one line here."""

from __future__ import annotations

from importlib import import_module

from shared.adapters.protocol import Adapter
from shared.errors import InvalidInput

_PLATFORMS = {
    "greenhouse": "shared.adapters.greenhouse.adapter:GreenhouseAdapter",
}
"""Imported by need: a cold start pays for the vendors that it meets."""

_registered: dict[str, type[Adapter]] = {}


def platforms() -> tuple[str, ...]:
    """Return the supported platform names in alphabetical order."""
    return tuple(sorted({*_PLATFORMS, *_registered}))


def register(adapter: type[Adapter]) -> None:
    """Add *adapter* under its `platform`, in place of one of the same name."""
    _registered[adapter.platform] = adapter


def get(platform: str) -> type[Adapter]:
    """Return the adapter class of *platform*. Raises InvalidInput with the known names."""
    if platform in _registered:
        return _registered[platform]
    if platform not in _PLATFORMS:
        raise InvalidInput(
            f"platform: {platform!r} is not supported",
            field="platform",
            remedy=f"use one of: {', '.join(platforms())}",
        )
    module, name = _PLATFORMS[platform].split(":")
    adapter: type[Adapter] = getattr(import_module(module), name)
    _registered[platform] = adapter
    return adapter
