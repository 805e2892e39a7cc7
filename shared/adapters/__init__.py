"""Adapters: one protocol, one folder a vendor. `get("greenhouse")` gives the class."""

from shared.adapters.registry import get, platforms

__all__ = ["get", "platforms"]
