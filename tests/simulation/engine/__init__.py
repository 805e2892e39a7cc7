"""The production engine in a world of its own: memory, virtual time and a seed (docs/simulation.md)."""
