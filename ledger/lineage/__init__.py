"""Versions of the city model's data sets, where each came from, and W3C PROV. Source: docs/data-chain.md."""
