"""The engine on real parts: PostgreSQL, Azurite, a vendor's simulator over HTTP."""
