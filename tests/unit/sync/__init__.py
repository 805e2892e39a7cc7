"""The pure decisions of the engine."""
