"""The evidence bundle of a sealed record, `yunshang-record-evidence/v1`: an event, a payment, a version of a data set.

As `ledger.evidence` for documents, it holds all that proves one record and nothing a verifier must trust. Reading
checks form only; what the values prove is `ledger.record_verify`'s to say. Source: docs/formats.md section 14.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from ledger import fields
from ledger.canonical import canonical_bytes, canonical_record, parse_record
from ledger.capture import MAX_RECORD_BYTES, capture_id
from ledger.chain_proof.item import AnchorProof
from ledger.errors import MalformedError
from ledger.items import UnknownItemError, inclusion_item, inclusion_json, one_item, sorted_items
from ledger.log.record import RecordEntry
from ledger.merkle import InclusionProof
from ledger.seal_status import RevocationStatus
from ledger.statement import Capture, LedgerDomain
from ledger.types import Seal

__all__ = [
    "MAX_RECORD_BUNDLE_BYTES",
    "RECORD_EVIDENCE_FORMAT",
    "LaterCheckpoint",
    "RecordEvidence",
    "is_record_evidence",
]

RECORD_EVIDENCE_FORMAT: Final = "yunshang-record-evidence/v1"
MAX_RECORD_BUNDLE_BYTES: Final = 1 << 19
_FAMILY: Final = RECORD_EVIDENCE_FORMAT.rpartition("/")[0] + "/"
_PROOF_LIMIT: Final = 64

# Items in their order, each with how often it may occur.
_ITEMS: Final[Mapping[str, tuple[int, int]]] = {
    "record": (1, 1),
    "record_path": (1, 1),
    "statement": (1, 1),
    "seal": (1, 1),
    "certificate": (1, 1),
    "revocation_status": (0, 1),
    "entry": (1, 1),
    "log_path": (1, 1),
    "checkpoint": (1, 1),
    "later_checkpoint": (0, 1),
    "anchor_proof": (0, 1),
}


@dataclass(frozen=True, slots=True)
class LaterCheckpoint:
    """A later checkpoint of the log, such as one that is anchored, and the proof that it begins with the other.

    Attributes:
        note: signed.
        path: consistency proof of RFC 9162 section 2.1.4, 32 bytes each.
    """

    note: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RecordEvidence:
    """One record's evidence.

    Attributes:
        record: canonical JSON of the record, at most 65,536 bytes; an object.
        record_proof: its place among the capture's records.
        domain: the ledger that the statement names.
        statement: what the reporter sealed.
        seal: the reporter's; its role is None.
        certificate: DER of the seal's certificate.
        status: what its issuer says of it, or None.
        entry: the record's entry in the log.
        log_proof: the entry's place in the log.
        checkpoint: signed note of a checkpoint that covers it.
        later: a later checkpoint, or None.
        anchor_proof: the block that has the head of one of both, and those that follow, or None.

    Raises:
        MalformedError: the record is not canonical JSON of an object or too large; the certificate is not the seal's;
            the status is another certificate's.
    """

    record: bytes
    record_proof: InclusionProof
    domain: LedgerDomain = field(kw_only=True)
    statement: Capture = field(kw_only=True)
    seal: Seal = field(kw_only=True)
    certificate: bytes = field(kw_only=True)
    status: RevocationStatus | None = field(default=None, kw_only=True)
    entry: RecordEntry = field(kw_only=True)
    log_proof: InclusionProof = field(kw_only=True)
    checkpoint: bytes = field(kw_only=True)
    later: LaterCheckpoint | None = field(default=None, kw_only=True)
    anchor_proof: AnchorProof | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if len(self.record) > MAX_RECORD_BYTES:
            raise MalformedError(
                f"expected a record of at most {MAX_RECORD_BYTES} bytes, got {len(self.record)}",
                code="record_too_large",
                where="record",
            )
        value = parse_record(self.record)
        if not isinstance(value, dict) or canonical_record(value) != self.record:
            raise MalformedError("expected canonical JSON of an object, got something else", where="record")
        if sha256(self.certificate).digest() != self.seal.certificate_id:
            raise MalformedError("expected the seal's certificate, got another", where="certificate")
        if self.status is not None and self.status.certificates != (self.seal.certificate_id,):
            raise MalformedError("expected the status of the seal's certificate, got another's", code="unused_item")

    @property
    def payload(self) -> bytes:
        """The 66 bytes that the reporter sealed."""
        return self.statement.payload(self.domain)

    @property
    def capture_id(self) -> bytes:
        """keccak256 of the payload, 32 bytes."""
        return capture_id(self.payload)

    def to_bytes(self) -> bytes:
        """Return the bundle's canonical bytes."""
        return canonical_record(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return the bundle's JSON object."""
        items: list[dict[str, Any]] = [
            {"type": "record", "record": parse_record(self.record)},
            inclusion_json("record_path", self.record_proof),
            {
                "type": "statement",
                "chain_id": self.domain.chain_id,
                "verifying_contract": fields.prefixed_hex(self.domain.verifying_contract),
                "message": self.statement.to_json(),
            },
            {"type": "seal", **self.seal.to_json()},
            {"type": "certificate", "der": fields.base64_text(self.certificate)},
        ]
        if self.status is not None:
            items.append({"type": "revocation_status", **self.status.to_json()})
        items += [
            {"type": "entry", "entry": self.entry.to_json()},
            inclusion_json("log_path", self.log_proof),
            {"type": "checkpoint", "note": _note_text(self.checkpoint)},
        ]
        if self.later is not None:
            items.append(
                {
                    "type": "later_checkpoint",
                    "note": _note_text(self.later.note),
                    "path": [item.hex() for item in self.later.path],
                }
            )
        if self.anchor_proof is not None:
            items.append({"type": "anchor_proof", **self.anchor_proof.to_json()})
        return {"format": RECORD_EVIDENCE_FORMAT, "items": items}

    @classmethod
    def parse(cls, data: bytes) -> RecordEvidence:
        """Read a bundle strictly.

        Args:
            data: at most `MAX_RECORD_BUNDLE_BYTES`.

        Raises:
            UnknownItemError: an item type or version this reader does not know.
            MalformedError: not canonical JSON; an item missing, repeated, misplaced or unused; a value of another form.
        """
        if len(data) > MAX_RECORD_BUNDLE_BYTES:
            raise MalformedError(f"expected at most {MAX_RECORD_BUNDLE_BYTES} bytes, got {len(data)}", code="too_large")
        value = parse_record(data)
        if canonical_record(value) != data:
            raise MalformedError("expected canonical JSON (RFC 8785), got another serialisation", code="not_canonical")
        root = fields.members(value, ("format", "items"), "bundle")
        version = fields.text(root["format"], "bundle.format")
        if version != RECORD_EVIDENCE_FORMAT:
            if version.startswith(_FAMILY):
                raise UnknownItemError(f"expected {RECORD_EVIDENCE_FORMAT}, got {version!r}", code="unknown_format")
            raise MalformedError(f"expected {RECORD_EVIDENCE_FORMAT}, got {version!r}", where="bundle.format")
        items = sorted_items(fields.sequence_of(root["items"], "items"), _ITEMS)
        statement = one_item(items, "statement", ("chain_id", "verifying_contract", "message"))
        statuses = items["revocation_status"]
        return cls(
            canonical_record(one_item(items, "record", ("record",))["record"]),
            inclusion_item(items, "record_path"),
            domain=LedgerDomain(
                fields.integer(statement["chain_id"], "statement.chain_id", low=1),
                fields.prefixed_bytes(statement["verifying_contract"], "statement.verifying_contract", length=20),
            ),
            statement=Capture.from_json(statement["message"], "statement.message"),
            seal=Seal.from_json(items["seal"][0], "seal", role=None),
            certificate=fields.base64_bytes(one_item(items, "certificate", ("der",))["der"], "certificate.der"),
            status=RevocationStatus.from_json(statuses[0], "revocation_status") if statuses else None,
            entry=RecordEntry.parse(canonical_bytes(one_item(items, "entry", ("entry",))["entry"])),
            log_proof=inclusion_item(items, "log_path"),
            checkpoint=_note(one_item(items, "checkpoint", ("note",))["note"], "checkpoint.note"),
            later=_later(items),
            anchor_proof=AnchorProof.from_json(items["anchor_proof"][0]) if items["anchor_proof"] else None,
        )


def is_record_evidence(data: bytes) -> bool:
    """Whether bytes say of themselves that they are a record's evidence, of whatever version."""
    return data.startswith(f'{{"format":"{_FAMILY}'.encode())


def _later(items: Mapping[str, list[dict[str, Any]]]) -> LaterCheckpoint | None:
    if not items["later_checkpoint"]:
        return None
    item = one_item(items, "later_checkpoint", ("note", "path"))
    path = fields.sequence_of(item["path"], "later_checkpoint.path")
    if len(path) > _PROOF_LIMIT:
        raise MalformedError(f"expected at most {_PROOF_LIMIT} hashes, got {len(path)}", where="later_checkpoint.path")
    return LaterCheckpoint(
        _note(item["note"], "later_checkpoint.note"),
        tuple(fields.hex_bytes(one, f"later_checkpoint.path[{index}]") for index, one in enumerate(path)),
    )


def _note(value: Any, where: str) -> bytes:
    return fields.text(value, where, lines=True).encode()


def _note_text(note: bytes) -> str:
    try:
        return note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("expected a note in UTF-8, got other bytes", where="checkpoint.note") from error
