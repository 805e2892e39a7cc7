"""Seeded worlds: the rules alone, and the production engine, under a clock and a chance that replay exactly."""
