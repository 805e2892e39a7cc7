"""The proof that a preview shows what the first sync then does, record by record."""
