"""Measurements of how fast and how small a pull is, beside the floor of the same machine (docs/performance.md)."""
