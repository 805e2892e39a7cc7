"""The REST API on real parts: PostgreSQL, Azurite, a Greenhouse simulator, and the functions themselves."""
