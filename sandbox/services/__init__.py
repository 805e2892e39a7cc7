"""The real local parts: PostgreSQL, Azurite and PgBouncer, started, checked and ended by code."""
