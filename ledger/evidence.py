"""The evidence bundle `yunshang-evidence/v1`: all that proves one document, and nothing a verifier must trust.

Reading checks form only: canonical JSON, the known items in their order, every certificate used. What the values
prove is `ledger.verify`'s to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from ledger import fields
from ledger.bim.element import UnknownFormatError
from ledger.bim.item import ElementItem
from ledger.canonical import canonical_bytes, parse_canonical
from ledger.chain_proof.item import AnchorProof
from ledger.entries import DocumentEntry
from ledger.errors import MalformedError
from ledger.items import UnknownItemError, inclusion_item, inclusion_json, one_item, sorted_items
from ledger.merkle import InclusionProof
from ledger.seal_status import MAX_STATUSES, RevocationStatus, timestamp_token
from ledger.statement import Acceptance, Anchored, LedgerDomain, SubmissionStatement, seals_hash, submission_id
from ledger.types import ROLES, BuildingIdentifier, Role, Roster, Seal, UnitProject

__all__ = [
    "EVIDENCE_FORMAT",
    "MAX_BUNDLE_BYTES",
    "AcceptanceItem",
    "AnchorAttestation",
    "EvidenceBundle",
    "UnknownItemError",
]

EVIDENCE_FORMAT = "yunshang-evidence/v1"
MAX_BUNDLE_BYTES = 1 << 20

# Items in their order, each with how often it may occur.
_ITEMS: Mapping[str, tuple[int, int]] = {
    "entry": (1, 1),
    "inclusion_proof": (1, 1),
    "statement": (1, 1),
    "building": (1, 1),
    "unit_project": (1, 1),
    "roster": (1, 1),
    "seal": (5, 5),
    "certificate": (1, 7),
    "revocation_status": (0, MAX_STATUSES),
    "timestamp": (0, 1),
    "acceptance": (0, 1),
    "anchor_attestation": (0, 1),
    "anchor_proof": (0, 1),
    "element": (0, 1),
}
_SEAL = ("signing_time", "signature", "certificate")


@dataclass(frozen=True, slots=True)
class AcceptanceItem:
    """The archive's acceptance: accession number (总登记号) and the archive's seal over `Acceptance`."""

    accession_number: str
    seal: Seal

    def __post_init__(self) -> None:
        self.statement(bytes(32))  # the statement's own rules

    def statement(self, submission: bytes) -> Acceptance:
        """Return what was sealed, for a submission id of 32 bytes."""
        return Acceptance(submission, self.accession_number)


@dataclass(frozen=True, slots=True)
class AnchorAttestation:
    """The archive's word on where a submission is recorded, sealed over `Anchored`.

    Attributes:
        seals_hash: 32 bytes.
        block_number: number of the block.
        block_hash: 32 bytes.
        block_time: unix seconds.
        seal: the archive's seal.
    """

    seals_hash: bytes
    block_number: int = field(kw_only=True)
    block_hash: bytes = field(kw_only=True)
    block_time: int = field(kw_only=True)
    seal: Seal = field(kw_only=True)

    def statement(self, submission: bytes) -> Anchored:
        """Return what was sealed, for a submission id of 32 bytes."""
        return Anchored(submission, self.seals_hash, self.block_number, self.block_hash, self.block_time)


@dataclass(frozen=True, slots=True)
class EvidenceBundle:
    """One document's evidence.

    Attributes:
        entry: the document's entry.
        proof: its place in the documents tree.
        domain: the ledger the statement names.
        statement: what the five parties sealed.
        unit_project: preimages of the building's and the unit project's keys.
        roster: preimage of the roster hash.
        seals: five, in role order.
        certificates: DER by certificate id (32 bytes), ordered by id, each used by a seal.
        statuses: what issuers say of the parties' certificates, ordered by the first one's id; each of one at most.
        timestamp: RFC 3161 token over the five signatures, DER, or None.
        acceptance: the archive's acceptance, or None.
        anchor: the archive's attestation of the anchor, or None.
        anchor_proof: the block that has it, and those that follow, or None.
        element: one element of the model that the document is, or None.

    Raises:
        MalformedError: seals not five in role order; certificates missing, unused or out of order; a status of a
            certificate that no party's seal names, or two of one, or out of order.
    """

    entry: DocumentEntry
    proof: InclusionProof
    domain: LedgerDomain = field(kw_only=True)
    statement: SubmissionStatement = field(kw_only=True)
    unit_project: UnitProject = field(kw_only=True)
    roster: Roster = field(kw_only=True)
    seals: tuple[Seal, ...] = field(kw_only=True)
    certificates: Mapping[bytes, bytes] = field(kw_only=True)
    statuses: tuple[RevocationStatus, ...] = field(default=(), kw_only=True)
    timestamp: bytes | None = field(default=None, kw_only=True)
    acceptance: AcceptanceItem | None = field(default=None, kw_only=True)
    anchor: AnchorAttestation | None = field(default=None, kw_only=True)
    anchor_proof: AnchorProof | None = field(default=None, kw_only=True)
    element: ElementItem | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if tuple(seal.role for seal in self.seals) != ROLES:
            raise MalformedError("expected five seals in role order", code="misplaced_item", where="seal")
        if list(self.certificates) != sorted(self.certificates):
            raise MalformedError("expected certificates ordered by id", code="misplaced_item", where="certificate")
        used = {seal.certificate_id for seal in self._all_seals()}
        for certificate in sorted(used ^ self.certificates.keys()):
            met = "unused" if certificate in self.certificates else "missing"
            raise MalformedError(
                f"expected exactly the certificates that seals name, got {met} {certificate.hex()}",
                code=f"{met}_item",
                where="certificate",
                actual=certificate,
            )
        parties = {seal.certificate_id for seal in self.seals}
        spoken_of = [certificate for status in self.statuses for certificate in status.certificates]
        if not parties.issuperset(spoken_of):
            raise MalformedError("expected statuses of the parties' certificates, got another's", code="unused_item")
        if len(set(spoken_of)) < len(spoken_of) or len({status.data for status in self.statuses}) < len(self.statuses):
            raise MalformedError("expected one status of a certificate, each once, got more", code="repeated_item")
        first = [status.certificates[0] for status in self.statuses]
        if first != sorted(first):
            raise MalformedError("expected statuses ordered by certificate", code="misplaced_item", where="status")

    def _all_seals(self) -> list[Seal]:
        archive = [item.seal for item in (self.acceptance, self.anchor) if item is not None]
        return [*self.seals, *archive]

    @property
    def payload(self) -> bytes:
        """The 66 bytes that the five parties sealed."""
        return self.statement.payload(self.domain)

    @property
    def submission_id(self) -> bytes:
        """keccak256 of the payload, 32 bytes."""
        return submission_id(self.payload)

    @property
    def seals_hash(self) -> bytes:
        """keccak256 over the five seals, 32 bytes."""
        return seals_hash(self.seals)

    def certificate_of(self, seal: Seal) -> bytes:
        """Return the DER of a seal's certificate."""
        return self.certificates[seal.certificate_id]

    def status_of(self, seal: Seal) -> RevocationStatus | None:
        """Return what its issuer says of a seal's certificate, or None."""
        return next((status for status in self.statuses if seal.certificate_id in status.certificates), None)

    @classmethod
    def build(
        cls,
        entry: DocumentEntry,
        proof: InclusionProof,
        *,
        domain: LedgerDomain,
        statement: SubmissionStatement,
        unit_project: UnitProject,
        roster: Roster,
        seals: Iterable[Seal],
        certificates: Iterable[bytes],
        statuses: Iterable[RevocationStatus] = (),
        timestamp: bytes | None = None,
        acceptance: AcceptanceItem | None = None,
        anchor: AnchorAttestation | None = None,
        element: ElementItem | None = None,
    ) -> EvidenceBundle:
        """Build a bundle.

        Args:
            entry: the document's entry.
            proof: its place in the documents tree.
            domain: the ledger.
            statement: what was sealed.
            unit_project: the unit project and its building.
            roster: the five parties, names as in their certificates.
            seals: five, in role order.
            certificates: DER of every seal's certificate in any order, the same one as often as it comes.
            statuses: what issuers say of the parties' certificates, in any order.
            timestamp: token over the five signatures.
            acceptance: the archive's acceptance, once there is one.
            anchor: the archive's attestation, once there is one.
            element: one element of the model that the document is.

        Raises:
            MalformedError: see the class.
        """
        by_id = {sha256(der).digest(): der for der in certificates}
        return cls(
            entry,
            proof,
            domain=domain,
            statement=statement,
            unit_project=unit_project,
            roster=roster,
            seals=tuple(seals),
            certificates=dict(sorted(by_id.items())),
            statuses=tuple(sorted(statuses, key=lambda status: status.certificates[0])),
            timestamp=timestamp,
            acceptance=acceptance,
            anchor=anchor,
            element=element,
        )

    def to_bytes(self) -> bytes:
        """Return the bundle's canonical bytes."""
        return canonical_bytes(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return the bundle's JSON object."""
        items: list[dict[str, Any]] = [
            {"type": "entry", "entry": self.entry.to_json()},
            inclusion_json("inclusion_proof", self.proof),
            {
                "type": "statement",
                "chain_id": self.domain.chain_id,
                "verifying_contract": fields.prefixed_hex(self.domain.verifying_contract),
                "message": self.statement.to_json(),
            },
            {"type": "building", **self.unit_project.building.to_json()},
            {"type": "unit_project", "code": self.unit_project.code},
            {"type": "roster", **self.roster.to_json()},
            *({"type": "seal", **seal.to_json()} for seal in self.seals),
            *({"type": "certificate", "der": fields.base64_text(der)} for der in self.certificates.values()),
            *({"type": "revocation_status", **status.to_json()} for status in self.statuses),
        ]
        if self.timestamp is not None:
            items.append({"type": "timestamp", "token": fields.base64_text(self.timestamp)})
        if self.acceptance is not None:
            items.append(
                {
                    "type": "acceptance",
                    "accession_number": self.acceptance.accession_number,
                    "seal": self.acceptance.seal.to_json(),
                }
            )
        if self.anchor is not None:
            items.append(
                {
                    "type": "anchor_attestation",
                    "seals_hash": fields.prefixed_hex(self.anchor.seals_hash),
                    "block_number": self.anchor.block_number,
                    "block_hash": fields.prefixed_hex(self.anchor.block_hash),
                    "block_time": self.anchor.block_time,
                    "seal": self.anchor.seal.to_json(),
                }
            )
        if self.anchor_proof is not None:
            items.append({"type": "anchor_proof", **self.anchor_proof.to_json()})
        if self.element is not None:
            items.append({"type": "element", **self.element.to_json()})
        return {"format": EVIDENCE_FORMAT, "items": items}

    @classmethod
    def parse(cls, data: bytes) -> EvidenceBundle:
        """Read a bundle strictly.

        Args:
            data: at most `MAX_BUNDLE_BYTES`.

        Raises:
            UnknownItemError: an item type or version this reader does not know.
            MalformedError: not canonical JSON; an item missing, repeated, misplaced or unused; a value of another form.
            PolicyError: `joint_appointment`.
        """
        if len(data) > MAX_BUNDLE_BYTES:
            raise MalformedError(f"expected at most {MAX_BUNDLE_BYTES} bytes, got {len(data)}", code="too_large")
        root = fields.members(parse_canonical(data), ("format", "items"), "bundle")
        version = fields.text(root["format"], "bundle.format")
        if version != EVIDENCE_FORMAT:
            if version.startswith("yunshang-evidence/"):
                raise UnknownItemError(f"expected {EVIDENCE_FORMAT}, got {version!r}", code="unknown_format")
            raise MalformedError(f"expected {EVIDENCE_FORMAT}, got {version!r}", where="bundle.format")
        items = sorted_items(fields.sequence_of(root["items"], "items"), _ITEMS)
        statement = one_item(items, "statement", ("chain_id", "verifying_contract", "message"))
        building = one_item(items, "building", ("scheme", "value"))
        unit_project = one_item(items, "unit_project", ("code",))
        roster = one_item(items, "roster", ("organisations", "joint_appointments"))
        return cls(
            DocumentEntry.from_json(one_item(items, "entry", ("entry",))["entry"]),
            inclusion_item(items, "inclusion_proof"),
            domain=LedgerDomain(
                fields.integer(statement["chain_id"], "statement.chain_id", low=1),
                fields.prefixed_bytes(statement["verifying_contract"], "statement.verifying_contract", length=20),
            ),
            statement=SubmissionStatement.from_json(statement["message"], "statement.message"),
            unit_project=UnitProject(
                BuildingIdentifier(building["scheme"], building["value"]),
                fields.text(unit_project["code"], "unit_project.code"),
            ),
            roster=Roster.from_json(roster),
            seals=_seals(items["seal"]),
            certificates=_certificates(items["certificate"]),
            statuses=tuple(
                RevocationStatus.from_json(value, f"revocation_status[{index}]")
                for index, value in enumerate(items["revocation_status"])
            ),
            timestamp=timestamp_token(items["timestamp"]),
            acceptance=_acceptance(items),
            anchor=_anchor(items),
            anchor_proof=AnchorProof.from_json(items["anchor_proof"][0]) if items["anchor_proof"] else None,
            element=_element(items),
        )


def _seals(values: list[dict[str, Any]]) -> tuple[Seal, ...]:
    seals = []
    for index, value in enumerate(values):
        where = f"seal[{index}]"
        seal = dict(fields.members(value, ("role", *_SEAL), where))
        role = Role(fields.one_of(seal.pop("role"), ROLES, f"{where}.role"))
        seals.append(Seal.from_json(seal, where, role=role))
    return tuple(seals)


def _certificates(values: list[dict[str, Any]]) -> dict[bytes, bytes]:
    certificates: dict[bytes, bytes] = {}
    for index, value in enumerate(values):
        where = f"certificate[{index}]"
        der = fields.base64_bytes(fields.members(value, ("der",), where)["der"], f"{where}.der")
        certificate = sha256(der).digest()
        if certificate in certificates:
            raise MalformedError("expected each certificate once", code="repeated_item", where=where)
        certificates[certificate] = der
    return certificates


def _acceptance(items: Mapping[str, list[dict[str, Any]]]) -> AcceptanceItem | None:
    if not items["acceptance"]:
        return None
    item = one_item(items, "acceptance", ("accession_number", "seal"))
    return AcceptanceItem(
        fields.text(item["accession_number"], "acceptance.accession_number"),
        Seal.from_json(item["seal"], "acceptance.seal", role=None),
    )


def _anchor(items: Mapping[str, list[dict[str, Any]]]) -> AnchorAttestation | None:
    where = "anchor_attestation"
    if not items[where]:
        return None
    item = one_item(items, where, ("seals_hash", "block_number", "block_hash", "block_time", "seal"))
    return AnchorAttestation(
        fields.prefixed_bytes(item["seals_hash"], f"{where}.seals_hash"),
        block_number=fields.integer(item["block_number"], f"{where}.block_number"),
        block_hash=fields.prefixed_bytes(item["block_hash"], f"{where}.block_hash"),
        block_time=fields.integer(item["block_time"], f"{where}.block_time"),
        seal=Seal.from_json(item["seal"], f"{where}.seal", role=None),
    )


def _element(items: Mapping[str, list[dict[str, Any]]]) -> ElementItem | None:
    if not items["element"]:
        return None
    try:
        return ElementItem.from_json(items["element"][0])
    except UnknownFormatError as error:
        raise UnknownItemError(str(error), code=error.code) from error
