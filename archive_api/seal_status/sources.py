"""Where statuses and timestamps come from: addresses and files that the operator configured, for each issuer.

Addresses within certificates are never asked: whoever gets a certificate registered would have the server fetch what
he likes. Answers are bounded, redirections not followed, proxies of the environment not used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import httpx2
from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from archive_api.errors import TransportError
from ledger.adapters.plain_http import PlainHttp
from ledger.errors import TransportError as PlainTransportError
from signing.certificates import OrganisationCertificate
from signing.errors import SigningError
from signing.personal import PersonalCertificate
from signing.status import MAX_STATUS_BYTES, StatusMethod, normalise_status, ocsp_request
from signing.timestamps import MAX_TOKEN_BYTES, timestamp_request, timestamp_token

if TYPE_CHECKING:
    from archive_api.settings import Settings

__all__ = ["HttpSources", "Issued", "StatusSource", "StatusSources", "check_address"]

Issued = OrganisationCertificate | PersonalCertificate

_MAX_TIMESTAMP_BYTES = 4 * MAX_TOKEN_BYTES
_HTTP_PORT = 80


def check_address(value: str) -> str:
    """Return an http(s) URL without user, password and fragment, or raise ValueError."""
    try:
        url = httpx2.URL(value)
    except (httpx2.InvalidURL, ValueError) as error:
        raise ValueError("expected an http or https address, got another text") from error
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.fragment:
        raise ValueError("expected an http or https address without user and fragment, got another")
    return value


class StatusSource(BaseModel):
    """Where one issuer says what it revoked.

    Attributes:
        ocsp: address of its responder, asked first.
        crl: address or file of its CRL; at most 64 KiB are taken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ocsp: str | None = None
    crl: str | None = None

    @field_validator("ocsp")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        return None if value is None else check_address(value)

    @field_validator("crl")
    @classmethod
    def _is_address_or_file(cls, value: str | None) -> str | None:
        return check_address(value) if value is not None and "://" in value else value

    @model_validator(mode="after")
    def _has_one(self) -> StatusSource:
        if self.ocsp is None and self.crl is None:
            raise ValueError("expected an OCSP responder or a CRL, got neither")
        return self


class StatusSources(Protocol):
    """Gets statuses and timestamps.

    MUST raise `TransportError`, and nothing else, where it gets none; MUST bound what it waits for and what it reads.
    """

    def has_source(self, issuer: bytes) -> bool:
        """Whether something is configured for an issuer, by its certificate's DER."""
        ...

    def crl(self, issuer: bytes) -> bytes | None:
        """Return the issuer's CRL, in evidence's spelling, not verified yet; None: it is configured without one."""
        ...

    def status(self, certificate: Issued, issuer: bytes) -> tuple[StatusMethod, bytes]:
        """Return what the issuer says now, in evidence's spelling, not verified yet."""
        ...

    @property
    def stamps(self) -> bool:
        """Whether a timestamp authority is configured."""
        ...

    def timestamp(self, signatures: tuple[bytes, ...]) -> bytes:
        """Return a token over five signatures, in evidence's spelling, not verified yet."""
        ...


class HttpSources:
    """Sources by HTTP and from files.

    Without TLS an address is asked over a connection that is kept: each submission has a timestamp.

    Args:
        sources: by SHA-256 of the issuer's certificate, lowercase hex.
        timestamp_url: of the timestamp authority, or None.
        timeout_seconds: of each answer.
        transport: another httpx2 transport, for tests; all is asked by it.
    """

    def __init__(
        self,
        sources: Mapping[str, StatusSource],
        *,
        timestamp_url: str | None,
        timeout_seconds: float,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._sources = dict(sources)
        self._timestamp_url = timestamp_url
        self._http = httpx2.Client(
            timeout=timeout_seconds, transport=transport, trust_env=False, follow_redirects=False
        )
        self._timeout_seconds = timeout_seconds
        self._has_own_transport = transport is not None
        self._plain: dict[tuple[str, int], PlainHttp] = {}
        self._headers = {name: value for name, value in self._http.headers.items() if name != "accept-encoding"}

    @classmethod
    def of(cls, settings: Settings) -> HttpSources:
        """Those that the server's settings name."""
        return cls(
            settings.status_sources,
            timestamp_url=settings.timestamp_url,
            timeout_seconds=settings.status_timeout_seconds,
        )

    def close(self) -> None:
        """Give the sockets back."""
        self._http.close()
        for plain in self._plain.values():
            plain.close()

    def has_source(self, issuer: bytes) -> bool:
        """See the protocol."""
        return hashlib.sha256(issuer).hexdigest() in self._sources

    @property
    def stamps(self) -> bool:
        """See the protocol."""
        return self._timestamp_url is not None

    def crl(self, issuer: bytes) -> bytes | None:
        """See the protocol."""
        source = self._sources.get(hashlib.sha256(issuer).hexdigest())
        if source is None or source.crl is None:
            return None
        try:
            return normalise_status(self._read_crl(source.crl), StatusMethod.CRL)
        except SigningError as error:
            raise TransportError(f"expected a CRL, got {error}", code="status_unusable") from error

    def status(self, certificate: Issued, issuer: bytes) -> tuple[StatusMethod, bytes]:
        """See the protocol; the CRL is asked where the responder can't be reached."""
        source = self._sources.get(hashlib.sha256(issuer).hexdigest())
        if source is None:
            raise TransportError("expected a configured source for the issuer, got none", code="no_status_source")
        ways: list[tuple[StatusMethod, Callable[[], bytes]]] = []
        if source.ocsp is not None:
            address = source.ocsp
            ways.append((StatusMethod.OCSP, lambda: self._ask_responder(address, certificate, issuer)))
        if source.crl is not None:
            place = source.crl
            ways.append((StatusMethod.CRL, lambda: self._read_crl(place)))
        failures = []
        for method, ask in ways:
            try:
                return method, normalise_status(ask(), method)
            except (TransportError, SigningError) as error:
                failures.append(f"{method}: {error}")
        raise TransportError(f"expected a status, got {'; '.join(failures)}", code="status_unreachable")

    def timestamp(self, signatures: tuple[bytes, ...]) -> bytes:
        """See the protocol."""
        if self._timestamp_url is None:
            raise TransportError("expected a configured timestamp authority, got none", code="no_timestamp_authority")
        request = timestamp_request(signatures)
        answer = self._exchange(
            self._timestamp_url, request.as_bytes(), "application/timestamp-query", limit=_MAX_TIMESTAMP_BYTES
        )
        try:
            return timestamp_token(answer, request)
        except SigningError as error:
            raise TransportError(f"expected a timestamp, got {error}", code="timestamp_unusable") from error

    def _ask_responder(self, address: str, certificate: Issued, issuer: bytes) -> bytes:
        request = ocsp_request(certificate, issuer)
        return self._exchange(address, request, "application/ocsp-request", limit=MAX_STATUS_BYTES)

    def _read_crl(self, place: str) -> bytes:
        if "://" in place:
            return self._exchange(place, None, "", limit=MAX_STATUS_BYTES)
        try:
            with Path(place).open("rb") as stream:
                content = stream.read(MAX_STATUS_BYTES + 1)
        except OSError as error:
            raise TransportError(f"expected a readable CRL file, got {error.strerror}") from error
        return _bounded(content, MAX_STATUS_BYTES)

    def _exchange(self, address: str, body: bytes | None, kind: str, *, limit: int) -> bytes:
        method, headers = ("GET", {}) if body is None else ("POST", {"Content-Type": kind})
        try:
            url = _url(address)
            ask = self._ask if self._has_own_transport or url.scheme != "http" else self._ask_plainly
            status, content = ask(method, url, body, headers, limit)
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, PlainTransportError) as error:
            kind_of_error = type(error.__cause__ or error).__name__
            raise TransportError(f"expected an answer of {address}, got {kind_of_error}") from error
        if status != httpx2.codes.OK:
            raise TransportError(f"expected status 200 of {address}, got {status}")
        return _bounded(content, limit)

    def _ask(
        self, method: str, url: httpx2.URL, body: bytes | None, headers: Mapping[str, str], limit: int
    ) -> tuple[int, bytes]:
        content = b""
        with self._http.stream(method, url, content=body, headers=headers) as response:
            if response.status_code == httpx2.codes.OK:
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > limit:
                        break
            return response.status_code, content

    def _ask_plainly(
        self, method: str, url: httpx2.URL, body: bytes | None, headers: Mapping[str, str], limit: int
    ) -> tuple[int, bytes]:
        place = (url.raw_host.decode("ascii"), url.port or _HTTP_PORT)
        plain = self._plain.get(place)
        if plain is None:  # of two threads that make one at once, one is used
            plain = self._plain.setdefault(place, PlainHttp(*place, timeout_seconds=self._timeout_seconds))
        target = url.raw_path.decode("ascii")
        answer = plain.ask(method, target, body=body, headers={**self._headers, **headers}, limit=limit)
        return answer.status, answer.content


@lru_cache(maxsize=64)
def _url(address: str) -> httpx2.URL:
    return httpx2.URL(address)


def _bounded(content: bytes, limit: int) -> bytes:
    if len(content) > limit:
        raise TransportError(f"expected at most {limit} bytes, got more", code="answer_too_large")
    return content
