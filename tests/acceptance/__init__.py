"""What was promised, tried on the whole stack: child processes, real parts."""
