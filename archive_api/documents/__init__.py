"""Documents by digest, title and building."""
