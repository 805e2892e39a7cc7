"""
kill -9 of the host at random moments while everything goes on at once, and while what it stands on fails.

    python -m tests.acceptance.kills --kills 50 [--seed 1] [--keep FILE]

After each ten kills the load stops, and then there is nothing left to do, both sides are equal by an independent
comparison, every edit that was acknowledged is accounted for (`verdicts`), and a comparison in full finds no drift.
"""
