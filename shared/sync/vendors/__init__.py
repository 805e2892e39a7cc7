"""Adapters ready to call, and what all processes share about a vendor: its windows and its breaker."""
