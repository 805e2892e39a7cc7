"""The proof that comparisons find what is planted, explain it, and heal it."""
