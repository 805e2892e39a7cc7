"""What is kept beside a record: its history, sealed values, pins, and items for people."""
