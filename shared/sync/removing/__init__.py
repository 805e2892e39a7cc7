"""What is archived, restored or gone, here and there, and the brake on it."""
