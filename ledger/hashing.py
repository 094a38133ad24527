"""Keccak-256 behind one name, without loading the chain client."""

from __future__ import annotations

from eth_hash.auto import keccak

__all__ = ["keccak256"]


def keccak256(preimage: bytes) -> bytes:
    """Hash bytes as Ethereum does (not NIST SHA3-256); 32 bytes."""
    return keccak(preimage)
