"""Make the test vectors of e-seals in tests/vectors/seal (docs/formats.md sections 7 and 10).

Every key is derived from a label and every signature is deterministic, so that the same bytes come out each time.
Usage: python scripts/vectors_seal.py [--check]
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from ledger.identifiers.uscc import validate_uscc
from scripts.vector_files import write_or_check
from signing import der
from signing.authority import DevelopmentAuthority
from signing.cades import SealValue, rebuild_cms, seal, signed_attributes
from signing.certificates import DOCUMENT_SIGNING, P256_ORDER
from signing.keystore import InMemoryKeyStore

DIRECTORY = Path(__file__).resolve().parent.parent / "tests" / "vectors" / "seal"
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2029, 1, 1, tzinfo=datetime.UTC)
SIGNING_TIME = datetime.datetime(2026, 11, 22, 8, 0, tzinfo=datetime.UTC)
OWNER = ("91440101MA5WECT01N", "广州示例建设投资有限公司")
ARCHIVE = ("12440100MB2WECT033", "示例市城市建设档案馆")
SHA256 = bytes.fromhex("300b0609608648016503040201")
SHA256_NULL = bytes.fromhex("300d06096086480165030402010500")
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
ECDSA_SHA256_NULL = bytes.fromhex("300c06082a8648ce3d0403020500")
ID_DATA = bytes.fromhex("06092a864886f70d010701")
ID_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
VERSION_1, VERSION_3 = bytes.fromhex("020101"), bytes.fromhex("020103")


def derived(label: str) -> int:
    """Return a number below the order of P-256, from a label."""
    return int.from_bytes(hashlib.sha256(f"yunshang vectors/{label}".encode()).digest(), "big") % P256_ORDER


def private_key(label: str, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """Return the key of a label."""
    return ec.derive_private_key(derived(label), curve or ec.SECP256R1())


def payload(label: str) -> bytes:
    """Return 66 bytes of the form of a sealed payload."""
    return b"\x19\x01" + hashlib.sha256(b"domain").digest() + hashlib.sha256(label.encode()).digest()


def b64(data: bytes) -> str:
    """Return standard base64."""
    return base64.b64encode(data).decode("ascii")


def time_text(time: datetime.datetime) -> str:
    """Return RFC 3339 with seconds and Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class World:
    """The authority and two organisations of the vectors."""

    authority: DevelopmentAuthority
    owner: InMemoryKeyStore
    archive: InMemoryKeyStore


def make_world() -> World:
    """Make the authority and its organisations."""
    authority = DevelopmentAuthority.create(
        "Yunshang test vectors root",
        not_before=datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC),
        not_after=datetime.datetime(2045, 1, 1, tzinfo=datetime.UTC),
        key=private_key("root"),
        serial_number=1,
    )

    def organisation(label: str, party: tuple[str, str], serial_number: int) -> InMemoryKeyStore:
        key = private_key(label)
        certificate = authority.issue(
            key.public_key(),
            code=party[0],
            name=party[1],
            not_before=START,
            not_after=END,
            validate_code=validate_uscc,
            serial_number=serial_number,
        )
        return InMemoryKeyStore(key, certificate)

    return World(
        authority, organisation("owner", OWNER, derived("serial") >> 100), organisation("archive", ARCHIVE, 130)
    )


def attribute(oid: str, *values: bytes) -> bytes:
    """Encode one signed attribute."""
    return der.encode(der.SEQUENCE, bytes.fromhex(oid), der.encode(der.SET, *values))


CONTENT_TYPE = "06092a864886f70d010903"
MESSAGE_DIGEST = "06092a864886f70d010904"
TIME = "06092a864886f70d010905"
SIGNING_CERTIFICATE_V2 = "060b2a864886f70d010910022f"


def template(data: bytes, certificate: bytes) -> list[bytes]:
    """Return the four attributes of the template."""
    whole = signed_attributes(data, SIGNING_TIME, hashlib.sha256(certificate).digest())
    reader = der.Reader(whole).enter(der.SET, "attributes")
    return [whole[start:after] for _, start, _, after in reader]


def sign(attributes: bytes, label: str = "owner", *, high: bool = False) -> bytes:
    """Sign the attributes; returns SEQUENCE {r, s} with the low or the high s."""
    raw = private_key(label).sign(attributes, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    pair = der.decode_ecdsa_signature(raw)
    s = int.from_bytes(pair[32:], "big")
    low = min(s, P256_ORDER - s)
    return der.encode_ecdsa_signature(pair[:32] + (P256_ORDER - low if high else low).to_bytes(32, "big"))


def cms(world: World, attributes: Sequence[bytes], **changed: Any) -> bytes:
    """Encode a CMS over given attributes, properly signed; `changed` replaces single parts."""
    certificate = world.owner.certificate
    signed = der.encode(der.SET, *attributes)
    sid = der.encode(der.SEQUENCE, certificate.issuer, der.encode_integer(certificate.serial_number))
    signer = der.encode(
        der.SEQUENCE,
        changed.get("signer_version", VERSION_1),
        changed.get("sid", sid),
        changed.get("digest_algorithm", SHA256),
        b"\xa0" + signed[1:],
        changed.get("signature_algorithm", ECDSA_SHA256),
        der.encode(der.OCTET_STRING, changed.get("signature") or sign(signed)),
        changed.get("unsigned", b""),
    )
    signed_data = der.encode(
        der.SEQUENCE,
        changed.get("version", VERSION_1),
        der.encode(der.SET, changed.get("digest_algorithms", SHA256)),
        der.encode(der.SEQUENCE, ID_DATA, changed.get("content", b"")),
        der.encode(0xA0, changed.get("certificates", certificate.der)),
        changed.get("crls", b""),
        der.encode(der.SET, signer, *([signer] if changed.get("twice") else [])),
    )
    return der.encode(der.SEQUENCE, ID_SIGNED_DATA, der.encode(0xA0, signed_data))


def hostile_cms(world: World) -> dict[str, bytes]:
    """Return CMS that lax readers take and ours refuses; their signatures are right unless the name says otherwise."""
    data, certificate = payload("submission"), world.owner.certificate
    good = template(data, certificate.der)
    content_type, time, digest, signing_certificate = good
    esscert = der.encode(der.OCTET_STRING, certificate.certificate_id)
    issuer_serial = der.encode(
        der.SEQUENCE,
        der.encode(der.SEQUENCE, der.encode(0xA4, certificate.issuer)),
        der.encode_integer(certificate.serial_number),
    )

    def with_esscert(*contents: bytes) -> list[bytes]:
        value = der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, *contents)))
        return [content_type, time, digest, attribute(SIGNING_CERTIFICATE_V2, value)]

    def with_time(tag: int, text: str) -> list[bytes]:
        return [content_type, attribute(TIME, der.encode(tag, text.encode())), digest, signing_certificate]

    whole = cms(world, good)
    extra = attribute("06092a864886f70d01090f", der.encode(der.SEQUENCE, SHA256))
    archive = world.archive.certificate
    other_sid = der.encode(der.SEQUENCE, certificate.issuer, der.encode_integer(archive.serial_number))
    key_identifier = der.encode(0x80, hashlib.sha1(certificate.public_key).digest())
    signed = der.encode(der.SET, *good)
    pair = der.decode_ecdsa_signature(sign(signed))
    padded = der.encode(
        der.SEQUENCE,
        der.encode(der.INTEGER, b"\x00\x00" + pair[:32]),
        der.encode_integer(int.from_bytes(pair[32:], "big")),
    )
    return {
        "unsigned_attribute": cms(world, good, unsigned=der.encode(0xA1, extra)),
        "unsigned_attributes_empty": cms(world, good, unsigned=bytes.fromhex("a100")),
        "signed_attribute_too_many": cms(world, [content_type, extra, time, digest, signing_certificate]),
        "signed_attribute_at_the_end": cms(world, [*good, extra]),
        "signed_attribute_missing": cms(world, [content_type, digest, signing_certificate]),
        "attribute_order": cms(world, [content_type, digest, time, signing_certificate]),
        "attribute_with_two_values": cms(
            world, [attribute(CONTENT_TYPE, ID_DATA, ID_DATA), time, digest, signing_certificate]
        ),
        "content_type_signed_data": cms(
            world, [attribute(CONTENT_TYPE, ID_SIGNED_DATA), time, digest, signing_certificate]
        ),
        "signing_time_generalized": cms(world, with_time(0x18, "20261122080000Z")),
        "signing_time_without_seconds": cms(world, with_time(0x17, "2611220800Z")),
        "signing_time_with_offset": cms(world, with_time(0x17, "261122160000+0800")),
        "signing_time_not_of_the_calendar": cms(world, with_time(0x17, "260230080000Z")),
        "signing_time_leap_second": cms(world, with_time(0x17, "261231235960Z")),
        "message_digest_short": cms(
            world, [content_type, time, attribute(MESSAGE_DIGEST, der.encode(4, bytes(20))), signing_certificate]
        ),
        "esscert_with_issuer_serial": cms(world, with_esscert(esscert, issuer_serial)),
        "esscert_with_hash_algorithm": cms(world, with_esscert(SHA256, esscert)),
        "esscert_of_another_certificate": cms(world, with_esscert(der.encode(4, archive.certificate_id))),
        "digest_algorithms_null": cms(world, good, digest_algorithms=SHA256_NULL),
        "digest_algorithm_null": cms(world, good, digest_algorithm=SHA256_NULL),
        "signature_algorithm_null": cms(world, good, signature_algorithm=ECDSA_SHA256_NULL),
        "high_s": cms(world, good, signature=sign(signed, high=True)),
        "signature_integer_padded": cms(world, good, signature=padded),
        "signature_trailing_bytes": cms(world, good, signature=sign(signed) + b"\x00"),
        "certificate_too_many": cms(world, good, certificates=certificate.der + world.authority.root_certificate),
        "certificate_twice": cms(world, good, certificates=certificate.der * 2),
        "certificate_missing": cms(world, good, certificates=b""),
        "certificate_of_another": cms(world, good, certificates=archive.der),
        "revocation_list": cms(world, good, crls=bytes.fromhex("a1023000")),
        "version_3": cms(world, good, version=VERSION_3),
        "signer_version_3": cms(world, good, signer_version=VERSION_3, sid=key_identifier),
        "serial_of_another": cms(world, good, sid=other_sid),
        "attached_content": cms(world, good, content=der.encode(0xA0, der.encode(der.OCTET_STRING, data))),
        "two_signers": cms(world, good, twice=True),
        "indefinite_length": b"\x30\x80" + whole[4:] + b"\x00\x00",
        "length_not_minimal": b"\x30\x83\x00" + whole[2:],
        "trailing_bytes": whole + b"\x00",
        "truncated": whole[:-1],
        "empty": b"",
        "pem": b"-----BEGIN CMS-----\n" + base64.encodebytes(whole) + b"-----END CMS-----\n",
    }


def certificate(public_key: CertificatePublicKeyTypes, **changed: Any) -> bytes:
    """Issue a certificate that differs from the profile in the parts given, properly signed by the root's key."""
    code, name = OWNER
    subject = changed.get("subject") or [
        (NameOID.COUNTRY_NAME, "CN"),
        (NameOID.ORGANIZATION_NAME, name),
        (NameOID.ORGANIZATION_IDENTIFIER, code),
        (NameOID.COMMON_NAME, name),
    ]
    usages = changed.get("usages", {"digital_signature", "content_commitment"})
    names = [
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    ]
    root_name = [(NameOID.COUNTRY_NAME, "CN"), (NameOID.COMMON_NAME, "Yunshang test vectors root")]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid, value) for oid, value in subject]))
        .issuer_name(x509.Name([x509.NameAttribute(oid, value) for oid, value in root_name]))
        .public_key(public_key)
        .serial_number(77)
        .not_valid_before(START)
        .not_valid_after(END)
    )
    constraints = changed.get("constraints", x509.BasicConstraints(ca=False, path_length=None))
    purposes = changed.get("purposes", [DOCUMENT_SIGNING])
    if constraints is not None:
        builder = builder.add_extension(constraints, critical=True)
    if usages is not None:
        usage = x509.KeyUsage(**{usage: usage in usages for usage in names})
        builder = builder.add_extension(usage, critical=not changed.get("usage_not_critical"))
    if purposes is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if "further" in changed:
        builder = builder.add_extension(changed["further"], critical=True)
    algorithm = changed.get("algorithm", hashes.SHA256())
    return builder.sign(private_key("root"), algorithm, ecdsa_deterministic=True).public_bytes(Encoding.DER)


def hostile_certificates() -> dict[str, tuple[bytes, str, str]]:
    """Return certificates outside the profile, each with the error's class and code."""
    key = private_key("owner").public_key()
    code, name = OWNER
    country, organisation = (NameOID.COUNTRY_NAME, "CN"), (NameOID.ORGANIZATION_NAME, name)
    identifier, common_name = (NameOID.ORGANIZATION_IDENTIFIER, code), (NameOID.COMMON_NAME, name)
    rsa_modulus = (
        int.from_bytes(b"".join(hashlib.sha256(bytes((i,))).digest() for i in range(8)), "big") | 1 << 2047 | 1
    )
    good = certificate(key)
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    off_curve = good.replace(point, point[:-1] + bytes((point[-1] ^ 1,)))
    spelled_out = x509.UnrecognizedExtension(x509.BasicConstraints.oid, bytes.fromhex("3003010100"))
    unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")

    def named(*subject: tuple[ObjectIdentifier, str]) -> bytes:
        return certificate(key, subject=subject)

    def renamed(text: str) -> bytes:
        return named(country, (NameOID.ORGANIZATION_NAME, text), identifier, (NameOID.COMMON_NAME, text))

    def coded(text: str) -> bytes:
        return named(country, organisation, (NameOID.ORGANIZATION_IDENTIFIER, text), common_name)

    malformed, policy = "MalformedError", "PolicyError"
    return {
        "key_p384": (certificate(private_key("p384", ec.SECP384R1()).public_key()), policy, "certificate_key"),
        "key_secp256k1": (certificate(private_key("k1", ec.SECP256K1()).public_key()), policy, "certificate_key"),
        "key_rsa": (certificate(rsa.RSAPublicNumbers(65537, rsa_modulus).public_key()), policy, "certificate_key"),
        "key_off_curve": (off_curve, policy, "certificate_key"),
        "signature_sha384": (certificate(key, algorithm=hashes.SHA384()), policy, "certificate_algorithm"),
        "authority": (
            certificate(key, constraints=x509.BasicConstraints(ca=True, path_length=None)),
            policy,
            "certificate_is_ca",
        ),
        "basic_constraints_missing": (certificate(key, constraints=None), policy, "certificate_extension"),
        "basic_constraints_spelled_out": (certificate(key, constraints=spelled_out), malformed, "malformed"),
        "key_usage_missing": (certificate(key, usages=None), policy, "certificate_extension"),
        "key_usage_not_critical": (certificate(key, usage_not_critical=True), policy, "certificate_key_usage"),
        "key_usage_signature_only": (
            certificate(key, usages={"digital_signature"}),
            policy,
            "certificate_key_usage",
        ),
        "key_usage_with_cert_sign": (
            certificate(key, usages={"digital_signature", "content_commitment", "key_cert_sign"}),
            policy,
            "certificate_key_usage",
        ),
        "purpose_missing": (certificate(key, purposes=None), policy, "certificate_extension"),
        "purpose_client_auth": (
            certificate(key, purposes=[ExtendedKeyUsageOID.CLIENT_AUTH]),
            policy,
            "certificate_extended_key_usage",
        ),
        "purpose_too_many": (
            certificate(key, purposes=[DOCUMENT_SIGNING, ExtendedKeyUsageOID.CLIENT_AUTH]),
            policy,
            "certificate_extended_key_usage",
        ),
        "critical_extension_unknown": (certificate(key, further=unknown), policy, "certificate_extension"),
        "subject_order": (named(country, identifier, organisation, common_name), malformed, "certificate_subject"),
        "subject_without_code": (named(country, organisation, common_name), malformed, "certificate_subject"),
        "subject_with_two_codes": (
            named(country, organisation, identifier, identifier, common_name),
            malformed,
            "certificate_subject",
        ),
        "subject_other_country": (
            named((NameOID.COUNTRY_NAME, "SG"), organisation, identifier, common_name),
            malformed,
            "certificate_subject",
        ),
        "common_name_differs": (
            named(country, organisation, identifier, (NameOID.COMMON_NAME, ARCHIVE[1])),
            malformed,
            "certificate_subject",
        ),
        "name_not_nfc": (renamed("Cafe\u0301"), malformed, "organisation_name"),
        "name_with_control_character": (renamed("广州\u202e公司"), malformed, "organisation_name"),
        "name_padded": (renamed(name + " "), malformed, "organisation_name"),
        "code_lowercase": (coded(code.lower()), malformed, "organisation_code"),
        "code_short": (coded(code[:-1]), malformed, "organisation_code"),
        "code_with_prefix": (coded("NTRCN-" + code), malformed, "organisation_code"),
        "trailing_bytes": (good + b"\x00", malformed, "malformed"),
        "indefinite_length": (b"\x30\x80" + good[4:] + b"\x00\x00", malformed, "malformed"),
        "truncated": (good[:-1], malformed, "malformed"),
        "empty": (b"", malformed, "malformed"),
    }


def documents() -> Mapping[str, object]:
    """Return the files by name."""
    world = make_world()
    good = []
    for name, label, key in (("owner", "submission", world.owner), ("archive", "acceptance", world.archive)):
        data = payload(label)
        value = seal(data, key, SIGNING_TIME)
        good.append(
            {
                "name": name,
                "payload": data.hex(),
                "private_key": f"{derived(name):064x}",
                "organisation_code": key.certificate.organisation_code,
                "organisation_name": key.certificate.organisation_name,
                "certificate": b64(value.certificate),
                "certificate_id": value.certificate_id.hex(),
                "signing_time": time_text(SIGNING_TIME),
                "attributes": signed_attributes(data, SIGNING_TIME, value.certificate_id).hex(),
                "signature": b64(value.signature),
                "cms": b64(rebuild_cms(data, SealValue(SIGNING_TIME, value.signature, value.certificate))),
            }
        )
    certificates = [
        {"name": name, "error": error, "code": code, "certificate": b64(data)}
        for name, (data, error, code) in hostile_certificates().items()
    ]
    refused = [{"name": name, "cms": b64(data)} for name, data in hostile_cms(world).items()]
    root = b64(world.authority.root_certificate)
    return {
        "seals.json": {"format": "yunshang-vectors-seal/v1", "root": root, "seals": good},
        "hostile_cms.json": {
            "format": "yunshang-vectors-hostile-cms/v1",
            "root": root,
            "payload": payload("submission").hex(),
            "cms": refused,
        },
        "hostile_certificates.json": {
            "format": "yunshang-vectors-hostile-certificates/v1",
            "certificates": certificates,
        },
    }


def main() -> int:
    """Write the files, or with --check compare them; returns the exit code."""
    files = {name: json.dumps(item, ensure_ascii=False, indent=1) + "\n" for name, item in documents().items()}
    return write_or_check(DIRECTORY, files, description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
