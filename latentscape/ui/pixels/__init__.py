"""What the page Pixels is made of."""
