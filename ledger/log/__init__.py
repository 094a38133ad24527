"""Append-only logs: trees in tiles, checkpoints, proofs and promises (docs/access-log.md)."""
