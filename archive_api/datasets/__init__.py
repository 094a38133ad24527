"""Data sets of the city model: versions registered under seal, and where each came from."""
