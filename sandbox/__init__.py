"""Stand-ins that let the whole system run on one machine. Uses public interfaces only."""
