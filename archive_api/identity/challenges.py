"""Challenges: 32 random bytes that a sign-in must sign, with their expiry under a MAC, so that none is stored.

A challenge is bound to the certificate it was asked for, and is used once: the session that it opens keeps its digest
under a unique index for as long as it could be shown again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from archive_api.errors import UnauthenticatedError
from signing.personal import NONCE_BYTES

__all__ = ["Challenge", "Challenges", "derived_key"]

_BODY_BYTES = NONCE_BYTES + 8
_MAC_BYTES = 32


def derived_key(secret: bytes, purpose: str) -> bytes:
    """A key for one purpose out of the server's secret, 32 bytes."""
    return hmac.new(secret, b"yunshang\x00" + purpose.encode("ascii"), hashlib.sha256).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A challenge as its client holds it.

    Attributes:
        text: opaque, base64url without padding.
        server_nonce: what is to be signed, 32 bytes.
        expires_at: aware UTC, whole seconds.
    """

    text: str
    server_nonce: bytes
    expires_at: datetime

    @property
    def sha256(self) -> str:
        """The digest that tells it from any other, lowercase hex."""
        return hashlib.sha256(b"challenge\x00" + self.server_nonce).hexdigest()


class Challenges:
    """Makes and reads challenges.

    Args:
        secret: the server's.
        lifetime_seconds: how long a challenge can be answered.
    """

    def __init__(self, secret: bytes, *, lifetime_seconds: int) -> None:
        self._key = derived_key(secret, "sign-in challenge")
        self._lifetime = timedelta(seconds=lifetime_seconds)

    def issue(self, certificate_id: bytes, *, now: datetime) -> Challenge:
        """Draw a challenge for the holder of a certificate (SHA-256 of its DER)."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        expires_at = (now + self._lifetime).replace(microsecond=0)
        body = nonce + int(expires_at.timestamp()).to_bytes(8, "big")
        text = base64.urlsafe_b64encode(body + self._mac(body, certificate_id)).decode("ascii")
        return Challenge(text=text.rstrip("="), server_nonce=nonce, expires_at=expires_at)

    def read(self, text: str, certificate_id: bytes, *, now: datetime) -> Challenge:
        """Read a challenge that comes back.

        Raises:
            UnauthenticatedError: `challenge_unknown`: not drawn here, changed, or for another certificate;
                `challenge_expired`: too old.
        """
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        body, mac = raw[:_BODY_BYTES], raw[_BODY_BYTES:]
        if len(raw) != _BODY_BYTES + _MAC_BYTES or not hmac.compare_digest(mac, self._mac(body, certificate_id)):
            raise UnauthenticatedError(
                "expected a challenge drawn here for this certificate, got another", code="challenge_unknown"
            )
        expires_at = datetime.fromtimestamp(int.from_bytes(body[NONCE_BYTES:], "big"), UTC)
        if now >= expires_at:
            raise UnauthenticatedError(
                "expected a challenge that can still be answered, got one that expired; ask for a new one",
                code="challenge_expired",
            )
        return Challenge(text=text, server_nonce=body[:NONCE_BYTES], expires_at=expires_at)

    def _mac(self, body: bytes, certificate_id: bytes) -> bytes:
        return hmac.new(self._key, body + certificate_id, hashlib.sha256).digest()
