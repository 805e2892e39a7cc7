"""Vendors' webhooks: accept, verify, queue; later process or keep. The accepting half knows no database."""
