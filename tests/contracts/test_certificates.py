"""Registration of real certificates: the contract reads them and takes nobody's word but their authority's."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from chain_harness import (
    DOCUMENT_SIGNING,
    P256_ORDER,
    SEALING_USAGE,
    Authority,
    Deployment,
    Extensions,
    RefusedError,
    authority_extensions,
    emitted,
    flip_authority_signature,
    key_usage,
    refused,
    sealing_extensions,
    sha256,
    subject_of,
)
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from signing.authority import DevelopmentAuthority
from signing.certificates import parse_certificate
from signing.errors import SigningError
from signing.status_issuing import RevokedCertificate, issue_crl
from signing.verification import Revocation, RevocationReason

CODE = "91440101MA59A00066"
DAY = 86_400
OUTSIDE = ("OutsideProfile", "MalformedDer", "TrailingBytes", "MalformedOrganisation")


def register(chain: Deployment, der: bytes) -> Any:
    """The call that registers a certificate."""
    return chain.seals.functions.registerCertificate(der)


def issue(chain: Deployment, **members: Any) -> Any:
    """A certificate of the pinned authority that is not registered."""
    return chain.authority.issue(CODE, chain.now() - DAY, chain.now() + DAY, **members)


def refusal(chain: Deployment, call: Any, *, sender: str | None = None) -> str:
    """The name of the error with which a call is refused, a stranger's unless said otherwise."""
    with pytest.raises(RefusedError) as caught:
        chain.call(call, sender=sender or chain.stranger)
    return caught.value.name


def test_reads_and_emits_the_certificate(chain: Deployment) -> None:
    certificate = issue(chain).certificate
    receipt = chain.send(register(chain, certificate.der), sender=chain.stranger)
    event = emitted(chain.seals.events.CertificateRegistered, receipt)
    assert event["certificateId"] == sha256(certificate.der) and event["der"] == certificate.der
    assert event["authorityId"] == chain.authority.id and event["organisation"] == CODE.encode()
    calls = chain.seals.functions
    assert calls.certificateByKey(certificate.key).call() == certificate.id
    assert calls.certificateByIssuerAndSerial(certificate.issuer, certificate.serial).call() == certificate.id
    handle = event["handle"]
    assert chain.suite.functions.key(handle).call() == certificate.key
    members = (CODE.encode(), certificate.not_before, certificate.not_after, 1, handle, False)
    assert calls.certificate(certificate.id).call() == members


def test_refuses_the_certificate_with_any_byte_flipped(chain: Deployment) -> None:
    der = issue(chain).certificate.der
    chain.call(register(chain, der))
    for position in range(len(der)):
        for mask in (0x01, 0x80, 0xFF):
            changed = bytearray(der)
            changed[position] ^= mask
            with pytest.raises(RefusedError):
                chain.call(register(chain, bytes(changed)))


def test_refuses_the_certificate_cut_or_lengthened(chain: Deployment) -> None:
    der = issue(chain).certificate.der
    for length in range(len(der)):
        with pytest.raises(RefusedError):
            chain.call(register(chain, der[:length]))
    for tail in (b"\0", b"\x05\0", der):
        refused(chain, register(chain, der + tail), "TrailingBytes", left=len(tail))


def test_takes_both_encodings_of_the_authoritys_signature_but_one_of_them_once(chain: Deployment) -> None:
    certificate = issue(chain).certificate
    flipped = flip_authority_signature(certificate.der)
    halves = [
        utils.decode_dss_signature(x509.load_der_x509_certificate(der).signature)[1]
        for der in (certificate.der, flipped)
    ]
    assert sum(halves) == P256_ORDER
    chain.call(register(chain, certificate.der))
    chain.send(register(chain, flipped))
    refused(chain, register(chain, flipped), "CertificateAlreadyRegistered", certificateId=sha256(flipped))
    call = register(chain, certificate.der)
    refused(chain, call, "IssuerAndSerialAlreadyRegistered", certificateId=sha256(flipped))


def test_refuses_a_key_under_a_second_serial(chain: Deployment) -> None:
    party = chain.parties[0]
    begin, end = chain.now() - DAY, chain.now() + DAY
    der = chain.authority.sign(subject_of(CODE), party.key.public_key(), begin, end, extensions=sealing_extensions())
    refused(chain, register(chain, der), "KeyAlreadyRegistered", certificateId=party.certificate.id)


def test_refuses_strangers_with_the_authoritys_name(chain: Deployment) -> None:
    begin, end = chain.now() - DAY, chain.now() + DAY
    namesake = Authority(begin, end)
    assert namesake.name == chain.authority.name
    call = register(chain, namesake.issue(CODE, begin, end).certificate.der)
    refused(chain, call, "InvalidAuthoritySignature")
    other = Authority(begin, end, common_name="Another CA")
    refused(chain, register(chain, other.issue(CODE, begin, end).certificate.der), "UnknownAuthority")
    own = chain.parties[0].key  # a sealing certificate is no authority
    signed = Authority(begin, end, key=own)
    refused(chain, register(chain, signed.issue(CODE, begin, end).certificate.der), "InvalidAuthoritySignature")


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP384R1(), ec.BrainpoolP256R1()])
def test_refuses_a_key_of_another_curve(chain: Deployment, curve: ec.EllipticCurve) -> None:
    key, begin, end = ec.generate_private_key(curve).public_key(), chain.now() - DAY, chain.now() + DAY
    der = chain.authority.sign(subject_of(CODE), key, begin, end, extensions=sealing_extensions())
    refused(chain, register(chain, der), "OutsideProfile", rule="key")


KINDS = [NameOID.COUNTRY_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATION_IDENTIFIER, NameOID.COMMON_NAME]


def name(*values: str, kinds: list[x509.ObjectIdentifier] | None = None) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in zip(kinds or KINDS, values, strict=True)])


@pytest.mark.parametrize(
    "subject",
    [
        name("US", "单位", CODE, "单位"),
        name("CN", "单位", CODE, "另一单位"),
        name("CN", "单位", CODE[:-1], "单位"),
        name("CN", "单位", CODE + "0", "单位"),
        name("CN", "单位", CODE.lower(), "单位"),
        name("CN", "单位", "单位", kinds=[KINDS[0], KINDS[1], KINDS[3]]),
        name("CN", CODE, "单位", "单位", kinds=[KINDS[0], KINDS[2], KINDS[1], KINDS[3]]),
        name("CN", "单位", CODE, "单位", "单位", kinds=[*KINDS, KINDS[3]]),
        name("CN", "单位", CODE, "单位", kinds=[*KINDS[:3], NameOID.ORGANIZATIONAL_UNIT_NAME]),
        x509.Name([]),
        x509.Name([x509.RelativeDistinguishedName(list(name("CN", "单位", CODE, "单位")))]),
    ],
)
def test_refuses_other_subjects(chain: Deployment, subject: x509.Name) -> None:
    der = issue(chain, subject=subject).certificate.der
    assert refusal(chain, register(chain, der)) in OUTSIDE
    with pytest.raises(SigningError):
        parse_certificate(der)


def other_extensions() -> list[Extensions]:
    constraints, usage, purpose = sealing_extensions()
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0")
    return [
        [usage, purpose],
        [constraints, purpose],
        [constraints, usage],
        [(x509.BasicConstraints(True, None), True), usage, purpose],
        [constraints, (key_usage(*SEALING_USAGE), False), purpose],
        [constraints, (key_usage("digital_signature"), True), purpose],
        [constraints, (key_usage(*SEALING_USAGE, "key_cert_sign"), True), purpose],
        [constraints, usage, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)],
        [constraints, usage, (x509.ExtendedKeyUsage([DOCUMENT_SIGNING, ExtendedKeyUsageOID.CLIENT_AUTH]), False)],
        [constraints, usage, purpose, (unknown, True)],
    ]


@pytest.mark.parametrize("extensions", other_extensions())
def test_refuses_other_extensions(chain: Deployment, extensions: Extensions) -> None:
    der = issue(chain, extensions=extensions).certificate.der
    assert refusal(chain, register(chain, der)) in OUTSIDE
    with pytest.raises(SigningError):
        parse_certificate(der)


def test_tolerates_what_is_not_critical(chain: Deployment) -> None:
    key = chain.authority.key.public_key()
    address = x509.UniformResourceIdentifier("http://ca.example/list.crl")
    point = x509.DistributionPoint([address], None, None, None)
    access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, address)
    further = [
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(key), False),
        (x509.CRLDistributionPoints([point]), False),
        (x509.AuthorityInformationAccess([access]), False),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.156.10197.1"), b"\x05\0"), False),
    ]
    constraints, usage, purpose = sealing_extensions()
    der = issue(chain, extensions=[*further[:3], (constraints[0], False), usage, *further[3:], purpose]).certificate.der
    parse_certificate(der)
    chain.send(register(chain, der))


@pytest.mark.parametrize("serial", [1, 127, 128, 2**72, 256**19, 2**159 - 1])
def test_takes_serials_up_to_20_octets(chain: Deployment, serial: int) -> None:
    certificate = issue(chain, serial=serial).certificate
    chain.send(register(chain, certificate.der))
    found = chain.seals.functions.certificateByIssuerAndSerial(certificate.issuer, certificate.serial).call()
    assert found == certificate.id


def test_a_certificate_is_valid_only_while_its_authority_is(chain: Deployment) -> None:
    begin, end = chain.now() - DAY, chain.now() + 2 * DAY
    authority = Authority(begin, end, common_name="Short-lived CA")
    chain.send(chain.authorities.functions.addAuthority(authority.der))
    for first, last in ((begin - 1, end), (begin, end + 1)):
        call = register(chain, authority.issue(CODE, first, last).certificate.der)
        refused(chain, call, "OutsideAuthoritysValidity", authorityId=authority.id, notAfter=end)
    chain.send(register(chain, authority.issue(CODE, begin, end).certificate.der))
    late = register(chain, authority.issue(CODE, begin, end).certificate.der)
    chain.pass_time(2 * DAY + 1)
    refused(chain, late, "UnknownAuthority")


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("1970-01-02T00:00:00", "9999-12-31T23:59:59"),
        ("1999-12-31T23:59:59", "2000-02-29T12:00:00"),
        ("2049-12-31T23:59:59", "2050-01-01T00:00:00"),
        ("2024-02-29T23:59:59", "2100-02-28T23:59:59"),
    ],
)
def test_reads_times_of_both_kinds(chain: Deployment, first: str, last: str) -> None:
    begin, end = (
        int(datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()) for text in (first, last)
    )
    authority = Authority(DAY, 253_402_300_799, common_name="Long-lived CA")
    chain.send(chain.authorities.functions.addAuthority(authority.der))
    certificate = authority.issue(CODE, begin, end).certificate
    chain.send(register(chain, certificate.der))
    assert chain.seals.functions.certificate(certificate.id).call()[1:3] == (begin, end)


def test_the_development_authoritys_certificates_and_lists_are_taken(chain: Deployment) -> None:
    now = datetime.datetime.fromtimestamp(chain.now(), datetime.UTC)
    begin, end = now - datetime.timedelta(days=1), now + datetime.timedelta(days=100)
    authority = DevelopmentAuthority.create("开发根证书", not_before=begin, not_after=end)
    chain.send(chain.authorities.functions.addAuthority(authority.root_certificate))
    certificate = authority.issue(
        ec.generate_private_key(ec.SECP256R1()).public_key(),
        code=CODE,
        name="测试单位",
        not_before=begin,
        not_after=end,
        validate_code=lambda _code: None,
    )
    chain.send(register(chain, certificate.der))
    revocation = Revocation(now, RevocationReason.KEY_COMPROMISE, begin + datetime.timedelta(hours=1))
    crl = issue_crl(
        authority.status_signer,
        [RevokedCertificate(certificate.serial_number, revocation), RevokedCertificate(5, Revocation(now))],
        this_update=now,
        next_update=end,
        number=3,
    )
    chain.send(chain.seals.functions.revokeByCrl(crl, certificate.certificate_id))
    found = chain.seals.functions.revocation(certificate.certificate_id).call()
    assert found == (0, 0, int(now.timestamp()), 1, int(begin.timestamp()) + 3600, int(now.timestamp()))


# Authorities


def test_only_the_admin_pins_retires_and_adds_suites(chain: Deployment) -> None:
    for call in (
        chain.authorities.functions.addAuthority(chain.authority.der),
        chain.authorities.functions.retireAuthority(chain.authority.id),
        chain.seals.functions.addSuite(2, chain.suite.address),
        chain.seals.functions.revokeCertificate(chain.archive.certificate.id, 1),
        chain.projects.functions.registerBuilding(bytes(32), "a", "b"),
        chain.projects.functions.setRoster(chain.unit, [CODE.encode()] * 5, 0),
    ):
        assert refusal(chain, call) == "AccessControlUnauthorizedAccount"


def test_refuses_a_root_with_any_byte_flipped(chain: Deployment) -> None:
    der = Authority(chain.now() - DAY, chain.now() + DAY, common_name="Fresh CA").der
    chain.call(chain.authorities.functions.addAuthority(der))
    taken = []
    for position in range(len(der)):
        changed = bytearray(der)
        changed[position] ^= 0x01
        try:
            chain.call(chain.authorities.functions.addAuthority(bytes(changed)))
        except RefusedError:
            continue
        taken.append(position)
    # With another name in one place it isn't self-signed, and then the admin's word is all there is.
    names = x509.load_der_x509_certificate(der).subject.public_bytes()
    places = [start + offset for start in (der.index(names), der.rindex(names)) for offset in range(len(names))]
    assert set(taken) <= set(places)


@pytest.mark.parametrize(
    "extensions",
    [
        [],
        sealing_extensions(),
        authority_extensions()[:1],
        authority_extensions()[1:],
        [(x509.BasicConstraints(True, None), False), authority_extensions()[1]],
        [authority_extensions()[0], (key_usage("crl_sign"), True)],
        [*authority_extensions(), (x509.NameConstraints([x509.DNSName("a.example")], None), False)],
        [*authority_extensions(), (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)],
        [*authority_extensions(), (x509.PolicyConstraints(0, None), True)],
    ],
)
def test_pins_authorities_only(chain: Deployment, extensions: Extensions) -> None:
    authority = Authority(chain.now() - DAY, chain.now() + DAY, common_name="No CA", extensions=extensions)
    assert refusal(chain, chain.authorities.functions.addAuthority(authority.der), sender=chain.admin) in OUTSIDE


def test_anyone_adds_an_intermediate_that_a_pinned_authority_signed(chain: Deployment) -> None:
    begin, end = chain.now() - DAY, chain.now() + DAY
    middle = Authority(begin, end, common_name="Middle CA", parent=chain.authority)
    der = middle.issue(CODE, begin, end).certificate.der
    refused(chain, register(chain, der), "UnknownAuthority")
    receipt = chain.send(chain.authorities.functions.addIntermediate(middle.der), sender=chain.stranger)
    event = emitted(chain.authorities.events.AuthorityAdded, receipt)
    assert (event["authorityId"], event["issuer"], event["der"]) == (middle.id, chain.authority.id, middle.der)
    chain.call(register(chain, der))
    lower = Authority(begin, end, common_name="Lower CA", parent=middle)
    refused(chain, chain.authorities.functions.addIntermediate(lower.der), "PathTooLong", authorityId=middle.id)
    again = chain.authorities.functions.addIntermediate(middle.der)
    refused(chain, again, "AuthorityAlreadyAdded", authorityId=middle.id)
    longer = Authority(begin, end + DAY, common_name="Middle CA", parent=chain.authority, key=middle.key)
    chain.send(chain.authorities.functions.addIntermediate(longer.der))
    chain.send(chain.authorities.functions.retireAuthority(chain.authority.id))
    refused(chain, register(chain, der), "UnknownAuthority")


def test_a_retired_authority_stays_so(chain: Deployment) -> None:
    begin, end = chain.now() - DAY, chain.now() + DAY
    middle = Authority(begin, end, common_name="Middle CA", parent=chain.authority)
    functions = chain.authorities.functions
    chain.send(functions.addIntermediate(middle.der))
    chain.send(functions.retireAuthority(middle.id))
    refused(chain, functions.retireAuthority(middle.id), "AuthorityIsRetired")
    refused(chain, functions.retireAuthority(bytes(32)), "UnknownAuthorityId")
    renewed = Authority(begin, end + DAY, common_name="Middle CA", parent=chain.authority, key=middle.key)
    for der in (middle.der, flip_authority_signature(middle.der), renewed.der):
        refused(chain, functions.addIntermediate(der), "AuthorityIsRetired", authorityId=middle.id)
    refused(chain, register(chain, middle.issue(CODE, begin, end).certificate.der), "UnknownAuthority")


def test_a_path_length_of_nought_allows_no_intermediate(chain: Deployment) -> None:
    begin, end = chain.now() - DAY, chain.now() + DAY
    root = Authority(begin, end, common_name="Flat CA", extensions=authority_extensions(0))
    chain.send(chain.authorities.functions.addAuthority(root.der))
    middle = Authority(begin, end, common_name="Middle CA", parent=root)
    refused(chain, chain.authorities.functions.addIntermediate(middle.der), "PathTooLong", authorityId=root.id)
