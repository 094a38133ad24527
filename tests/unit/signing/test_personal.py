"""Personal certificates, and the message that their keys sign."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from signing.authority import DevelopmentAuthority, generate_key
from signing.certificates import DOCUMENT_SIGNING, P256_ORDER
from signing.errors import MalformedError, MismatchError, NotFoundError, PolicyError
from signing.keystore import encode_pkcs12
from signing.paths import TrustRoots, validate_path
from signing.personal import (
    SIGN_IN_PREFIX,
    InMemoryPersonalKey,
    Pkcs12PersonalKey,
    check_origin,
    origin_of_url,
    parse_personal_certificate,
    sign_in_message,
    verify_sign_in,
)

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
DATES: dict[str, Any] = {"not_before": NOW, "not_after": NOW + datetime.timedelta(days=365)}
CODE, NAME = "91440101MA5Y3K7TXY", "广州云溪置业有限公司"
ORIGIN = "https://archive.example"


@pytest.fixture(scope="module")
def authority() -> DevelopmentAuthority:
    return DevelopmentAuthority.create(
        "测试根", not_before=NOW - datetime.timedelta(days=1), not_after=NOW + datetime.timedelta(days=3650)
    )


@pytest.fixture(scope="module")
def key(authority: DevelopmentAuthority) -> InMemoryPersonalKey:
    return authority.issue_personal_key(name="李明", organisation_code=CODE, organisation_name=NAME, **DATES)


def test_reads_a_persons_certificate(authority: DevelopmentAuthority, key: InMemoryPersonalKey) -> None:
    certificate = parse_personal_certificate(key.certificate.der)
    assert (certificate.name, certificate.organisation_code, certificate.organisation_name) == ("李明", CODE, NAME)
    assert certificate in authority.persons
    assert validate_path(certificate, TrustRoots.from_der([authority.root_certificate]), at=NOW)


def test_reads_a_private_persons_certificate(authority: DevelopmentAuthority) -> None:
    certificate = authority.issue_personal_key(name="王芳", **DATES).certificate
    assert (certificate.name, certificate.organisation_code, certificate.organisation_name) == ("王芳", None, None)


def test_has_no_path_to_an_authority_of_the_same_name(key: InMemoryPersonalKey) -> None:
    other = DevelopmentAuthority.create(
        "测试根", not_before=NOW - datetime.timedelta(days=1), not_after=NOW + datetime.timedelta(days=3650)
    )
    with pytest.raises(NotFoundError):
        validate_path(key.certificate, TrustRoots.from_der([other.root_certificate]), at=NOW)


def test_a_saved_authority_knows_whom_it_certified(authority: DevelopmentAuthority, tmp_path: Path) -> None:
    authority.issue_personal_key(name="赵蕊", **DATES)
    authority.save(tmp_path, "passphrase")
    assert DevelopmentAuthority.load(tmp_path, "passphrase").persons == authority.persons


def test_a_serial_number_is_used_once_for_both_kinds(authority: DevelopmentAuthority) -> None:
    authority.issue_personal(generate_key().public_key(), name="李明", serial_number=77, **DATES)
    with pytest.raises(PolicyError, match="new serial number"):
        authority.issue(generate_key().public_key(), code=CODE, name=NAME, validate_code=str, serial_number=77, **DATES)


def _certificate(
    subject: list[tuple[x509.ObjectIdentifier, str]] | None = None,
    *,
    content_commitment: bool = False,
    purposes: list[x509.ObjectIdentifier] | None = None,
    ca: bool = False,
    critical: bool = True,
) -> bytes:
    private = generate_key()
    names = subject or [(NameOID.COUNTRY_NAME, "CN"), (NameOID.COMMON_NAME, "李明")]
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in names])
    usage = x509.KeyUsage(True, content_commitment, False, False, False, False, False, False, False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(usage, critical=critical)
    )
    wanted = [ExtendedKeyUsageOID.CLIENT_AUTH] if purposes is None else purposes
    if wanted:
        builder = builder.add_extension(x509.ExtendedKeyUsage(wanted), critical=False)
    return builder.sign(private, hashes.SHA256()).public_bytes(Encoding.DER)


def test_the_certificates_of_these_tests_would_pass() -> None:
    assert parse_personal_certificate(_certificate()).name == "李明"


@pytest.mark.parametrize(
    ("certificate", "code"),
    [
        ({"purposes": [DOCUMENT_SIGNING]}, "certificate_for_sealing"),
        ({"purposes": [ExtendedKeyUsageOID.CLIENT_AUTH, DOCUMENT_SIGNING]}, "certificate_for_sealing"),
        ({"purposes": [ExtendedKeyUsageOID.SERVER_AUTH]}, "certificate_extended_key_usage"),
        (
            {"purposes": [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]},
            "certificate_extended_key_usage",
        ),
        ({"purposes": []}, "certificate_extension"),
        ({"content_commitment": True}, "certificate_key_usage"),
        ({"critical": False}, "certificate_key_usage"),
        ({"ca": True}, "certificate_is_ca"),
        ({"subject": [(NameOID.COMMON_NAME, "李明")]}, "certificate_subject"),
        ({"subject": [(NameOID.COMMON_NAME, "李明"), (NameOID.COUNTRY_NAME, "CN")]}, "certificate_subject"),
        ({"subject": [(NameOID.COUNTRY_NAME, "DE"), (NameOID.COMMON_NAME, "李明")]}, "certificate_subject"),
        ({"subject": [(NameOID.COUNTRY_NAME, "CN"), (NameOID.COMMON_NAME, " 李明")]}, "person_name"),
        (
            {
                "subject": [
                    (NameOID.COUNTRY_NAME, "CN"),
                    (NameOID.ORGANIZATION_NAME, NAME),
                    (NameOID.COMMON_NAME, "李明"),
                ]
            },
            "certificate_subject",
        ),
        (
            {
                "subject": [
                    (NameOID.COUNTRY_NAME, "CN"),
                    (NameOID.ORGANIZATION_NAME, NAME),
                    (NameOID.ORGANIZATION_IDENTIFIER, "1"),
                    (NameOID.COMMON_NAME, "李明"),
                ]
            },
            "organisation_code",
        ),
    ],
)
def test_refuses_certificates_outside_the_profile(certificate: dict[str, Any], code: str) -> None:
    with pytest.raises((MalformedError, PolicyError)) as caught:
        parse_personal_certificate(_certificate(**certificate))
    assert caught.value.code == code


def test_asks_for_the_organisations_check_digit(key: InMemoryPersonalKey) -> None:
    def refuse(code: str) -> None:
        raise MalformedError(f"expected another code than {code}")

    with pytest.raises(MalformedError, match=CODE):
        parse_personal_certificate(key.certificate.der, validate_code=refuse)


def test_signs_prefix_origin_and_nonces_and_nothing_else(key: InMemoryPersonalKey) -> None:
    server, client = bytes(range(32)), bytes(range(32, 64))
    message = sign_in_message(ORIGIN, server, client)
    assert message == b"yunshang-signin/v1\x00https://archive.example" + server + client
    signature = key.sign_challenge(ORIGIN, server, client)
    assert int.from_bytes(signature[32:], "big") <= P256_ORDER // 2
    verify_sign_in(key.certificate, signature, origin=ORIGIN, server_nonce=server, client_nonce=client)
    high = signature[:32] + (P256_ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    verify_sign_in(key.certificate, high, origin=ORIGIN, server_nonce=server, client_nonce=client)
    with pytest.raises(MismatchError):
        verify_sign_in(key.certificate, signature, origin=ORIGIN, server_nonce=client, client_nonce=server)


def test_what_is_signed_can_be_no_seal() -> None:
    # Signed attributes are a SET (0x31), a sealed payload begins with 0x1901.
    assert SIGN_IN_PREFIX[0] not in (0x30, 0x31, 0x19)


@given(st.data())
def test_different_sign_ins_have_different_messages(data: st.DataObject) -> None:
    nonces = st.binary(min_size=32, max_size=32)
    origins = st.sampled_from(["https://a.example", "https://a.example:1", "http://a.example", "https://a.exampleb"])
    first, second = (data.draw(st.tuples(origins, nonces, nonces)) for _ in range(2))
    assert (first == second) == (sign_in_message(*first) == sign_in_message(*second))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_refuses_nonces_of_another_length(key: InMemoryPersonalKey, length: int) -> None:
    for nonces in ((bytes(length), bytes(32)), (bytes(32), bytes(length))):
        with pytest.raises(MalformedError):
            key.sign_challenge(ORIGIN, *nonces)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "archive.example",
        "ftp://archive.example",
        "https://Archive.example",
        "https://archive.example/",
        "https://archive.example:443",
        "http://archive.example:80",
        "https://archive.example:0",
        "https://archive.example:65536",
        "https://archive.example:08",
        "https://user@archive.example",
        "https://archive..example",
        "https://archive.example\x00",
        "https://档案.example",
        "https://" + "a" * 250 + ".example",
    ],
)
def test_refuses_what_is_no_origin(origin: str) -> None:
    with pytest.raises(MalformedError) as caught:
        check_origin(origin)
    assert caught.value.code == "origin"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Archive.example:443/api/v1?x=1#y", "https://archive.example"),
        ("http://127.0.0.1:8460/", "http://127.0.0.1:8460"),
        ("http://[::1]:8460", "http://[::1]:8460"),
        ("https://user:word@archive.example", "https://archive.example"),
    ],
)
def test_the_origin_of_an_address(url: str, origin: str) -> None:
    assert origin_of_url(url) == origin


def test_opens_a_key_file(key: InMemoryPersonalKey, authority: DevelopmentAuthority, tmp_path: Path) -> None:
    private = generate_key()
    certificate = authority.issue_personal(private.public_key(), name="李明", **DATES)
    path = tmp_path / "me.p12"
    path.write_bytes(encode_pkcs12(private, certificate.der, passphrase="word", name="李明", kdf_rounds=1))
    assert Pkcs12PersonalKey(path, "word").certificate == certificate
    with pytest.raises(MismatchError):
        Pkcs12PersonalKey(path, "other")
    with pytest.raises(MismatchError):
        InMemoryPersonalKey(private, key.certificate)
    with pytest.raises(PolicyError):
        InMemoryPersonalKey(ec.generate_private_key(ec.SECP384R1()), key.certificate)


def test_a_keys_text_has_no_secret(key: InMemoryPersonalKey) -> None:
    assert repr(key) == f"InMemoryPersonalKey({key.certificate.certificate_id.hex()})"
