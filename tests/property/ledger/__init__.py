"""The ledger against a model, for any order of calls."""
