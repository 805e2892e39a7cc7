"""Greenhouse: Harvest v3, Harvest v1 as a legacy switch, and its webhooks. Facts: docs/vendors/greenhouse.md."""
