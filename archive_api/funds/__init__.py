"""The flow of a building's money."""
