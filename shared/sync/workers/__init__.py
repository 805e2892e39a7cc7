"""Workers: knocks answered, jobs run, dead letters, schedules, and the sweep that wakes what was lost."""
