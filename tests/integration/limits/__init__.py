"""Limits and breakers, shared by processes."""
