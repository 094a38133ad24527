"""Sealed captures, `yunshang-capture/v1`: records that a party reports into a stream, under that party's seal.

Source: docs/streams.md sections 2 and 3. What a record means is its stream's own business; here it is canonical JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from ledger import fields
from ledger.canonical import canonical_bytes, canonical_record, parse_record
from ledger.errors import MalformedError, MismatchError
from ledger.hashing import keccak256
from ledger.merkle import InclusionProof, inclusion_proof, leaf_hash, root_hash
from ledger.statement import Capture, LedgerDomain
from ledger.types import Seal

__all__ = [
    "CAPTURE_FORMAT",
    "MAX_CAPTURE_BYTES",
    "MAX_RECORDS",
    "MAX_RECORDS_BYTES",
    "MAX_RECORD_BYTES",
    "SealedCapture",
    "capture_bytes",
    "capture_id",
    "capture_statement",
    "records_root",
]

CAPTURE_FORMAT: Final = "yunshang-capture/v1"
MAX_RECORDS: Final = 10_000
MAX_RECORD_BYTES: Final = 64 << 10
MAX_CAPTURE_BYTES: Final = 32 << 20
MAX_RECORDS_BYTES: Final = MAX_CAPTURE_BYTES - (64 << 10)
"""Of all records of a capture, with a comma each: the rest is for statement, seal and certificate."""


def capture_statement(building_key: bytes | None, stream: str, records: Sequence[bytes]) -> Capture:
    """What a party seals over records.

    Args:
        building_key: 32 bytes; None: a stream of the archive's own.
        stream: the stream's name.
        records: canonical JSON of each, in order.

    Raises:
        MalformedError: see `records_root`.
    """
    return Capture(building_key or bytes(32), stream, records_root(records), len(records))


def records_root(records: Sequence[bytes]) -> bytes:
    """The root of records, 32 bytes, if they may be of one capture.

    Args:
        records: canonical JSON of each, in order.

    Raises:
        MalformedError: no record, more than `MAX_RECORDS` (code `too_many_records`), one of more than
            `MAX_RECORD_BYTES` (`record_too_large`), or all of more than `MAX_RECORDS_BYTES` (`too_large`).
    """
    if not 1 <= len(records) <= MAX_RECORDS:
        raise MalformedError(f"expected 1 to {MAX_RECORDS} records, got {len(records)}", code="too_many_records")
    for index, record in enumerate(records):
        if len(record) > MAX_RECORD_BYTES:
            raise MalformedError(
                f"expected records of at most {MAX_RECORD_BYTES} bytes, got {len(record)}",
                code="record_too_large",
                where=f"records[{index}]",
            )
    total = sum(map(len, records)) + len(records)
    if total > MAX_RECORDS_BYTES:
        raise MalformedError(
            f"expected records of at most {MAX_RECORDS_BYTES} bytes in all, got {total}", code="too_large"
        )
    return root_hash([leaf_hash(record) for record in records])


def capture_id(payload: bytes) -> bytes:
    """Return a capture's id, 32 bytes: keccak256 of the 66 bytes that were sealed."""
    return keccak256(payload)


@dataclass(frozen=True, slots=True)
class SealedCapture:
    """Records with what their reporter sealed.

    Attributes:
        domain: the ledger that the statement is sealed for.
        statement: over these records.
        seal: the reporter's; its role is None.
        certificate: DER of the seal's certificate.
        records: canonical JSON of each.

    Raises:
        MalformedError: see `capture_statement`; the certificate is not the seal's.
        MismatchError: the statement is about other records (code `records_root`).
    """

    domain: LedgerDomain
    statement: Capture
    seal: Seal = field(kw_only=True)
    certificate: bytes = field(kw_only=True)
    records: tuple[bytes, ...] = field(kw_only=True)

    def __post_init__(self) -> None:
        own = capture_statement(self.statement.building_key, self.statement.stream, self.records)
        if own != self.statement:
            raise MismatchError("expected a statement over these records, got another", code="records_root")
        if sha256(self.certificate).digest() != self.seal.certificate_id:
            raise MalformedError("expected the seal's certificate, got another", where="seal.certificate")

    @property
    def payload(self) -> bytes:
        """The 66 bytes that were sealed."""
        return self.statement.payload(self.domain)

    @property
    def capture_id(self) -> bytes:
        """keccak256 of the payload, 32 bytes."""
        return capture_id(self.payload)

    def proof(self, index: int) -> InclusionProof:
        """Prove one record under the statement's `records_root`."""
        return inclusion_proof([leaf_hash(record) for record in self.records], index)

    def to_bytes(self) -> bytes:
        """Return canonical JSON: `domain`, `format`, `records`, `seal`, `statement`."""
        return capture_bytes(self.domain, self.statement, self.seal, self.certificate, b",".join(self.records))

    @classmethod
    def parse(cls, data: bytes) -> SealedCapture:
        """Read what `to_bytes` wrote; no seal is judged.

        Raises:
            MalformedError: not canonical, or a member missing, unknown or of another form.
            MismatchError: see the class.
        """
        if len(data) > MAX_CAPTURE_BYTES:
            raise MalformedError(f"expected at most {MAX_CAPTURE_BYTES} bytes, got {len(data)}", code="too_large")
        read = fields.members(parse_record(data), ("domain", "format", "records", "seal", "statement"), "capture")
        if read["format"] != CAPTURE_FORMAT:
            raise MalformedError(f"expected {CAPTURE_FORMAT}, got another format", where="capture.format")
        domain = fields.members(read["domain"], ("chain_id", "verifying_contract"), "capture.domain")
        found = cls(
            LedgerDomain(
                fields.integer(domain["chain_id"], "capture.domain.chain_id"),
                fields.prefixed_bytes(domain["verifying_contract"], "capture.domain.verifying_contract", length=20),
            ),
            Capture.from_json(read["statement"], "capture.statement"),
            seal=(seal := _seal(read["seal"]))[0],
            certificate=seal[1],
            records=tuple(canonical_record(item) for item in fields.sequence_of(read["records"], "capture.records")),
        )
        if found.to_bytes() != data:
            raise MalformedError("expected canonical JSON (RFC 8785), got another serialisation", code="not_canonical")
        return found

    def record(self, index: int) -> dict[str, Any]:
        """One record as JSON members.

        Raises:
            MalformedError: it is no object.
        """
        value = json.loads(self.records[index])
        if not isinstance(value, dict):
            raise MalformedError("expected an object, got something else", where=f"records[{index}]")
        return value


def capture_bytes(
    domain: LedgerDomain, statement: Capture, seal: Seal, certificate: bytes, joined_records: bytes
) -> bytes:
    """The bytes of a sealed capture, where it is known that the statement is over these records.

    Args:
        domain, statement, seal, certificate: as `SealedCapture` has them.
        joined_records: canonical JSON of each record, with commas between.
    """
    head = canonical_bytes(
        {
            "domain": {
                "chain_id": domain.chain_id,
                "verifying_contract": fields.prefixed_hex(domain.verifying_contract),
            },
            "format": CAPTURE_FORMAT,
        }
    )
    sealed = {
        "certificate": fields.base64_text(certificate),
        "signature": fields.base64_text(seal.signature),
        "signing_time": fields.utc_text(seal.signing_time),
    }
    tail = canonical_bytes({"seal": sealed, "statement": statement.to_json()})
    return head[:-1] + b',"records":[' + joined_records + b"]," + tail[1:]


def _seal(value: Any) -> tuple[Seal, bytes]:
    read = fields.members(value, ("certificate", "signature", "signing_time"), "capture.seal")
    certificate = fields.base64_bytes(read["certificate"], "capture.seal.certificate")
    seal = Seal(
        None,
        fields.utc_time(read["signing_time"], "capture.seal.signing_time"),
        fields.base64_bytes(read["signature"], "capture.seal.signature", length=64),
        sha256(certificate).digest(),
    )
    return seal, certificate
