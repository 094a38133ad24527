"""A small log of sealed records made of fixed keys, for the vectors of record evidence and the tests of its verifier.

As in `sample_evidence`: every key comes from a public label, any value can be replaced, and a hostile bundle differs
from a good one in one thing only. Co-signatures are spelled out here by C2SP tlog-cosignature, without the code of
`ledger.log.witness`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from ledger.canonical import canonical_record
from ledger.capture import capture_id, capture_statement
from ledger.errors import MalformedError
from ledger.log.checkpoint import Checkpoint
from ledger.log.keys import LogSigner
from ledger.log.record import RecordEntry
from ledger.log.witness import WitnessKey
from ledger.merkle import consistency_ranges, inclusion_proof, leaf_hash, root_hash
from ledger.record_evidence import LaterCheckpoint, RecordEvidence
from ledger.seal_status import RevocationStatus
from ledger.statement import LedgerDomain
from ledger.supply.document import read_event
from ledger.trust import LogPin, TrustFile
from scripts.sample_evidence import (
    DOMAIN,
    SIGNING_TIME,
    UNIT_PROJECT,
    key_store,
    party_seal,
    trust_file,
)
from signing.keystore import InMemoryKeyStore

LOG = LogSigner.from_seed(hashlib.sha256(b"yunshang evidence/log").digest())
ANCHOR_SECONDS = 300
ENTERED = SIGNING_TIME + timedelta(seconds=30)
WITNESSED = SIGNING_TIME + timedelta(minutes=1)
SIZE, LATER_SIZE, FIRST_INDEX = 9, 13, 4
CONTEXT = ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"]


def event(index: int) -> dict[str, Any]:
    """Return an event: bars of one lot arrive on site, with a decimal quantity."""
    return {
        "@context": CONTEXT,
        "type": "ObjectEvent",
        "eventTime": f"2026-11-20T0{index}:30:00.000+08:00",
        "eventTimeZoneOffset": "+08:00",
        "action": "OBSERVE",
        "bizStep": "arriving",
        "quantityList": [
            {
                "epcClass": f"urn:epc:class:lgtin:4012345.01234{index}.LOT-2026-11",
                "quantity": 12.5 + index,
                "uom": "KGM",
            }
        ],
        "readPoint": {"id": "urn:epc:id:sgln:4012345.00001.0"},
    }


class Witness:
    """A witness with a key of its own.

    Args:
        name: its key name.
        seed: 32 bytes; by default out of the name.
    """

    def __init__(self, name: str, *, seed: bytes | None = None) -> None:
        self.signer = LogSigner.from_seed(seed or hashlib.sha256(f"yunshang evidence/{name}".encode()).digest())
        self.key = WitnessKey(name, self.signer.key)

    def blob(self, note: bytes, time: int) -> bytes:
        """Key id, time and signature over a note's text: 76 bytes."""
        text = note.partition(b"\n\n")[0] + b"\n"
        signature = self.signer.sign(f"cosignature/v1\ntime {time}\n".encode() + text)
        return self._id + time.to_bytes(8, "big") + signature

    def line(self, note: bytes, time: int) -> bytes:
        """The line that co-signs a note at a time, unix seconds."""
        return f"\u2014 {self.key.name} {base64.b64encode(self.blob(note, time)).decode()}\n".encode()

    def spelled(self, signature: bytes) -> bytes:
        """A line of this witness with any bytes after the key id."""
        return f"\u2014 {self.key.name} {base64.b64encode(self._id + signature).decode()}\n".encode()

    @property
    def _id(self) -> bytes:
        return hashlib.sha256(f"{self.key.name}\n\x04".encode() + self.signer.key.public).digest()[:4]


WITNESSES = (Witness("witness.example/w1"), Witness("witness.example/w2"))


def witness_trust(witnesses: Sequence[Witness] = WITNESSES, quorum: int | None = None) -> TrustFile:
    """Return a trust file that pins the log, and the witnesses given; the quorum is all of them by default."""
    base = trust_file()
    prefix = base.origin("", "").rstrip("/") + "/"
    pin = LogPin(
        prefix,
        LOG.key.public,
        ANCHOR_SECONDS,
        witnesses=tuple(witness.key for witness in witnesses),
        witness_quorum=len(witnesses) if quorum is None else quorum,
    )
    return replace(base, logs=(pin,))


@dataclass(frozen=True)
class Reported:
    """A capture within a log, and all that may be replaced in it.

    Attributes:
        records: what was sealed.
        record_ids: what they are called.
        stream, building_key: of the log; zero: the archive's own.
        key: of who reports.
        domain, sealed_domain: stated, and sealed if another one.
        edit_entry: members of the entry that differ.
        origin: the checkpoint's, if another one.
        signer: of the log.
        witnesses: who co-signs, at `witnessed`.
    """

    records: tuple[bytes, ...] = tuple(canonical_record(event(index)) for index in range(3))
    record_ids: tuple[str, ...] = ()
    stream: str = "supply"
    building_key: bytes = UNIT_PROJECT.building.key
    key: InMemoryKeyStore | None = None
    signing_time: datetime = SIGNING_TIME
    domain: LedgerDomain = DOMAIN
    sealed_domain: LedgerDomain | None = None
    edit_entry: tuple[tuple[str, Any], ...] = ()
    origin: str | None = None
    signer: LogSigner = LOG
    witnesses: tuple[Witness, ...] = WITNESSES
    witnessed: datetime = WITNESSED

    @cached_property
    def store(self) -> InMemoryKeyStore:
        """The key of who reports."""
        return self.key or key_store("contractor")

    @cached_property
    def entries(self) -> tuple[RecordEntry, ...]:
        """The capture's entries."""
        statement = capture_statement(self.building_key, self.stream, self.records)
        capture = capture_id(statement.payload(self.domain))
        made = []
        for index, record in enumerate(self.records):
            entry = RecordEntry(
                ENTERED,
                capture=capture,
                capture_cid="bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
                record_index=index,
                record_sha256=hashlib.sha256(record).digest(),
                record_id=self.record_ids[index] if self.record_ids else record_id(record),
                reporter=self.store.certificate.organisation_code,
            )
            made.append(replace(entry, **dict(self.edit_entry)))
        return tuple(made)

    @cached_property
    def leaves(self) -> tuple[bytes, ...]:
        """Leaf hashes of the log: the capture's entries among others."""
        others = [leaf_hash(f"entry {index}".encode()) for index in range(LATER_SIZE)]
        own = [leaf_hash(entry.canonical()) for entry in self.entries]
        return (*others[:FIRST_INDEX], *own, *others[FIRST_INDEX + len(own) :])

    @property
    def origin_line(self) -> str:
        """The origin of the log's checkpoints."""
        owner = "0x" + self.building_key.hex() if any(self.building_key) else "archive"
        return self.origin or trust_file().origin(owner, self.stream)

    def checkpoint(self, size: int) -> Checkpoint:
        """The checkpoint of a size."""
        return Checkpoint(self.origin_line, size, root_hash(self.leaves[:size]))

    def note(self, size: int) -> bytes:
        """The same, signed and co-signed."""
        note = self.checkpoint(size).sign(self.signer)
        time = int(self.witnessed.timestamp())
        return note + b"".join(witness.line(note, time) for witness in self.witnesses)

    def later(self, old: int = SIZE, size: int = LATER_SIZE) -> LaterCheckpoint:
        """A later checkpoint with its proof."""
        path = tuple(root_hash(self.leaves[first:end]) for first, end in consistency_ranges(old, size))
        return LaterCheckpoint(self.note(size), path)

    def bundle(
        self, index: int = 1, *, size: int = SIZE, later: bool = False, statuses: Iterable[RevocationStatus] = ()
    ) -> RecordEvidence:
        """Seal, enter and publish; return the evidence of one record.

        Args:
            index: which record.
            size: of the checkpoint.
            later: with a later checkpoint.
            statuses: what the issuer says of the certificate, one at most.
        """
        statement = capture_statement(self.building_key, self.stream, self.records)
        seal = party_seal(statement.payload(self.sealed_domain or self.domain), self.store, self.signing_time, None)
        return RecordEvidence(
            self.records[index],
            inclusion_proof([leaf_hash(record) for record in self.records], index),
            domain=self.domain,
            statement=statement,
            seal=seal,
            certificate=self.store.certificate.der,
            status=next(iter(statuses), None),
            entry=self.entries[index],
            log_proof=inclusion_proof(self.leaves[:size], FIRST_INDEX + index),
            checkpoint=self.note(size),
            later=self.later(size) if later else None,
        )


def record_id(record: bytes) -> str:
    """What a record is called: an event's hash id, or something of that form for what is none."""
    try:
        return read_event(record).hash_id
    except MalformedError:
        return f"ni:///sha-256;{hashlib.sha256(record).hexdigest()}?ver=CBV2.0"
