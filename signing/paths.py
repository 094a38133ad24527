"""Certificate paths: from a sealing or personal certificate to a root of the verifier's own.

Source: RFC 5280 section 6, by `cryptography.x509.verification`, with a narrower profile: P-256 and ecdsa-with-SHA256
throughout, no name constraints, at most one intermediate authority.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from signing.certificates import (
    DOCUMENT_SIGNING,
    UNREADABLE,
    OrganisationCertificate,
    certificate_pem,
    load_p256_certificate,
    parse_certificate,
)
from signing.encryption_keys import EncryptionCertificate
from signing.errors import MalformedError, NotFoundError, PolicyError, SigningError
from signing.personal import CLIENT_AUTH, PersonalCertificate

__all__ = ["TrustRoots", "validate_path"]

_MAX_INTERMEDIATES = 1
_Leaf = OrganisationCertificate | PersonalCertificate | EncryptionCertificate


@dataclass(frozen=True, slots=True)
class TrustRoots:
    """The CA roots a verifier trusts; made by `from_der` or `from_pem`, parsed once and used for many seals.

    Attributes:
        certificates: the roots' DER, in the order given.
    """

    certificates: tuple[bytes, ...] = field(repr=False)
    _loaded: tuple[x509.Certificate, ...] = field(repr=False, compare=False)
    _store: Store | None = field(repr=False, compare=False)

    @classmethod
    def from_der(cls, certificates: Iterable[bytes]) -> TrustRoots:
        """Load roots; none at all is allowed, and then nothing has a path.

        Args:
            certificates: DER, one each.

        Raises:
            MalformedError: not a certificate, or not DER.
            PolicyError: not a P-256 certificate authority.
        """
        ders = tuple(bytes(certificate) for certificate in certificates)
        loaded = tuple(_load_authority(der, f"ca_roots[{index}]") for index, der in enumerate(ders))
        return cls(ders, loaded, Store(list(loaded)) if loaded else None)

    @classmethod
    def from_pem(cls, pem: bytes) -> TrustRoots:
        """Load roots from PEM blocks, nothing but certificates among them; raises as `from_der` does."""
        try:
            loaded = x509.load_pem_x509_certificates(pem)
        except ValueError as error:
            raise MalformedError(f"expected certificates in PEM, got other text: {error}", where="ca_roots") from error
        return cls.from_der(certificate.public_bytes(Encoding.DER) for certificate in loaded)

    @property
    def pem(self) -> str:
        """The roots as PEM text, as openssl's -CAfile takes it."""
        return "".join(certificate_pem(der) for der in self.certificates)


def validate_path(
    certificate: _Leaf | bytes,
    roots: TrustRoots,
    *,
    at: datetime.datetime,
    intermediates: Sequence[bytes] = (),
) -> tuple[bytes, ...]:
    """Find and check a path to a trusted root; revocation is not checked.

    Args:
        certificate: a sealing, personal or encryption certificate, parsed; or the DER of a sealing one.
        roots: the verifier's own.
        at: the time at which every certificate of the path must be valid, aware.
        intermediates: further CA certificates to build with, DER, not trusted by themselves.

    Returns:
        The path's certificates, DER, from the one given to the root.

    Raises:
        MalformedError: a certificate that can't be read, or a naive time.
        NotFoundError: no given authority issued it; code `no_certificate_chain_found`.
        PolicyError: `certificate_expired`, `certificate_not_yet_valid`, `chain_constraints_failure`, or a certificate
            outside the profile.
    """
    if at.tzinfo is None:
        raise MalformedError("expected an aware time, got a naive one", where="at", actual=at)
    leaf = parse_certificate(certificate) if isinstance(certificate, bytes) else certificate
    _check_validity(leaf, at)
    found = [] if intermediates else _found(leaf.der, _purpose(leaf), roots)
    for path in found:
        if path.not_before <= at <= path.not_after:
            return path.members
    authorities = [_load_authority(der, f"intermediates[{index}]") for index, der in enumerate(intermediates)]
    if roots._store is None:
        raise _no_chain(leaf)
    ca_policy, leaf_policy = _policies(_purpose(leaf))
    verifier = (
        PolicyBuilder()
        .store(roots._store)
        .time(at.astimezone(datetime.UTC).replace(tzinfo=None))
        .max_chain_depth(_MAX_INTERMEDIATES)
        .extension_policies(ca_policy=ca_policy, ee_policy=leaf_policy)
        .build_client_verifier()
    )
    try:
        verified = verifier.verify(leaf.x509, authorities)
    except VerificationError as error:
        if not any(_issued(leaf.x509, authority) for authority in (*roots._loaded, *authorities)):
            raise _no_chain(leaf) from error
        raise PolicyError(
            f"expected a path valid at {at.isoformat()}, got {error}",
            code="chain_constraints_failure",
            where="certificate",
            actual=at,
        ) from error
    path = _Path(
        tuple(member.public_bytes(Encoding.DER) for member in verified.chain),
        max(member.not_valid_before_utc for member in verified.chain),
        min(member.not_valid_after_utc for member in verified.chain),
    )
    found[:] = [path]
    return path.members


@dataclass(frozen=True, slots=True)
class _Path:
    """A path that was checked: all of it but the time holds for ever, and the time from one moment to another."""

    members: tuple[bytes, ...]
    not_before: datetime.datetime
    not_after: datetime.datetime


@lru_cache(maxsize=4096)
def _found(_leaf: bytes, _purpose: ObjectIdentifier | None, _roots: TrustRoots) -> list[_Path]:
    """Where the path that was found last is kept: most certificates seal many times, and nothing else changes."""
    return []


def _no_chain(leaf: _Leaf) -> NotFoundError:
    try:
        issuer = leaf.x509.issuer.rfc4514_string()
    except UNREADABLE:  # the library reads names only when asked for them
        issuer = leaf.issuer.hex()
    return NotFoundError(
        f"expected an issuer among the trusted roots, got {issuer}",
        code="no_certificate_chain_found",
        where="certificate.issuer",
        actual=issuer,
    )


def _check_validity(leaf: _Leaf, at: datetime.datetime) -> None:
    if at > leaf.not_after:
        raise PolicyError(
            f"expected a certificate valid at {at.isoformat()}, got one that expired {leaf.not_after.isoformat()}",
            code="certificate_expired",
            where="certificate.validity",
            actual=leaf.not_after,
        )
    if at < leaf.not_before:
        raise PolicyError(
            f"expected a certificate valid at {at.isoformat()}, got one valid from {leaf.not_before.isoformat()}",
            code="certificate_not_yet_valid",
            where="certificate.validity",
            actual=leaf.not_before,
        )


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _load_authority(der_bytes: bytes, where: str) -> x509.Certificate:
    try:
        certificate, _ = load_p256_certificate(der_bytes)
        extensions = certificate.extensions
    except SigningError as error:
        raise type(error)(str(error), code=error.code, where=where, actual=error.actual) from error
    except UNREADABLE as error:
        raise MalformedError(f"expected readable extensions, got {error}", where=where) from error
    try:
        is_authority = (
            extensions.get_extension_for_class(x509.BasicConstraints).value.ca
            and extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
        )
    except x509.ExtensionNotFound:
        is_authority = False
    if not is_authority:
        raise PolicyError(
            "expected a certificate authority (CA=true, keyCertSign), got another kind of certificate",
            code="not_an_authority",
            where=where,
        )
    return certificate


def _check_ca_usage(_policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.key_cert_sign:
        raise ValueError("expected key usage keyCertSign, got another one")


def _check_ca_constraints(_policy: Policy, _certificate: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("expected CA=true, got CA=false")


def _check_leaf_constraints(
    _policy: Policy, _certificate: x509.Certificate, constraints: x509.BasicConstraints
) -> None:
    if constraints.ca:
        raise ValueError("expected CA=false, got CA=true")


def _purpose(leaf: _Leaf) -> ObjectIdentifier | None:
    if isinstance(leaf, EncryptionCertificate):
        return None
    return CLIENT_AUTH if isinstance(leaf, PersonalCertificate) else DOCUMENT_SIGNING


@lru_cache(maxsize=3)
def _policies(purpose: ObjectIdentifier | None) -> tuple[ExtensionPolicy, ExtensionPolicy]:
    """What authorities and leaf of a path must be like: one for sealing vouches for no sign-in, and the reverse."""

    def check_ca_purposes(
        _policy: Policy, _certificate: x509.Certificate, purposes: x509.ExtendedKeyUsage | None
    ) -> None:
        if purposes is not None and purpose is not None and purpose not in purposes:
            raise ValueError(f"expected an authority for {purpose.dotted_string}, got one for other purposes")

    def check_leaf_purposes(_policy: Policy, _certificate: x509.Certificate, purposes: x509.ExtendedKeyUsage) -> None:
        if purpose not in purposes:
            raise ValueError("expected the extended key usage of the certificate's kind, got another one")

    def check_leaf_usage(_policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage) -> None:
        if purpose is None:
            if not usage.key_agreement or usage.digital_signature or usage.content_commitment:
                raise ValueError("expected keyAgreement alone, got another key usage")
        elif not usage.digital_signature or usage.content_commitment != (purpose == DOCUMENT_SIGNING):
            raise ValueError("expected digitalSignature, with nonRepudiation for seals alone, got another key usage")

    authority = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.CRITICAL, _check_ca_constraints)
        .require_present(x509.KeyUsage, Criticality.AGNOSTIC, _check_ca_usage)
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, check_ca_purposes)
        .require_not_present(x509.NameConstraints)
    )
    leaf = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _check_leaf_constraints)
        .require_present(x509.KeyUsage, Criticality.CRITICAL, check_leaf_usage)
    )
    if purpose is None:  # an encryption certificate: keyAgreement says all
        return authority, leaf.require_not_present(x509.ExtendedKeyUsage)
    return authority, leaf.require_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, check_leaf_purposes)
