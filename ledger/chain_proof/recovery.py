"""Who made a signature: secp256k1 recovery. Library: eth-keys."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

__all__ = ["SIGNATURE_BYTES", "recover_address"]

SIGNATURE_BYTES: Final = 65
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


@lru_cache(maxsize=2048)
def recover_address(digest: bytes, signature: bytes) -> bytes | None:
    """Return the address (20 bytes) of the key that signed a digest, or None where no key can have.

    Args:
        digest: 32 bytes.
        signature: r, s (32 bytes each, big-endian) and the recovery id, 0 or 1. s above n/2 counts as no signature:
            it is the second spelling of another one, and validators write the first.
    """
    if len(signature) != SIGNATURE_BYTES or int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        return None
    try:
        made = Signature(signature_bytes=signature)
        return made.recover_public_key_from_msg_hash(digest).to_canonical_address()
    except (BadSignature, ValidationError, ValueError):
        return None
