"""The engine: ledger decisions, pulls, reconciles, pushes, schedules (docs/engine.md)."""
