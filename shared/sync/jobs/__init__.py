"""A job's words: how urgent, how it ends, what it waits for, whose lease it holds, what follows an error."""
