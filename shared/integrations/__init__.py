"""Connections to vendors' accounts, from the first test of their credentials to the tombstones they leave."""

from shared.integrations.lifecycle import Integrations
from shared.integrations.parts import Parts
from shared.integrations.requests import CreateIntegration, PatchIntegration

__all__ = ["CreateIntegration", "Integrations", "Parts", "PatchIntegration"]
