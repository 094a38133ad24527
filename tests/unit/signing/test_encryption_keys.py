"""Encryption certificates and the wraps they receive."""

from __future__ import annotations

import base64
import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from signing.authority import DevelopmentAuthority, generate_key
from signing.certificates import parse_certificate
from signing.encryption_keys import (
    WRAP_BYTES,
    InMemoryEncryptionKey,
    Pkcs12EncryptionKey,
    parse_encryption_certificate,
    wrap,
)
from signing.errors import MalformedError, MismatchError, NotFoundError, PolicyError
from signing.keystore import InMemoryKeyStore, Pkcs12KeyStore, encode_pkcs12
from signing.paths import TrustRoots, validate_path
from signing.personal import parse_personal_certificate

from .conftest import CODE, NAME, NOT_AFTER, NOT_BEFORE, OTHER_CODE, accept_code, year

VECTOR: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "envelope" / "envelopes.json").read_text("ascii")
)["wrap"]
SECRET, COMMITMENT = bytes(range(32)), bytes(range(32, 64))
AT = datetime.datetime(2026, 11, 22, 8, 0, tzinfo=datetime.UTC)


def encryption_key(authority: DevelopmentAuthority, code: str = CODE) -> InMemoryEncryptionKey:
    return authority.issue_encryption_key(
        code=code, name=NAME, not_before=NOT_BEFORE, not_after=NOT_AFTER, validate_code=accept_code
    )


@pytest.fixture(scope="module")
def key(authority: DevelopmentAuthority) -> InMemoryEncryptionKey:
    return encryption_key(authority)


def test_a_wrap_opens_with_the_key_it_is_for(key: InMemoryEncryptionKey) -> None:
    sealed = wrap(SECRET, COMMITMENT, key.certificate)
    assert len(sealed) == WRAP_BYTES
    assert sealed != wrap(SECRET, COMMITMENT, key.certificate)
    assert key.unwrap(sealed, COMMITMENT) == SECRET


def test_opens_the_published_vector(key: InMemoryEncryptionKey) -> None:
    class Stated:
        """A certificate of the vector's id; its key is all that counts."""

        certificate_id = bytes.fromhex(VECTOR["certificate_id"])
        public_key = b""

    private = ec.derive_private_key(int(VECTOR["recipient_private_key"], 16), ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    Stated.public_key = numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    opened = InMemoryEncryptionKey(private, Stated())  # type: ignore[arg-type]
    sealed = base64.b64decode(VECTOR["sealed"])
    assert opened.unwrap(sealed, bytes.fromhex(VECTOR["key_commitment"])) == bytes.fromhex(VECTOR["data_key"])


@given(st.integers(0, WRAP_BYTES * 8 - 1))
def test_refuses_a_wrap_with_any_bit_flipped(bit: int) -> None:
    sealed = bytearray(_FIXED[1])
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(MismatchError, match="wrap"):
        _FIXED[0].unwrap(bytes(sealed), COMMITMENT)


def test_refuses_a_wrap_of_another_document_key_or_length(
    authority: DevelopmentAuthority, key: InMemoryEncryptionKey
) -> None:
    sealed = wrap(SECRET, COMMITMENT, key.certificate)
    with pytest.raises(MismatchError):
        key.unwrap(sealed, bytes(32))
    with pytest.raises(MismatchError):
        encryption_key(authority).unwrap(sealed, COMMITMENT)
    for wrong in (sealed[:-1], sealed + b"\x00", b""):
        with pytest.raises(MalformedError):
            key.unwrap(wrong, COMMITMENT)
    with pytest.raises(MalformedError):
        wrap(SECRET[:31], COMMITMENT, key.certificate)
    with pytest.raises(MalformedError):
        wrap(SECRET, COMMITMENT[:31], key.certificate)


def test_a_certificate_is_for_one_thing_only(
    authority: DevelopmentAuthority, key: InMemoryEncryptionKey, key_store: InMemoryKeyStore
) -> None:
    person = authority.issue_personal_key(name="陈工", not_before=NOT_BEFORE, not_after=NOT_AFTER)
    for der in (key_store.certificate.der, person.certificate.der, authority.root_certificate):
        with pytest.raises((PolicyError, MalformedError)):
            parse_encryption_certificate(der)
    with pytest.raises(PolicyError):
        parse_certificate(key.certificate.der)
    with pytest.raises((PolicyError, MalformedError)):
        parse_personal_certificate(key.certificate.der)


def test_its_path_leads_to_a_root_while_it_is_valid(
    authority: DevelopmentAuthority, key: InMemoryEncryptionKey, roots: TrustRoots
) -> None:
    assert validate_path(key.certificate, roots, at=AT)[0] == key.certificate.der
    for at, code in ((year(2025), "certificate_not_yet_valid"), (year(2030), "certificate_expired")):
        with pytest.raises(PolicyError) as refused:
            validate_path(key.certificate, roots, at=at)
        assert refused.value.code == code
    namesake = DevelopmentAuthority.create("云上测试根", not_before=year(2020), not_after=year(2040))
    with pytest.raises(NotFoundError):
        validate_path(encryption_key(namesake).certificate, roots, at=AT)


def test_no_byte_of_a_certificate_may_differ(key: InMemoryEncryptionKey, roots: TrustRoots) -> None:
    der = key.certificate.der
    taken = []
    for position in range(len(der)):
        altered = bytearray(der)
        altered[position] ^= 1
        try:
            validate_path(parse_encryption_certificate(bytes(altered)), roots, at=AT)
            taken.append(position)
        except (MalformedError, PolicyError, NotFoundError):
            continue
    assert taken == []


def test_is_read_from_a_file_and_kept_by_the_authority(tmp_path: Path, authority: DevelopmentAuthority) -> None:
    private = generate_key()
    certificate = authority.issue_encryption(
        private.public_key(),
        code=OTHER_CODE,
        name=NAME,
        not_before=NOT_BEFORE,
        not_after=NOT_AFTER,
        validate_code=accept_code,
    )
    path = tmp_path / "key.p12"
    path.write_bytes(encode_pkcs12(private, certificate.der, passphrase="geheim", name="x", kdf_rounds=1_000))
    key = Pkcs12EncryptionKey(path, "geheim")
    assert key.certificate == certificate
    assert "geheim" not in repr(key)
    with pytest.raises(MismatchError) as wrong:
        Pkcs12EncryptionKey(path, "other")
    assert "geheim" not in str(wrong.value)
    with pytest.raises(PolicyError):
        Pkcs12KeyStore(path, "geheim")
    authority.save(tmp_path / "ca", "passphrase")
    assert certificate in DevelopmentAuthority.load(tmp_path / "ca", "passphrase").encryption


def _fixed() -> tuple[InMemoryEncryptionKey, bytes]:
    authority = DevelopmentAuthority.create("云上测试根", not_before=year(2020), not_after=year(2040))
    key = encryption_key(authority)
    return key, wrap(SECRET, COMMITMENT, key.certificate)


_FIXED = _fixed()
