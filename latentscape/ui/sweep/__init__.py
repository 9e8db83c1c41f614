"""What the page Sweep beta alone needs."""
