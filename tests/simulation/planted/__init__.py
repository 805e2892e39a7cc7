"""Bugs planted in production code from the test's side, one place each, and the worlds that notice them."""
