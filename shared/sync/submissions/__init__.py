"""Submissions: what is owed to a vendor, and what is written down before a create is tried."""
