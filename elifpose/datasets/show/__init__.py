"""A picture of samples as the network sees them."""
