"""Creating at a vendor what was submitted here: exactly once in effect."""
