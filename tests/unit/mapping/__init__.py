"""Mappings of integrations: read, judged, applied."""
