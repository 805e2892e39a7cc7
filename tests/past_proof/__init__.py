"""The proof that explanations name the true writer of every field, and that the past is told as it was."""
