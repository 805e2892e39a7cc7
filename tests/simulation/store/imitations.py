"""Every module of imitations; importing them registers what they hold."""

from __future__ import annotations

from tests.simulation.store import (
    attention,
    claims,
    conflicts,
    connections,
    create_intents,
    history,
    identity_pairs,
    integrations,
    ledger,
    links,
    logs,
    notices,
    oauth_tokens,
    pins,
    record_merges,
    records,
    runs,
    schedules,
    sweep,
    webhook_events,
)

__all__ = [
    "attention",
    "claims",
    "conflicts",
    "connections",
    "create_intents",
    "history",
    "identity_pairs",
    "integrations",
    "ledger",
    "links",
    "logs",
    "notices",
    "oauth_tokens",
    "pins",
    "record_merges",
    "records",
    "runs",
    "schedules",
    "sweep",
    "webhook_events",
]
