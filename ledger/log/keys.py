"""The key of a log: Ed25519, one key for all streams of a server, named by each stream's origin in what it signs."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.errors import MalformedError, MismatchError

__all__ = ["KEY_BYTES", "SIGNATURE_BYTES", "LogKey", "LogSigner"]

KEY_BYTES = 32
SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class LogKey:
    """A log's public key: Ed25519, 32 bytes as in RFC 8032."""

    public: bytes

    def __post_init__(self) -> None:
        if len(self.public) != KEY_BYTES:
            raise MalformedError(f"expected a key of {KEY_BYTES} bytes, got {len(self.public)}", where="key")

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check a signature.

        Args:
            signature: 64 bytes.
            message: what was signed.

        Raises:
            MismatchError: another key signed, or another message (code `signature_invalid`).
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise MismatchError(
                "expected a signature of the log's key, got another", code="signature_invalid"
            ) from error


@dataclass(frozen=True, slots=True)
class LogSigner:
    """A log's private key. It signs checkpoints, promises and kept facts, and holds no sealing role.

    Attributes:
        key: its public half.
    """

    key: LogKey
    _private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> LogSigner:
        """Make the key of a seed of 32 random bytes.

        Raises:
            MalformedError: of another length.
        """
        if len(seed) != KEY_BYTES:
            raise MalformedError(f"expected a seed of {KEY_BYTES} bytes, got {len(seed)}", where="seed")
        private = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(LogKey(private.public_key().public_bytes_raw()), private)

    def sign(self, message: bytes) -> bytes:
        """Sign a message: 64 bytes. Source: RFC 8032 section 5.1.6."""
        return self._private.sign(message)
