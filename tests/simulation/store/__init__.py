"""PostgreSQL's stand-in for the simulation: its transactions, its locks, and each statement of production."""
