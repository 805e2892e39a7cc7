"""Thin triggers, one blueprint a topic."""
