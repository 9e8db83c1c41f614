"""What the page Map alone needs."""
