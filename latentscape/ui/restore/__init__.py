"""What the page Restore alone needs."""
