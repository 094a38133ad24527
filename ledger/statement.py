"""The sealed statements: EIP-712 messages and their 66-byte payloads.

One table says each statement's members in order; type hash, struct hash, JSON and the EIP-712
document all follow from it. Source: EIP-712, docs/formats.md section 6.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from functools import lru_cache
from typing import Any, ClassVar, Self, TypeAlias

from ledger import fields
from ledger.canonical import canonical_bytes
from ledger.errors import MalformedError, MismatchError
from ledger.hashing import keccak256
from ledger.manifest import Manifest
from ledger.types import ROLES, Role, Seal

__all__ = [
    "DOMAIN_NAME",
    "DOMAIN_VERSION",
    "MAX_ACCESSION_NUMBER_BYTES",
    "PAYLOAD_BYTES",
    "Acceptance",
    "Anchored",
    "Capture",
    "LedgerDomain",
    "Return",
    "ReturnReason",
    "Statement",
    "SubmissionStatement",
    "Withdrawal",
    "check_statement",
    "return_reasons",
    "seals_hash",
    "submission_id",
    "submission_statement",
    "typed_data",
    "withdrawal_reason",
]

DOMAIN_NAME = "Yunshang ArchiveLedger"
DOMAIN_VERSION = "1"
PAYLOAD_BYTES = 66
MAX_ACCESSION_NUMBER_BYTES = 64
_DOMAIN_TYPE = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
_MAX_UINT64 = 2**64 - 1
_STREAM = re.compile(r"[a-z]{1,40}\Z")


def _encode_type(name: str, members: Sequence[tuple[str, str]]) -> bytes:
    return f"{name}({','.join(f'{kind} {member}' for member, kind in members)})".encode("ascii")


def _encode_value(kind: str, value: Any) -> bytes:
    if kind in ("uint64", "uint256"):
        return int(value).to_bytes(32, "big")
    if kind == "bytes32":
        return bytes(value)
    if kind == "address":
        return bytes(value).rjust(32, b"\x00")
    return keccak256(value.encode("utf-8") if kind == "string" else bytes(value))


@dataclass(frozen=True, slots=True)
class LedgerDomain:
    """The ledger a statement belongs to.

    Attributes:
        chain_id: chain id, from 1 to 2^53−1.
        verifying_contract: address of the ArchiveLedger, 20 bytes.
    """

    chain_id: int
    verifying_contract: bytes

    def __post_init__(self) -> None:
        fields.integer(self.chain_id, "chain_id", low=1)
        if len(self.verifying_contract) != 20:
            raise MalformedError(f"expected 20 bytes, got {len(self.verifying_contract)}", where="verifying_contract")

    @property
    def separator(self) -> bytes:
        """EIP-712 domain separator, 32 bytes."""
        return _separator(self)


@lru_cache(maxsize=64)
def _separator(domain: LedgerDomain) -> bytes:
    values = (DOMAIN_NAME, DOMAIN_VERSION, domain.chain_id, domain.verifying_contract)
    return keccak256(
        _type_hash("EIP712Domain", _DOMAIN_TYPE)
        + b"".join(_encode_value(kind, value) for (_, kind), value in zip(_DOMAIN_TYPE, values, strict=True))
    )


@lru_cache(maxsize=64)
def _type_hash(name: str, members: tuple[tuple[str, str], ...]) -> bytes:
    return keccak256(_encode_type(name, members))


@dataclass(frozen=True, slots=True)
class _Struct:
    """What all statements share; each class names its members in EIP-712 order."""

    primary_type: ClassVar[str]
    members: ClassVar[tuple[tuple[str, str], ...]]

    def __post_init__(self) -> None:
        for (name, kind), value in zip(self.members, self._values(), strict=True):
            where = f"{self.primary_type}.{name}"
            if kind == "uint64":
                fields.integer(value, where, high=_MAX_UINT64)
            elif kind == "string":
                fields.text(value, where)
            elif not isinstance(value, bytes) or (kind == "bytes32" and len(value) != 32):
                raise MalformedError(f"expected {kind}, got {value!r}", where=where)

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, item.name) for item in dataclass_fields(self))

    @property
    def struct_hash(self) -> bytes:
        """EIP-712 hashStruct, 32 bytes."""
        return _struct_hash(self)

    def payload(self, domain: LedgerDomain) -> bytes:
        """Return the sealed payload, 66 bytes: 0x1901 ‖ domain separator ‖ struct hash."""
        return b"\x19\x01" + domain.separator + self.struct_hash

    def to_json(self) -> dict[str, Any]:
        """Return the members in camelCase: bytes as 0x hex, uint64 as integers."""
        return {
            name: fields.prefixed_hex(value) if isinstance(value, bytes) else value
            for (name, _), value in zip(self.members, self._values(), strict=True)
        }

    @classmethod
    def from_json(cls, value: Any, where: str = "message") -> Self:
        """Read what `to_json` writes.

        Raises:
            MalformedError: a member missing, unknown or of another form.
        """
        message = fields.members(value, [name for name, _ in cls.members], where)
        return cls(*(_read_value(kind, message[name], f"{where}.{name}") for name, kind in cls.members))


@lru_cache(maxsize=256)  # a verification asks for the same statement's several times
def _struct_hash(statement: _Struct) -> bytes:
    return keccak256(
        _type_hash(statement.primary_type, statement.members)
        + b"".join(
            _encode_value(kind, value) for (_, kind), value in zip(statement.members, statement._values(), strict=True)
        )
    )


def _read_value(kind: str, value: Any, where: str) -> Any:
    if kind == "uint64":
        return fields.integer(value, where)
    if kind == "string":
        return fields.text(value, where)
    return fields.prefixed_bytes(value, where, length=32 if kind == "bytes32" else None)


@dataclass(frozen=True, slots=True)
class SubmissionStatement(_Struct):
    """What the five parties seal.

    Attributes:
        building_key: 32 bytes.
        unit_project_key: 32 bytes.
        roster_hash: 32 bytes.
        sequence: from 1 within the unit project.
        previous: id of the last anchored submission, or 32 zero bytes.
        manifest_sha256: digest of the manifest's canonical bytes.
        documents_root: 32 bytes.
        document_count: at least 1.
        bim_root: 32 bytes.
        content_cid: binary CIDv1 of the content directory, 36 bytes.
        seal_by: unix seconds after which nothing is recorded.

    Raises:
        MalformedError: a member of another form, a sequence or count of zero, another CID version.
    """

    primary_type: ClassVar[str] = "Submission"
    members: ClassVar[tuple[tuple[str, str], ...]] = (
        ("buildingKey", "bytes32"),
        ("unitProjectKey", "bytes32"),
        ("rosterHash", "bytes32"),
        ("sequence", "uint64"),
        ("previous", "bytes32"),
        ("manifestSha256", "bytes32"),
        ("documentsRoot", "bytes32"),
        ("documentCount", "uint64"),
        ("bimRoot", "bytes32"),
        ("contentCid", "bytes"),
        ("sealBy", "uint64"),
    )
    building_key: bytes
    unit_project_key: bytes
    roster_hash: bytes
    sequence: int
    previous: bytes
    manifest_sha256: bytes
    documents_root: bytes
    document_count: int
    bim_root: bytes
    content_cid: bytes
    seal_by: int

    def __post_init__(self) -> None:
        _Struct.__post_init__(self)
        fields.integer(self.sequence, "Submission.sequence", low=1)
        fields.integer(self.document_count, "Submission.documentCount", low=1)
        if len(self.content_cid) != 36 or self.content_cid[:4] != b"\x01\x70\x12\x20":
            raise MalformedError(
                "expected a binary CIDv1 of a directory (0x01701220 and 32 bytes), got "
                f"{fields.prefixed_hex(self.content_cid)}",
                where="Submission.contentCid",
            )


@dataclass(frozen=True, slots=True)
class Acceptance(_Struct):
    """The archive accepts: submission id (32 bytes) and accession number (总登记号, 1 to 64 bytes of UTF-8)."""

    primary_type: ClassVar[str] = "Acceptance"
    members: ClassVar[tuple[tuple[str, str], ...]] = (
        ("submissionId", "bytes32"),
        ("accessionNumber", "string"),
    )
    submission_id: bytes
    accession_number: str

    def __post_init__(self) -> None:
        _Struct.__post_init__(self)
        length = len(self.accession_number.encode("utf-8"))
        if length > MAX_ACCESSION_NUMBER_BYTES:
            raise MalformedError(
                f"expected an accession number of at most {MAX_ACCESSION_NUMBER_BYTES} bytes, got {length}",
                where="Acceptance.accessionNumber",
                expected=MAX_ACCESSION_NUMBER_BYTES,
                actual=length,
            )


@dataclass(frozen=True, slots=True)
class Return(_Struct):
    """The archive returns: submission id and SHA-256 of the canonical reasons, 32 bytes each."""

    primary_type: ClassVar[str] = "Return"
    members: ClassVar[tuple[tuple[str, str], ...]] = (
        ("submissionId", "bytes32"),
        ("reasonsSha256", "bytes32"),
    )
    submission_id: bytes
    reasons_sha256: bytes


@dataclass(frozen=True, slots=True)
class Withdrawal(_Struct):
    """A party withdraws before recording: submission id and SHA-256 of the canonical reason."""

    primary_type: ClassVar[str] = "Withdrawal"
    members: ClassVar[tuple[tuple[str, str], ...]] = (
        ("submissionId", "bytes32"),
        ("reasonSha256", "bytes32"),
    )
    submission_id: bytes
    reason_sha256: bytes


@dataclass(frozen=True, slots=True)
class Anchored(_Struct):
    """The archive states where a submission is recorded.

    Attributes:
        submission_id: 32 bytes.
        seals_hash: 32 bytes, see `seals_hash`.
        block_number: number of the block.
        block_hash: 32 bytes.
        block_time: unix seconds.
    """

    primary_type: ClassVar[str] = "Anchored"
    members: ClassVar[tuple[tuple[str, str], ...]] = (
        ("submissionId", "bytes32"),
        ("sealsHash", "bytes32"),
        ("blockNumber", "uint64"),
        ("blockHash", "bytes32"),
        ("blockTime", "uint64"),
    )
    submission_id: bytes
    seals_hash: bytes
    block_number: int
    block_hash: bytes
    block_time: int


@dataclass(frozen=True, slots=True)
class Capture(_Struct):
    """A party reports records (supply events, payments, data sets) into a stream; off chain.

    Attributes:
        building_key: of the building that the stream is about, 32 bytes; zero: the archive's own stream.
        stream: its name, such as `supply`; 1 to 40 signs of a-z.
        records_root: RFC 9162 root over the records' canonical bytes, 32 bytes.
        record_count: at least 1.
    """

    primary_type: ClassVar[str] = "Capture"
    members: ClassVar[tuple[tuple[str, str], ...]] = (
        ("buildingKey", "bytes32"),
        ("stream", "string"),
        ("recordsRoot", "bytes32"),
        ("recordCount", "uint64"),
    )
    building_key: bytes
    stream: str
    records_root: bytes
    record_count: int

    def __post_init__(self) -> None:
        _Struct.__post_init__(self)
        fields.integer(self.record_count, "Capture.recordCount", low=1)
        if not _STREAM.match(self.stream):
            raise MalformedError("expected 1 to 40 signs of a-z, got others", where="Capture.stream")


Statement: TypeAlias = SubmissionStatement | Acceptance | Return | Withdrawal | Anchored | Capture


def submission_id(payload: bytes) -> bytes:
    """Return the submission id, 32 bytes: keccak256 of the 66-byte payload of a Submission."""
    return keccak256(payload)


def seals_hash(seals: Sequence[Seal]) -> bytes:
    """Return keccak256(abi.encode(Seal[5])), 32 bytes, of five seals in role order.

    Raises:
        MalformedError: not the five roles in order.
    """
    if tuple(seal.role for seal in seals) != ROLES:
        raise MalformedError("expected five seals in role order", code="seal_roles")
    return keccak256(b"".join(seal.words for seal in seals))


def typed_data(domain: LedgerDomain, statement: Statement) -> dict[str, Any]:
    """Return the EIP-712 document that wallets and eth_account take.

    Args:
        domain: the ledger.
        statement: any statement.

    Returns:
        `{"types", "primaryType", "domain", "message"}`; bytes as 0x hex, numbers as integers.
    """
    return {
        "types": {
            "EIP712Domain": [{"name": name, "type": kind} for name, kind in _DOMAIN_TYPE],
            statement.primary_type: [{"name": name, "type": kind} for name, kind in statement.members],
        },
        "primaryType": statement.primary_type,
        "domain": {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": domain.chain_id,
            "verifyingContract": fields.prefixed_hex(domain.verifying_contract),
        },
        "message": statement.to_json(),
    }


def submission_statement(manifest: Manifest, *, content_cid: bytes, seal_by: int) -> SubmissionStatement:
    """Build the statement over a manifest.

    Args:
        manifest: the handover.
        content_cid: binary CIDv1 of its content directory, 36 bytes.
        seal_by: unix seconds.
    """
    commitments = manifest.commitments()
    return SubmissionStatement(
        commitments.building_key,
        commitments.unit_project_key,
        commitments.roster_hash,
        manifest.sequence,
        manifest.previous or bytes(32),
        commitments.manifest_sha256,
        commitments.documents_root,
        commitments.document_count,
        commitments.bim_root,
        content_cid,
        seal_by,
    )


def check_statement(statement: SubmissionStatement, manifest: Manifest, *, content_cid: bytes) -> None:
    """Check a statement against what a sealer computed from the files: nobody seals blind.

    Args:
        statement: what is to be sealed; its `seal_by` is taken as given.
        manifest: built from the files.
        content_cid: binary CIDv1 computed from the files, 36 bytes.

    Raises:
        MismatchError: `commitment_mismatch`, `where` naming the member in camelCase.
    """
    own = submission_statement(manifest, content_cid=content_cid, seal_by=statement.seal_by)
    given, computed = statement.to_json(), own.to_json()
    for name, expected in computed.items():
        if given[name] != expected:
            raise MismatchError(
                f"expected {expected} from the files, got {given[name]}",
                code="commitment_mismatch",
                where=name,
                expected=expected,
                actual=given[name],
            )


@dataclass(frozen=True, slots=True)
class ReturnReason:
    """Why the archive returns a document (leaf index) or, with None, the whole submission."""

    leaf_index: int | None
    reason: str


def return_reasons(submission: bytes, reasons: Sequence[ReturnReason]) -> bytes:
    """Return the canonical JSON whose SHA-256 a Return commits to.

    Args:
        submission: submission id, 32 bytes.
        reasons: at least one.
    """
    if not reasons:
        raise MalformedError("expected at least one reason, got none", code="empty")
    return canonical_bytes(
        {
            "format": "yunshang-return/v1",
            "submission": fields.prefixed_hex(submission),
            "reasons": [
                {"leaf_index": item.leaf_index, "reason": fields.text(item.reason, "reason", lines=True)}
                for item in reasons
            ],
        }
    )


def withdrawal_reason(submission: bytes, role: Role, reason: str) -> bytes:
    """Return the canonical JSON whose SHA-256 a Withdrawal commits to."""
    return canonical_bytes(
        {
            "format": "yunshang-withdrawal/v1",
            "submission": fields.prefixed_hex(submission),
            "role": role.value,
            "reason": fields.text(reason, "reason", lines=True),
        }
    )
