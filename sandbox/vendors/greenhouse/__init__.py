"""A simulator of Greenhouse: Harvest v3 and v1, Job Board, webhooks (docs/vendors/greenhouse.md)."""

from __future__ import annotations

from sandbox.vendors.greenhouse.server import GreenhouseSimulator
from sandbox.vendors.greenhouse.settings import Settings

__all__ = ["GreenhouseSimulator", "Settings"]
