"""Seals and certificates that lax readers take: every one is refused, for the reason given here."""

from __future__ import annotations

import base64
import datetime
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from signing import der, errors
from signing.cades import parse_cms
from signing.certificates import P256_ORDER, parse_certificate
from signing.errors import SigningError
from signing.paths import TrustRoots, validate_path
from signing.verification import Outcome, Reason, check_cms, check_seal

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "seal"
SEALS = json.loads((VECTORS / "seals.json").read_text(encoding="utf-8"))
HOSTILE_CMS = json.loads((VECTORS / "hostile_cms.json").read_text(encoding="utf-8"))
HOSTILE_CERTIFICATES = json.loads((VECTORS / "hostile_certificates.json").read_text(encoding="utf-8"))
ROOTS = TrustRoots.from_der([base64.b64decode(SEALS["root"])])
AT = datetime.datetime(2026, 11, 22, 9, 0, tzinfo=datetime.UTC)

REASONS = {
    "unsigned_attribute": "expected no unsigned attributes, got some",
    "unsigned_attributes_empty": "expected no unsigned attributes, got some",
    "signed_attribute_too_many": "expected attribute_type",
    "signed_attribute_at_the_end": "expected four signed attributes, got a further one",
    "signed_attribute_missing": "expected attribute_type",
    "attribute_order": "expected attribute_type",
    "attribute_with_two_values": "trailing bytes",
    "content_type_signed_data": "expected id_data",
    "signing_time_generalized": "expected UTCTime (tag 0x17), got tag 0x18",
    "signing_time_without_seconds": "expected UTCTime YYMMDDHHMMSSZ",
    "signing_time_with_offset": "expected UTCTime YYMMDDHHMMSSZ",
    "signing_time_not_of_the_calendar": "expected a date and time of the calendar",
    "signing_time_leap_second": "expected a date and time of the calendar",
    "message_digest_short": "expected a digest of 32 bytes, got 20",
    "esscert_with_issuer_serial": "expected the bytes that the seal rebuilds to",
    "esscert_with_hash_algorithm": "expected certificate_hash (tag 0x04), got tag 0x30",
    "esscert_of_another_certificate": "expected the certificate's SHA-256",
    "digest_algorithms_null": "expected digest_algorithms",
    "digest_algorithm_null": "expected digest_algorithm",
    "signature_algorithm_null": "expected signature_algorithm",
    "high_s": "expected s at most n/2",
    "signature_integer_padded": "expected a minimal INTEGER",
    "signature_trailing_bytes": "1 trailing bytes",
    "certificate_too_many": "expected the signer's certificate alone",
    "certificate_twice": "expected the signer's certificate alone",
    "certificate_missing": "expected certificate (tag 0x30), got nothing",
    "certificate_of_another": "expected issuer_and_serial_number",
    "revocation_list": "expected no revocation lists",
    "version_3": "expected version 020101, got 020103",
    "signer_version_3": "expected version 020101, got 020103",
    "serial_of_another": "expected issuer_and_serial_number",
    "attached_content": "expected encapsulated_content",
    "two_signers": "expected one signer, got a further one",
    "indefinite_length": "expected a definite length",
    "length_not_minimal": "expected a minimal length",
    "trailing_bytes": "1 trailing bytes",
    "truncated": "expected an element within its parent",
    "empty": "got nothing",
    "pem": "got tag 0x2d",
}


def seal_vector(index: int = 0) -> dict[str, Any]:
    vector: dict[str, Any] = SEALS["seals"][index]
    return vector


def verdict_of(cms: bytes) -> Reason:
    vector = seal_vector()
    return check_cms(
        bytes.fromhex(vector["payload"]), cms, roots=ROOTS, organisation=vector["organisation_code"], at=AT
    ).reason


def test_the_good_seal_passes() -> None:
    assert verdict_of(base64.b64decode(seal_vector()["cms"])) is Reason.PASSED


def test_every_hostile_cms_has_a_reason() -> None:
    assert {case["name"] for case in HOSTILE_CMS["cms"]} == set(REASONS)


@pytest.mark.parametrize("case", HOSTILE_CMS["cms"], ids=lambda case: case["name"])
def test_refuses_cms(case: dict[str, str]) -> None:
    cms = base64.b64decode(case["cms"])
    with pytest.raises(SigningError) as caught:
        parse_cms(cms)
    assert REASONS[case["name"]] in str(caught.value)
    assert verdict_of(cms) is Reason.FORMAT_FAILURE


@pytest.mark.parametrize("case", HOSTILE_CERTIFICATES["certificates"], ids=lambda case: case["name"])
def test_refuses_certificate(case: dict[str, str]) -> None:
    vector = seal_vector()
    certificate = base64.b64decode(case["certificate"])
    with pytest.raises(getattr(errors, case["error"])) as caught:
        parse_certificate(certificate)
    assert caught.value.code == case["code"]
    verdict = check_seal(
        bytes.fromhex(vector["payload"]),
        datetime.datetime.fromisoformat(vector["signing_time"]),
        base64.b64decode(vector["signature"]),
        certificate,
        roots=ROOTS,
        organisation=vector["organisation_code"],
        at=AT,
    )
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reason in (Reason.FORMAT_FAILURE, Reason.CHAIN_CONSTRAINTS_FAILURE)


def test_every_flipped_bit_of_a_cms_is_refused() -> None:
    cms = base64.b64decode(seal_vector()["cms"])
    for position in range(len(cms)):
        for bit in range(8):
            flipped = bytearray(cms)
            flipped[position] ^= 1 << bit
            assert verdict_of(bytes(flipped)) is not Reason.PASSED, (position, bit)


def test_every_removed_byte_of_a_cms_is_refused() -> None:
    cms = base64.b64decode(seal_vector()["cms"])
    for position in range(len(cms)):
        assert verdict_of(cms[:position] + cms[position + 1 :]) is Reason.FORMAT_FAILURE, position


def test_seal_over_another_payload_is_a_hash_failure() -> None:
    assert verdict_of(base64.b64decode(seal_vector(1)["cms"])) is Reason.HASH_FAILURE


def test_every_flipped_bit_of_a_triple_is_refused() -> None:
    vector = seal_vector()
    payload, certificate = bytes.fromhex(vector["payload"]), base64.b64decode(vector["certificate"])
    signature = base64.b64decode(vector["signature"])
    time = datetime.datetime.fromisoformat(vector["signing_time"])

    def passes(payload: bytes, time: datetime.datetime, signature: bytes, certificate: bytes) -> bool:
        return check_seal(
            payload, time, signature, certificate, roots=ROOTS, organisation=vector["organisation_code"], at=AT
        ).passed

    assert passes(payload, time, signature, certificate)
    for bit in range(8 * len(payload)):
        assert not passes(flip(payload, bit), time, signature, certificate)
    for bit in range(8 * len(signature)):
        assert not passes(payload, time, flip(signature, bit), certificate)
    for bit in range(8 * len(certificate)):
        assert not passes(payload, time, signature, flip(certificate, bit))
    for bit in range(30):
        assert not passes(payload, time + datetime.timedelta(seconds=1 << bit), signature, certificate)
        assert not passes(payload, time - datetime.timedelta(seconds=1 << bit), signature, certificate)


def flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize(
    "name",
    [
        "unsigned_attribute",
        "signed_attribute_too_many",
        "signing_time_generalized",
        "esscert_of_another_certificate",
        "digest_algorithm_null",
        "high_s",
        "certificate_too_many",
        "version_3",
        "trailing_bytes",
    ],
)
def test_openssl_takes_what_is_refused_here(name: str, tmp_path: Path) -> None:
    """The signatures of these are right: it is the template, not a broken signature, that refuses them."""
    cms = next(case["cms"] for case in HOSTILE_CMS["cms"] if case["name"] == name)
    (tmp_path / "seal.p7s").write_bytes(base64.b64decode(cms))
    (tmp_path / "payload.bin").write_bytes(bytes.fromhex(HOSTILE_CMS["payload"]))
    (tmp_path / "trust.pem").write_text(ROOTS.pem)
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-in", "seal.p7s", "-content", "payload.bin", "-binary"]
    trust = ["-CAfile", "trust.pem", "-purpose", "any", "-attime", str(int(AT.timestamp())), "-out", "out"]
    subprocess.run([*command, *trust], cwd=tmp_path, capture_output=True, check=True)


def test_certificate_under_a_flipped_signature_is_another_one() -> None:
    """n - s in the CA's signature makes a second certificate, valid but with another id: no seal moves to it."""
    vector = seal_vector()
    good = base64.b64decode(vector["certificate"])
    signature = x509.load_der_x509_certificate(good).signature
    pair = der.decode_ecdsa_signature(signature)
    other = der.encode_ecdsa_signature(pair[:32] + (P256_ORDER - int.from_bytes(pair[32:], "big")).to_bytes(32, "big"))
    outer = der.Reader(good).enter(der.SEQUENCE, "certificate")
    head = outer.element(der.SEQUENCE, "tbs") + outer.element(der.SEQUENCE, "algorithm")
    flipped = der.encode(der.SEQUENCE, head, der.encode(der.BIT_STRING, b"\x00", other))
    first, second = parse_certificate(good), parse_certificate(flipped)
    validate_path(second, ROOTS, at=AT)
    assert (first.issuer, first.serial_number, first.public_key) == (
        second.issuer,
        second.serial_number,
        second.public_key,
    )
    assert first.certificate_id != second.certificate_id
    verdict = check_seal(
        bytes.fromhex(vector["payload"]),
        datetime.datetime.fromisoformat(vector["signing_time"]),
        base64.b64decode(vector["signature"]),
        flipped,
        roots=ROOTS,
        organisation=vector["organisation_code"],
        at=AT,
    )
    assert verdict.reason is Reason.SIG_CRYPTO_FAILURE
