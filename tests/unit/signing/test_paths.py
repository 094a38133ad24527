from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from signing.authority import DevelopmentAuthority, generate_key
from signing.certificates import OrganisationCertificate
from signing.errors import MalformedError, NotFoundError, PolicyError, SigningError
from signing.keystore import InMemoryKeyStore
from signing.paths import TrustRoots, validate_path

START = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2040, 1, 1, tzinfo=datetime.UTC)
AT = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)
USAGE = x509.KeyUsage(False, False, False, False, False, True, True, False, False)


def authority_certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    *,
    issuer: tuple[str, ec.EllipticCurvePrivateKey] | None = None,
    path_length: int | None = None,
    not_after: datetime.datetime = END,
    extensions: tuple[x509.ExtensionType, ...] = (),
) -> bytes:
    issuer_name, issuer_key = issuer or (name, key)
    subject, issuing = (
        x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, text),
                x509.NameAttribute(NameOID.COMMON_NAME, text),
            ]
        )
        for text in (name, issuer_name)
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuing)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(USAGE, critical=True)
    )
    if issuer is not None:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.NameConstraints))
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(Encoding.DER)


def sub_authority(name: str, key: ec.EllipticCurvePrivateKey, certificate: bytes) -> OrganisationCertificate:
    """Let a CA that isn't a root issue an organisation's certificate."""
    authority = DevelopmentAuthority(key, x509.load_der_x509_certificate(certificate))
    return authority.issue_key_store(
        code="91440101MA5WECT01N",
        name=name,
        not_before=START,
        not_after=min(END, authority._root.not_valid_after_utc),
        validate_code=str,
    ).certificate


def test_finds_the_path(key_store: InMemoryKeyStore, roots: TrustRoots) -> None:
    path = validate_path(key_store.certificate, roots, at=AT)
    assert path == (key_store.certificate.der, roots.certificates[0])
    assert validate_path(key_store.certificate.der, roots, at=AT) == path


def test_finds_the_path_among_many_roots(key_store: InMemoryKeyStore, roots: TrustRoots) -> None:
    others = [authority_certificate(name, generate_key()) for name in ("云上测试根", "乙")]
    many = TrustRoots.from_der([*others, *roots.certificates])
    assert validate_path(key_store.certificate, many, at=AT)[-1] == roots.certificates[0]


def test_first_and_last_second_are_valid(key_store: InMemoryKeyStore, roots: TrustRoots) -> None:
    for at in (key_store.certificate.not_before, key_store.certificate.not_after):
        validate_path(key_store.certificate, roots, at=at)


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (datetime.datetime(2025, 12, 31, 23, 59, 59, tzinfo=datetime.UTC), "certificate_not_yet_valid"),
        (datetime.datetime(2029, 1, 1, 0, 0, 1, tzinfo=datetime.UTC), "certificate_expired"),
    ],
)
def test_refuses_outside_validity(
    at: datetime.datetime, code: str, key_store: InMemoryKeyStore, roots: TrustRoots
) -> None:
    with pytest.raises(PolicyError) as caught:
        validate_path(key_store.certificate, roots, at=at)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["另一个根", "云上测试根"], ids=["other_root", "same_name_other_key"])
def test_refuses_other_roots(name: str, key_store: InMemoryKeyStore) -> None:
    other = TrustRoots.from_der([authority_certificate(name, generate_key())])
    with pytest.raises(NotFoundError) as caught:
        validate_path(key_store.certificate, other, at=AT)
    assert caught.value.code == "no_certificate_chain_found"


def test_no_roots_no_path(key_store: InMemoryKeyStore) -> None:
    with pytest.raises(NotFoundError):
        validate_path(key_store.certificate, TrustRoots.from_der([]), at=AT)


def test_refuses_an_authority_as_leaf(roots: TrustRoots) -> None:
    with pytest.raises(SigningError):
        validate_path(roots.certificates[0], roots, at=AT)


def test_refuses_an_organisation_as_issuer(
    key_store: InMemoryKeyStore, roots: TrustRoots, authority: DevelopmentAuthority
) -> None:
    key = generate_key()
    issuer = authority.issue(
        key.public_key(), code="91440101MA5WECT02R", name="乙", not_before=START, not_after=END, validate_code=str
    )
    leaf = sub_authority("乙", key, issuer.der)
    with pytest.raises(PolicyError) as caught:
        validate_path(leaf, roots, at=AT, intermediates=[issuer.der])
    assert caught.value.code == "not_an_authority"
    with pytest.raises(NotFoundError):
        validate_path(leaf, roots, at=AT)


@pytest.mark.parametrize("trusted", [0, None], ids=["path_length_0", "path_length_free"])
def test_one_intermediate(trusted: int | None) -> None:
    root_key, key = generate_key(), generate_key()
    root = authority_certificate("甲根", root_key, path_length=trusted)
    middle = authority_certificate("甲中", key, issuer=("甲根", root_key), path_length=0)
    leaf = sub_authority("某公司", key, middle)
    roots = TrustRoots.from_der([root])
    if trusted is None:
        assert validate_path(leaf, roots, at=AT, intermediates=[middle]) == (leaf.der, middle, root)
    else:
        with pytest.raises(PolicyError) as caught:
            validate_path(leaf, roots, at=AT, intermediates=[middle])
        assert caught.value.code == "chain_constraints_failure"


def test_refuses_two_intermediates() -> None:
    keys = [generate_key() for _ in range(3)]
    root = authority_certificate("甲根", keys[0])
    upper = authority_certificate("甲上", keys[1], issuer=("甲根", keys[0]))
    lower = authority_certificate("甲下", keys[2], issuer=("甲上", keys[1]))
    leaf = sub_authority("某公司", keys[2], lower)
    with pytest.raises(PolicyError):
        validate_path(leaf, TrustRoots.from_der([root]), at=AT, intermediates=[upper, lower])


def test_refuses_an_expired_root() -> None:
    key = generate_key()
    root = authority_certificate("甲根", key, not_after=AT)
    long_lived = authority_certificate("甲根", key)
    leaf = sub_authority("某公司", key, long_lived)
    roots = TrustRoots.from_der([root])
    validate_path(leaf, roots, at=AT)
    with pytest.raises(PolicyError) as caught:
        validate_path(leaf, roots, at=AT + datetime.timedelta(seconds=1))
    assert caught.value.code == "chain_constraints_failure"


def test_a_path_that_was_found_is_not_searched_again(
    key_store: InMemoryKeyStore, roots: TrustRoots, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = validate_path(key_store.certificate, roots, at=AT)
    monkeypatch.setattr("signing.paths.PolicyBuilder", None)
    assert validate_path(key_store.certificate, roots, at=AT + datetime.timedelta(days=1)) == found
    assert validate_path(key_store.certificate, TrustRoots.from_der(roots.certificates), at=AT) == found


def test_a_path_that_was_found_leads_to_no_other_root(key_store: InMemoryKeyStore, roots: TrustRoots) -> None:
    validate_path(key_store.certificate, roots, at=AT)
    other = TrustRoots.from_der([authority_certificate("另一个根", generate_key())])
    with pytest.raises(NotFoundError):
        validate_path(key_store.certificate, other, at=AT)


def test_a_path_that_was_found_counts_no_longer_than_its_root() -> None:
    key = generate_key()
    roots = TrustRoots.from_der([authority_certificate("甲根", key, not_after=AT)])
    leaf = sub_authority("某公司", key, authority_certificate("甲根", key))
    found = validate_path(leaf, roots, at=AT)
    with pytest.raises(PolicyError):
        validate_path(leaf, roots, at=AT + datetime.timedelta(seconds=1))
    assert validate_path(leaf, roots, at=AT) == found


@pytest.mark.parametrize(
    "extension",
    [
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        x509.NameConstraints([x509.DNSName("example.cn")], None),
    ],
    ids=["other_purpose", "name_constraints"],
)
def test_refuses_a_root_that_is_limited(extension: x509.ExtensionType) -> None:
    key = generate_key()
    root = authority_certificate("甲根", key, extensions=(extension,))
    with pytest.raises(PolicyError):
        validate_path(sub_authority("某公司", key, root), TrustRoots.from_der([root]), at=AT)


@pytest.mark.parametrize(
    "make_key",
    [lambda: ec.generate_private_key(ec.SECP384R1()), lambda: rsa.generate_private_key(65537, 2048)],
    ids=["p384", "rsa"],
)
def test_refuses_roots_of_other_keys(make_key: Callable[[], ec.EllipticCurvePrivateKey]) -> None:
    with pytest.raises(PolicyError, match=r"^ca_roots\[0\]: "):
        TrustRoots.from_der([authority_certificate("甲根", make_key())])


def test_refuses_roots_that_are_not_authorities(key_store: InMemoryKeyStore) -> None:
    with pytest.raises(PolicyError, match="expected a certificate authority"):
        TrustRoots.from_der([key_store.certificate.der])
    for data in (b"", b"\x30\x00", b"certificate"):
        with pytest.raises(MalformedError):
            TrustRoots.from_der([data])


def test_pem_round_trip(roots: TrustRoots) -> None:
    assert TrustRoots.from_pem(roots.pem.encode("ascii")) == roots
    with pytest.raises(MalformedError, match="expected certificates in PEM"):
        TrustRoots.from_pem(b"no certificate")


def test_refuses_a_naive_time(key_store: InMemoryKeyStore, roots: TrustRoots) -> None:
    with pytest.raises(MalformedError, match="expected an aware time"):
        validate_path(key_store.certificate, roots, at=AT.replace(tzinfo=None))
