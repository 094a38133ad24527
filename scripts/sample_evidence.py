"""A small sealed handover made of fixed keys, for the vectors of evidence and the tests of the verifier.

Every key comes from a public label and every signature is deterministic: the same bytes each time. Any value can be
replaced, so that a hostile bundle is sealed anew and differs from a good one in one thing only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from ledger.bim.item import ElementItem
from ledger.cid import build_submission_tree, file_content
from ledger.entries import DocumentEntry, ModelEntry
from ledger.evidence import AcceptanceItem, AnchorAttestation, EvidenceBundle
from ledger.identifiers.uscc import check_digit, validate_uscc
from ledger.manifest import Manifest, build_manifest
from ledger.merkle import inclusion_proof
from ledger.seal_status import RevocationStatus
from ledger.statement import (
    Acceptance,
    Anchored,
    LedgerDomain,
    SubmissionStatement,
    seals_hash,
    submission_id,
    submission_statement,
)
from ledger.trust import CONTRACT_NAMES, ContractPin, TrustFile
from ledger.types import ROLES, BuildingIdentifier, Role, Roster, RosterMember, Seal, UnitProject
from scripts import sample_model
from signing.authority import DevelopmentAuthority
from signing.cades import seal as make_seal
from signing.certificates import P256_ORDER
from signing.keystore import InMemoryKeyStore

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2029, 1, 1, tzinfo=UTC)
# Labels of authorities: one that publishes what it revoked, and the one whose timestamps are believed.
PUBLISHING, TIME_ROOT = "publishing root", "time root"
STATUS_URL = "http://status.example"
SIGNING_TIME = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
BLOCK_TIME = SIGNING_TIME + timedelta(minutes=5)
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SEAL_BY = int((SIGNING_TIME + timedelta(days=7)).timestamp())
BLOCK_NUMBER, BLOCK_HASH = 42, hashlib.sha256(b"block 42").digest()
DOMAIN = LedgerDomain(20261122, hashlib.sha256(b"archive_ledger").digest()[:20])
UNIT_PROJECT = UnitProject(BuildingIdentifier("yunshang", "440106-TH0001"), "1#楼")
NAMES = {
    "owner": "广州示例建设投资有限公司",
    "surveyor": "广州示例勘察院有限公司",
    "designer": "广州示例建筑设计院有限公司",
    "contractor": "广州示例建工集团有限公司",
    "supervisor": "广州示例工程监理有限公司",
    "archive": "示例市城市建设档案馆",
    "stranger": "广州他人有限公司",
}


def derived(label: str) -> int:
    """Return a private key's number from a label."""
    return int.from_bytes(hashlib.sha256(f"yunshang evidence/{label}".encode()).digest(), "big") % P256_ORDER


def private_key(label: str) -> ec.EllipticCurvePrivateKey:
    """Return the key of a label."""
    return ec.derive_private_key(derived(label), ec.SECP256R1())


def organisation_code(label: str) -> str:
    """Return the made-up organisation code of a label, check digit included."""
    prefix = f"91440101MA5WE{list(NAMES).index(label):04d}"
    return prefix + check_digit(prefix)


@cache
def authority(label: str = "root") -> DevelopmentAuthority:
    """Return a development authority with a fixed key."""
    return DevelopmentAuthority.create(
        f"Yunshang test vectors {label}",
        not_before=START - timedelta(days=365),
        not_after=END + timedelta(days=3650),
        key=private_key(label),
        serial_number=derived(label) >> 128,
        status_url=STATUS_URL if label == PUBLISHING else None,
    )


@cache
def key_store(
    label: str,
    *,
    name: str | None = None,
    issuer: str = "root",
    not_before: datetime = START,
    not_after: datetime = END,
) -> InMemoryKeyStore:
    """Return an organisation's key with its certificate."""
    key = private_key(label)
    certificate = authority(issuer).issue(
        key.public_key(),
        code=organisation_code(label),
        name=name or NAMES[label],
        not_before=not_before,
        not_after=not_after,
        validate_code=validate_uscc,
        serial_number=derived(f"serial of {label} {name} {issuer} {not_before} {not_after}") >> 128,
    )
    return InMemoryKeyStore(key, certificate)


def trust_file() -> TrustFile:
    """Return the verifier's trust file."""
    contracts = {
        name: ContractPin(hashlib.sha256(name.encode()).digest()[:20], hashlib.sha256(f"{name} code".encode()).digest())
        for name in CONTRACT_NAMES
    }
    return TrustFile(
        ca_roots=(authority().root_certificate, authority(PUBLISHING).root_certificate),
        chain_id=DOMAIN.chain_id,
        genesis_hash=hashlib.sha256(b"genesis").digest(),
        contracts=contracts,
        archive_organisation=organisation_code("archive"),
        archive_certificates=(key_store("archive").certificate.der,),
        timestamp_authorities=(authority(TIME_ROOT).root_certificate,),
    )


def roster(holders: dict[str, str] | None = None) -> Roster:
    """Return the roster; `holders` names who holds a role other than its own organisation."""
    labels = {role: (holders or {}).get(role, role.value) for role in ROLES}
    members = tuple(RosterMember(role, organisation_code(labels[role]), NAMES[labels[role]]) for role in ROLES)
    pairs = tuple(
        (first, second)
        for position, first in enumerate(ROLES)
        for second in ROLES[position + 1 :]
        if labels[first] == labels[second]
    )
    return Roster(members, pairs)


def content(index: int) -> bytes:
    """Return the content of a document; the first one is empty, that of `MODEL_INDEX` a model."""
    if index == MODEL_INDEX:
        return sample_model.MODEL
    return f"第 {index} 份文件\n".encode() * (100 * index)


def document_entry(index: int) -> DocumentEntry:
    """Return the entry of a document."""
    data, sm3 = content(index), hashes.Hash(hashes.SM3())
    sm3.update(data)
    return DocumentEntry.create(
        path=f"C5/隐蔽工程/{index:03d} {'竣工模型.ifc' if index == MODEL_INDEX else '隐蔽工程验收记录.txt'}",
        title=f"隐蔽工程验收记录 {index}",
        category="C5",
        media_type="text/plain",
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        sm3=sm3.finalize().hex(),
        cid=str(file_content(data).cid),
        document_number=f"YB-{index:03d}" if index % 2 else None,
        responsible_party=organisation_code("contractor"),
        document_date="2026-10-01",
        page_count=index + 1,
        originating_system="sample",
        stage="construction",
        retention="permanent",
        security_level="internal",
        existing_signatures=[{"kind": "pdf", "count": index}] if index == 2 else None,
        source_entry=hashlib.sha256(b"source").hexdigest() if index == 2 else None,
        encryption=None,
        extensions={"drawing": {"sheet": "S-01", "revision": 3}} if index == 2 else {},
        salt=hashlib.sha256(f"salt {index}".encode()).hexdigest(),
    )


DEFAULT_ROSTER = roster()
MODEL_INDEX = 5


@dataclass(frozen=True, slots=True)
class Handover:
    """A handover before it is sealed, and all that may be replaced in it."""

    entries: tuple[DocumentEntry, ...] = tuple(document_entry(index) for index in range(5))
    unit_project: UnitProject = UNIT_PROJECT
    roster: Roster = DEFAULT_ROSTER
    domain: LedgerDomain = DOMAIN
    seal_by: int = SEAL_BY
    models: tuple[ModelEntry, ...] = ()

    def manifest(self) -> Manifest:
        """Return the manifest."""
        return build_manifest(
            self.unit_project,
            self.roster,
            sequence=1,
            previous=None,
            documents=[(entry, str(file_content(entry.canonical()).cid)) for entry in self.entries],
            models=self.models,
        )

    def statement(self) -> SubmissionStatement:
        """Return what is sealed."""
        manifest = self.manifest()
        tree = build_submission_tree(
            manifest.canonical(),
            [entry.canonical() for entry in self.entries],
            [file_content(content(index)).tree for index in range(len(self.entries))],
        )
        return submission_statement(manifest, content_cid=tree.cid.to_bytes(), seal_by=self.seal_by)

    def bundle(
        self,
        leaf_index: int = 2,
        *,
        keys: dict[Role, InMemoryKeyStore] | None = None,
        signing_time: datetime = SIGNING_TIME,
        sealed_domain: LedgerDomain | None = None,
        block_time: datetime = BLOCK_TIME,
        archive: InMemoryKeyStore | None = None,
        anchored: bool = True,
        accepted: bool = True,
        element: ElementItem | None = None,
        statuses: Iterable[RevocationStatus] = (),
        timestamp: bytes | None = None,
        block_hash: bytes = BLOCK_HASH,
    ) -> EvidenceBundle:
        """Seal, anchor and accept the handover; return the evidence of one document.

        Args:
            leaf_index: which document.
            keys: who seals for a role, where not its own organisation.
            signing_time: of the five parties.
            sealed_domain: the domain sealed, where not the stated one.
            block_time: of the anchor.
            archive: the archive's key.
            anchored: with an attestation of the archive.
            accepted: with the archive's acceptance.
            element: with the proof of an element.
            statuses: what issuers say of the certificates.
            timestamp: a token.
            block_hash: of the anchor.
        """
        statement, archive = self.statement(), archive or key_store("archive")
        payload = statement.payload(sealed_domain or self.domain)
        holders = {member.role: holder_of(member.code) for member in self.roster.organisations} | (keys or {})
        seals = tuple(party_seal(payload, holders[role], signing_time, role) for role in ROLES)
        submission = submission_id(statement.payload(self.domain))
        used = [holders[role].certificate.der for role in ROLES]
        if anchored or accepted:
            used.append(archive.certificate.der)
        return EvidenceBundle.build(
            self.entries[leaf_index],
            inclusion_proof([entry.leaf_hash for entry in self.entries], leaf_index),
            domain=self.domain,
            statement=statement,
            unit_project=self.unit_project,
            roster=self.roster,
            seals=seals,
            certificates=used,
            acceptance=accept(submission, archive, self.domain) if accepted else None,
            anchor=attest(submission, seals, archive, self.domain, block_time, block_hash=block_hash)
            if anchored
            else None,
            element=element,
            statuses=statuses,
            timestamp=timestamp,
        )


def with_models() -> Handover:
    """Return a handover with two models, of which the document of `MODEL_INDEX` is one."""
    return Handover(
        entries=tuple(document_entry(index) for index in range(MODEL_INDEX + 1)), models=sample_model.models()
    )


def holder_of(code: str) -> InMemoryKeyStore:
    """Return the key of the organisation of a code."""
    return key_store(next(label for label in NAMES if organisation_code(label) == code))


def party_seal(payload: bytes, key: InMemoryKeyStore, time: datetime, role: Role | None) -> Seal:
    """Seal a payload."""
    value = make_seal(payload, key, time)
    return Seal(role, value.signing_time, value.signature, value.certificate_id)


def accept(submission: bytes, archive: InMemoryKeyStore, domain: LedgerDomain) -> AcceptanceItem:
    """Accept a submission as the archive."""
    number = "2026-D-000001"
    payload = Acceptance(submission, number).payload(domain)
    return AcceptanceItem(number, party_seal(payload, archive, BLOCK_TIME + timedelta(days=1), None))


def attest(
    submission: bytes,
    seals: Sequence[Seal],
    archive: InMemoryKeyStore,
    domain: LedgerDomain,
    block_time: datetime,
    *,
    block_hash: bytes = BLOCK_HASH,
) -> AnchorAttestation:
    """State as the archive where a submission is recorded."""
    digest, time = seals_hash(seals), int(block_time.timestamp())
    payload = Anchored(submission, digest, BLOCK_NUMBER, block_hash, time).payload(domain)
    signed = party_seal(payload, archive, max(block_time, SIGNING_TIME) + timedelta(minutes=1), None)
    return AnchorAttestation(digest, block_number=BLOCK_NUMBER, block_hash=block_hash, block_time=time, seal=signed)


def with_high_s(seals: Iterable[Seal], role: Role) -> tuple[Seal, ...]:
    """Return the seals, one of them with the other s of its signature's pair."""

    def high(signature: bytes) -> bytes:
        return signature[:32] + (P256_ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")

    return tuple(replace(item, signature=high(item.signature)) if item.role is role else item for item in seals)
