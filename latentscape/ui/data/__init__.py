"""What the page Your pictures alone needs."""
