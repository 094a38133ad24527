"""A publishing authority that can be away, without sockets."""

from __future__ import annotations

from typing import Protocol

from archive_api.errors import TransportError
from signing.authority import DevelopmentAuthority
from signing.authority_services import AuthorityServices
from signing.certificates import OrganisationCertificate
from signing.personal import PersonalCertificate
from signing.status import StatusMethod, normalise_status, ocsp_request
from signing.timestamps import timestamp_request, timestamp_token

from .world import MovableClock


class Surroundings(Protocol):
    """Whose time it is, and whose authority."""

    clock: MovableClock
    authority: DevelopmentAuthority


class Simulated:
    """Sources of one authority; `lists` says whether it publishes CRLs beside its responder."""

    def __init__(self, services: AuthorityServices, world: Surroundings) -> None:
        self.services = services
        self.world = world
        self.is_away = False
        self.stamps = True
        self.lists = True
        self.asked = 0

    def has_source(self, issuer: bytes) -> bool:
        return issuer == self.world.authority.root_certificate

    def crl(self, issuer: bytes) -> bytes | None:
        assert self.has_source(issuer)
        if not self.lists:
            return None
        self._ask()
        return normalise_status(self.services.crl(now=self.world.clock.now()), StatusMethod.CRL)

    def status(
        self, certificate: OrganisationCertificate | PersonalCertificate, issuer: bytes
    ) -> tuple[StatusMethod, bytes]:
        self._ask()
        answer = self.services.ocsp(ocsp_request(certificate, issuer), now=self.world.clock.now())
        if answer is None:
            raise TransportError("expected an answer, got that it is another's certificate")
        return StatusMethod.OCSP, normalise_status(answer, StatusMethod.OCSP)

    def timestamp(self, signatures: tuple[bytes, ...]) -> bytes:
        self._ask()
        request = timestamp_request(signatures)
        return timestamp_token(self.services.timestamp(request.as_bytes(), now=self.world.clock.now()), request)

    def _ask(self) -> None:
        self.asked += 1
        if self.is_away:
            raise TransportError("expected an answer, got none")
