"""Runs: who asks for one, which job it has, when its schedule is due, how a view follows it."""
