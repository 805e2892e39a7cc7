"""Nightly upkeep on a real database and storage account."""
