"""What the page Train alone needs."""
