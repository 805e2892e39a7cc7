"""The guided tour of `make demo`: one story, told on real parts, each step looked at from both sides."""
