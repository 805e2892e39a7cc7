"""Full comparisons: every record against its vendor, the drift repaired, the certificate."""
