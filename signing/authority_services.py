"""What a development authority does beside issuing: it revokes, says so by CRL and OCSP, and timestamps.

Files beside those of `signing.authority`, in the same directory: `revoked.json` (serial numbers, times, reasons),
`ocsp.p12` and `tsa.p12` (keys of the responder and of the timestamp authority, each with a certificate of the root).
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from signing.authority import DevelopmentAuthority, generate_key, write_private_file
from signing.errors import MalformedError, PolicyError, SigningError, TransportError
from signing.keystore import encode_pkcs12, load_pkcs12
from signing.revocation import Revocation, RevocationReason
from signing.status_issuing import RevokedCertificate, StatusSigner, issue_crl, issue_ocsp, requested_certificate
from signing.timestamp_authority import TimestampAuthority

__all__ = ["AuthorityServices", "appoint_responder", "appoint_timestamp_authority", "read_revoked", "record_revocation"]

_FORMAT = "yunshang-revoked/v1"
_CRL_LIFE = datetime.timedelta(hours=1)


def read_revoked(directory: Path) -> tuple[RevokedCertificate, ...]:
    """Read what an authority revoked; no file: nothing.

    Raises:
        MalformedError: a file of another form.
        TransportError: it can't be read.
    """
    path = directory / "revoked.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != _FORMAT:
            raise MalformedError(f"expected {_FORMAT}, got {document['format']!r}", where=str(path))
        return tuple(
            RevokedCertificate(
                int(item["serial_number"]),
                Revocation(
                    _time(item["revoked_at"]),
                    RevocationReason(item["reason"]),
                    None if item["invalidity_time"] is None else _time(item["invalidity_time"]),
                ),
            )
            for item in document["revoked"]
        )
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise TransportError(f"expected a readable file, got {error.strerror}", where=str(path)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedError("expected the list of revoked certificates, got other JSON", where=str(path)) from error


def record_revocation(directory: Path, serial_number: int, revocation: Revocation) -> None:
    """Revoke a certificate, durably; a revoked one stays as it was revoked, save that a hold may become final.

    Args:
        directory: of the authority.
        serial_number: of a certificate it issued; the caller has checked that.
        revocation: whole seconds.

    Raises:
        PolicyError: `already_revoked`.
        MalformedError: the file there is of another form.
        TransportError: it can't be written.
    """
    revoked = {item.serial_number: item for item in read_revoked(directory)}
    known = revoked.get(serial_number)
    if known is not None and known.revocation.reason is not RevocationReason.CERTIFICATE_HOLD:
        raise PolicyError(
            f"expected a certificate that is not revoked, got {serial_number}", code="already_revoked", where="revoked"
        )
    revoked[serial_number] = RevokedCertificate(serial_number, revocation)
    items = [
        {
            "serial_number": str(item.serial_number),
            "revoked_at": _text(item.revocation.revoked_at),
            "reason": int(item.revocation.reason),
            "invalidity_time": None
            if item.revocation.invalidity_time is None
            else _text(item.revocation.invalidity_time),
        }
        for item in revoked.values()
    ]
    document = json.dumps({"format": _FORMAT, "revoked": items}, indent=2)
    write_private_file(directory / "revoked.json", document.encode("ascii") + b"\n", mode=0o644)


def appoint_responder(
    authority: StatusSigner,
    public_key: ec.EllipticCurvePublicKey,
    *,
    not_before: datetime.datetime,
    not_after: datetime.datetime,
    serial_number: int | None = None,
) -> x509.Certificate:
    """Issue the certificate of an OCSP responder. Source: RFC 6960 section 4.2.2.2."""
    builder = _service_certificate(
        authority,
        public_key,
        name="OCSP",
        purpose=ExtendedKeyUsageOID.OCSP_SIGNING,
        not_before=not_before,
        not_after=not_after,
        serial_number=serial_number,
    ).add_extension(x509.OCSPNoCheck(), critical=False)
    return builder.sign(authority.key, hashes.SHA256(), ecdsa_deterministic=True)


def appoint_timestamp_authority(
    authority: StatusSigner,
    public_key: ec.EllipticCurvePublicKey,
    *,
    not_before: datetime.datetime,
    not_after: datetime.datetime,
    serial_number: int | None = None,
) -> x509.Certificate:
    """Issue the certificate of a timestamp authority. Source: RFC 3161 section 2.3."""
    builder = _service_certificate(
        authority,
        public_key,
        name="TSA",
        purpose=ExtendedKeyUsageOID.TIME_STAMPING,
        not_before=not_before,
        not_after=not_after,
        serial_number=serial_number,
    )
    return builder.sign(authority.key, hashes.SHA256(), ecdsa_deterministic=True)


def _service_certificate(
    authority: StatusSigner,
    public_key: ec.EllipticCurvePublicKey,
    *,
    name: str,
    purpose: ObjectIdentifier,
    not_before: datetime.datetime,
    not_after: datetime.datetime,
    serial_number: int | None,
) -> x509.CertificateBuilder:
    issuer = authority.certificate
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"), x509.NameAttribute(NameOID.COMMON_NAME, f"yunshang {name}")]
    )
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    timestamps = purpose == ExtendedKeyUsageOID.TIME_STAMPING
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject)
        .public_key(public_key)
        .serial_number(serial_number or x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=timestamps)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )


class AuthorityServices:
    """CRL, OCSP and timestamps of a saved authority; what it revokes or issues meanwhile is seen at once.

    Args:
        directory: of the authority.
        passphrase: of its key files.

    Raises:
        NotFoundError: no authority there.
        MismatchError: a wrong passphrase.
    """

    def __init__(self, directory: Path, passphrase: str) -> None:
        self._directory = directory
        self._passphrase = passphrase
        self._authority = DevelopmentAuthority.load(directory, passphrase)
        root = self._authority.status_signer
        self._responder = self._service_key("ocsp", root)
        self._timestamps = TimestampAuthority(self._service_key("tsa", root))
        self._seen = self._stamp()

    @property
    def root(self) -> x509.Certificate:
        """The authority's certificate."""
        return self._authority.status_signer.certificate

    def crl(self, *, now: datetime.datetime) -> bytes:
        """Issue a CRL, valid for an hour; its number is the time in seconds.

        Args:
            now: aware UTC.
        """
        time = now.replace(microsecond=0)
        return issue_crl(
            self._authority.status_signer,
            read_revoked(self._directory),
            this_update=time,
            next_update=time + _CRL_LIFE,
            number=int(time.timestamp()),
        )

    def ocsp(self, request: bytes, *, now: datetime.datetime) -> bytes | None:
        """Answer an OCSP request.

        Args:
            request: DER.
            now: aware UTC.

        Returns:
            OCSPResponse, DER; None where the request can't be read or is for another issuer.
        """
        try:
            serial_number, algorithm, nonce = requested_certificate(request, self.root)
        except SigningError:
            return None
        time = now.replace(microsecond=0)
        revoked = {item.serial_number: item.revocation for item in read_revoked(self._directory)}
        return issue_ocsp(
            self._responder,
            self.root,
            serial_number,
            known=serial_number in self._issued(),
            revocation=revoked.get(serial_number),
            this_update=time,
            next_update=time + _CRL_LIFE,
            algorithm=algorithm,
            nonce=nonce,
        )

    def timestamp(self, request: bytes, *, now: datetime.datetime) -> bytes:
        """Answer a timestamp request; TimeStampResp, DER. `now`: aware UTC."""
        return self._timestamps.answer(request, time=now, serial_number=x509.random_serial_number())

    def _issued(self) -> frozenset[int]:
        stamp = self._stamp()
        if stamp != self._seen:
            self._authority = DevelopmentAuthority.load(self._directory, self._passphrase)
            self._seen = stamp
        return self._authority.serial_numbers

    def _stamp(self) -> Sequence[int]:
        try:
            facts = (self._directory / "issued.json").stat()
        except OSError as error:
            raise TransportError(f"expected issued.json, got {error.strerror}", where=str(self._directory)) from error
        return (facts.st_mtime_ns, facts.st_size, facts.st_ino)

    def _service_key(self, name: str, root: StatusSigner) -> StatusSigner:
        path = self._directory / f"{name}.p12"
        if not path.exists():
            key = generate_key()
            appoint = appoint_responder if name == "ocsp" else appoint_timestamp_authority
            dates = (root.certificate.not_valid_before_utc, root.certificate.not_valid_after_utc)
            certificate = appoint(root, key.public_key(), not_before=dates[0], not_after=dates[1])
            der = StatusSigner(key, certificate).asn1.dump()
            write_private_file(path, encode_pkcs12(key, der, passphrase=self._passphrase, name=name))
        loaded, der = load_pkcs12(path, self._passphrase)
        return StatusSigner(loaded, x509.load_der_x509_certificate(der))


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)


def _text(time: datetime.datetime) -> str:
    return time.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
