"""A handover with real keys, for the suites of the chain: five parties, the archive, and a statement to seal."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding

from ledger.identifiers.uscc import check_digit, validate_uscc
from ledger.merkle import root_hash
from ledger.ports.calls import RegisterCertificate
from ledger.statement import LedgerDomain, Statement, SubmissionStatement
from ledger.types import ROLES, BuildingIdentifier, Role, Roster, RosterMember, Seal, UnitProject
from signing.authority import DevelopmentAuthority
from signing.certificates import OrganisationCertificate

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
NOT_BEFORE = datetime(2024, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)


def organisation_code(number: int) -> str:
    """A unified social credit code whose check digit holds."""
    prefix = f"91440101MA{number:07d}"
    return prefix + check_digit(prefix)


def attributes(payload: bytes, signing_time: datetime, certificate_id: bytes) -> bytes:
    """The 165 bytes of docs/formats.md section 7."""
    return b"".join(
        (
            bytes.fromhex("3181a2301806092a864886f70d010903310b06092a864886f70d010701"),
            bytes.fromhex("301c06092a864886f70d010905310f170d") + signing_time.strftime("%y%m%d%H%M%SZ").encode(),
            bytes.fromhex("302f06092a864886f70d01090431220420") + hashlib.sha256(payload).digest(),
            bytes.fromhex("3037060b2a864886f70d010910022f31283026302430220420") + certificate_id,
        )
    )


AUTHORITY_KEY = ec.generate_private_key(ec.SECP256R1())
AUTHORITY = DevelopmentAuthority.create("测试根证书", not_before=NOT_BEFORE, not_after=NOT_AFTER, key=AUTHORITY_KEY)
"""Whose certificates the engines' contracts take."""


def revocation_list(
    authority: DevelopmentAuthority,
    key: ec.EllipticCurvePrivateKey,
    *revoked: tuple[OrganisationCertificate, x509.ReasonFlags, datetime],
    at: datetime,
) -> bytes:
    """A list of an authority (its key is given), of certificates revoked as it is issued, and since when invalid."""
    issuer = x509.load_der_x509_certificate(authority.root_certificate).subject
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer)
    builder = builder.last_update(at).next_update(at + timedelta(days=1))
    for certificate, reason, invalid_since in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(at)
        entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        entry = entry.add_extension(x509.InvalidityDate(invalid_since), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


class Organisation:
    """One organisation with a sealing key and its certificate."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = AUTHORITY.issue(
            self.key.public_key(),
            code=code,
            name="测试单位",
            not_before=NOT_BEFORE,
            not_after=NOT_AFTER,
            validate_code=validate_uscc,
        )
        self.certificate_id = self.certificate.certificate_id

    def registration(self) -> RegisterCertificate:
        """What has to be sent."""
        return RegisterCertificate(self.certificate.der)

    def seal(self, domain: LedgerDomain, statement: Statement, role: Role | None = None) -> Seal:
        """A seal over a statement, made now."""
        now = datetime.now(UTC).replace(microsecond=0)
        message = attributes(statement.payload(domain), now, self.certificate_id)
        r, s = utils.decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")
        return Seal(role, now, signature, self.certificate_id)


@dataclass(frozen=True)
class Parties:
    """The five parties and the archive."""

    organisations: tuple[Organisation, ...]
    archive: Organisation

    @classmethod
    def create(cls, archive_code: str) -> Parties:
        """Draw keys for five organisations and the archive."""
        codes = [organisation_code(secrets.randbelow(10**7)) for _ in ROLES]
        return cls(tuple(Organisation(code) for code in codes), Organisation(archive_code))

    @property
    def roster(self) -> Roster:
        """Their roster, nobody in two roles."""
        return Roster(
            tuple(
                RosterMember(role, member.code, f"{role.zh}甲")
                for role, member in zip(ROLES, self.organisations, strict=True)
            )
        )

    def seals(self, domain: LedgerDomain, statement: SubmissionStatement) -> tuple[Seal, ...]:
        """Five seals over a submission."""
        return tuple(
            member.seal(domain, statement, role) for role, member in zip(ROLES, self.organisations, strict=True)
        )


def new_unit_project() -> UnitProject:
    """A unit project that nobody has registered."""
    return UnitProject(BuildingIdentifier("yunshang", f"A-{secrets.token_hex(6)}"), "01")


def statement_over(
    leaf_hashes: Sequence[bytes], unit_project: UnitProject, roster: Roster, *, sequence: int, previous: bytes
) -> SubmissionStatement:
    """A statement over some leaves."""
    return SubmissionStatement(
        building_key=unit_project.building.key,
        unit_project_key=unit_project.key,
        roster_hash=roster.hash,
        sequence=sequence,
        previous=previous,
        manifest_sha256=secrets.token_bytes(32),
        documents_root=root_hash(leaf_hashes),
        document_count=len(leaf_hashes),
        bim_root=hashlib.sha256(b"").digest(),
        content_cid=bytes.fromhex("01701220") + secrets.token_bytes(32),
        seal_by=int((datetime.now(UTC) + timedelta(days=1)).timestamp()),
    )
