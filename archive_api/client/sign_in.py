"""Signing in from a program: the challenge of a server, signed with one's own personal key, gives a bearer token."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from archive_api.errors import MalformedError, MismatchError
from signing.personal import NONCE_BYTES, PersonalKey

__all__ = ["Post", "Token", "sign_in"]

# A token is renewed so long before its end that a request that begins with it is answered.
_MARGIN = timedelta(seconds=90)


class Post(Protocol):
    """Posts a JSON document below the API's prefix and reads one back, without a token."""

    def __call__(self, path: str, body: Mapping[str, Any], /) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token and when it ends, aware UTC."""

    text: str
    expires_at: datetime

    @property
    def is_fresh(self) -> bool:
        """Whether a request may still begin with it."""
        return datetime.now(UTC) < self.expires_at - _MARGIN


def sign_in(post: Post, key: PersonalKey, *, origin: str) -> Token:
    """Sign in.

    Args:
        post: to the server.
        key: one's own.
        origin: of the address we connected to; nothing that the server says takes its place, since a server elsewhere
            could pass our answer on to the one it names.

    Raises:
        MismatchError: the server says that it is reached elsewhere; nothing was signed.
        MalformedError: the server's answer is none.
        ProblemError: it refused.
        TransportError: it, or the key's token, could not be reached.
    """
    challenge = post("/sign-in/challenges", {"certificate_id": key.certificate.certificate_id.hex()})
    if challenge.get("origin") != origin:
        raise MismatchError(
            f"expected a server at {origin}, got one that is reached at {str(challenge.get('origin'))[:300]}; "
            "connect to it by that address",
            code="origin",
            expected=origin,
        )
    client_nonce = secrets.token_bytes(NONCE_BYTES)
    try:
        server_nonce = base64.b64decode(challenge["server_nonce"], validate=True)
        signature = key.sign_challenge(origin, server_nonce, client_nonce)
        opened = post(
            "/sessions",
            {
                "challenge": challenge["challenge"],
                "certificate": _base64(key.certificate.der),
                "origin": origin,
                "client_nonce": _base64(client_nonce),
                "signature": _base64(signature),
            },
        )
        return Token(text=str(opened["token"]), expires_at=datetime.fromisoformat(opened["expires_at"]))
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedError(f"expected a challenge and a session, got another answer: {error}") from error


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
