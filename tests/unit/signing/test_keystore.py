from __future__ import annotations

import datetime
import subprocess
import traceback
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from signing.authority import DevelopmentAuthority, generate_key
from signing.cades import seal
from signing.errors import MalformedError, MismatchError, NotFoundError, PolicyError, TransportError
from signing.keystore import InMemoryKeyStore, Pkcs12KeyStore, encode_pkcs12, load_pkcs12

PASSPHRASE = "口令 correct horse"


@pytest.fixture
def key_file(authority: DevelopmentAuthority, tmp_path: Path) -> Path:
    key = generate_key()
    certificate = authority.issue(
        key.public_key(),
        code="91440101MA5WECT01N",
        name="广州示例建设投资有限公司",
        not_before=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        not_after=datetime.datetime(2029, 1, 1, tzinfo=datetime.UTC),
        validate_code=str,
    )
    path = tmp_path / "owner.p12"
    path.write_bytes(encode_pkcs12(key, certificate.der, passphrase=PASSPHRASE, name="owner", kdf_rounds=1000))
    return path


def test_opens_and_seals(key_file: Path, payload: bytes, signing_time: datetime.datetime) -> None:
    store = Pkcs12KeyStore(key_file, PASSPHRASE)
    assert seal(payload, store, signing_time).certificate == store.certificate.der


@pytest.mark.parametrize("passphrase", ["", "wrong", PASSPHRASE + " "])
def test_wrong_passphrase_is_said_and_not_shown(key_file: Path, passphrase: str) -> None:
    with pytest.raises(MismatchError) as caught:
        Pkcs12KeyStore(key_file, passphrase)
    assert caught.value.code == "passphrase"
    assert str(caught.value) == (
        f"{key_file}: expected the passphrase of this PKCS#12 file, got another one (or the file is damaged)"
    )
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert PASSPHRASE not in shown
    assert not passphrase or f"{passphrase!r}" not in shown
    assert caught.value.__cause__ is None


def test_damaged_file(key_file: Path) -> None:
    key_file.write_bytes(key_file.read_bytes()[:-20])
    with pytest.raises(MismatchError):
        Pkcs12KeyStore(key_file, PASSPHRASE)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="expected a key file, got none at"):
        Pkcs12KeyStore(tmp_path / "none.p12", PASSPHRASE)


def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(TransportError):
        Pkcs12KeyStore(tmp_path, PASSPHRASE)


def test_file_without_key(authority: DevelopmentAuthority, key_store: InMemoryKeyStore, tmp_path: Path) -> None:
    path = tmp_path / "certificates.p12"
    encryption = BestAvailableEncryption(PASSPHRASE.encode())
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"x", None, None, [key_store.certificate.x509], encryption))
    with pytest.raises(MalformedError, match="expected one key with its certificate"):
        load_pkcs12(path, PASSPHRASE)


def test_refuses_empty_passphrase(key_store: InMemoryKeyStore) -> None:
    with pytest.raises(PolicyError):
        encode_pkcs12(generate_key(), key_store.certificate.der, passphrase="", name="owner")


def test_openssl_opens_the_file(key_file: Path) -> None:
    command = ["openssl", "pkcs12", "-in", str(key_file), "-passin", f"pass:{PASSPHRASE}", "-nokeys", "-info"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert b"PBES2, PBKDF2, AES-256-CBC" in done.stderr


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)], ids=["p384", "rsa"]
)
def test_refuses_other_keys(key: ec.EllipticCurvePrivateKey, key_store: InMemoryKeyStore, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="expected a P-256 key"):
        InMemoryKeyStore(key, key_store.certificate)
    path = tmp_path / "other.p12"
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2029, 1, 1, tzinfo=datetime.UTC))
    )
    certificate = builder.sign(key, hashes.SHA256())
    encryption = BestAvailableEncryption(PASSPHRASE.encode())
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"x", key, certificate, None, encryption))
    with pytest.raises(PolicyError, match="expected a P-256 key"):
        Pkcs12KeyStore(path, PASSPHRASE)


def test_refuses_the_certificate_of_another_key(key_store: InMemoryKeyStore) -> None:
    with pytest.raises(MismatchError, match="expected the certificate of this key"):
        InMemoryKeyStore(generate_key(), key_store.certificate)


def test_offers_nothing_but_attributes(key_store: InMemoryKeyStore) -> None:
    public = {name for name in dir(key_store) if not name.startswith("_")}
    assert public == {"certificate", "sign_attributes"}
    assert repr(key_store) == "InMemoryKeyStore(91440101MA5WECT01N)"
