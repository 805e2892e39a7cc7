"""Simulators of the vendors. They import nothing of `shared` or `functions`."""
