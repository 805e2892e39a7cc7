"""Merge rules: pure decisions over what both sides show and what they last agreed on (docs/merge.md)."""
