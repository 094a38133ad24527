"""Sealing certificates and the organisations that hold them."""
