"""An organisation's encryption keys on this machine: opened only where a handover has encrypted documents."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from archive_api.cli.context import read_passphrase
from archive_api.cli.development import development_passphrase, open_authority
from archive_api.cli.failures import CommandError
from archive_api.errors import ConflictError
from ledger.identifiers import validate_uscc
from signing.authority import generate_key, write_private_file
from signing.encryption_keys import EncryptionKey, Pkcs12EncryptionKey
from signing.keystore import encode_pkcs12

__all__ = [
    "EncryptionKeyOption",
    "EncryptionPassphraseOption",
    "KeySource",
    "encryption_key_path",
    "issue_encryption_key",
    "no_keys",
    "open_encryption_key",
    "own_keys",
]

KeySource = Callable[[], Sequence[EncryptionKey]]
"""Opens one's encryption keys; asks for a passphrase if it must."""

EncryptionKeyOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--encryption-key",
        help="本单位的加密密钥文件，可多次；默认为印章密钥旁的 NAME.encryption.p12 PKCS#12 file that opens encrypted"
        " documents; default: beside the sealing key.",
    ),
]
EncryptionPassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--encryption-passphrase-file",
        help="加密密钥的口令文件，默认同印章密钥 File with its passphrase; default: as for the sealing key.",
    ),
]
_SUFFIX: Final = ".encryption.p12"
_BACKDATE: Final = datetime.timedelta(minutes=10)


def no_keys() -> Sequence[EncryptionKey]:
    """No key at hand.

    Raises:
        CommandError: always; it is asked only where documents are encrypted.
    """
    raise CommandError(
        "移交中有加密文件，请用 --encryption-key 给出本单位的加密密钥",
        "expected your organisation's encryption key by --encryption-key, for there are encrypted documents; got none",
        code="encryption_key_missing",
    )


def own_keys(given: Sequence[Path] | None, passphrase_file: Path | None, *, beside: Path | None = None) -> KeySource:
    """Say where the encryption keys are; nothing is opened yet.

    Args:
        given: PKCS#12 files; none: the one beside the sealing key, if there is one.
        passphrase_file: of all of them.
        beside: the sealing key's file.
    """
    paths = list(given or ())
    if not paths and beside is not None and (found := beside.with_name(beside.stem + _SUFFIX)).is_file():
        paths = [found]
    if not paths:
        return no_keys
    return lambda: [Pkcs12EncryptionKey(path, read_passphrase(passphrase_file)) for path in paths]


def encryption_key_path(root: Path, code: str) -> Path:
    """Where a home keeps an organisation's development encryption key."""
    return root / "keys" / f"{code}{_SUFFIX}"


def open_encryption_key(root: Path, code: str) -> Pkcs12EncryptionKey:
    """Open a development encryption key of a home."""
    return Pkcs12EncryptionKey(encryption_key_path(root, code), development_passphrase(root))


def issue_encryption_key(
    root: Path, *, code: str, name: str, days: int = 1_825, out: Path | None = None
) -> tuple[Path, Pkcs12EncryptionKey]:
    """Draw an organisation's development encryption key and issue its certificate.

    Args:
        root: the home, with a CA.
        code: unified social credit code, check digit verified.
        name: the organisation's name.
        days: of validity.
        out: the key file; None: the home's own place for it.

    Returns:
        Key file and key; the certificate lies beside it as `.pem`.

    Raises:
        ConflictError: the file is there already.
        MalformedError: a wrong code or name.
    """
    path = out or encryption_key_path(root, code)
    if path.exists():
        raise ConflictError(f"expected no encryption key of {code} yet, got {path}", code="key_exists")
    authority = open_authority(root)
    passphrase = development_passphrase(root)
    key = generate_key()
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    certificate = authority.issue_encryption(
        key.public_key(),
        code=code,
        name=name,
        not_before=now - _BACKDATE,
        not_after=now + datetime.timedelta(days=days),
        validate_code=validate_uscc,
    )
    # Recorded first: a certificate nobody knows of could not be revoked.
    authority.save(root / "ca", passphrase)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private_file(path, encode_pkcs12(key, certificate.der, passphrase=passphrase, name=name))
    write_private_file(path.with_suffix(".pem"), certificate.pem.encode("ascii"), mode=0o644)
    return path, Pkcs12EncryptionKey(path, passphrase)
