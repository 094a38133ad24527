"""Traces and findings over the captured events of a building."""
