"""
kill -9 of the host at chosen moments, with the host's real ten-minute message lease and everything else real too.

    python -m tests.acceptance.kill_points --points 20 [--seed 1]

An exact moment is reached by holding what comes next: an answer of the simulator, a row lock that a transaction needs,
or the confirmation of a commit. Then the host is killed, the knocks that are left are eaten, another host is started,
and the sweep has two minutes.
"""
