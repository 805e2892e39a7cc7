"""The production engine in a world without time, network or disk."""
