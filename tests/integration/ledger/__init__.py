"""The ledger of jobs on a real PostgreSQL: claims, leases, endings, the runner and the sweep."""
