"""Pulls: pages read ahead, counted, and told of honestly."""
