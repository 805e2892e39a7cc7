"""One suite for two stores: PostgreSQL, and the memory that stands in for it in the simulation."""
