"""What the page Autoencoders alone needs."""
