"""Sign-in by the city's unified identity: OpenID Connect's code flow with PKCE, beside certificates.

What a sign-in under way must remember is drawn from 32 random bytes in a cookie of the browser that began it: state,
nonce and PKCE verifier follow from them, so nothing is stored and nobody else's answer fits. Endpoints come from the
configured issuer's own document, over TLS (loopback apart); redirects are not followed.

Source: OpenID Connect Core 1.0 section 3.1, RFC 7636, RFC 9207.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from requests import RequestException, Response

from archive_api.errors import TransportError, UnauthenticatedError
from archive_api.identity.challenges import derived_key
from archive_api.settings import Settings, is_tls_or_loopback

__all__ = ["OidcAnswer", "OidcBeginning", "OidcSignIn"]

_LIFETIME: Final = timedelta(minutes=10)
_METADATA_FOR: Final = timedelta(hours=1)
_TIMEOUT_SECONDS: Final = 10
_LEEWAY_SECONDS: Final = 60
_ALGORITHMS: Final = ["ES256", "ES384", "PS256", "RS256", "EdDSA", "Ed25519"]
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_SEED_BYTES: Final = 32
_BODY_BYTES: Final = _SEED_BYTES + 8


@dataclass(frozen=True, slots=True)
class OidcBeginning:
    """Where to send the browser, and the cookie it takes along."""

    url: str
    cookie: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcAnswer:
    """Who signed in there, and the digest of what was answered (once)."""

    issuer: str
    subject: str
    challenge_sha256: str


class OidcSignIn:
    """Sign-in at one issuer.

    Args:
        settings: with an issuer and client id.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.oidc_issuer is None or settings.oidc_client_id is None:
            raise ValueError("expected an issuer and a client id, got none")
        self.issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._client_secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else None
        self._key = derived_key(settings.secret.get_secret_value().encode(), "oidc sign-in")
        self._lock = threading.Lock()
        self._metadata: Mapping[str, Any] = {}
        self._keys: Mapping[str, Any] = {}
        self._read_at = datetime.min.replace(tzinfo=UTC)

    def begin(self, *, redirect_uri: str, now: datetime) -> OidcBeginning:
        """Draw what a sign-in needs.

        Raises:
            TransportError: the issuer does not answer as one.
        """
        body = secrets.token_bytes(_SEED_BYTES) + int((now + _LIFETIME).timestamp()).to_bytes(8, "big")
        with self._session(redirect_uri) as session:
            url, _ = session.create_authorization_url(
                self._known(now)["authorization_endpoint"],
                state=self._drawn(body, "state"),
                nonce=self._drawn(body, "nonce"),
                code_verifier=self._drawn(body, "verifier"),
            )
        return OidcBeginning(url, base64.urlsafe_b64encode(body + self._mac(body, "cookie")).decode("ascii"))

    def finish(self, parameters: Mapping[str, str], cookie: str, *, redirect_uri: str, now: datetime) -> OidcAnswer:
        """Take the issuer's answer and learn who it is.

        Args:
            parameters: the query of the callback.
            cookie: of `begin`.
            redirect_uri: the same as there.
            now: aware UTC.

        Raises:
            UnauthenticatedError: `oidc_state`: the answer to nothing this browser began; `oidc_refused`: the issuer
                refused; `oidc_token`: its token is not what it must be.
            TransportError: the issuer does not answer as one.
        """
        body = self._begun(cookie, now)
        if not hmac.compare_digest(parameters.get("state", "").encode(), self._drawn(body, "state").encode()):
            raise _began_elsewhere()
        # RFC 9207: an answer that names another issuer was mixed up on its way.
        if parameters.get("iss", self.issuer) != self.issuer or not parameters.get("code"):
            raise UnauthenticatedError("expected a code of the unified identity, got a refusal", code="oidc_refused")
        with self._session(redirect_uri) as session:
            try:
                token = session.fetch_token(
                    self._known(now)["token_endpoint"],
                    grant_type="authorization_code",
                    code=parameters["code"],
                    code_verifier=self._drawn(body, "verifier"),
                    allow_redirects=False,
                )
            except AuthlibBaseError as error:
                raise UnauthenticatedError(
                    "expected a token for the code, got a refusal", code="oidc_refused"
                ) from error
            except (RequestException, ValueError) as error:
                raise _unreachable() from error
        subject = self._subject(token, nonce=self._drawn(body, "nonce"), now=now)
        digest = hashlib.sha256(b"oidc\x00" + body).hexdigest()
        return OidcAnswer(issuer=self.issuer, subject=subject, challenge_sha256=digest)

    def _subject(self, token: Mapping[str, Any], *, nonce: str, now: datetime) -> str:
        text = token.get("id_token")
        if not isinstance(text, str):
            raise _bad_token()
        registry = JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
        try:
            try:
                read = jwt.decode(text, KeySet.import_key_set(self._key_set(now)), registry=registry)
            except InvalidKeyIdError:  # the issuer has changed its keys
                read = jwt.decode(text, KeySet.import_key_set(self._key_set(now, again=True)), registry=registry)
            claims = CodeIDToken(
                read.claims,
                read.header,
                {
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self._client_id},
                    "sub": {"essential": True},
                },
                {"nonce": nonce, "client_id": self._client_id, "access_token": token.get("access_token")},
            )
            claims.validate(now=int(now.timestamp()), leeway=_LEEWAY_SECONDS)
        except (JoseError, AuthlibBaseError, ValueError, TypeError, KeyError) as error:
            raise _bad_token() from error
        subject = claims["sub"]
        if not isinstance(subject, str) or not 1 <= len(subject) <= 255:
            raise _bad_token()
        return subject

    def _begun(self, cookie: str, now: datetime) -> bytes:
        try:
            raw = base64.b64decode(cookie, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _began_elsewhere() from None
        body, mac = raw[:_BODY_BYTES], raw[_BODY_BYTES:]
        if len(body) != _BODY_BYTES or not hmac.compare_digest(mac, self._mac(body, "cookie")):
            raise _began_elsewhere()
        if now.timestamp() >= int.from_bytes(body[_SEED_BYTES:], "big"):
            raise _began_elsewhere()
        return body

    def _known(self, now: datetime) -> Mapping[str, Any]:
        """The issuer's own description, asked for anew each hour."""
        with self._lock:
            if not self._metadata or abs(now - self._read_at) > _METADATA_FOR:
                found = self._get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
                good = all(isinstance(url := found.get(name), str) and is_tls_or_loopback(url) for name in _ENDPOINTS)
                if found.get("issuer") != self.issuer or not good:
                    raise _unreachable()
                self._metadata, self._keys, self._read_at = found, {}, now
            return self._metadata

    def _key_set(self, now: datetime, *, again: bool = False) -> Any:
        address = self._known(now)["jwks_uri"]
        with self._lock:
            if again or not self._keys:
                self._keys = self._get(address)
            return self._keys

    def _get(self, url: str) -> Mapping[str, Any]:
        with self._session(None) as session:
            try:
                response: Response = session.request("GET", url, withhold_token=True, allow_redirects=False)
                document = response.json() if response.status_code == 200 else None
            except (RequestException, ValueError) as error:
                raise _unreachable() from error
        if not isinstance(document, dict):
            raise _unreachable()
        return document

    def _session(self, redirect_uri: str | None) -> OAuth2Session:
        session = OAuth2Session(
            self._client_id,
            self._client_secret,
            redirect_uri=redirect_uri,
            scope="openid",
            code_challenge_method="S256",
            default_timeout=_TIMEOUT_SECONDS,
        )
        session.trust_env = False
        return session

    def _drawn(self, body: bytes, purpose: str) -> str:
        return base64.urlsafe_b64encode(self._mac(body, purpose)).decode("ascii").rstrip("=")

    def _mac(self, body: bytes, purpose: str) -> bytes:
        return hmac.new(self._key, purpose.encode("ascii") + b"\x00" + body, hashlib.sha256).digest()


def _began_elsewhere() -> UnauthenticatedError:
    return UnauthenticatedError(
        "expected the answer to a sign-in that this browser began, got another; begin again", code="oidc_state"
    )


def _bad_token() -> UnauthenticatedError:
    return UnauthenticatedError("expected a token of the unified identity for us, got another", code="oidc_token")


def _unreachable() -> TransportError:
    return TransportError("expected the unified identity to answer, got nothing usable", code="oidc_unreachable")
