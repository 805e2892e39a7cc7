"""What people change here: an edit, its history, and the jobs that carry it to the vendors."""
