"""The composition root: the signing package behind the core's protocols."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from ledger.errors import LedgerError, MalformedError
from ledger.identifiers.uscc import validate_uscc
from ledger.levels import SealCheck
from ledger.report import Outcome
from ledger.types import Seal
from signing.cades import SealValue, rebuild_cms
from signing.certificates import parse_certificate
from signing.errors import SigningError
from signing.paths import TrustRoots
from signing.verification import check_seal

__all__ = ["CadesSeals", "check_archive_certificates", "load_roots"]


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
    ) -> SealCheck:
        """Judge a seal; see the protocol. Raises MalformedError only for roots that are no authorities."""
        verdict = check_seal(
            payload,
            seal.signing_time,
            seal.signature,
            certificate_der,
            roots=load_roots(tuple(roots)),
            organisation=organisation,
            organisation_name=organisation_name,
            at=at,
        )
        return SealCheck(
            Outcome(verdict.outcome.value), verdict.reason.value, verdict.text_zh, verdict.text_en, verdict.detail
        )

    def build_cms(self, payload: bytes, seal: Seal, certificate_der: bytes) -> bytes:
        """Return the detached CMS, DER; raises MalformedError where the seal can't be rebuilt."""
        try:
            return rebuild_cms(payload, SealValue(seal.signing_time, seal.signature, certificate_der))
        except SigningError as error:
            raise MalformedError(str(error), code=error.code, where=f"seal-{seal.role}") from error
