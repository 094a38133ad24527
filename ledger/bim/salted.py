"""The fingerprint of a model that not everybody may know: every leaf with a salt of its own.

A proof of one element shows hashes of its siblings. Without salts whoever guesses a sibling could confirm the guess;
here they would have to guess 32 random bytes as well. Source: docs/bim-fingerprint.md section 12.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ledger.bim.encoding import length_prefixed
from ledger.errors import MalformedError

__all__ = ["SALTED_FORMAT", "SaltingKey", "file_commitment", "salted_leaf"]

SALTED_FORMAT: Final = "yunshang-bim-salted/v1"
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True, repr=False)
class SaltingKey:
    """The secret that a model's salts are derived from; who has it can recompute the fingerprint.

    Attributes:
        secret: 32 bytes, of this model only.

    Raises:
        MalformedError: of another length.
    """

    secret: bytes

    def __post_init__(self) -> None:
        if len(self.secret) != _KEY_BYTES:
            raise MalformedError(f"expected a key of {_KEY_BYTES} bytes, got {len(self.secret)}", where="salting_key")

    def leaf_salt(self, position: int) -> bytes:
        """Return the salt of a leaf, 32 bytes; the last leaf's position is the number of elements."""
        return self._derive(b"leaf" + position.to_bytes(8, "big"))

    @property
    def file_salt(self) -> bytes:
        """The salt of the commitment to the file, 32 bytes."""
        return self._derive(b"file")

    def _derive(self, label: bytes) -> bytes:
        return hmac.digest(self.secret, label, "sha256")


def salted_leaf(salt: bytes, leaf: bytes) -> bytes:
    """Return the bytes of a salted leaf.

    Args:
        salt: 32 bytes.
        leaf: the leaf as in section 6.
    """
    return b"s" + length_prefixed(SALTED_FORMAT) + salt + leaf


def file_commitment(file_salt: bytes, file_sha256: bytes) -> bytes:
    """Return what a salted model entry says in place of the file's digest, 32 bytes.

    Args:
        file_salt: 32 bytes.
        file_sha256: of the model file, 32 bytes.
    """
    return sha256(SALTED_FORMAT.encode("ascii") + b"\x00" + file_salt + file_sha256).digest()
