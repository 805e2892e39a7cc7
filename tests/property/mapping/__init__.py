"""Properties of mappings."""
