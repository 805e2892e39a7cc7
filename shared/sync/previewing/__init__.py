"""What a first sync would do."""
