"""Development keys of a home: its CA and the sealing keys it issues; only client commands come here, not the server."""

from __future__ import annotations

import base64
import datetime
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from archive_api.errors import ConflictError, NotFoundError
from archive_api.home import Home, init_home
from ledger.adapters.processes import free_port
from ledger.identifiers import validate_uscc
from signing.authority import DevelopmentAuthority, generate_key, write_private_file
from signing.certificates import OrganisationCertificate
from signing.keystore import Pkcs12KeyStore, encode_pkcs12
from signing.personal import PersonalCertificate, Pkcs12PersonalKey
from signing.requests import CertificateRequest

__all__ = [
    "IssuedKey",
    "create_home",
    "desk_path",
    "development_passphrase",
    "ensure_desk",
    "issue_key",
    "issue_personal_key",
    "issue_requested",
    "key_path",
    "open_authority",
    "open_desk",
    "open_key",
    "passphrase_path",
]

_ROOT_NAME = "云上城建档案开发用根证书"
_ROOT_DAYS = 3_650
_CERTIFICATE_DAYS = 1_825
_DESK_NAME = "开发工作台"
# A clock that is a little behind must not find a new certificate not yet valid.
_BACKDATE = datetime.timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A sealing key that was just drawn: its PKCS#12 file, its PEM certificate, the certificate parsed."""

    key_file: Path
    certificate_file: Path
    certificate: OrganisationCertificate


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def key_path(root: Path, code: str) -> Path:
    """Where a home keeps an organisation's development key."""
    return root / "keys" / f"{code}.p12"


def passphrase_path(root: Path) -> Path:
    """Where a home keeps the passphrase of its development keys."""
    return root / "keys" / "passphrase"


def development_passphrase(root: Path) -> str:
    """The passphrase of a home's development keys, drawn the first time."""
    path = passphrase_path(root)
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private_file(path, f"{secrets.token_urlsafe(24)}\n".encode("ascii"))
    return path.read_text("ascii").strip()


def open_authority(root: Path, *, create: bool = False, name: str = _ROOT_NAME) -> DevelopmentAuthority:
    """Open a home's development CA.

    Args:
        root: the home.
        create: make one where there is none.
        name: of a new root.

    Raises:
        NotFoundError: there is none, and `create` is false.
    """
    directory = root / "ca"
    if (directory / "root.p12").exists():
        return DevelopmentAuthority.load(directory, development_passphrase(root))
    if not create:
        raise NotFoundError(f"expected a development CA in {directory}, got none; run yunshang ca init", code="no_ca")
    now = _now()
    authority = DevelopmentAuthority.create(
        name,
        not_before=now - 2 * _BACKDATE,
        not_after=now + datetime.timedelta(days=_ROOT_DAYS),
        status_url=f"http://127.0.0.1:{free_port('127.0.0.1')}",
    )
    authority.save(directory, development_passphrase(root))
    return authority


def issue_key(root: Path, *, code: str, name: str, days: int = _CERTIFICATE_DAYS, force: bool = False) -> IssuedKey:
    """Draw an organisation's sealing key and issue its certificate.

    Args:
        root: the home, with a CA.
        code: unified social credit code, check digit verified.
        name: the organisation's name.
        days: of validity.
        force: replace a key file of the same code.

    Raises:
        ConflictError: the home has a key of this code already.
        MalformedError: a wrong code or name.
    """
    path = key_path(root, code)
    if path.exists() and not force:
        raise ConflictError(f"expected no key of {code} yet, got {path}", code="key_exists")
    authority = open_authority(root)
    passphrase = development_passphrase(root)
    key = generate_key()
    now = _now()
    certificate = authority.issue(
        key.public_key(),
        code=code,
        name=name,
        not_before=now - _BACKDATE,
        not_after=now + datetime.timedelta(days=days),
        validate_code=validate_uscc,
    )
    # Recorded first: a certificate nobody knows of could not be revoked.
    authority.save(root / "ca", passphrase)
    write_private_file(path, encode_pkcs12(key, certificate.der, passphrase=passphrase, name=name))
    pem_path = path.with_suffix(".pem")
    write_private_file(pem_path, certificate.pem.encode("ascii"), mode=0o644)
    return IssuedKey(path, pem_path, certificate)


def issue_requested(
    root: Path, request: CertificateRequest, *, days: int
) -> OrganisationCertificate | PersonalCertificate:
    """Issue what a request asks for: a sealing certificate for an organisation, or a personal one.

    Args:
        root: the home, with a CA.
        request: its signature verified.
        days: of validity.

    Raises:
        ConflictError: the key has a certificate already: one that seals must never sign in.
        MalformedError: a wrong code or name.
    """
    authority = open_authority(root)
    point = request.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
    if point in {c.public_key for c in authority.issued} | {c.public_key for c in authority.persons}:
        raise ConflictError("expected a key without a certificate, got one that has one", code="key_certified")
    now = _now()
    not_before, not_after = now - _BACKDATE, now + datetime.timedelta(days=days)
    certificate: OrganisationCertificate | PersonalCertificate
    if request.for_sealing:
        certificate = authority.issue(
            request.public_key,
            code=request.organisation_code or "",
            name=request.name,
            not_before=not_before,
            not_after=not_after,
            validate_code=validate_uscc,
        )
    else:
        certificate = authority.issue_personal(
            request.public_key,
            name=request.name,
            organisation_code=request.organisation_code,
            organisation_name=request.organisation_name,
            not_before=not_before,
            not_after=not_after,
            validate_code=validate_uscc,
        )
    authority.save(root / "ca", development_passphrase(root))
    return certificate


def open_key(root: Path, code: str) -> Pkcs12KeyStore:
    """Open a development key of a home."""
    return Pkcs12KeyStore(key_path(root, code), development_passphrase(root))


def desk_path(root: Path) -> Path:
    """Where a home keeps the personal key of its development desk."""
    return root / "keys" / "desk.p12"


def open_desk(root: Path) -> Pkcs12PersonalKey:
    """Open the personal key of a home's development desk."""
    return Pkcs12PersonalKey(desk_path(root), development_passphrase(root))


def issue_personal_key(
    root: Path,
    path: Path,
    *,
    name: str,
    organisation_code: str | None = None,
    organisation_name: str | None = None,
    days: int = _CERTIFICATE_DAYS,
) -> PersonalCertificate:
    """Draw a person's key, issue its certificate, and write both: `path` and the certificate as PEM beside it.

    Args:
        root: the home, with a CA.
        path: the new PKCS#12 file, under the passphrase of the home's development keys.
        name: the person's name.
        organisation_code, organisation_name: of the organisation they belong to; both or neither.
        days: of validity.

    Raises:
        ConflictError: there is a file already.
        MalformedError: a wrong name or code.
    """
    if path.exists():
        raise ConflictError(f"expected no key file yet, got {path}", code="key_exists")
    authority = open_authority(root)
    passphrase = development_passphrase(root)
    key = generate_key()
    now = _now()
    certificate = authority.issue_personal(
        key.public_key(),
        name=name,
        not_before=now - _BACKDATE,
        not_after=now + datetime.timedelta(days=days),
        organisation_code=organisation_code,
        organisation_name=organisation_name,
        validate_code=validate_uscc,
    )
    # Recorded first: a certificate nobody knows of could not be revoked.
    authority.save(root / "ca", passphrase)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private_file(path, encode_pkcs12(key, certificate.der, passphrase=passphrase, name=name))
    write_private_file(path.with_suffix(".pem"), certificate.pem.encode("ascii"), mode=0o644)
    return certificate


def ensure_desk(home: Home) -> Home:
    """Have a home know its development desk, drawing the desk's key the first time; the server must not be running."""
    path = desk_path(home.root)
    if not path.exists():
        _issue_desk(home.root, code=home.config.archive_organisation, name=home.config.archive_name)
    certificate = open_desk(home.root).certificate.der
    if home.config.desk_certificate == base64.b64encode(certificate).decode("ascii"):
        return home
    return home.with_desk(certificate)


def _issue_desk(root: Path, *, code: str, name: str) -> None:
    issue_personal_key(root, desk_path(root), name=_DESK_NAME, organisation_code=code, organisation_name=name)


def create_home(
    root: Path, *, code: str, name: str, api_port: int = 0, rpc_port: int = 0, p256_tables: bool = False
) -> Home:
    """Make a home with a development CA, the archive's own key and the desk's; a broken attempt is gone on with.

    Args:
        root: the new home.
        code: unified social credit code of the archive.
        name: the archive's name.
        api_port: loopback port; 0: a free one at each start.
        rpc_port: the same for the node.
        p256_tables: whether the contracts are to check seals by tables (a network without the P-256 precompile).

    Raises:
        ConflictError: `root` is a home already.
        MalformedError: a wrong code or name.
    """
    if (root / "config.json").exists():
        raise ConflictError(f"expected a directory without a home, got {root}", code="home_exists")
    validate_uscc(code)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = open_authority(root, create=True)
    if not key_path(root, code).exists():
        issue_key(root, code=code, name=name)
    if not desk_path(root).exists():
        _issue_desk(root, code=code, name=name)
    return init_home(
        root,
        archive_organisation=code,
        archive_name=name,
        archive_certificates=[open_key(root, code).certificate.der],
        ca_roots=[authority.root_certificate],
        timestamp_authorities=[authority.root_certificate],
        desk_certificate=open_desk(root).certificate.der,
        api_port=api_port,
        rpc_port=rpc_port,
        p256_tables=p256_tables,
    )
