"""The composition root: the signing package behind the core's protocols."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from ledger.errors import LedgerError, MalformedError
from ledger.identifiers.uscc import validate_uscc
from ledger.levels import SealCheck, TimestampCheck
from ledger.report import Outcome
from ledger.seal_status import RevocationStatus
from ledger.types import Seal
from signing.cades import SealValue, rebuild_cms
from signing.certificates import parse_certificate
from signing.errors import NotFoundError, SigningError
from signing.paths import TrustRoots
from signing.status import StatusMethod
from signing.timestamp_form import load_certificate
from signing.timestamps import check_timestamp
from signing.verification import StatusEvidence, check_seal

__all__ = ["CadesSeals", "RememberingSeals", "check_archive_certificates", "check_timestamp_authorities", "load_roots"]


@lru_cache(maxsize=16)
def load_roots(ca_roots: tuple[bytes, ...]) -> TrustRoots:
    """Parse the roots of a trust file, once each.

    Raises:
        MalformedError: one is no P-256 certificate authority.
    """
    try:
        return TrustRoots.from_der(ca_roots)
    except SigningError as error:
        raise MalformedError(str(error), code="ca_roots", where="trust.ca_roots") from error


def check_archive_certificates(certificates: Iterable[bytes]) -> None:
    """Check that a trust file's certificates of the archive are sealing certificates: another one vouches for nothing.

    Args:
        certificates: DER, in the order of the file.

    Raises:
        MalformedError: one is not; `where` names it.
    """
    for index, der in enumerate(certificates):
        try:
            parse_certificate(der, validate_code=validate_uscc)
        except (LedgerError, SigningError) as error:
            raise MalformedError(
                f"expected a sealing certificate of the archive, got one that is none: {error}",
                code="archive_certificate",
                where=f"trust.ledger.archive.certificates[{index}]",
            ) from error


@lru_cache(maxsize=16)
def check_timestamp_authorities(certificates: tuple[bytes, ...]) -> None:
    """Check that the certificates of timestamp authorities' issuers in a trust file can be read.

    Raises:
        MalformedError: one can't; `where` names it.
    """
    for index, der in enumerate(certificates):
        try:
            load_certificate(der)
        except SigningError as error:
            raise MalformedError(
                str(error), code="timestamp_authorities", where=f"trust.timestamp_authorities[{index}]"
            ) from error


class CadesSeals:
    """`ledger.levels.SealChecker` and `ledger.export.CmsBuilder` over the signing package."""

    def check(
        self,
        payload: bytes,
        seal: Seal,
        certificate_der: bytes,
        *,
        roots: Iterable[bytes],
        organisation: str,
        organisation_name: str | None,
        at: datetime,
        status: RevocationStatus | None = None,
        asks_status: bool = False,
    ) -> SealCheck:
        """Judge a seal; see the protocol. Raises MalformedError only for roots that are no authorities."""
        evidence = None
        if status is not None:
            evidence = StatusEvidence(status.data, StatusMethod(status.method))
        elif asks_status:
            evidence = StatusEvidence()
        verdict = check_seal(
            payload,
            seal.signing_time,
            seal.signature,
            certificate_der,
            roots=load_roots(tuple(roots)),
            organisation=organisation,
            organisation_name=organisation_name,
            at=at,
            status=evidence,
        )
        return SealCheck(
            Outcome(verdict.outcome.value),
            verdict.reason.value,
            verdict.text_zh,
            verdict.text_en,
            verdict.detail,
            verdict.status_time,
        )

    def check_timestamp(
        self, token: bytes, signatures: Iterable[bytes], *, authorities: Iterable[bytes]
    ) -> TimestampCheck:
        """Judge a timestamp; see the protocol. Raises MalformedError only for authorities that can't be read."""
        authorities = tuple(authorities)
        check_timestamp_authorities(authorities)
        try:
            stamp = check_timestamp(token, signatures, authorities=authorities)
        except NotFoundError as error:
            return TimestampCheck("timestamp_not_pinned", str(error))
        except SigningError as error:
            return TimestampCheck("timestamp_refused", f"{error.code}: {error}")
        return TimestampCheck("timestamp_ok", stamp.authority, stamp.time)

    def build_cms(self, payload: bytes, seal: Seal, certificate_der: bytes) -> bytes:
        """Return the detached CMS, DER; raises MalformedError where the seal can't be rebuilt."""
        try:
            return rebuild_cms(payload, SealValue(seal.signing_time, seal.signature, certificate_der))
        except SigningError as error:
            raise MalformedError(str(error), code=error.code, where=f"seal-{seal.role}") from error


class RememberingSeals(CadesSeals):
    """The same for a server, which meets the five seals of a submission again with each of its documents.

    A seal's or timestamp's verdict follows from the arguments and from nothing else: payload, signature, certificate,
    issuer's word, roots and times are all among them. So the same arguments have the same verdict for ever, and it is
    remembered under the whole of them, the bytes themselves. What may change, such as what the chain says of a
    certificate, is no argument, and `ledger.levels` asks for it each time.

    Args:
        size: how many verdicts are remembered.
    """

    def __init__(self, size: int = 2048) -> None:
        self._seals = lru_cache(maxsize=size)(super().check)
        self._timestamps = lru_cache(maxsize=size)(super().check_timestamp)

    def check(
        self,
        payload: bytes,
        seal: Seal,
        certificate_der: bytes,
        *,
        roots: Iterable[bytes],
        organisation: str,
        organisation_name: str | None,
        at: datetime,
        status: RevocationStatus | None = None,
        asks_status: bool = False,
    ) -> SealCheck:
        """See `CadesSeals.check`."""
        return self._seals(
            payload,
            seal,
            certificate_der,
            roots=tuple(roots),
            organisation=organisation,
            organisation_name=organisation_name,
            at=at,
            status=status,
            asks_status=asks_status,
        )

    def check_timestamp(
        self, token: bytes, signatures: Iterable[bytes], *, authorities: Iterable[bytes]
    ) -> TimestampCheck:
        """See `CadesSeals.check_timestamp`."""
        return self._timestamps(token, tuple(signatures), authorities=tuple(authorities))
