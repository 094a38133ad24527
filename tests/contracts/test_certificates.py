"""Registration and revocation of real certificates."""

from __future__ import annotations

import pytest
from chain_harness import Deployment, RefusedError, emitted, flip_authority_signature, refused, sha256
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

CODE = "91440101MA59A00066"


def test_registers_and_emits_the_certificate(chain: Deployment) -> None:
    certificate = chain.authority.issue(CODE, chain.now(), chain.now() + 1000).certificate
    receipt = chain.send(chain.seals.functions.registerCertificate(certificate.as_input()))
    event = emitted(chain.seals.events.CertificateRegistered, receipt)
    assert event["certificateId"] == sha256(certificate.der) and event["der"] == certificate.der
    assert event["key"] == certificate.key and event["organisation"] == CODE.encode()
    calls = chain.seals.functions
    assert calls.certificateByKey(certificate.key).call() == certificate.id
    assert calls.certificateByIssuerAndSerial(certificate.issuer, certificate.serial).call() == certificate.id
    handle = event["handle"]
    assert chain.suite.functions.key(handle).call() == certificate.key
    assert calls.certificate(certificate.id).call() == (
        CODE.encode(),
        certificate.not_before,
        certificate.not_after,
        1,
        handle,
        False,
    )


def test_refuses_a_second_registration_under_a_flipped_authority_signature(chain: Deployment) -> None:
    certificate = chain.parties[0].certificate
    flipped = flip_authority_signature(certificate.der)
    assert flipped != certificate.der
    parsed = x509.load_der_x509_certificate(flipped)
    original = x509.load_der_x509_certificate(certificate.der)
    assert parsed.tbs_certificate_bytes == original.tbs_certificate_bytes
    call = chain.seals.functions.registerCertificate(certificate.as_input(der=flipped))
    refused(chain, call, "IssuerAndSerialAlreadyRegistered", certificateId=certificate.id)
    # With a serial made up on top, the key still tells.
    call = chain.seals.functions.registerCertificate(certificate.as_input(der=flipped, serial=b"\x01"))
    refused(chain, call, "KeyAlreadyRegistered", certificateId=certificate.id)
    call = chain.seals.functions.registerCertificate(certificate.as_input())
    refused(chain, call, "CertificateAlreadyRegistered", certificateId=certificate.id)


def test_the_flipped_signature_is_a_valid_one(chain: Deployment) -> None:
    """The attack above is real: the CA's key accepts both encodings."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(x509.load_der_x509_certificate(chain.archive.certificate.der).not_valid_before_utc)
        .not_valid_after(x509.load_der_x509_certificate(chain.archive.certificate.der).not_valid_after_utc)
        .sign(key, hashes.SHA256())
    )
    flipped = x509.load_der_x509_certificate(flip_authority_signature(built.public_bytes(Encoding.DER)))
    flipped.verify_directly_issued_by(built)


def test_refuses_a_key_of_another_curve(chain: Deployment) -> None:
    certificate = chain.authority.issue(CODE, chain.now(), chain.now() + 1000).certificate
    numbers = ec.generate_private_key(ec.SECP256K1()).public_key().public_numbers()
    key = numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    refused(chain, chain.seals.functions.registerCertificate(certificate.as_input(key=key)), "InvalidKey", key=key)
    key = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers().x.to_bytes(48, "big") * 2
    call = chain.seals.functions.registerCertificate(certificate.as_input(key=key))
    refused(chain, call, "InvalidKeyLength", expected=64, actual=96)


def test_only_registrars_register_and_revoke(chain: Deployment) -> None:
    certificate = chain.authority.issue(CODE, chain.now(), chain.now() + 1000).certificate
    calls = chain.seals.functions
    for call in (
        calls.registerCertificate(certificate.as_input()),
        calls.revokeCertificate(chain.archive.certificate.id, 1, chain.now()),
        calls.addSuite(2, chain.suite.address),
        chain.projects.functions.registerBuilding(bytes(32), "a", "b"),
        chain.projects.functions.setRoster(chain.unit, [CODE.encode()] * 5, 0),
    ):
        with pytest.raises(RefusedError) as caught:
            chain.call(call, sender=chain.stranger)
        assert caught.value.name == "AccessControlUnauthorizedAccount"


def test_revokes_once_with_reason_and_time(chain: Deployment) -> None:
    certificate = chain.parties[3].certificate
    time = chain.now() - 100
    calls = chain.seals.functions
    refused(chain, calls.revokeCertificate(certificate.id, 1, chain.now() + 1000), "InvalidityTimeOutOfRange")
    too_early = calls.revokeCertificate(certificate.id, 1, certificate.not_before - 1)
    refused(chain, too_early, "InvalidityTimeOutOfRange", notBefore=certificate.not_before)
    refused(chain, calls.revokeCertificate(certificate.id, 6, time), "InvalidRevocationReason", reason=6)
    refused(chain, calls.revokeCertificate(sha256(b"none"), 1, time), "UnknownCertificate")
    receipt = chain.send(calls.revokeCertificate(certificate.id, 1, time))
    event = emitted(chain.seals.events.CertificateRevoked, receipt)
    assert event["reason"] == 1 and event["invalidityTime"] == time
    assert calls.revocation(certificate.id).call() == (chain.now(), time, 1)
    assert calls.certificate(certificate.id).call()[5] is True
    refused(chain, calls.revokeCertificate(certificate.id, 1, time), "CertificateAlreadyRevoked")
