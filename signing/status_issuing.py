"""What an authority publishes of its certificates: CRLs and OCSP answers, and who may answer for it.

For the development authority, tests and vectors; signatures are deterministic.
Source: RFC 5280 section 5, RFC 6960 section 4.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from asn1crypto import algos, core, crl, ocsp
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signing.errors import MalformedError, PolicyError
from signing.revocation import Revocation, RevocationReason

__all__ = ["RevokedCertificate", "StatusSigner", "issue_crl", "issue_ocsp", "requested_certificate"]

_REASON_NAMES = {
    RevocationReason.UNSPECIFIED: "unspecified",
    RevocationReason.KEY_COMPROMISE: "key_compromise",
    RevocationReason.CA_COMPROMISE: "ca_compromise",
    RevocationReason.AFFILIATION_CHANGED: "affiliation_changed",
    RevocationReason.SUPERSEDED: "superseded",
    RevocationReason.CESSATION_OF_OPERATION: "cessation_of_operation",
    RevocationReason.CERTIFICATE_HOLD: "certificate_hold",
    RevocationReason.PRIVILEGE_WITHDRAWN: "privilege_withdrawn",
    RevocationReason.AA_COMPROMISE: "aa_compromise",
}


@dataclass(frozen=True, slots=True)
class RevokedCertificate:
    """A serial number and its revocation."""

    serial_number: int
    revocation: Revocation


@dataclass(frozen=True, slots=True)
class StatusSigner:
    """A key and its certificate: the authority's own, or that of a responder it appointed."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def sign(self, content: bytes) -> bytes:
        """Sign with ECDSA and SHA-256; returns DER."""
        return self.key.sign(content, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))

    @property
    def asn1(self) -> asn1.Certificate:
        """The certificate as `asn1crypto` holds it."""
        return asn1.Certificate.load(self.certificate.public_bytes(Encoding.DER))


def issue_crl(
    authority: StatusSigner,
    revoked: Iterable[RevokedCertificate],
    *,
    this_update: datetime.datetime,
    next_update: datetime.datetime,
    number: int,
) -> bytes:
    """Issue a complete CRL.

    Args:
        authority: the issuer of the certificates.
        revoked: all of them.
        this_update: aware, whole seconds.
        next_update: aware, whole seconds.
        number: the CRL's, growing.

    Returns:
        CertificateList, DER.
    """
    identifier = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    entries = [_crl_entry(item) for item in sorted(revoked, key=lambda one: one.serial_number)]
    content: dict[str, object] = {
        "version": "v2",
        "signature": _algorithm(),
        "issuer": authority.asn1.subject,
        "this_update": asn1.Time({"utc_time": this_update}),
        "next_update": asn1.Time({"utc_time": next_update}),
        "crl_extensions": [
            {"extn_id": "authority_key_identifier", "extn_value": {"key_identifier": identifier.digest}},
            {"extn_id": "crl_number", "extn_value": number},
        ],
    }
    if entries:
        content["revoked_certificates"] = entries
    tbs = crl.TbsCertList(content)
    signature = authority.sign(tbs.dump())
    result = crl.CertificateList({"tbs_cert_list": tbs, "signature_algorithm": _algorithm(), "signature": signature})
    return bytes(result.dump())


def issue_ocsp(
    responder: StatusSigner,
    issuer: x509.Certificate,
    serial_number: int,
    *,
    known: bool,
    revocation: Revocation | None,
    this_update: datetime.datetime,
    next_update: datetime.datetime | None = None,
    algorithm: str = "sha1",
    nonce: bytes | None = None,
) -> bytes:
    """Answer for one certificate.

    Args:
        responder: who signs; its certificate goes along unless it is the issuer's.
        issuer: of the certificate.
        serial_number: the certificate's.
        known: whether the issuer issued it; else the answer is unknown.
        revocation: None: good.
        this_update: aware, whole seconds; also the time of the answer.
        next_update: aware, whole seconds, or None.
        algorithm: of the CertID, `sha1` or `sha256`.
        nonce: of the request, given back.

    Returns:
        OCSPResponse, DER.
    """
    status: ocsp.CertStatus
    extensions: list[dict[str, object]] = []
    if not known:
        status = ocsp.CertStatus("unknown", ocsp.StatusUnknown())
    elif revocation is None:
        status = ocsp.CertStatus("good", ocsp.StatusGood())
    else:
        reason = {"revocation_reason": _REASON_NAMES[revocation.reason]}
        status = ocsp.CertStatus("revoked", {"revocation_time": revocation.revoked_at, **reason})
        if revocation.invalidity_time is not None:
            extensions = [{"extn_id": "invalidity_date", "extn_value": revocation.invalidity_time}]
    single: dict[str, object] = {
        "cert_id": _certificate_identifier(issuer, serial_number, algorithm),
        "cert_status": status,
        "this_update": this_update,
    }
    if next_update is not None:
        single["next_update"] = next_update
    if extensions:
        single["single_extensions"] = extensions
    content: dict[str, object] = {
        "responder_id": ocsp.ResponderId(
            "by_key", hashlib.new("sha1", _point(responder.certificate), usedforsecurity=False).digest()
        ),
        "produced_at": this_update,
        "responses": [single],
    }
    if nonce is not None:
        content["response_extensions"] = [{"extn_id": "nonce", "extn_value": nonce}]
    tbs = ocsp.ResponseData(content)
    basic: dict[str, object] = {
        "tbs_response_data": tbs,
        "signature_algorithm": _algorithm(),
        "signature": responder.sign(tbs.dump()),
    }
    if responder.certificate != issuer:
        basic["certs"] = [responder.asn1]
    response = ocsp.OCSPResponse(
        {
            "response_status": "successful",
            "response_bytes": {
                "response_type": "basic_ocsp_response",
                "response": ocsp.BasicOCSPResponse(basic),
            },
        }
    )
    return bytes(response.dump())


def requested_certificate(request: bytes, issuer: x509.Certificate) -> tuple[int, str, bytes | None]:
    """Read an OCSP request for one certificate of an issuer.

    Returns:
        Serial number, digest algorithm of the CertID (`sha1` or `sha256`), nonce or None.

    Raises:
        MalformedError: not a request for one certificate.
        PolicyError: `other_issuer`, or another digest algorithm.
    """
    try:
        parsed = ocsp.OCSPRequest.load(request, strict=True)
        requests = parsed["tbs_request"]["request_list"]
        if len(requests) != 1:
            raise MalformedError(f"expected a request for one certificate, got {len(requests)}", where="ocsp")
        identifier = requests[0]["req_cert"]
        algorithm = str(identifier["hash_algorithm"]["algorithm"].native)
        serial_number = int(identifier["serial_number"].native)
        names = (identifier["issuer_name_hash"].native, identifier["issuer_key_hash"].native)
        nonce = parsed.nonce_value
    except (ValueError, TypeError, KeyError) as error:
        raise MalformedError("expected an OCSP request, got other bytes", where="ocsp") from error
    if algorithm not in ("sha1", "sha256"):
        raise PolicyError(f"expected SHA-1 or SHA-256, got {algorithm}", code="digest_algorithm", where="ocsp")
    expected = _certificate_identifier(issuer, serial_number, algorithm)
    if names != (expected["issuer_name_hash"], expected["issuer_key_hash"]):
        raise PolicyError("expected a certificate of this issuer, got another's", code="other_issuer", where="ocsp")
    return serial_number, algorithm, None if nonce is None else bytes(nonce.native)


def _crl_entry(item: RevokedCertificate) -> dict[str, object]:
    entry: dict[str, object] = {
        "user_certificate": item.serial_number,
        "revocation_date": asn1.Time({"utc_time": item.revocation.revoked_at}),
    }
    extensions = _reason_extensions(item.revocation)
    return entry | {"crl_entry_extensions": extensions} if extensions else entry


def _reason_extensions(revocation: Revocation) -> list[dict[str, object]]:
    extensions: list[dict[str, object]] = []
    if revocation.reason is not RevocationReason.UNSPECIFIED:
        extensions.append({"extn_id": "crl_reason", "extn_value": _REASON_NAMES[revocation.reason]})
    if revocation.invalidity_time is not None:
        extensions.append({"extn_id": "invalidity_date", "extn_value": revocation.invalidity_time})
    return extensions


def _certificate_identifier(issuer: x509.Certificate, serial_number: int, algorithm: str) -> dict[str, object]:
    subject = issuer.subject.public_bytes()
    return {
        "hash_algorithm": algos.DigestAlgorithm({"algorithm": algorithm, "parameters": core.Null()}),
        "issuer_name_hash": hashlib.new(algorithm, subject).digest(),
        "issuer_key_hash": hashlib.new(algorithm, _point(issuer)).digest(),
        "serial_number": serial_number,
    }


def _point(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise PolicyError("expected an elliptic key, got another", code="certificate_key", where="certificate")
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _algorithm() -> algos.SignedDigestAlgorithm:
    return algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"})
