"""The small sealed handover once more, under an authority that publishes what it revoked, and with a timestamp.

Every key comes from a public label and every signature is deterministic, as in `scripts/sample_evidence.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache

from cryptography import x509

from ledger.evidence import EvidenceBundle
from ledger.seal_status import RevocationStatus
from ledger.types import ROLES, Role, Seal
from scripts.sample_evidence import (
    END,
    PUBLISHING,
    SIGNING_TIME,
    START,
    TIME_ROOT,
    Handover,
    authority,
    derived,
    key_store,
    private_key,
)
from signing import der
from signing.authority_services import appoint_responder, appoint_timestamp_authority
from signing.certificates import P256_ORDER
from signing.keystore import InMemoryKeyStore
from signing.revocation import Revocation
from signing.status import StatusMethod, normalise_status
from signing.status_issuing import RevokedCertificate, StatusSigner, issue_crl, issue_ocsp
from signing.timestamp_authority import TimestampAuthority
from signing.timestamp_form import normalise_token
from signing.timestamps import sealed_bytes

STAMP_TIME = SIGNING_TIME + timedelta(minutes=2)
STATUS_TIME = SIGNING_TIME + timedelta(minutes=6)
HANDOVER = Handover()


def holders() -> dict[Role, InMemoryKeyStore]:
    """Return the parties' keys, certified by the publishing authority."""
    return {role: key_store(role.value, issuer=PUBLISHING) for role in ROLES}


@cache
def responder(issuer: str = PUBLISHING) -> StatusSigner:
    """Return the OCSP responder that an authority appointed."""
    key = private_key("ocsp responder")
    certificate = appoint_responder(
        authority(issuer).status_signer,
        key.public_key(),
        not_before=START,
        not_after=END + timedelta(days=90),
        serial_number=derived(f"ocsp responder of {issuer}") >> 128,
    )
    return StatusSigner(key, certificate)


@cache
def stamper(issuer: str = TIME_ROOT, *, until: datetime = END) -> TimestampAuthority:
    """Return a timestamp authority that an authority appointed."""
    key = private_key("timestamp authority")
    certificate = appoint_timestamp_authority(
        authority(issuer).status_signer,
        key.public_key(),
        not_before=START,
        not_after=until,
        serial_number=derived(f"timestamp authority of {issuer} until {until}") >> 128,
    )
    return TimestampAuthority(StatusSigner(key, certificate))


def _identifier(role: Role, issuer: str) -> bytes:
    return _key(role, issuer).certificate.certificate_id


def _key(role: Role, issuer: str) -> InMemoryKeyStore:
    return key_store(role.value) if issuer == "root" else key_store(role.value, issuer=issuer)


def by_ocsp(
    role: Role,
    revocation: Revocation | None = None,
    *,
    at: datetime = STATUS_TIME,
    known: bool = True,
    of: Role | None = None,
    issuer: str = PUBLISHING,
    of_issuer: str = PUBLISHING,
    signer: StatusSigner | None = None,
) -> RevocationStatus:
    """Return an OCSP answer about a party's certificate, by the responder; about the owner's by the issuer itself.

    Args:
        role: whose certificate it is said to be about.
        revocation: None: good.
        at: thisUpdate.
        known: whether the certificate is known.
        of: whose it is about in truth.
        issuer: label of the authority that answers.
        of_issuer: label of the authority that issued the certificate said to be spoken of.
        signer: who signs instead.
    """
    answering = authority(issuer).status_signer if role is Role.OWNER else responder(issuer)
    data = issue_ocsp(
        signer or answering,
        authority(issuer).status_signer.certificate,
        _key(of or role, of_issuer).certificate.serial_number,
        known=known,
        revocation=revocation,
        this_update=at,
        next_update=at + timedelta(days=1),
    )
    normal = normalise_status(data, StatusMethod.OCSP)
    return RevocationStatus((_identifier(role, of_issuer),), "ocsp", normal)


def by_crl(
    roles: Sequence[Role],
    revoked: Mapping[Role, Revocation] | None = None,
    *,
    at: datetime = STATUS_TIME,
    issuer: str = PUBLISHING,
) -> RevocationStatus:
    """Return a CRL as the status of some parties' certificates.

    Args:
        roles: whose certificates.
        revoked: those revoked.
        at: thisUpdate.
        issuer: label of the authority that signs it.
    """
    entries = [
        RevokedCertificate(key_store(role.value, issuer=PUBLISHING).certificate.serial_number, revocation)
        for role, revocation in (revoked or {}).items()
    ]
    data = issue_crl(
        authority(issuer).status_signer, entries, this_update=at, next_update=at + timedelta(days=1), number=1
    )
    identifiers = tuple(sorted(_identifier(role, PUBLISHING) for role in roles))
    return RevocationStatus(identifiers, "crl", normalise_status(data, StatusMethod.CRL))


def good() -> list[RevocationStatus]:
    """Return statuses of all five: by the issuer's OCSP, by a responder's, and three by one CRL."""
    return [by_ocsp(ROLES[0]), by_ocsp(ROLES[1]), by_crl(ROLES[2:])]


def forged(role: Role) -> RevocationStatus:
    """Return an answer whose content was changed after it was signed: revoked became good."""
    revoked = by_ocsp(role, Revocation(SIGNING_TIME), at=STATUS_TIME).data
    fair = by_ocsp(role).data
    tbs = _parts(fair)[0]
    return RevocationStatus((_identifier(role, PUBLISHING),), "ocsp", _assembled(tbs, *_parts(revoked)[1:]))


def with_high_s(role: Role) -> RevocationStatus:
    """Return a genuine answer in its other spelling: the signature's s is n - s."""
    tbs, algorithm, signature = _parts(by_ocsp(role).data)
    pair = der.decode_ecdsa_signature(der.Reader(signature).content(der.BIT_STRING, "signature")[1:])
    high = pair[:32] + (P256_ORDER - int.from_bytes(pair[32:], "big")).to_bytes(32, "big")
    bits = der.encode(der.BIT_STRING, b"\0", der.encode_ecdsa_signature(high))
    return RevocationStatus((_identifier(role, PUBLISHING),), "ocsp", _assembled(tbs, algorithm, bits))


def _parts(response: bytes) -> list[bytes]:
    typed = der.Reader(response).enter(der.SEQUENCE, "response")
    typed.next()
    octets = typed.enter(0xA0, "bytes").enter(der.SEQUENCE, "bytes")
    octets.next()
    basic = der.Reader(octets.content(der.OCTET_STRING, "basic")).enter(der.SEQUENCE, "basic")
    return [basic.data[start:after] for _, start, _, after in basic]


def _assembled(*parts: bytes) -> bytes:
    basic = der.encode(der.OCTET_STRING, der.encode(der.SEQUENCE, *parts))
    kind = bytes.fromhex("06092b0601050507300101")
    return der.encode(der.SEQUENCE, bytes.fromhex("0a0100"), der.encode(0xA0, der.encode(der.SEQUENCE, kind, basic)))


def token(
    *,
    seals: Iterable[Seal] | None = None,
    time: datetime = STAMP_TIME,
    authority_label: str = TIME_ROOT,
    signer: StatusSigner | None = None,
) -> bytes:
    """Return a timestamp token over five seals.

    Args:
        seals: None: those of the handover.
        time: genTime.
        authority_label: who appointed the timestamp authority.
        signer: who signs instead.
    """
    signatures = [seal.signature for seal in (seals or HANDOVER.bundle(keys=holders()).seals)]
    stamping = stamper(authority_label) if signer is None else TimestampAuthority(signer)
    digest = hashlib.sha256(sealed_bytes(signatures)).digest()
    serial_number = derived(f"token {time} {authority_label}") >> 192
    return normalise_token(stamping.token(digest, time=time, serial_number=serial_number))


def published(*, statuses: Iterable[RevocationStatus] | None = None, timestamp: bytes | None = None) -> EvidenceBundle:
    """Return the evidence of one document with statuses and timestamp; None: the good ones."""
    return HANDOVER.bundle(
        keys=holders(),
        statuses=good() if statuses is None else statuses,
        timestamp=timestamp or token(),
    )


def root(label: str = PUBLISHING) -> x509.Certificate:
    """Return an authority's certificate."""
    return authority(label).status_signer.certificate
