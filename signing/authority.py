"""A development certificate authority: it issues sealing and personal certificates, for a desk and for tests.

It is not a certification service: its root key is a file on the same machine. A city's archive lists the roots of a
licensed authority in its trust file instead.

Files of a saved authority: `root.p12` (key and certificate), `root.pem`, `issued.json` (every certificate it issued).
"""

from __future__ import annotations

import base64
import datetime
import json
import os
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID, ObjectIdentifier

from signing.certificates import (
    DOCUMENT_SIGNING,
    OrganisationCertificate,
    certificate_pem,
    check_name,
    check_organisation,
    parse_certificate,
)
from signing.encryption_keys import (
    KEY_AGREEMENT,
    EncryptionCertificate,
    InMemoryEncryptionKey,
    parse_encryption_certificate,
)
from signing.errors import MalformedError, NotFoundError, PolicyError, TransportError
from signing.keystore import InMemoryKeyStore, encode_pkcs12, load_pkcs12
from signing.personal import CLIENT_AUTH, InMemoryPersonalKey, PersonalCertificate, parse_personal_certificate
from signing.status_issuing import StatusSigner

__all__ = ["DevelopmentAuthority", "generate_key", "write_private_file"]

_FORMAT = "yunshang-issued/v1"


def generate_key() -> ec.EllipticCurvePrivateKey:
    """Draw a P-256 key from the system's randomness."""
    return ec.generate_private_key(ec.SECP256R1())


class DevelopmentAuthority:
    """A root key, its certificate, and the certificates it issued; made by `create` or `load`."""

    __slots__ = ("_encryption", "_issued", "_key", "_persons", "_root", "_status_url")

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        root: x509.Certificate,
        issued: tuple[OrganisationCertificate, ...] = (),
        persons: tuple[PersonalCertificate, ...] = (),
        encryption: tuple[EncryptionCertificate, ...] = (),
        *,
        status_url: str | None = None,
    ) -> None:
        self._key = key
        self._root = root
        self._issued = list(issued)
        self._persons = list(persons)
        self._encryption = list(encryption)
        self._status_url = status_url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._root.subject.rfc4514_string()})"

    @classmethod
    def create(
        cls,
        name: str,
        *,
        not_before: datetime.datetime,
        not_after: datetime.datetime,
        key: ec.EllipticCurvePrivateKey | None = None,
        serial_number: int | None = None,
        status_url: str | None = None,
    ) -> DevelopmentAuthority:
        """Make a new authority with a self-signed root.

        Args:
            name: common name and organisation of the root, 1 to 64 characters.
            not_before: aware, whole seconds.
            not_after: aware, whole seconds.
            key: the root key; None: drawn.
            serial_number: positive, at most 20 octets; None: drawn.
            status_url: where it publishes what it revoked, below `/crl` and `/ocsp`; certificates name both. None: it
                publishes nothing, and they name nothing.
        """
        key = key or generate_key()
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        builder = (
            _builder(
                subject,
                subject,
                public_key=key.public_key(),
                not_before=not_before,
                not_after=not_after,
                serial_number=serial_number,
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
        )
        return cls(key, builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True), status_url=status_url)

    @property
    def root_certificate(self) -> bytes:
        """The root certificate, DER."""
        return self._root.public_bytes(Encoding.DER)

    @property
    def status_url(self) -> str | None:
        """Where it publishes what it revoked, or None."""
        return self._status_url

    @property
    def status_signer(self) -> StatusSigner:
        """Its key and certificate, to sign CRLs and to appoint responders."""
        return StatusSigner(self._key, self._root)

    @property
    def serial_numbers(self) -> frozenset[int]:
        """Of every certificate it issued."""
        numbers = {c.serial_number for c in self._issued} | {c.serial_number for c in self._persons}
        return frozenset(numbers | {c.serial_number for c in self._encryption})

    @property
    def issued(self) -> tuple[OrganisationCertificate, ...]:
        """The sealing certificates issued, in order."""
        return tuple(self._issued)

    @property
    def persons(self) -> tuple[PersonalCertificate, ...]:
        """The personal certificates issued, in order."""
        return tuple(self._persons)

    @property
    def encryption(self) -> tuple[EncryptionCertificate, ...]:
        """The encryption certificates issued, in order."""
        return tuple(self._encryption)

    def issue(
        self,
        public_key: ec.EllipticCurvePublicKey,
        *,
        code: str,
        name: str,
        not_before: datetime.datetime,
        not_after: datetime.datetime,
        validate_code: Callable[[str], object],
        serial_number: int | None = None,
    ) -> OrganisationCertificate:
        """Issue an organisation's sealing certificate; the archive's own is one like the others.

        Args:
            public_key: P-256.
            code: the organisation's 18-character unified social credit code.
            name: the organisation's name, NFC, 1 to 64 characters.
            not_before: aware, whole seconds, within the root's validity.
            not_after: aware, whole seconds, within the root's validity.
            validate_code: raises if the code's check digit is wrong; its error is passed on.
            serial_number: positive, at most 20 octets, not used before; None: drawn.

        Raises:
            MalformedError: a name, code or date of another form.
            PolicyError: another curve, dates outside the root's, a serial number used before.
        """
        subject = _organisation_subject(name, code)
        validate_code(code)
        certificate = self._sign(
            public_key,
            subject,
            usage=_key_usage(sealing=True),
            purpose=DOCUMENT_SIGNING,
            not_before=not_before,
            not_after=not_after,
            serial_number=serial_number,
        )
        parsed = parse_certificate(certificate, validate_code=validate_code)
        self._issued.append(parsed)
        return parsed

    def issue_key_store(
        self,
        *,
        code: str,
        name: str,
        not_before: datetime.datetime,
        not_after: datetime.datetime,
        validate_code: Callable[[str], object],
    ) -> InMemoryKeyStore:
        """Draw a key and issue its certificate; arguments and errors as `issue`."""
        key = generate_key()
        certificate = self.issue(
            key.public_key(),
            code=code,
            name=name,
            not_before=not_before,
            not_after=not_after,
            validate_code=validate_code,
        )
        return InMemoryKeyStore(key, certificate)

    def issue_personal(
        self,
        public_key: ec.EllipticCurvePublicKey,
        *,
        name: str,
        not_before: datetime.datetime,
        not_after: datetime.datetime,
        organisation_code: str | None = None,
        organisation_name: str | None = None,
        validate_code: Callable[[str], object] | None = None,
        serial_number: int | None = None,
    ) -> PersonalCertificate:
        """Issue a person's certificate for signing in.

        Args:
            public_key: P-256, of a key that seals nothing.
            name: the person's name, NFC, 1 to 64 characters.
            not_before, not_after, serial_number: as `issue`.
            organisation_code, organisation_name: of the organisation they belong to; both or neither.
            validate_code: as `issue`.

        Raises:
            MalformedError: a name, code or date of another form.
            PolicyError: as `issue`.
        """
        check_name(name, kind="person", where="name")
        organisation = []
        if organisation_code is not None or organisation_name is not None:
            check_organisation(organisation_name or "", organisation_code or "", where="organisation")
            organisation = [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation_name or ""),
                x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, organisation_code or ""),
            ]
        country, common_name = (NameOID.COUNTRY_NAME, "CN"), (NameOID.COMMON_NAME, name)
        certificate = self._sign(
            public_key,
            x509.Name([x509.NameAttribute(*country), *organisation, x509.NameAttribute(*common_name)]),
            usage=_key_usage(),
            purpose=CLIENT_AUTH,
            not_before=not_before,
            not_after=not_after,
            serial_number=serial_number,
        )
        parsed = parse_personal_certificate(certificate, validate_code=validate_code)
        self._persons.append(parsed)
        return parsed

    def issue_personal_key(
        self,
        *,
        name: str,
        not_before: datetime.datetime,
        not_after: datetime.datetime,
        organisation_code: str | None = None,
        organisation_name: str | None = None,
    ) -> InMemoryPersonalKey:
        """Draw a person's key and issue its certificate; arguments and errors as `issue_personal`."""
        key = generate_key()
        certificate = self.issue_personal(
            key.public_key(),
            name=name,
            not_before=not_before,
            not_after=not_after,
            organisation_code=organisation_code,
            organisation_name=organisation_name,
        )
        return InMemoryPersonalKey(key, certificate)

    def issue_encryption(
        self,
        public_key: ec.EllipticCurvePublicKey,
        *,
        code: str,
        name: str,
        not_before: datetime.datetime,
        not_after: datetime.datetime,
        validate_code: Callable[[str], object],
        serial_number: int | None = None,
    ) -> EncryptionCertificate:
        """Issue an organisation's encryption certificate, for a key that neither seals nor signs in.

        Arguments and errors are those of `issue`.
        """
        subject = _organisation_subject(name, code)
        validate_code(code)
        certificate = self._sign(
            public_key,
            subject,
            usage=KEY_AGREEMENT,
            purpose=None,
            not_before=not_before,
            not_after=not_after,
            serial_number=serial_number,
        )
        parsed = parse_encryption_certificate(certificate, validate_code=validate_code)
        self._encryption.append(parsed)
        return parsed

    def issue_encryption_key(
        self,
        *,
        code: str,
        name: str,
        not_before: datetime.datetime,
        not_after: datetime.datetime,
        validate_code: Callable[[str], object],
    ) -> InMemoryEncryptionKey:
        """Draw an encryption key and issue its certificate; arguments and errors as `issue`."""
        key = generate_key()
        certificate = self.issue_encryption(
            key.public_key(),
            code=code,
            name=name,
            not_before=not_before,
            not_after=not_after,
            validate_code=validate_code,
        )
        return InMemoryEncryptionKey(key, certificate)

    def _sign(
        self,
        public_key: ec.EllipticCurvePublicKey,
        subject: x509.Name,
        *,
        usage: x509.KeyUsage,
        purpose: ObjectIdentifier | None,
        not_before: datetime.datetime,
        not_after: datetime.datetime,
        serial_number: int | None,
    ) -> bytes:
        """Sign a certificate that is no authority, and return its DER."""
        if not isinstance(public_key.curve, ec.SECP256R1):
            raise PolicyError(
                f"expected a P-256 key, got {public_key.curve.name}", code="key_curve", where="public_key"
            )
        if not self._root.not_valid_before_utc <= not_before <= not_after <= self._root.not_valid_after_utc:
            raise PolicyError(
                f"expected dates in order from {self._root.not_valid_before_utc} to "
                f"{self._root.not_valid_after_utc}, got {not_before} to {not_after}",
                code="certificate_validity",
                where="certificate.validity",
            )
        serial_number = serial_number or x509.random_serial_number()
        if serial_number in self.serial_numbers:
            raise PolicyError(
                f"expected a new serial number, got {serial_number} again",
                code="serial_number_used",
                where="certificate.serial_number",
                actual=serial_number,
            )
        identifier = self._root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            _builder(
                subject,
                self._root.subject,
                public_key=public_key,
                not_before=not_before,
                not_after=not_after,
                serial_number=serial_number,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
        )
        if purpose is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        if self._status_url is not None:
            builder = _with_status(builder, self._status_url)
        return builder.sign(self._key, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)

    def save(self, directory: Path, passphrase: str) -> None:
        """Write `root.p12` (mode 0600), `root.pem` and `issued.json`, each replaced as a whole.

        Raises:
            PolicyError: an empty passphrase.
            TransportError: the directory can't be written.
        """
        root = self.root_certificate
        key_file = encode_pkcs12(self._key, root, passphrase=passphrase, name="root")
        issued = [
            {
                "serial_number": str(certificate.serial_number),
                "certificate_id": certificate.certificate_id.hex(),
                "organisation_code": certificate.organisation_code,
                "organisation_name": certificate.organisation_name,
                "not_before": certificate.not_before.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "not_after": certificate.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "der": base64.b64encode(certificate.der).decode("ascii"),
            }
            for certificate in self._issued
        ]
        persons = [
            {
                "serial_number": str(certificate.serial_number),
                "certificate_id": certificate.certificate_id.hex(),
                "name": certificate.name,
                "organisation_code": certificate.organisation_code,
                "der": base64.b64encode(certificate.der).decode("ascii"),
            }
            for certificate in self._persons
        ]
        encryption = [
            {
                "serial_number": str(certificate.serial_number),
                "certificate_id": certificate.certificate_id.hex(),
                "organisation_code": certificate.organisation_code,
                "der": base64.b64encode(certificate.der).decode("ascii"),
            }
            for certificate in self._encryption
        ]
        lists = {"issued": issued, "persons": persons, "encryption": encryption}
        head = {"format": _FORMAT} if self._status_url is None else {"format": _FORMAT, "status_url": self._status_url}
        document = json.dumps({**head, **lists}, ensure_ascii=False, indent=2)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TransportError(
                f"expected a directory to write, got {error.strerror}", where=str(directory)
            ) from error
        write_private_file(directory / "root.p12", key_file)
        write_private_file(directory / "root.pem", certificate_pem(root).encode("ascii"), mode=0o644)
        write_private_file(directory / "issued.json", document.encode("utf-8") + b"\n", mode=0o644)

    @classmethod
    def load(cls, directory: Path, passphrase: str) -> DevelopmentAuthority:
        """Read a saved authority.

        Raises:
            NotFoundError: no authority there.
            MismatchError: a wrong passphrase.
            MalformedError: files of another form.
        """
        key, root = load_pkcs12(directory / "root.p12", passphrase)
        path = directory / "issued.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["format"] != _FORMAT:
                raise MalformedError(f"expected {_FORMAT}, got {document['format']!r}", where=str(path))
            issued = tuple(
                parse_certificate(base64.b64decode(item["der"], validate=True)) for item in document["issued"]
            )
            persons = tuple(
                parse_personal_certificate(base64.b64decode(item["der"], validate=True))
                for item in document.get("persons", ())
            )
            encryption = tuple(
                parse_encryption_certificate(base64.b64decode(item["der"], validate=True))
                for item in document.get("encryption", ())
            )
            status_url = document.get("status_url")
        except FileNotFoundError as error:
            raise NotFoundError("expected the list of issued certificates, got no file", where=str(path)) from error
        except OSError as error:
            raise TransportError(f"expected a readable file, got {error.strerror}", where=str(path)) from error
        except (ValueError, KeyError, TypeError) as error:
            raise MalformedError("expected the list of issued certificates, got other JSON", where=str(path)) from error
        loaded = x509.load_der_x509_certificate(root)
        return cls(key, loaded, issued, persons, encryption, status_url=status_url)


def write_private_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a file as a whole: written beside it with the mode, synced, renamed.

    Raises:
        TransportError: it can't be written; the old file, if any, is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise TransportError(f"expected to write the file, got {error.strerror}", where=str(path)) from error


def _organisation_subject(name: str, code: str) -> x509.Name:
    check_organisation(name, code, where="organisation")
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, code),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    *,
    public_key: ec.EllipticCurvePublicKey,
    not_before: datetime.datetime,
    not_after: datetime.datetime,
    serial_number: int | None,
) -> x509.CertificateBuilder:
    for time in (not_before, not_after):
        if time.tzinfo is None or time.microsecond:
            raise MalformedError(
                f"expected aware dates in whole seconds, got {time.isoformat()}", where="certificate.validity"
            )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial_number or x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _with_status(builder: x509.CertificateBuilder, url: str) -> x509.CertificateBuilder:
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(f"{url}/crl")], None, None, None)
    responder = x509.AccessDescription(
        AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(f"{url}/ocsp")
    )
    return builder.add_extension(x509.CRLDistributionPoints([point]), critical=False).add_extension(
        x509.AuthorityInformationAccess([responder]), critical=False
    )


def _key_usage(*, authority: bool = False, sealing: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=sealing,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
