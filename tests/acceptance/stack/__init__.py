"""The stack as its users meet it."""
