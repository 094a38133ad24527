from __future__ import annotations

import datetime
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from ledger.identifiers.uscc import validate_uscc
from signing.authority import DevelopmentAuthority, generate_key
from signing.certificates import certificate_id, certificate_pem, parse_certificate
from signing.errors import MalformedError, SigningError
from signing.keystore import InMemoryKeyStore


def test_reads_every_field(key_store: InMemoryKeyStore) -> None:
    der = key_store.certificate.der
    parsed = parse_certificate(der)
    reference = x509.load_der_x509_certificate(der)
    assert parsed.organisation_code == "91440101MA5WECT01N"
    assert parsed.organisation_name == "广州示例建设投资有限公司"
    assert parsed.serial_number == reference.serial_number
    assert parsed.issuer == reference.issuer.public_bytes()
    assert parsed.not_before.isoformat() == "2026-01-01T00:00:00+00:00"
    assert parsed.not_after.isoformat() == "2029-01-01T00:00:00+00:00"
    assert parsed.certificate_id == certificate_id(der) == hashlib.sha256(der).digest()
    numbers = parsed.verifying_key.public_numbers()
    assert parsed.public_key == numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def test_pem_holds_the_same_bytes(key_store: InMemoryKeyStore) -> None:
    loaded = x509.load_pem_x509_certificate(certificate_pem(key_store.certificate.der).encode("ascii"))
    assert loaded == key_store.certificate.x509
    assert key_store.certificate.pem == certificate_pem(key_store.certificate.der)


def test_hands_the_code_to_the_validator(key_store: InMemoryKeyStore) -> None:
    seen: list[str] = []
    parse_certificate(key_store.certificate.der, validate_code=seen.append)
    assert seen == ["91440101MA5WECT01N"]


def test_passes_the_validators_error_on(key_store: InMemoryKeyStore) -> None:
    def refuse(code: str) -> str:
        raise LookupError(code)

    with pytest.raises(LookupError, match="91440101MA5WECT01N"):
        parse_certificate(key_store.certificate.der, validate_code=refuse)


def test_text_of_a_certificate_holds_no_key(key_store: InMemoryKeyStore) -> None:
    assert "public_key" not in repr(key_store.certificate)


@given(data=st.data())
def test_changed_bytes_are_another_certificate_or_refused(data: st.DataObject, key_store: InMemoryKeyStore) -> None:
    der = bytearray(key_store.certificate.der)
    position = data.draw(st.integers(0, len(der) - 1))
    der[position] ^= data.draw(st.integers(1, 255))
    try:
        parsed = parse_certificate(bytes(der))
    except SigningError:
        return
    assert parsed.certificate_id != key_store.certificate.certificate_id
    assert parsed.x509.public_bytes(Encoding.DER) == bytes(der)


def test_refuses_unused_bits_in_the_signature() -> None:
    authority = DevelopmentAuthority.create(
        "云上测试根",
        not_before=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        not_after=datetime.datetime(2029, 1, 1, tzinfo=datetime.UTC),
    )
    tried = 0
    while not tried:
        der_bytes = authority.issue(
            generate_key().public_key(),
            code="91440101MA5WECT01N",
            name="广州示例建设投资有限公司",
            not_before=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
            not_after=datetime.datetime(2029, 1, 1, tzinfo=datetime.UTC),
            validate_code=validate_uscc,
        ).der
        if der_bytes[-1] % 2 == 0:  # DER itself allows one unused bit where that bit is zero
            size = len(x509.load_der_x509_certificate(der_bytes).signature)
            changed = der_bytes[: -size - 1] + b"\1" + der_bytes[-size:]
            with pytest.raises(MalformedError):
                parse_certificate(changed)
            tried += 1
