"""What was: a record as it stood at a moment, why it is as it is, and taking back what a run did."""
